"""Small geometry between pixels and the sky: what an exposure covers, offsets, local scales."""

from __future__ import annotations

__all__ = ("Footprint", "local_jacobian", "offset_position", "separation", "sky_to_pixel")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.images import Box, SkyProjection

type Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What one detector saw in one visit.

    Parameters
    ----------
    visit, detector, band
        The image.
    mjd
        Middle of the exposure, TAI.
    bbox
        Pixels of the image.
    projection
        From pixels to the sky.
    """

    visit: int
    detector: int
    band: str
    mjd: float
    bbox: Box
    projection: SkyProjection[Any]

    def positions(self, fractions: Floats) -> tuple[Floats, Floats]:
        """Map numbers in the unit square to sky positions over the image.

        Parameters
        ----------
        fractions
            Shape ``(n, 2)``, along x and y.

        Returns
        -------
        ra, dec
            Degrees.
        """
        if not len(fractions):  # AST maps at least one point
            return np.empty(0), np.empty(0)
        if not len(fractions):
            return np.empty(0), np.empty(0)
        x = self.bbox.x.start - 0.5 + fractions[:, 0] * self.bbox.x.size
        y = self.bbox.y.start - 0.5 + fractions[:, 1] * self.bbox.y.size
        sky = self.projection.pixel_to_sky(x=x, y=y)
        return np.asarray(sky.ra.deg, float), np.asarray(sky.dec.deg, float)

    def pixels(self, table: Table) -> tuple[Floats, Floats]:
        """Return the pixel positions of the rows of a table with ra and dec in degrees."""
        return sky_to_pixel(self.projection, np.asarray(table["ra"], float), np.asarray(table["dec"], float))

    def contains(self, ra: Floats, dec: Floats, padding: int = 0) -> npt.NDArray[np.bool_]:
        """Tell which sky positions fall on the image or within some pixels of it."""
        x, y = sky_to_pixel(self.projection, ra, dec)
        box = self.bbox.padded(padding)
        inside = (x >= box.x.start - 0.5) & (x < box.x.stop - 0.5)
        return np.asarray(inside & (y >= box.y.start - 0.5) & (y < box.y.stop - 0.5))

    @property
    def area(self) -> float:
        """Area in square degrees, from the pixel scale at the middle."""
        y, x = (self.bbox.y.center, self.bbox.x.center)
        pixel = abs(np.linalg.det(local_jacobian(self.projection, np.array([x]), np.array([y])))[0])
        return float(self.bbox.area * pixel / 3600.0**2)


def offset_position(ra: Floats, dec: Floats, east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """Move positions by small offsets on the tangent plane.

    Parameters
    ----------
    ra, dec
        Start in degrees.
    east, north
        Offsets in arcsec.

    Returns
    -------
    ra, dec
        Degrees, right ascension in [0, 360). Inverse gnomonic projection (Calabretta & Greisen 2002, A&A
        395, 1077).
    """
    xi, eta = np.deg2rad(np.asarray(east) / 3600.0), np.deg2rad(np.asarray(north) / 3600.0)
    ra0, dec0 = np.deg2rad(ra), np.deg2rad(dec)
    down = np.cos(dec0) - eta * np.sin(dec0)
    new_ra = ra0 + np.arctan2(xi, down)
    new_dec = np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, down))
    return np.rad2deg(new_ra) % 360.0, np.rad2deg(new_dec)


def separation(ra1: npt.ArrayLike, dec1: npt.ArrayLike, ra2: npt.ArrayLike, dec2: npt.ArrayLike) -> Floats:
    """Return angular distances in arcsec between positions in degrees (haversine)."""
    a1, d1, a2, d2 = (np.deg2rad(np.asarray(v, float)) for v in (ra1, dec1, ra2, dec2))
    h = np.sin((d2 - d1) / 2) ** 2 + np.cos(d1) * np.cos(d2) * np.sin((a2 - a1) / 2) ** 2
    return np.asarray(np.rad2deg(2 * np.arcsin(np.sqrt(h))) * 3600.0)


def local_jacobian(projection: SkyProjection[Any], x: Floats, y: Floats) -> Floats:
    """Differentiate the projection.

    Parameters
    ----------
    projection
        From pixels to the sky.
    x, y
        Pixel positions, shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, 2, 2)``: derivatives of (east, north) in arcsec by (x, y) in pixels.
    """
    step = 0.5
    out = np.empty((len(x), 2, 2))
    if not len(x):
        return out
    for column, (dx, dy) in enumerate(((step, 0.0), (0.0, step))):
        after = projection.pixel_to_sky(x=x + dx, y=y + dy)
        before = projection.pixel_to_sky(x=x - dx, y=y - dy)
        turn = (after.ra.deg - before.ra.deg + 180.0) % 360.0 - 180.0
        middle = np.deg2rad(0.5 * (after.dec.deg + before.dec.deg))
        out[:, 0, column] = turn * np.cos(middle) * 3600.0
        out[:, 1, column] = (after.dec.deg - before.dec.deg) * 3600.0
    return out


def sky_to_pixel(projection: SkyProjection[Any], ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Project positions to pixels, NaN where the projection does not come back to where it started.

    Parameters
    ----------
    projection
        From pixels to the sky.
    ra, dec
        Degrees, shape ``(n,)``.

    Returns
    -------
    x, y
        Pixel positions. Distorted projections are many-valued far from the image: a position on the other
        side of the sky may fall on the detector, so each is projected back and must agree within 1 arcsec.
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    if not len(ra):
        return np.empty(0), np.empty(0)
    good = np.isfinite(ra) & np.isfinite(dec)
    # Plain transforms, in radians: SkyCoord refuses what comes back from the far side of the sky.
    transform = projection.pixel_to_sky_transform
    start = np.deg2rad(np.where(good, ra, 0.0)), np.deg2rad(np.where(good, dec, 0.0))
    xy = transform.apply_inverse(x=start[0], y=start[1])
    x, y = np.asarray(xy.x, float), np.asarray(xy.y, float)
    good &= np.isfinite(x) & np.isfinite(y)
    back = transform.apply_forward(x=np.where(good, x, 0.0), y=np.where(good, y, 0.0))
    with np.errstate(invalid="ignore"):
        good &= separation(ra, dec, np.rad2deg(back.x), np.rad2deg(back.y)) < 1.0
    return np.where(good, x, np.nan), np.where(good, y, np.nan)
