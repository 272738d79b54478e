"""Comparing the variance plane with the scatter of blank sky."""

from __future__ import annotations

__all__ = ("robust_std", "variance_factor")

import numpy as np
import numpy.typing as npt
import scipy.ndimage

type Pixels = npt.NDArray[np.float32]


def robust_std(values: npt.NDArray[np.floating]) -> float:
    """Return the standard deviation of a Gaussian with the same quartiles; NaN for fewer than 20 values.

    Parameters
    ----------
    values
        Numbers, any shape.

    Returns
    -------
    float
        Standard deviation in the unit of the values.
    """
    if values.size < 20:
        return float("nan")
    low, high = np.percentile(values, [25.0, 75.0])
    return float((high - low) / 1.3489795)


def variance_factor(
    pixels: Pixels, variance: Pixels, skip: npt.NDArray[np.bool_], sigma: float, *, limit: float = 2.5
) -> float:
    """Return by what the variance must be multiplied to describe the scatter of blank sky.

    Parameters
    ----------
    pixels, variance
        Image without missing values.
    skip
        Pixels to leave out.
    sigma
        PSF width in pixels: objects are found by smoothing with it.
    limit
        Pixels whose smoothed value is this many errors off zero are taken for objects.
    """
    smooth = scipy.ndimage.gaussian_filter(pixels, sigma)
    noise = np.sqrt(variance)
    level = smooth / noise
    level -= np.median(level)
    width = robust_std(level[~skip]) if (~skip).any() else float("nan")
    blank = ~skip & (level < limit * width)
    factor = robust_std((pixels / noise)[blank]) ** 2
    return factor if np.isfinite(factor) and factor > 0 else 1.0
