"""Figures of groups of a sample, with intervals from drawing its objects again."""

from __future__ import annotations

__all__ = ("ScoreGroup", "estimate_groups", "resample_groups")

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._bootstrap import N_BOOTSTRAP, Estimate, summarize_draws
from ._cell_figures import FIGURES, cell_figures
from ._cells import Cells, ScoreRanks
from ._criteria import Criteria
from ._few_sources import PseudoSources
from ._intervals import CONFIDENCE
from ._shared_cells import share_cells
from ._units import Units, draw_counts

type Floats = npt.NDArray[np.float64]

_CELLS, _FINE = 768, 60_000


class ScoreGroup:
    """Sources in cells of scores: every figure is a function of the numbers of reals and bogus in the cells.

    A cell holds the sources of one score; beyond ``n_cells`` different scores, those of neighbouring ones, in
    cells of about equal numbers that the threshold does not cut. Figures of the sources as they are given
    come from cells of single scores, up to 60,000 of them, those of bootstrap draws from the coarser ones.

    Parameters
    ----------
    ranks
        The scores of the sample in order.
    real
        Whether each source of the sample is real, shape ``(n,)``.
    criteria
        What the sources of the group are judged by.
    rows
        Numbers of their rows in the sample; by default all.
    n_cells
        How many cells at most, about.
    family
        Groups of one family are counted together, which is cheaper where they are bins of one quantity or
        parts of each other.
    """

    def __init__(
        self,
        ranks: ScoreRanks,
        real: npt.NDArray[np.bool_],
        criteria: Criteria,
        rows: npt.NDArray[np.integer] | None = None,
        *,
        n_cells: int = _CELLS,
        family: str = "",
    ) -> None:
        self.ranks, self.criteria, self.family = ranks, criteria, family
        self.rows: npt.NDArray[np.integer] = np.arange(ranks.rank.size) if rows is None else rows
        rank, is_real = ranks.rank[self.rows], real[self.rows]
        self.n_real, self.n_bogus = int(is_real.sum()), int((~is_real).sum())
        self.n_unscored = int(np.sum(rank == ranks.scores.size))
        single = Cells.single(ranks, rank, is_real)
        fine = single.merged(_FINE, criteria)
        self.values = cell_figures(fine, criteria, fine.counts[np.newaxis])[0]
        self.cells = single.merged(n_cells, criteria)

    def figures(self, counts: npt.NDArray[np.floating]) -> Floats:
        """Return the figures of draws.

        Parameters
        ----------
        counts
            How many bogus and then how many real sources stand in each cell, in each draw: shape
            ``(n_draws, 2 * n_cells)``.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_draws, len(FIGURES))``.
        """
        return cell_figures(self.cells, self.criteria, counts.reshape(len(counts), 2, -1).astype(np.float64))


def resample_groups(
    groups: Sequence[ScoreGroup],
    real: npt.NDArray[np.bool_],
    objects: npt.ArrayLike | None,
    n_resamples: int,
    strata: npt.ArrayLike | None = None,
) -> Floats:
    """Measure groups of a sample were its objects drawn again, all groups by the same draws.

    To each draw of a group pseudo-sources are added, see `PseudoSources`.

    Parameters
    ----------
    groups
        The groups; a row may be in any number of them.
    real
        Whether each source of the sample is real.
    objects
        Which object each is of, as for `bootstrap`.
    n_resamples
        How many times to draw.
    strata
        What is drawn apart, as for `bootstrap`; by default what is real and what is not.

    Returns
    -------
    numpy.ndarray
        Shape ``(n_resamples, n_groups, len(FIGURES))``; of no draws where there are no rows.
    """
    units = Units.of(real if strata is None else strata, objects)
    shared = share_cells(groups, real)
    members = shared.members(units.order)
    pseudo = PseudoSources.of(n_resamples, units.mean_count(real))
    added = [pseudo.among(group.cells, group.ranks.rank[group.rows], real[group.rows]) for group in groups]
    samples, first = [], 0
    for counts in draw_counts(units, members, n_resamples):
        draws = slice(first, first + counts.shape[1])
        own = (c + extra.of_draws(draws) for c, extra in zip(shared.split(counts), added, strict=True))
        samples.append(np.stack([group.figures(c) for group, c in zip(groups, own, strict=True)], axis=1))
        first = draws.stop
    return np.concatenate([np.empty((0, len(groups), len(FIGURES))), *samples])


def estimate_groups(
    groups: Sequence[ScoreGroup],
    real: npt.NDArray[np.bool_],
    objects: npt.ArrayLike | None = None,
    *,
    strata: npt.ArrayLike | None = None,
    n_resamples: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> list[dict[str, Estimate]]:
    """Measure groups of a sample, with intervals by drawing its objects again.

    Parameters
    ----------
    groups, real, objects, strata, n_resamples
        As for `resample_groups`.
    confidence
        Confidence level.

    Returns
    -------
    list of dict
        For each group the figures by name, see `FIGURES`.
    """
    samples = resample_groups(groups, real, objects, n_resamples, strata)
    return [
        dict(zip(FIGURES, summarize_draws(group.values, samples[:, i], confidence), strict=True))
        for i, group in enumerate(groups)
    ]
