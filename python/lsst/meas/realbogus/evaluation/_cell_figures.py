"""Every figure of scored sources, from the numbers of reals and bogus sources in cells of scores."""

from __future__ import annotations

__all__ = ("FIGURES", "cell_figures")

import numpy as np
import numpy.typing as npt

from ._cells import Cells, score_losses
from ._confusion import Confusion
from ._criteria import Criteria
from ._reliability import N_BINS, equal_mass_bins

type Floats = npt.NDArray[np.float64]

FIGURES = (
    "area",
    "average_precision",
    "rate",
    "equal_error_rate",
    "completeness",
    "specificity",
    "purity",
    "npv",
    "accuracy",
    "mcc",
    "false_positive_rate",
    "brier",
    "nll",
    "calibration_error",
    "best_purity",
    "best_completeness",
    "lowest_threshold",
    "highest_threshold",
    "is_met",
)
"""Names of the figures, in the order in which `cell_figures` gives them."""


def cell_figures(cells: Cells, criteria: Criteria, counts: Floats) -> Floats:
    """Return all figures of sources that are counted in cells.

    Parameters
    ----------
    cells
        The cells.
    criteria
        What the scores are judged by.
    counts
        Bogus and real sources in each cell, of any number of draws: shape ``(n_draws, 2, k + 1)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_draws, len(FIGURES))``.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        weights = counts * _scale(counts, criteria.real_fraction)
        bogus, real = weights[:, 0], weights[:, 1]
        above = np.concatenate([np.zeros((*weights.shape[:2], 1)), weights.cumsum(axis=2)], axis=2)
        n_bogus, n_real = above[:, 0, -1:], above[:, 1, -1:]
        # Sources without a score are tied below all others.
        ranked = (bogus * (above[:, 1, :-1] + real / 2)).sum(axis=1)
        area = ranked / (n_real * n_bogus)[:, 0]
        error = _crossing(1 - above[:, 1] / n_real, above[:, 0] / n_bogus)
        above = above[:, :, :-1]
        curve = Confusion(above[:, 1], n_real - above[:, 1], above[:, 0], n_bogus - above[:, 0])
        complete, pure, passing = curve.completeness, curve.purity, curve.false_positive_rate
        at = Confusion(*(count[:, np.sum(cells.lowest >= criteria.threshold)] for count in curve.counts))
        both = (n_real > 0) & (n_bogus > 0)
        # Purity where completeness grows: that of the score, or halfway through a cell of several.
        steps, before, after = np.diff(complete, axis=1), pure[:, :-1], pure[:, 1:]
        within = np.where(cells.is_single | np.isnan(before), after, (before + after) / 2)
        within[steps == 0] = 0.0
        allowed = passing <= criteria.false_positives + 1e-12
        enough, clean = complete[:, 1:] >= criteria.min_completeness, pure[:, 1:] >= criteria.min_purity
        is_met = enough & clean
        values = {
            "area": area,
            "average_precision": np.where(n_real[:, 0] > 0, (steps * within).sum(axis=1), np.nan),
            "rate": np.where(both[:, 0], np.where(allowed, complete, 0).max(axis=1), np.nan),
            "equal_error_rate": error,
            **{name: getattr(at, name) for name in ("completeness", "specificity", "purity", "npv")},
            **{name: getattr(at, name) for name in ("accuracy", "mcc", "false_positive_rate")},
            **_losses(cells, criteria, counts),
            "best_purity": _best(pure[:, 1:], enough),
            "best_completeness": _best(complete[:, 1:], clean),
            "lowest_threshold": -_best(np.broadcast_to(-cells.lowest, is_met.shape), is_met),
            "highest_threshold": _best(np.broadcast_to(cells.lowest, is_met.shape), is_met),
            "is_met": np.where(both[:, 0], is_met.any(axis=1), np.nan),
        }
        return np.stack([values[name] for name in FIGURES], axis=1)


def _scale(counts: Floats, real_fraction: float | None) -> Floats:
    """Return what to weigh bogus and real sources by, so that a given fraction is real."""
    if real_fraction is None:
        return np.ones((1, 2, 1))
    number = counts.sum(axis=2, keepdims=True)
    share = np.array([1 - real_fraction, real_fraction])[:, np.newaxis]
    return np.where(number > 0, share * number.sum(axis=1, keepdims=True) / number, 1.0)


def _losses(cells: Cells, criteria: Criteria, counts: Floats) -> dict[str, Floats]:
    """Return Brier score, negative log-likelihood and calibration error of the sources with a score."""
    counts = counts[:, :, :-1]
    weights = counts * _scale(counts, criteria.real_fraction)
    total = weights.sum(axis=(1, 2))
    own = cells.counts[np.newaxis, :, :-1]
    mass = (own * _scale(own, criteria.real_fraction))[0].sum(axis=0)
    means = np.where(own > 0, cells.sums[:, :, :-1] / np.maximum(own, 1), score_losses(cells.lowest))
    bins = equal_mass_bins(mass[::-1], N_BINS)[::-1]
    starts = np.flatnonzero(np.diff(bins, prepend=-1))
    excess = weights[:, 0] * means[0, 0] + weights[:, 1] * (means[0, 1] - 1)
    return {
        "brier": np.tensordot(weights, means[1], 2) / total,
        "nll": np.tensordot(weights, means[2], 2) / total,
        "calibration_error": np.abs(np.add.reduceat(excess, starts, axis=1)).sum(axis=1) / total
        if starts.size
        else total / total,
    }


def _crossing(falling: Floats, rising: Floats) -> Floats:
    """Return where lines through the points of two curves meet."""
    gap = falling - rising
    after = np.argmax(gap <= 0, axis=1)[:, np.newaxis]
    high, low = (np.take_along_axis(gap, np.maximum(at, 0), axis=1) for at in (after - 1, after))
    first, last = (np.take_along_axis(rising, np.maximum(at, 0), axis=1) for at in (after - 1, after))
    meeting: Floats = (first + (last - first) * np.where(after > 0, high / (high - low), 1.0))[:, 0]
    return meeting


def _best(values: Floats, where: npt.NDArray[np.bool_]) -> Floats:
    best = np.where(where, values, -np.inf).max(axis=1, initial=-np.inf)
    return np.where(np.isfinite(best), best, np.nan)
