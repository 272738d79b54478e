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

__all__ = (
    "IGNORING_MISSING",
    "NORMALIZATIONS",
    "PARAMETERS",
    "Normalization",
    "find_normalization",
    "valid_median",
)

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
_SORTED_BLOCK = 256
"""The same where rows are sorted: the price of many small calls is shared."""


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
    flat, lost = stamps.reshape(len(stamps), -1), missing.reshape(len(stamps), -1)
    degenerate = _asinh(flat, lost, parameters, out)
    out[missing] = 0.0
    return degenerate


def _asinh(
    flat: Stamps, missing: Flags | None, parameters: Mapping[str, float], out: npt.NDArray[np.float32]
) -> Flags:
    degenerate = np.empty(len(flat), bool)
    with np.errstate(invalid="ignore", over="ignore"):
        for start in range(0, len(flat), _SORTED_BLOCK):
            rows = slice(start, start + _SORTED_BLOCK)
            values, lost = flat[rows], None if missing is None else missing[rows]
            ordered = values.copy() if lost is None else np.where(lost, values.dtype.type(np.inf), values)
            ordered.sort(axis=1)
            n_valid = np.full(len(values), flat.shape[1]) if lost is None else (~lost).sum(axis=1)
            # Pixels that are not finite come last, so that what they spoil shows here.
            contrast = ordered[np.arange(len(values)), np.maximum(n_valid - 1, 0)] - ordered[:, 0]
            bad = ~(np.isfinite(contrast) & (contrast > 0))
            median, mad = _median_and_mad(ordered, np.maximum(n_valid, 1))
            scale = np.where(bad, values.dtype.type(1), 1.4826 * mad)
            tight = np.flatnonzero(scale == 0)
            if tight.size:
                valid = True if lost is None else ~lost[tight]
                scale[tight] = np.std(values[tight].astype(np.float64), axis=1, where=valid)
            deviation = np.subtract(values, median[:, None], out=ordered)
            deviation /= (scale * parameters.get("softening", 1.0))[:, None]
            _finish(np.arcsinh(deviation, out=deviation), bad, out[rows])
            degenerate[rows] = bad
    return degenerate


def valid_median(flat: Stamps, missing: Flags) -> Stamps:
    """Return the median of each row ``(n, pixels)``, of the pixels that are not missing; 0 without any."""
    ordered = np.where(missing, flat.dtype.type(np.inf), flat)
    ordered.sort(axis=1)
    n_valid = (~missing).sum(axis=1)
    return np.where(n_valid > 0, _median(ordered, np.maximum(n_valid, 1)), flat.dtype.type(0))


def _median(ordered: Stamps, n_valid: npt.NDArray[np.int64]) -> Stamps:
    rows = np.arange(len(ordered))
    with np.errstate(invalid="ignore", over="ignore"):
        middle = 0.5 * (ordered[rows, (n_valid - 1) // 2] + ordered[rows, n_valid // 2])
    return np.asarray(middle, ordered.dtype)


def _median_and_mad(ordered: Stamps, n_valid: npt.NDArray[np.int64]) -> tuple[Stamps, Stamps]:
    """Return median and MAD of the first pixels of rows in ascending order: one sorting does for both."""
    median = _median(ordered, n_valid)
    mad = _deviation_of_rank(ordered, median, n_valid, (n_valid - 1) // 2)
    if not (n_valid % 2).all():
        mad = 0.5 * (mad + _deviation_of_rank(ordered, median, n_valid, n_valid // 2))
    return median, np.asarray(mad, ordered.dtype)


def _deviation_of_rank(
    ordered: Stamps, middle: Stamps, n_valid: npt.NDArray[np.int64], rank: npt.NDArray[np.int64]
) -> Stamps:
    """Return the absolute deviation of a rank, from 0, in rows in ascending order.

    The pixels that deviate less are a window of the row. The first window that leans to the right is found by
    bisection; it, or the one before, is the narrowest.
    """
    flat, base = ordered.ravel(), np.arange(len(ordered)) * ordered.shape[1]
    last = n_valid - 1 - rank
    low, high = np.zeros_like(last), last + 1
    for _ in range(int(high.max(initial=0)).bit_length()):
        start = (low + high) // 2
        place = base + np.minimum(start, last)
        done = low == high
        leans = flat[place + rank] - middle >= middle - flat[place]
        high = np.where(leans & ~done, start, high)
        low = np.where(leans | done, low, start + 1)
    right = np.where(low > last, np.inf, flat[base + np.minimum(low, last) + rank] - middle)
    left = np.where(low == 0, np.inf, middle - flat[base + np.maximum(low - 1, 0)])
    return np.asarray(np.minimum(right, left), ordered.dtype)


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

PARAMETERS: Mapping[str, frozenset[str]] = {"asinh-1": frozenset({"softening"})}
"""Parameters by the name of the normalisation, all of them above 0; the others have none."""

IGNORING_MISSING = {"asinh-1": asinh_of_valid}
"""Normalisations of the valid pixels alone, by the name of the normalisation: they take which pixels are
missing as one more argument."""
