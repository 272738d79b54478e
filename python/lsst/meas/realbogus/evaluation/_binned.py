"""Fractions in bins of SNR, magnitude or anything else."""

from __future__ import annotations

__all__ = ("BinnedFraction", "bin_fraction", "even_edges")

import dataclasses

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._intervals import CONFIDENCE, fraction_intervals

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class BinnedFraction:
    """A fraction in each of ``n`` bins.

    Parameters
    ----------
    edges
        Ends of the bins, shape ``(n + 1,)``.
    successes, trials
        Counts in each bin.
    value
        Fractions, NaN in empty bins.
    low, high
        Binomial intervals.
    """

    edges: Floats
    successes: npt.NDArray[np.int64]
    trials: npt.NDArray[np.int64]
    value: Floats
    low: Floats
    high: Floats


def bin_fraction(
    values: npt.ArrayLike, success: npt.ArrayLike, edges: npt.ArrayLike, confidence: float = CONFIDENCE
) -> BinnedFraction:
    """Fraction of successes in bins of some value.

    Parameters
    ----------
    values
        Value of each trial, such as the expected SNR; NaN falls in no bin.
    success
        Whether each trial succeeded.
    edges
        Increasing ends of the bins; the last bin includes its upper end.
    confidence
        Confidence level of the intervals.

    Returns
    -------
    BinnedFraction
        Counts, fractions and intervals.
    """
    x, good, ends = np.asarray(values, float), np.asarray(success, bool), np.asarray(edges, float)
    if ends.size < 2 or not (np.diff(ends) > 0).all():
        raise InvalidInputError(f"edges of bins must increase; got {ends.tolist()}")
    trials = np.histogram(x, ends)[0].astype(np.int64)
    successes = np.histogram(x[good], ends)[0].astype(np.int64)
    low, high = fraction_intervals(successes, trials, confidence)
    with np.errstate(invalid="ignore"):
        return BinnedFraction(ends, successes, trials, successes / trials, low, high)


def even_edges(values: npt.ArrayLike, n_bins: int, *, log: bool = False) -> Floats:
    """Edges of bins of equal width that hold all finite values (of equal ratio if ``log``).

    Parameters
    ----------
    values
        Numbers; those that are not finite do not count.
    n_bins
        How many bins.
    log
        Whether the ratio of edges is even, not their difference.

    Returns
    -------
    numpy.ndarray
        Float64 edges, ascending, shape ``(n_bins + 1,)``.
    """
    x = np.asarray(values, float)
    x = x[np.isfinite(x) & ((x > 0) | (not log))]
    if not x.size:
        return np.array([1.0, 10.0]) if log else np.array([0.0, 1.0])
    low, high = float(x.min()), float(x.max())
    if low == high:
        low, high = (low / 1.1, high * 1.1) if log else (low - 0.5, high + 0.5)
    if log:
        edges = np.geomspace(low, high, n_bins + 1)
    else:
        edges = np.linspace(low, high, n_bins + 1)
    edges[[0, -1]] = low, high
    return np.asarray(edges, float)
