"""Measurement of whole difference images, as the pipeline task does it."""

from __future__ import annotations

__all__ = ("measure_difference", "midpoint_mjd")

import numpy as np
from astro_metadata_translator import ObservationInfo
from lsst.images import DifferenceImage, MaskedImage
from lsst.images.psfs import PointSpreadFunction

from ..imaging import Place, check_together
from ._dia_catalog import DiaCatalog, SourceIds, detect_and_measure
from ._options import DetectionOptions


def measure_difference(
    difference: DifferenceImage,
    science: MaskedImage,
    template: MaskedImage,
    *,
    science_psf: PointSpreadFunction | None = None,
    template_psf: PointSpreadFunction | None = None,
    id_base: int = 0,
    options: DetectionOptions | None = None,
) -> tuple[DifferenceImage, DiaCatalog]:
    """Detect and measure sources on a difference image.

    Parameters
    ----------
    difference
        Difference image.
    science, template
        The images it was made from, of the same box; the template matched.
    science_psf, template_psf
        Their PSFs; by default those that the images carry.
    id_base
        Added to the number of each source to make its identifier.
    options
        How to do it.

    Returns
    -------
    tuple
        The difference image less its smooth background, with the planes DETECTED and DETECTED_NEGATIVE,
        and the sources.

    Raises
    ------
    ImageMismatchError
        If the images do not belong together.
    """
    images = {"science": science, "matched template": template, "difference": difference}
    check_together({name: Place.of(image) for name, image in images.items()})
    frame = difference.sky_projection.pixel_frame
    ids = SourceIds(
        visit=0 if frame.visit is None else frame.visit,
        detector=frame.detector,
        band=difference.band,
        midpoint=midpoint_mjd(difference.obs_info),
        id_base=id_base,
    )
    catalog = detect_and_measure(
        difference,
        science,
        template,
        science_psf=science_psf,
        template_psf=template_psf,
        ids=ids,
        options=options,
    )
    measured = difference.copy()
    measured.image.array -= catalog.background
    measured.mask = catalog.mask
    return measured, catalog


def midpoint_mjd(obs_info: ObservationInfo) -> float:
    """Return the middle of an exposure as MJD TAI, NaN where its times are not known.

    Parameters
    ----------
    obs_info
        What is known of the observation.

    Returns
    -------
    float
        MJD TAI.
    """
    begin, end = obs_info.datetime_begin, obs_info.datetime_end
    if begin is None:
        return float("nan")
    if end is not None:
        return float((begin.tai.mjd + end.tai.mjd) / 2)
    seconds = 0.0 if obs_info.exposure_time is None else obs_info.exposure_time.to_value("s")
    return float(begin.tai.mjd + (0.0 if not np.isfinite(seconds) else seconds) / 2 / 86_400)
