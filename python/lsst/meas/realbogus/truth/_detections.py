"""How many DIA sources are changes of the sky, and how many changes have no source."""

from __future__ import annotations

__all__ = ("DetectionCounts", "find_truth")

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ._matching import match_mutual_nearest, neighbours, unit_vectors

Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class DetectionCounts:
    """The table of DMTN-274; counts of several images add up.

    Parameters
    ----------
    n_sources
        DIA sources.
    n_matched
        Those that are a true change.
    n_truth
        True changes.
    n_found
        Those that have a source.

    Examples
    --------
    >>> counts = DetectionCounts(n_sources=4373, n_matched=346, n_truth=5258, n_found=346)
    >>> counts.n_unmatched, counts.n_missed, round(counts.missed_fraction, 3)
    (4027, 4912, 0.934)
    """

    n_sources: int = 0
    n_matched: int = 0
    n_truth: int = 0
    n_found: int = 0

    @classmethod
    def of(cls, truth_of_source: npt.ArrayLike, n_truth: int) -> Self:
        """Count.

        Parameters
        ----------
        truth_of_source
            Row of the truth of every source, -1 for none, as from `find_truth`.
        n_truth
            How many rows the truth has.

        Returns
        -------
        DetectionCounts
            The counts.
        """
        rows = np.asarray(truth_of_source, np.int64)
        matched = rows[rows >= 0]
        return cls(len(rows), len(matched), n_truth, len(np.unique(matched)))

    def __add__(self, other: DetectionCounts) -> DetectionCounts:
        mine, theirs = dataclasses.astuple(self), dataclasses.astuple(other)
        return DetectionCounts(*(a + b for a, b in zip(mine, theirs, strict=True)))

    @property
    def n_unmatched(self) -> int:
        """Sources that are no true change: false positives."""
        return self.n_sources - self.n_matched

    @property
    def n_missed(self) -> int:
        """True changes without a source: no classifier will see them."""
        return self.n_truth - self.n_found

    @property
    def missed_fraction(self) -> float:
        """Missed ones of all true changes, NaN where there are none."""
        return self.n_missed / self.n_truth if self.n_truth else float("nan")


def find_truth(dia_sources: Table, truth: Table, *, radius: float = 1.0, one_to_one: bool = False) -> Indices:
    """Find the true change that each DIA source is, by position alone.

    Parameters
    ----------
    dia_sources, truth
        Tables with ``ra`` and ``dec`` in degrees.
    radius
        Largest distance in arcsec.
    one_to_one
        Mutual nearest neighbours only, so that no change has two sources? Otherwise each source takes the
        nearest change, as in DMTN-274.

    Returns
    -------
    numpy.ndarray
        Row of the truth for every source, int64, -1 for none.
    """
    places = dia_sources["ra"], dia_sources["dec"], truth["ra"], truth["dec"]
    out = np.full(len(dia_sources), -1, np.int64)
    if one_to_one:
        pairs = match_mutual_nearest(*places, radius)
        out[pairs.first] = pairs.second
        return out
    first, second = neighbours(*places, radius)
    here, there = unit_vectors(*places[:2]), unit_vectors(*places[2:])
    gap = np.linalg.norm(here[first] - there[second], axis=1)
    order = np.lexsort((-gap, first))  # the nearest of a source last, which stays
    out[first[order]] = second[order]
    return out
