"""Continuing an image into its missing pixels."""

from __future__ import annotations

__all__ = ("fill_smoothly",)

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage

type FloatArray = npt.NDArray[np.floating[Any]]


def fill_smoothly(array: FloatArray, missing: npt.NDArray[np.bool_], sigma: float = 2.0) -> FloatArray:
    """Replace missing pixels by a smooth continuation of their surroundings, 0 far from any.

    Parameters
    ----------
    array
        Floating-point image.
    missing
        Bool, which pixels to replace.
    sigma
        Width in pixels of the Gaussian that continues the surroundings.

    Returns
    -------
    numpy.ndarray
        Image of the same type; the same object where nothing is missing.
    """
    if not missing.any():
        return array
    weight = (~missing).astype(array.dtype)
    known = np.where(missing, array.dtype.type(0), array)
    smooth = scipy.ndimage.gaussian_filter(known, sigma, mode="constant")
    norm = scipy.ndimage.gaussian_filter(weight, sigma, mode="constant")
    filling = np.divide(smooth, norm, out=np.zeros_like(smooth), where=norm > 1e-3)
    return np.where(missing, filling, array)
