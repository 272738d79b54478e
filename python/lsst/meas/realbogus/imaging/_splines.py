"""Shifting many small images by parts of a pixel, with splines of order 5."""

from __future__ import annotations

__all__ = ("SPLINE_ORDER", "SPLINE_REACH", "apply_along", "spline_weights")

import numpy as np
import numpy.typing as npt
from scipy.interpolate import BSpline

type FloatArray = npt.NDArray[np.float64]

SPLINE_ORDER = 5
SPLINE_REACH = 3
"""How many coefficients on each side of a pixel count when it is shifted by half a pixel at most."""


def spline_weights(shift: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return weights of the seven spline coefficients about a pixel, and their slopes by the shift.

    Parameters
    ----------
    shift
        How far the image moves, between -0.5 and 0.5, shape ``(n,)``.

    Returns
    -------
    tuple of numpy.ndarray
        Two arrays of shape ``(n, 7)``.
    """
    basis = BSpline.basis_element(np.arange(-3.0, 4.0), extrapolate=False)
    places = 3.0 - np.arange(7.0) - shift[:, np.newaxis]
    return np.nan_to_num(basis(places)), -np.nan_to_num(basis.derivative()(places))


def apply_along(coefficients: FloatArray, weights: FloatArray, axis: int) -> FloatArray:
    """Sum neighbours along an axis with weights, one set an image; the axis becomes shorter by six."""
    size = coefficients.shape[axis] - 2 * SPLINE_REACH
    out: FloatArray | None = None
    for k in range(2 * SPLINE_REACH + 1):
        window = [slice(None)] * 3
        window[axis] = slice(k, k + size)
        part = weights[:, k, np.newaxis, np.newaxis] * coefficients[tuple(window)]
        out = part if out is None else out + part
    assert out is not None
    return out
