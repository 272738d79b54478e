"""Normalisations by name and version: a model is fed what it was trained on.

Every normalisation works on each stamp alone. Stamps come in without missing pixels; a stamp that the formula
leaves undefined (constant, or with a pixel that is not finite) becomes zeros and is reported as degenerate.
A single hot pixel is an ordinary value unless said otherwise below. Names end in a version: what a name means
never changes.

* ``acero-cuellar-3sigma-1``: difference (a − mean) / std; others (a − lo) / (hi − lo), where lo and hi are
  the extremes of the pixels within mean ± 3 std; nothing clipped. A constant stamp with one hot pixel has
  lo = hi and is degenerate, except as a difference. Float64, bit for bit as coded by Acero-Cuellar et al.
  (2023).
* ``ml4transients-batch-1``: clip to percentiles 1 and 99, arcsinh, (a − median) / MAD; MAD 0 counts as 1.
* ``ml4transients-minmax-1``: (a − min) / (max − min).
* ``l2-1``: each row of pixels divided by its L2 norm, rows of zeros stay (braai, Duev et al. 2019). In the
  stamps' own float32: a row whose norm overflows, as a hot pixel above 1e19 makes it, becomes zeros.
* ``asinh-1``: arcsinh((a − median) / (softening · 1.4826 MAD)); where MAD is 0, the standard deviation. It
  can ignore missing pixels: median, MAD and standard deviation are then those of the valid ones.
"""

from __future__ import annotations

__all__ = ("IGNORING_MISSING", "NORMALIZATIONS", "Normalization", "find_normalization", "valid_median")

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import as_strided

from ..errors import InvalidInputError

Stamps = npt.NDArray[np.floating[Any]]
Flags = npt.NDArray[np.bool_]
Normalization = Callable[[Stamps, bool, Mapping[str, float], npt.NDArray[np.float32]], Flags]
"""Takes stamps ``(n, h, w)``, whether they are differences, parameters, and where the answer goes, float32
``(n, h, w)``, any strides; returns which stamps are degenerate."""

_FLOAT32_MAX = float(np.finfo(np.float32).max)
_BLOCK = 32
"""Stamps worked on at once: few enough for the cache, enough to make the price of a call small."""


def find_normalization(name: str) -> Normalization:
    """Return a normalisation by name.

    Raises
    ------
    InvalidInputError
        Raised if there is none of that name.
    """
    if name not in NORMALIZATIONS:
        raise InvalidInputError(f"no normalisation is called {name!r}; there are {sorted(NORMALIZATIONS)}")
    return NORMALIZATIONS[name]


def acero_cuellar_3sigma(
    stamps: Stamps, is_difference: bool, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    """Standardise differences; map the pixels within 3 sigma of others to 0..1."""
    n, rows, columns = stamps.shape
    n_pixels = rows * columns
    degenerate = np.zeros(n, bool)
    # Rows start on multiples of 64 bytes; sums over them are the pairwise sums of `numpy.mean`.
    values, squares = np.empty((2, min(n, _BLOCK), -(-n_pixels // 8) * 8))[:, :, :n_pixels]
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, n, _BLOCK):
            block = stamps[start : start + _BLOCK].reshape(-1, n_pixels)
            m = len(block)
            value, square = values[:m], squares[:m]
            np.copyto(value, block)
            mean = np.add.reduce(value, axis=1, keepdims=True) / n_pixels
            deviation = np.subtract(value, mean, out=value if is_difference else square)
            np.multiply(deviation, deviation, out=square)
            std = np.sqrt(np.add.reduce(square, axis=1, keepdims=True) / n_pixels)
            if is_difference:
                scale = std
            else:
                low, high, span = _extremes_inside(block, mean - 3 * std, mean + 3 * std)
                # An outlier too far out for float32 in this unit leaves the answer undefined.
                scale = np.where(span < (high - low) * _FLOAT32_MAX, high - low, 0.0)
                np.subtract(value, low, out=value)
            bad = ~(np.isfinite(scale) & (scale > 0))[:, 0]
            scale[bad] = 1.0
            np.divide(value, scale, out=value)
            target = out[start : start + m]
            target[...] = as_strided(value, (m, rows, columns), (value.strides[0], columns * 8, 8))
            target[bad] = 0.0
            degenerate[start : start + m] = bad
    return degenerate


def _extremes_inside(
    block: Stamps, low: npt.NDArray[np.float64], high: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return the smallest and largest pixel strictly between the bounds, and the span of all, as columns."""
    smallest = np.minimum.reduce(block, axis=1, keepdims=True)
    largest = np.maximum.reduce(block, axis=1, keepdims=True)
    span = largest.astype(np.float64) - smallest
    # An extreme inside the bounds is the answer; only the others need a look at every pixel.
    below = np.flatnonzero(~(smallest > low)[:, 0])
    if below.size:
        pixels = block[below]
        pixels[pixels <= _rounded(low[below], pixels.dtype, -np.inf)] = np.inf
        smallest[below] = pixels.min(axis=1, keepdims=True)
    above = np.flatnonzero(~(largest < high)[:, 0])
    if above.size:
        pixels = block[above]
        pixels[pixels >= _rounded(high[above], pixels.dtype, np.inf)] = -np.inf
        largest[above] = pixels.max(axis=1, keepdims=True)
    return smallest.astype(np.float64), largest.astype(np.float64), span


def _rounded(bounds: npt.NDArray[np.float64], kind: np.dtype[Any], towards: float) -> Stamps:
    """Round bounds outwards to the type of the pixels, where they compare exactly as in float64."""
    bound = bounds.astype(kind)
    inside = bound < bounds if towards > 0 else bound > bounds
    return np.where(inside, np.nextafter(bound, kind.type(towards)), bound)


def ml4transients_batch(
    stamps: Stamps, is_difference: bool, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    """Clip, arcsinh, and centre on the median in units of the MAD, each stamp by itself."""
    flat, degenerate = _usable(stamps.astype(np.float64).reshape(len(stamps), -1))
    low, high = np.percentile(flat, (1, 99), axis=1, keepdims=True)
    flat = np.arcsinh(np.clip(flat, low, high))
    flat -= np.median(flat, axis=1, keepdims=True)
    mad = np.median(np.abs(flat), axis=1, keepdims=True)
    return _finish(flat / np.where(mad == 0, 1.0, mad), degenerate, out)


def ml4transients_minmax(
    stamps: Stamps, is_difference: bool, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    """Map the smallest pixel to 0 and the largest to 1."""
    flat, degenerate = _usable(stamps.astype(np.float64).reshape(len(stamps), -1))
    low, high = flat.min(axis=1, keepdims=True), flat.max(axis=1, keepdims=True)
    return _finish((flat - low) / np.where(high == low, 1.0, high - low), degenerate, out)


def l2_rows(
    stamps: Stamps, is_difference: bool, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    """Divide each row of pixels by its L2 norm."""
    flat, degenerate = _usable(stamps.reshape(len(stamps), -1))
    rows = flat.reshape(stamps.shape)
    with np.errstate(over="ignore"):
        norm = np.sqrt(np.square(rows).sum(axis=2, keepdims=True))
    return _finish(rows / np.where(norm == 0, rows.dtype.type(1), norm), degenerate, out)


def asinh(
    stamps: Stamps, is_difference: bool, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    """Arcsinh of the deviation from the median in units of the robust scatter."""
    return _asinh(stamps.reshape(len(stamps), -1), None, parameters, out)


def asinh_of_valid(
    stamps: Stamps,
    is_difference: bool,
    parameters: Mapping[str, float],
    out: npt.NDArray[np.float32],
    missing: Flags,
) -> Flags:
    """Do as `asinh` with the valid pixels; missing ones become zero."""
    lost = missing.reshape(len(stamps), -1)
    nothing = lost.all(axis=1)
    lost = lost & ~nothing[:, None]
    # A valid pixel in the place of missing ones leaves the extremes, and so what is degenerate, as they are.
    flat = stamps.reshape(len(stamps), -1)
    first = flat[np.arange(len(flat)), lost.argmin(axis=1)]
    degenerate = _asinh(np.where(lost, first[:, None], flat), lost, parameters, out)
    out[missing] = 0.0
    return degenerate | nothing


def _asinh(
    flat: Stamps, missing: Flags | None, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    flat, degenerate = _usable(flat)
    flat -= valid_median(flat, missing)[:, None]
    scale = 1.4826 * valid_median(np.abs(flat), missing)
    rows = np.flatnonzero(scale == 0)
    if rows.size:
        valid = True if missing is None else ~missing[rows]
        scale[rows] = np.std(flat[rows].astype(np.float64), axis=1, where=valid)
    scale *= parameters.get("softening", 1.0)
    flat /= np.where(scale == 0, 1.0, scale)[:, None].astype(flat.dtype)
    return _finish(np.arcsinh(flat, out=flat), degenerate, out)


def valid_median(flat: Stamps, missing: Flags | None = None) -> Stamps:
    """Return the median of each row ``(n, pixels)``, of the pixels that are not missing; 0 without any."""
    if missing is None:
        middle = flat.shape[1] // 2
        parts = np.partition(flat, middle, axis=1)
        high = parts[:, middle]
        return high if flat.shape[1] % 2 else 0.5 * (parts[:, :middle].max(axis=1) + high)
    ordered = np.where(missing, flat.dtype.type(np.inf), flat)
    ordered.sort(axis=1)
    n_valid = (~missing).sum(axis=1)
    rows = np.arange(len(flat))
    low = ordered[rows, np.maximum(n_valid - 1, 0) // 2]
    high = ordered[rows, np.minimum(n_valid // 2, flat.shape[1] - 1)]
    with np.errstate(invalid="ignore"):
        return np.where(n_valid > 0, 0.5 * (low + high), 0.0).astype(flat.dtype)


def _usable(flat: Stamps) -> tuple[Stamps, Flags]:
    """Zero the stamps without contrast or with a pixel that is not finite, and say which they are."""
    with np.errstate(invalid="ignore", over="ignore"):
        contrast = flat.max(axis=1) - flat.min(axis=1)
    degenerate = ~(np.isfinite(contrast) & (contrast > 0))
    return np.where(degenerate[:, None], flat.dtype.type(0), flat), degenerate


def _finish(values: Stamps, degenerate: Flags, out: npt.NDArray[np.float32]) -> Flags:
    out[...] = values.reshape(out.shape)
    out[degenerate] = 0.0
    return degenerate


NORMALIZATIONS: Mapping[str, Normalization] = {
    "acero-cuellar-3sigma-1": acero_cuellar_3sigma,
    "asinh-1": asinh,
    "l2-1": l2_rows,
    "ml4transients-batch-1": ml4transients_batch,
    "ml4transients-minmax-1": ml4transients_minmax,
}

IGNORING_MISSING = {"asinh-1": asinh_of_valid}
"""Normalisations of the valid pixels alone, by the name of the normalisation: they take which pixels are
missing as one more argument."""
