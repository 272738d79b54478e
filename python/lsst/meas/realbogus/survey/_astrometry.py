"""Mappings from pixels to the sky: tangent plane, rotation and radial distortion; and regions on the sky."""

from __future__ import annotations

__all__ = ("detector_projection", "make_wcs", "region_of", "shift_wcs")

import astropy.wcs
import numpy as np
from lsst.images import Box, DetectorFrame, SkyProjection
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d


def make_wcs(
    ra: float,
    dec: float,
    *,
    pixel_scale: float,
    axis: tuple[float, float] = (0.0, 0.0),
    rotation: float = 0.0,
    distortion: float = 0.0,
) -> astropy.wcs.WCS:
    """Make a TAN or TAN-SIP WCS.

    Parameters
    ----------
    ra, dec
        Where the optical axis points [degrees].
    pixel_scale
        Arcseconds per pixel.
    axis
        The optical axis in 0-based pixels (x, y).
    rotation
        Degrees, counter-clockwise.
    distortion
        Coefficient of the radial displacement of third order [pixels^-2].
    """
    wcs = astropy.wcs.WCS(naxis=2)
    wcs.wcs.crval = [ra, dec]
    wcs.wcs.crpix = [axis[0] + 1, axis[1] + 1]
    c, s = np.cos(np.radians(rotation)), np.sin(np.radians(rotation))
    wcs.wcs.cd = pixel_scale / 3600 * np.array([[-c, s], [s, c]])
    if not distortion:
        wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
        return wcs
    a, b = np.zeros((4, 4)), np.zeros((4, 4))
    a[3, 0] = a[1, 2] = b[0, 3] = b[2, 1] = distortion
    wcs.wcs.ctype = ["RA---TAN-SIP", "DEC--TAN-SIP"]
    wcs.sip = astropy.wcs.Sip(a, b, None, None, wcs.wcs.crpix)
    return wcs


def shift_wcs(wcs: astropy.wcs.WCS, dx: float, dy: float) -> astropy.wcs.WCS:
    """Return a WCS whose pixel coordinates are larger by (dx, dy)."""
    shifted = wcs.deepcopy()
    shifted.wcs.crpix += np.array([dx, dy])
    if wcs.sip is not None:
        shifted.sip = astropy.wcs.Sip(wcs.sip.a, wcs.sip.b, wcs.sip.ap, wcs.sip.bp, shifted.wcs.crpix)
    return shifted


def detector_projection(
    wcs: astropy.wcs.WCS, instrument: str, visit: int, detector: int, bbox: Box
) -> SkyProjection[DetectorFrame]:
    """Wrap a FITS WCS as the projection of a visit's detector.

    Parameters
    ----------
    wcs
        Its 0-based pixels are the parent coordinates of ``bbox``.
    instrument, visit, detector
        Identifiers.
    bbox
        Pixels of the image.
    """
    frame = DetectorFrame(instrument=instrument, visit=visit, detector=detector, bbox=bbox)
    return SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=bbox)


def region_of(projection: SkyProjection[DetectorFrame], bbox: Box, padding: int = 20) -> ConvexPolygon:
    """Return the region of the sky that holds a box of pixels.

    Parameters
    ----------
    projection
        Mapping from pixels to the sky.
    bbox
        The pixels.
    padding
        Pixels by which the region is larger on all sides.
    """
    box = bbox.padded(padding)
    x0, x1, y0, y1 = box.x.start - 0.5, box.x.stop - 0.5, box.y.start - 0.5, box.y.stop - 0.5
    sky = projection.pixel_to_sky(x=np.array([x0, x1, x1, x0]), y=np.array([y0, y0, y1, y1]))
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(s.ra.deg, s.dec.deg)) for s in sky])
