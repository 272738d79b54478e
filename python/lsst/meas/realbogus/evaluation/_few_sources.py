"""What few sources do not tell: sources that were not seen, added to bootstrap draws."""

from __future__ import annotations

__all__ = ("PseudoCounts", "PseudoSources")

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt

from ..randomness import generator
from ._cells import Cells

type Numbers = npt.NDArray[np.intp]
type Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class PseudoCounts:
    """Pseudo-sources in the cells of a group.

    Parameters
    ----------
    column, weight
        The cell of each, those of bogus sources before those of real ones, and for how many sources it
        stands; shape ``(n_draws, n)``.
    n_columns
        Twice the number of cells.
    """

    column: Numbers
    weight: Floats
    n_columns: int

    def of_draws(self, draws: slice) -> Floats:
        """Count them in some of the draws.

        Parameters
        ----------
        draws
            Which.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_draws, n_columns)``.
        """
        column, weight = self.column[draws], self.weight[draws]
        counts = np.zeros((len(column), self.n_columns))
        np.add.at(counts, (np.arange(len(column))[:, np.newaxis], column), weight)
        return counts


@dataclasses.dataclass(frozen=True)
class PseudoSources:
    """Objects that might have been seen: in each bootstrap draw two of each class.

    Parameters
    ----------
    place
        Whose score each has: from 0 for the first source to 1; shape ``(n_draws, 2, 2)``. The second axis is
        what it is, bogus or real, the third of what class the source is whose score it has.
    weight
        For how many sources each stands, of the same shape.

    Notes
    -----
    A bootstrap of few sources takes what was not seen for impossible: if none of 30 is wrong, none ever is,
    and intervals of rates near 0 or 1 and of areas near 1 are too narrow. The bootstrap of a Dirichlet
    process (Ferguson 1973; Muliere & Secchi 1996) adds draws from what was thought before there were data.
    Here that weighs as much as one object of each class, and says that its score may as well be like those of
    the other class. A completeness then has the interval of Jeffreys' prior, which has the stated coverage
    (Brown, Cai & DasGupta 2001); of many sources nothing changes.

    The same pseudo-sources go into every group and every model, so that differences of models stay paired.
    """

    place: Floats
    weight: Floats

    @classmethod
    def of(cls, n_draws: int, counts: tuple[float, float]) -> Self:
        """Make them.

        Parameters
        ----------
        n_draws
            For how many draws.
        counts
            Mean number of detections of a bogus and of a real object.

        Returns
        -------
        PseudoSources
            The same whenever it is called with the same numbers.
        """
        rng, shape = generator(0, "pseudo-sources", n_draws), (n_draws, 2, 2)
        return cls(rng.random(shape), rng.gamma(0.5, size=shape) * np.reshape(counts, (2, 1)))

    def among(self, cells: Cells, rank: npt.NDArray[np.int32], real: npt.NDArray[np.bool_]) -> PseudoCounts:
        """Give them scores of a group.

        Parameters
        ----------
        cells
            The cells of the group.
        rank, real
            Rank of the score of each of its sources, and whether it is real.

        Returns
        -------
        PseudoCounts
            Those of classes that the group has. Where it has no scores of the other class, those that are
            like it have none.
        """
        n_cells = cells.starts.size
        column = np.empty(self.place.shape, np.intp)
        weight = self.weight.copy()
        for kind, ranks in enumerate((rank[~real], rank[real])):
            column[:, :, kind] = n_cells - 1
            if ranks.size:
                picked = ranks[(self.place[:, :, kind] * ranks.size).astype(np.intp)]
                column[:, :, kind] = np.searchsorted(cells.starts, picked, side="right") - 1
            else:
                weight[:, kind] = 0.0
        column[:, 1] += n_cells
        return PseudoCounts(column.reshape(-1, 4), weight.reshape(-1, 4), 2 * n_cells)
