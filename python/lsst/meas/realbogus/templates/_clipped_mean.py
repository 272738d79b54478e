"""A weighted mean of images that leaves out what only one of them shows."""

from __future__ import annotations

__all__ = ("ClippedMean", "clipped_mean")

import dataclasses

import numpy as np
import numpy.typing as npt

type Cube = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]


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
        See `lsst.meas.realbogus.templates.assemble_coadd`.
    """
    usable = ~empty
    good = usable & ~reject
    good |= usable & ~good.any(axis=0)
    clipped = _outliers(values, variances, good, clip_sigma, clip_softening)
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


def _outliers(values: Cube, variances: Cube, good: BoolArray, sigma: float, softening: float) -> BoolArray:
    """Return what lies far from the median of the good values, where there are three or more of them."""
    count = good.sum(axis=0)
    if len(values) < 3:
        return np.zeros_like(good)
    ordered = np.sort(np.where(good, values, np.float32(np.inf)), axis=0)
    low = np.clip((count - 1) // 2, 0, None)[np.newaxis]
    high = np.clip(count // 2, 0, len(values) - 1)[np.newaxis]
    with np.errstate(invalid="ignore"):
        median = 0.5 * (np.take_along_axis(ordered, low, 0) + np.take_along_axis(ordered, high, 0))
        limit = sigma * np.sqrt(variances) + softening * np.abs(median)
        far: BoolArray = np.abs(values - median) > limit
    return far & good & (count >= 3)
