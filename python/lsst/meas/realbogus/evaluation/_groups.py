"""All figures of a group of scored sources, from their numbers in cells of scores."""

from __future__ import annotations

__all__ = ("FIGURES", "Criteria", "ScoreGroup", "ScoreRanks", "estimate_groups", "resample_groups")

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ..options import Options, option
from ._bootstrap import N_BOOTSTRAP, Estimate, summarize_draws
from ._confusion import Confusion
from ._intervals import CONFIDENCE
from ._reliability import N_BINS, equal_mass_bins
from ._units import Units, draw_counts

type Floats = npt.NDArray[np.float64]
type Rows = npt.NDArray[np.intp]

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
"""Names of the figures, in the order in which `ScoreGroup.figures` gives them."""

_CELLS, _FINE = 768, 60_000
_TINY = float(np.finfo(np.float64).eps)


@dataclasses.dataclass(frozen=True)
class Criteria(Options):
    """What scores are judged by."""

    threshold: float = option(0.5, "Sources with at least this score are called real.")
    false_positives: float = option(
        0.01, "False positive rate at which the true positive rate is given.", min=0.0, max=1.0
    )
    real_fraction: float | None = option(
        None,
        "Purity, NPV, accuracy, MCC, Brier score, NLL and calibration error are for sources of which this "
        "fraction is real; none: those that are given.",
        above=0.0,
        below=1.0,
    )
    min_completeness: float = option(
        0.9, "Completeness that is required at some threshold (OSS-REQ-0353, LSE-30).", min=0.0, max=1.0
    )
    min_purity: float = option(
        0.95, "Purity that is required at the same threshold (OSS-REQ-0353).", min=0.0, max=1.0
    )


@dataclasses.dataclass(frozen=True)
class ScoreRanks:
    """The scores of a sample in order.

    Parameters
    ----------
    scores
        Different scores, from the highest to the lowest.
    rank
        Which of them each source has; those without a score have one more.
    """

    scores: Floats
    rank: npt.NDArray[np.int32]

    @classmethod
    def of(cls, scores: Floats) -> ScoreRanks:
        """Put scores in order.

        Parameters
        ----------
        scores
            Scores, minus infinity for none.

        Returns
        -------
        ScoreRanks
            Their order.
        """
        falling, rank = np.unique(-scores, return_inverse=True)
        return cls(-falling[np.isfinite(falling)], rank.astype(np.int32))


class ScoreGroup:
    """Sources in cells of scores: every figure is a function of the numbers of reals and bogus in the cells.

    A cell holds the sources of one score; beyond ``n_cells`` different scores, those of neighbouring ones, in
    cells of about equal numbers that the threshold does not cut. Figures of the sources as they are given
    come from cells of single scores, up to 60,000 of them, those of bootstrap draws from the coarser ones.

    Parameters
    ----------
    scores
        Scores, minus infinity for none; shape ``(n,)``.
    real
        Whether each source is real.
    criteria
        What they are judged by.
    rows
        Numbers of these rows in the sample that is drawn again; by default from 0.
    n_cells
        How many cells at most, about.
    ranks
        The scores of the whole sample in order, where it has many groups.
    """

    def __init__(
        self,
        scores: Floats,
        real: npt.NDArray[np.bool_],
        criteria: Criteria,
        rows: npt.NDArray[np.integer] | None = None,
        n_cells: int = _CELLS,
        ranks: ScoreRanks | None = None,
    ) -> None:
        self.rows: npt.NDArray[np.integer] = np.arange(scores.size) if rows is None else rows
        self.criteria = criteria
        rank = (own := ranks or ScoreRanks.of(scores)).rank
        single, cell = _Cells.single(own, rank if ranks is None else rank[self.rows], real)
        coarse, parts = single.merged(n_cells, criteria)
        self.n_real, self.n_bogus = int(real.sum()), int((~real).sum())
        self.n_unscored = int(np.isneginf(scores).sum())
        fine = single.merged(_FINE, criteria)[0]
        self.values = _figures(fine, criteria, fine.counts[np.newaxis])[0]
        self.codes = (parts[cell] + real * parts.max(initial=0) + real).astype(np.int32)
        self.n_codes = coarse.counts.size
        self._cells = coarse

    def figures(self, counts: npt.NDArray[np.floating]) -> Floats:
        """Return the figures of draws.

        Parameters
        ----------
        counts
            How often the sources of each code stand in each draw, shape ``(n_draws, n_codes)``.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_draws, len(FIGURES))``.
        """
        shaped = counts.reshape(len(counts), 2, -1).astype(np.float64)
        return _figures(self._cells, self.criteria, shaped)


@dataclasses.dataclass(frozen=True)
class _Cells:
    """Cells from the highest score to the lowest, and one more for sources without a score.

    ``counts`` and the sums of score, squared error and negative log-likelihood have shape ``(2, k + 1)``,
    bogus sources first; ``is_single`` tells the cells of a single score.
    """

    lowest: Floats
    counts: Floats
    sums: Floats
    is_single: npt.NDArray[np.bool_]

    @classmethod
    def single(
        cls, ranks: ScoreRanks, rank: npt.NDArray[np.int32], real: npt.NDArray[np.bool_]
    ) -> tuple[_Cells, Rows]:
        """Make a cell of each score, and number the cell of each source."""
        is_there = np.bincount(rank, minlength=ranks.scores.size + 1) > 0
        is_there[-1] = True  # the cell of sources without a score
        cell = (np.cumsum(is_there) - 1)[rank]
        lowest = ranks.scores[is_there[:-1]]
        n = lowest.size + 1
        counts = np.bincount(cell + real * n, minlength=2 * n).reshape(2, n).astype(float)
        score = np.append(lowest, 0.0)
        known = np.clip(score, _TINY, 1 - _TINY)
        losses = np.array(
            [[score, score], [score**2, (1 - score) ** 2], [-np.log1p(-known), -np.log(known)]], float
        )
        losses[..., -1] = 0.0
        return cls(lowest, counts, losses * counts, np.ones(lowest.size, bool)), cell

    def merged(self, n_cells: int, criteria: Criteria) -> tuple[_Cells, Rows]:
        """Put neighbouring cells together, and number what each becomes."""
        size = self.lowest.size
        if size <= n_cells:
            return self, np.arange(size + 1)
        bogus, real = self.counts[:, :-1].cumsum(axis=1)
        part = np.linspace(0, 1, n_cells // 3)
        # Where cells begin: at equal numbers of sources, closely about the false positive rate and the
        # completeness that figures are asked for, at the threshold, and at both ends, where scores pile up.
        even = np.searchsorted(bogus + real, (bogus[-1] + real[-1]) * part)
        passing = np.searchsorted(bogus, bogus[-1] * criteria.false_positives * 4 ** (2 * part - 1))
        complete = np.searchsorted(real, real[-1] * (criteria.min_completeness + 0.1 * part - 0.05))
        at = np.sum(self.lowest >= criteria.threshold)
        starts = np.unique([0, 1, *even, *passing, *(complete + 1), at, size - 1])
        starts = starts[starts < size]
        edges = np.append(starts, size)
        cells = _Cells(
            self.lowest[edges[1:] - 1],
            np.add.reduceat(self.counts, edges, axis=-1),
            np.add.reduceat(self.sums, edges, axis=-1),
            np.diff(edges) == 1,
        )
        return cells, np.repeat(np.arange(edges.size), np.diff(np.append(edges, size + 1)))


def _figures(cells: _Cells, criteria: Criteria, counts: Floats) -> Floats:
    """Return all figures for counts of shape ``(n_draws, 2, n_cells + 1)``."""
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


def _losses(cells: _Cells, criteria: Criteria, counts: Floats) -> dict[str, Floats]:
    """Return Brier score, negative log-likelihood and calibration error of the sources with a score."""
    counts = counts[:, :, :-1]
    weights = counts * _scale(counts, criteria.real_fraction)
    total = weights.sum(axis=(1, 2))
    own = cells.counts[np.newaxis, :, :-1]
    mass = (own * _scale(own, criteria.real_fraction))[0].sum(axis=0)
    means = cells.sums[:, :, :-1] / np.maximum(own, 1)
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


def resample_groups(
    groups: Sequence[ScoreGroup], strata: npt.ArrayLike, objects: npt.ArrayLike | None, n_resamples: int
) -> Floats:
    """Measure groups of a sample were its objects drawn again, all groups by the same draws.

    Parameters
    ----------
    groups
        The groups; a row may be in any number of them.
    strata, objects
        What is drawn apart, and which object each row of the sample is of, as for `bootstrap`.
    n_resamples
        How many times to draw.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_resamples, n_groups, len(FIGURES))``; of no draws where there are no rows.
    """
    units = Units.of(strata, objects)
    place = units.place
    ends = np.cumsum([0, *(group.n_codes for group in groups)])
    rows = np.concatenate([np.empty(0, np.int32), *(place[group.rows] for group in groups)])
    codes = np.concatenate(
        [np.empty(0, np.int32), *(g.codes + np.int32(end) for g, end in zip(groups, ends, strict=False))]
    )
    cells = scipy.sparse.csr_array(
        (np.ones(rows.size, np.float32), (rows, codes)), shape=(units.order.size, int(ends[-1]))
    )
    del rows, codes
    samples = []
    for counts in draw_counts(units, cells, n_resamples):
        own = np.split(counts, ends[1:-1], axis=1)
        samples.append(np.stack([group.figures(c) for group, c in zip(groups, own, strict=True)], axis=1))
    return np.concatenate([np.empty((0, len(groups), len(FIGURES))), *samples])


def estimate_groups(
    groups: Sequence[ScoreGroup],
    strata: npt.ArrayLike,
    objects: npt.ArrayLike | None = None,
    *,
    n_resamples: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> list[dict[str, Estimate]]:
    """Measure groups of a sample, with intervals by drawing its objects again.

    Parameters
    ----------
    groups, strata, objects, n_resamples
        As for `resample_groups`.
    confidence
        Confidence level.

    Returns
    -------
    list of dict
        For each group the figures by name, see `FIGURES`.
    """
    samples = resample_groups(groups, strata, objects, n_resamples)
    return [
        dict(zip(FIGURES, summarize_draws(group.values, samples[:, i], confidence), strict=True))
        for i, group in enumerate(groups)
    ]
