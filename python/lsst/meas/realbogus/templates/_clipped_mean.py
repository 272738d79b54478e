"""A weighted mean of images that leaves out what only one of them shows."""

from __future__ import annotations

__all__ = ("ClippedMean", "clipped_mean")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage

type Cube = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]

_REACH = 2
"""A star that is sharper in one input is brighter or fainter there within so many pixels."""


@dataclasses.dataclass(frozen=True)
class ClippedMean:
    """Result of `clipped_mean`: images of one shape, and the weight each input got in each pixel."""

    value: npt.NDArray[np.float32]
    variance: npt.NDArray[np.float32]
    weights: Cube
    clipped: BoolArray
    rejected: BoolArray


def clipped_mean(
    values: Cube,
    variances: Cube,
    weights: npt.NDArray[np.float64],
    *,
    empty: BoolArray,
    reject: BoolArray,
    clip_sigma: float,
    clip_softening: float,
    contrasts: npt.NDArray[np.float64],
) -> ClippedMean:
    """Average images.

    Parameters
    ----------
    values, variances
        Images, shape ``(n, ny, nx)``.
    weights
        Weight of each image, shape ``(n,)``. One weight an image, not a pixel, keeps the PSF of the mean
        well defined.
    empty
        Where an image has nothing.
    reject
        Where an image is to be left out, unless all are.
    clip_sigma, clip_softening
        See `lsst.meas.realbogus.templates.CoaddOptions`.
    contrasts
        By how much the image of a star differs from the mean star, as a share of its peak, shape ``(n,)``.
    """
    usable = ~empty
    good = usable & ~reject
    good |= usable & ~good.any(axis=0)
    clipped = _outliers(values, variances, good, (clip_sigma, clip_softening, contrasts))
    kept = good & ~clipped
    share = np.where(kept, weights.astype(np.float32)[:, np.newaxis, np.newaxis], np.float32(0))
    total = share.sum(axis=0)
    safe = np.where(total > 0, total, np.float32(1))
    value = np.where(kept, values, np.float32(0))
    noise = np.where(kept, variances, np.float32(0))
    mean = np.einsum("nij,nij->ij", share, value) / safe
    variance = np.einsum("nij,nij,nij->ij", share, share, noise) / safe**2
    nothing = total <= 0
    nan = np.float32(np.nan)
    return ClippedMean(
        value=np.where(nothing, nan, mean).astype(np.float32),
        variance=np.where(nothing, nan, variance).astype(np.float32),
        weights=share,
        clipped=clipped.any(axis=0),
        rejected=(usable & ~good).any(axis=0),
    )


def _outliers(
    values: Cube,
    variances: Cube,
    good: BoolArray,
    limits: tuple[float, float, npt.NDArray[np.float64]],
) -> BoolArray:
    """Return what lies far from the median of the good values, where there are three or more of them."""
    sigma, softening, contrasts = limits
    count = good.sum(axis=0)
    if len(values) < 3:
        return np.zeros_like(good)
    ordered = np.sort(np.where(good, values, np.float32(np.inf)), axis=0)
    low = np.clip((count - 1) // 2, 0, None)[np.newaxis]
    high = np.clip(count // 2, 0, len(values) - 1)[np.newaxis]
    with np.errstate(invalid="ignore"):
        median = 0.5 * (np.take_along_axis(ordered, low, 0) + np.take_along_axis(ordered, high, 0))
        level = np.where(count >= 3, np.abs(median[0]), np.float32(0))
        nearby = scipy.ndimage.maximum_filter(level, size=2 * _REACH + 1)
        limit = sigma * np.sqrt(variances) + np.float32(softening) * level
        limit += contrasts.astype(np.float32)[:, np.newaxis, np.newaxis] * nearby
        far: BoolArray = np.abs(values - median) > limit
    return far & good & (count >= 3)
