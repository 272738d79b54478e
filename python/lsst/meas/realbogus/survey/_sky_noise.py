"""Mask, background and variance of an ingested image, in counts."""

from __future__ import annotations

__all__ = ("DEFAULT_FWHM", "Sky", "make_planes", "make_variance", "measure_sky")

import dataclasses

import astropy.stats
import numpy as np
import numpy.typing as npt
import scipy.ndimage

from lsst.meas.realbogus.errors import InvalidInputError

from ..imaging import known_keyword
from ._fits_frame import FitsFrame

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

DEFAULT_FWHM = 4.0
"""Width of stars [pixels] where nobody says it."""
_SUSPICIOUS = 10.0


@dataclasses.dataclass(frozen=True)
class Sky:
    """Blank sky of an image.

    Parameters
    ----------
    level
        Background, shape of the image.
    scatter
        Standard deviation of blank sky, shape of the image.
    blank
        Which pixels are blank sky.
    """

    level: Floats
    scatter: Floats
    blank: Bools


def make_planes(frame: FitsFrame) -> dict[str, Bools]:
    """Make the mask planes of an image.

    Parameters
    ----------
    frame
        What was read.

    Returns
    -------
    dict
        Its own planes with borders of zeros, saturated pixels and edges; always NO_DATA, BAD, SATURATED and
        DETECTION_EDGE.
    """
    planes = {name: where.copy() for name, where in frame.planes.items()}
    nowhere = np.zeros(frame.counts.shape, bool)
    planes["NO_DATA"] |= _zero_border(frame.counts)
    saturated = planes.get("SATURATED", nowhere.copy())
    if frame.calibration.saturation is not None:
        saturated |= scipy.ndimage.binary_dilation(frame.counts >= frame.calibration.saturation)
    planes["SATURATED"] = saturated
    bad = planes.get("BAD", nowhere)
    for noise in (frame.variance, frame.weight):
        if noise is not None:
            bad = bad | (~(np.isfinite(noise) & (noise > 0)) & ~planes["NO_DATA"])
    planes["BAD"] = bad
    inside = scipy.ndimage.binary_erosion(
        ~planes["NO_DATA"], structure=np.ones((3, 3)), iterations=round(frame.psf_fwhm or DEFAULT_FWHM)
    )
    planes["DETECTION_EDGE"] = ~inside
    return planes


def _zero_border(counts: Floats) -> Bools:
    """Pixels that are exactly zero and connected to the border: what resampling leaves without data."""
    labels, _ = scipy.ndimage.label(counts == 0)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    border: Bools = np.isin(labels, touching[touching > 0])
    return border


def measure_sky(frame: FitsFrame, planes: dict[str, Bools], box: int) -> Sky:
    """Measure background and noise of blank sky.

    Parameters
    ----------
    frame
        What was read.
    planes
        What `make_planes` made.
    box
        Width in pixels of the boxes in which they are measured; 0 for one constant.

    Returns
    -------
    Sky
        Background and scatter.

    Raises
    ------
    InvalidInputError
        If no pixel is blank.
    """
    counts, unusable = frame.counts, planes["NO_DATA"] | planes["BAD"] | planes["SATURATED"]
    blank = ~(_source_mask(counts, unusable) | unusable)
    if not blank.any():
        raise InvalidInputError(f"{frame.name} has no blank sky")
    if box > 0:
        from photutils.background import Background2D, MADStdBackgroundRMS, MedianBackground

        keyword = known_keyword(Background2D, "bkg_rms_estimator", "bkgrms_estimator")
        found = Background2D(
            np.where(unusable, 0.0, counts),
            box,
            mask=~blank,
            filter_size=3,
            exclude_percentile=80,
            bkg_estimator=MedianBackground(),
            **{keyword: MADStdBackgroundRMS()},
        )
        return Sky(np.asarray(found.background, float), np.asarray(found.background_rms, float), blank)
    sky = counts[blank]
    return Sky(
        np.full(counts.shape, np.median(sky)), np.full(counts.shape, astropy.stats.mad_std(sky)), blank
    )


def _source_mask(counts: Floats, unusable: Bools) -> Bools:
    """Flag pixels of sources, generously."""
    filled = np.where(unusable, np.median(counts[~unusable]) if (~unusable).any() else 0.0, counts)
    smooth = scipy.ndimage.gaussian_filter(filled, 2.0)
    _, middle, scatter = astropy.stats.sigma_clipped_stats(smooth[~unusable], sigma=3.0)
    mask: Bools = scipy.ndimage.binary_dilation(smooth > middle + 3 * scatter, iterations=4)
    return mask


def make_variance(frame: FitsFrame, counts: Floats, sky: Sky) -> tuple[Floats, str, tuple[str, ...]]:
    """Make the variance of an image.

    Parameters
    ----------
    frame
        What was read.
    counts
        Its pixels without background.
    sky
        Its blank sky.

    Returns
    -------
    variance
        That of the file; or that of weights, brought to the scatter of blank sky; or that scatter. To the
        latter two the photon noise of sources is added where the gain is known. Pixels without variance have
        that of blank sky.
    source
        ``given``, ``weight`` or ``sky``.
    remarks
        What a user should know of it.
    """
    from_sky = sky.scatter**2
    if frame.variance is not None:
        variance = np.where(np.isfinite(frame.variance) & (frame.variance > 0), frame.variance, from_sky)
        ratio = astropy.stats.mad_std((counts / np.sqrt(variance))[sky.blank]) ** 2
        if 1 / _SUSPICIOUS < ratio < _SUSPICIOUS:
            return variance, "given", ()
        remark = (
            f"blank sky has {ratio:.2g} times the variance that was given: is it variance, noise or weight, "
            "and in the unit of the image?"
        )
        return variance, "given", (remark,)
    photons = _photon_variance(counts, sky, frame.calibration.gain)
    if frame.weight is None:
        return from_sky + photons, "sky", ()
    good = np.isfinite(frame.weight) & (frame.weight > 0)
    weight = np.where(good, frame.weight, 1.0)
    if not (good & sky.blank).any():
        raise InvalidInputError(f"the weight of {frame.name} is nowhere positive")
    factor = astropy.stats.mad_std((counts * np.sqrt(weight))[sky.blank & good]) ** 2
    return np.where(good, factor / weight, from_sky) + photons, "weight", ()


def _photon_variance(counts: Floats, sky: Sky, gain: float | None) -> Floats:
    """Return the variance that the light of sources adds; 0 where the gain is not known."""
    if gain is None:
        return np.zeros_like(counts)
    light = scipy.ndimage.gaussian_filter(np.nan_to_num(counts), 1.0)
    photons: Floats = np.maximum(light, 0) * (light > 3 * sky.scatter) / gain
    return photons
