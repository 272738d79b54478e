"""Putting simulated or ingested arrays together as a `lsst.images.VisitImage`."""

from __future__ import annotations

__all__ = ("make_visit_image",)

from typing import Any

import astropy.time
import astropy.units as u
import numpy as np
import numpy.typing as npt
from astro_metadata_translator import ObservationInfo
from lsst.images import DetectorFrame, Image, Mask, ObservationSummaryStats, SkyProjection, VisitImage
from lsst.images.cameras import Detector
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import PointSpreadFunction

from ..tables import image_id, njy_to_magnitude


def make_visit_image(
    flux: npt.NDArray[np.floating[Any]],
    variance: npt.NDArray[np.floating[Any]],
    mask: Mask,
    *,
    projection: SkyProjection[DetectorFrame],
    psf: PointSpreadFunction,
    detector: Detector,
    scaling: ChebyshevField,
    visit: int,
    band: str,
    physical_filter: str,
    begin: astropy.time.Time,
    exposure_time: float,
    sky: float = float("nan"),
    metadata: dict[str, Any] | None = None,
) -> VisitImage:
    """Make a calibrated image of one detector of one visit.

    Parameters
    ----------
    flux, variance
        Pixels [nJy, nJy^2].
    mask
        Their mask, which also says where they are.
    projection, psf, detector
        As of the image.
    scaling
        nJy per ADU.
    visit, band, physical_filter
        Data ID values.
    begin
        Start of the exposure.
    exposure_time
        Seconds.
    sky
        Mean sky [ADU].
    metadata
        Flat mapping of scalars. ``id`` is added to it, from which tasks of the Science Pipelines seed.
    """
    bbox, number = mask.bbox, image_id(visit, detector.id)
    centre = {"x": bbox.x.start + (bbox.x.size - 1) / 2, "y": bbox.y.start + (bbox.y.size - 1) / 2}
    kernel = psf.compute_kernel_image(**centre)
    ixx, iyy, ixy = _moments(kernel.array)
    x = np.array([bbox.x.start, bbox.x.stop, bbox.x.stop, bbox.x.start]) - 0.5
    y = np.array([bbox.y.start, bbox.y.start, bbox.y.stop, bbox.y.stop]) - 0.5
    corners = projection.pixel_to_sky(x=x, y=y)
    middle = projection.pixel_to_sky(**{name: np.array([value]) for name, value in centre.items()})
    per_adu = float(np.mean(scaling.render(bbox).array))
    good = np.isfinite(variance) & np.isfinite(flux)
    mean_variance = float(np.median(variance[good])) / per_adu**2 if good.any() else float("nan")
    stats: dict[str, Any] = {
        "psfSigma": (ixx * iyy - ixy * ixy) ** 0.25,
        "psfIxx": ixx,
        "psfIyy": iyy,
        "psfIxy": ixy,
        "psfArea": float(kernel.array.sum() ** 2 / (kernel.array**2).sum()),
        "ra": float(middle.ra.deg[0]),
        "dec": float(middle.dec.deg[0]),
        "raCorners": tuple(corners.ra.deg.tolist()),
        "decCorners": tuple(corners.dec.deg.tolist()),
        "expTime": exposure_time,
        "zeroPoint": float(njy_to_magnitude(per_adu)),
        "skyBg": sky,
        "skyNoise": mean_variance**0.5,
        "meanVar": mean_variance,
    }
    return VisitImage(
        Image(np.ascontiguousarray(flux, np.float32), bbox=bbox, unit=u.nJy),
        variance=Image(np.ascontiguousarray(variance, np.float32), bbox=bbox, unit=u.nJy**2),
        mask=mask,
        sky_projection=projection,
        psf=psf,
        detector=detector,
        band=band,
        photometric_scaling=scaling,
        obs_info=ObservationInfo(
            instrument=detector.instrument,
            telescope="unknown",
            detector_num=detector.id,
            detector_name=detector.name,
            detector_unique_name=detector.name,
            detector_serial=detector.serial,
            detector_exposure_id=number,
            physical_filter=physical_filter,
            visit_id=visit,
            exposure_id=visit,
            exposure_time=exposure_time * u.s,
            datetime_begin=begin,
            datetime_end=begin + exposure_time * u.s,
        ),
        summary_stats=ObservationSummaryStats(**stats),
        metadata={"id": number, **(metadata or {})},
    )


def _moments(image: npt.NDArray[np.floating[Any]]) -> tuple[float, float, float]:
    """Second moments [pixel^2] with the adaptive Gaussian weight of `galsim.hsm`."""
    import galsim

    shape = galsim.hsm.FindAdaptiveMom(galsim.Image(np.asarray(image, float)), strict=False)
    if shape.error_message:
        return float("nan"), float("nan"), float("nan")
    e1, e2, size = shape.observed_shape.e1, shape.observed_shape.e2, shape.moments_sigma
    trace = 2 * size**2 / np.sqrt(1 - e1**2 - e2**2)
    return float(trace * (1 + e1) / 2), float(trace * (1 - e1) / 2), float(trace * e2 / 2)
