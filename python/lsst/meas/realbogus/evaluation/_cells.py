"""Sources in cells of neighbouring scores."""

from __future__ import annotations

__all__ = ("Cells", "ScoreRanks", "score_losses")

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt

from ._criteria import Criteria

type Floats = npt.NDArray[np.float64]
type Ranks = npt.NDArray[np.int32]

_TINY = float(np.finfo(np.float64).eps)


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
    rank: Ranks

    @classmethod
    def of(cls, scores: Floats) -> Self:
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


def score_losses(scores: Floats) -> Floats:
    """Return what scores cost a bogus and a real source.

    Parameters
    ----------
    scores
        Scores in [0, 1], shape ``(k,)``.

    Returns
    -------
    numpy.ndarray
        The score, squared error and negative log-likelihood; shape ``(3, 2, k)``.
    """
    known = np.clip(scores, _TINY, 1 - _TINY)
    return np.array(
        [[scores, scores], [scores**2, (1 - scores) ** 2], [-np.log1p(-known), -np.log(known)]], float
    )


@dataclasses.dataclass(frozen=True)
class Cells:
    """Cells from the highest score to the lowest, and one more for sources without a score.

    Parameters
    ----------
    starts
        Rank of the highest score in each of the ``k + 1`` cells.
    lowest
        Lowest score in each of the first ``k``.
    counts
        Bogus and real sources in each cell, shape ``(2, k + 1)``.
    sums
        Sums of the score, squared error and negative log-likelihood of these, shape ``(3, 2, k + 1)``.
    is_single
        Which of the first ``k`` hold a single score.
    """

    starts: Ranks
    lowest: Floats
    counts: Floats
    sums: Floats
    is_single: npt.NDArray[np.bool_]

    @classmethod
    def single(cls, ranks: ScoreRanks, rank: Ranks, real: npt.NDArray[np.bool_]) -> Cells:
        """Make a cell of each score.

        Parameters
        ----------
        ranks
            The scores of the whole sample.
        rank, real
            Rank of each source, and whether it is real.

        Returns
        -------
        Cells
            As many as there are different scores, and one.
        """
        is_there = np.bincount(rank, minlength=ranks.scores.size + 1) > 0
        is_there[-1] = True  # the cell of sources without a score
        cell = (np.cumsum(is_there) - 1)[rank]
        starts = np.flatnonzero(is_there).astype(np.int32)
        lowest = ranks.scores[starts[:-1]]
        n = starts.size
        counts = np.bincount(cell + real * n, minlength=2 * n).reshape(2, n).astype(float)
        losses = np.pad(score_losses(lowest), [(0, 0), (0, 0), (0, 1)])
        return cls(starts, lowest, counts, losses * counts, np.ones(lowest.size, bool))

    def merged(self, n_cells: int, criteria: Criteria) -> Cells:
        """Put neighbouring cells together.

        Parameters
        ----------
        n_cells
            How many to leave, about.
        criteria
            What figures are asked for: there cells stay small, and the threshold cuts none.

        Returns
        -------
        Cells
            All that there are if these are few enough.
        """
        size = self.lowest.size
        if size <= n_cells:
            return self
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
        return Cells(
            self.starts[edges],
            self.lowest[edges[1:] - 1],
            np.add.reduceat(self.counts, edges, axis=-1),
            np.add.reduceat(self.sums, edges, axis=-1),
            np.diff(edges) == 1,
        )
