"""Objects drawn again with replacement: how often each source stands in each draw."""

from __future__ import annotations

__all__ = ("Units", "draw_counts")

import dataclasses
import functools
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.sparse
from scipy.stats import poisson

from ..errors import InvalidInputError
from ..randomness import generator

type Rows = npt.NDArray[np.intp]
type Floats = npt.NDArray[np.float32]

_DRAWS = 32
_UNITS = 32768
"""How many draws of how many units are made at a time: their counts fit into the cache of a core."""
_MARGIN, _OPEN = 8.0, 255


@dataclasses.dataclass(frozen=True)
class Units:
    """Rows by object: ``order[start:start + count]`` are those of one, stratum by stratum.

    Parameters
    ----------
    order
        Numbers of rows.
    start, count, stratum
        Where the rows of each unit begin, how many they are, and what is drawn apart.
    """

    order: Rows
    start: Rows
    count: Rows
    stratum: Rows

    @classmethod
    def of(cls, strata: npt.ArrayLike, objects: npt.ArrayLike | None = None) -> Units:
        """Group rows by object.

        Parameters
        ----------
        strata
            What is drawn apart, such as real and bogus; shape ``(n,)``.
        objects
            Which object each row is of, int64 of shape ``(n,)``; a negative number stands for an object of
            its own, as does every row by default.

        Returns
        -------
        Units
            One for each object of each stratum.

        Raises
        ------
        InvalidInputError
            If the lengths differ.
        """
        kinds = np.asarray(strata)
        n = len(kinds)
        ids = np.full(n, -1, np.int64) if objects is None else np.asarray(objects, np.int64)
        if ids.shape != (n,):
            raise InvalidInputError(f"objects must have shape ({n},); got {ids.shape}")
        ids = np.where(ids < 0, np.max(ids, initial=0) + 1 + np.arange(n), ids)
        stratum = np.unique(kinds, return_inverse=True)[1]
        order = np.lexsort((ids, stratum))
        new = (np.diff(ids[order]) != 0) | (np.diff(stratum[order]) != 0)
        start = np.flatnonzero(np.concatenate([[True], new])) if n else np.empty(0, np.intp)
        return cls(order, start, np.diff(np.append(start, n)), stratum[order][start])

    @property
    def place(self) -> npt.NDArray[np.int32]:
        """Place of each row in ``order``."""
        place = np.empty(self.order.size, np.int32)
        place[self.order] = np.arange(self.order.size, dtype=np.int32)
        return place

    def mean_count(self, chosen: npt.NDArray[np.bool_]) -> tuple[float, float]:
        """Return how many rows an object has on average: one whose rows are not chosen, and one whose are.

        Parameters
        ----------
        chosen
            Which rows are, the same for all of an object; shape ``(n,)``.
        """
        inside = chosen[self.order[self.start]]
        parts = (self.count[~inside], self.count[inside])
        return tuple(float(part.mean()) if part.size else 1.0 for part in parts)  # type: ignore[return-value]

    def draw(self, n_draws: int) -> Iterator[Iterator[tuple[slice, Floats]]]:
        """Draw the objects of each stratum again, as many as there are.

        Parameters
        ----------
        n_draws
            How many times.

        Yields
        ------
        Iterator
            For some draws at a time, the counts of the rows part by part: a slice of ``order``, and how often
            each row stands in each draw, float32 of shape ``(n_rows, n_draws)``.

        Notes
        -----
        The counts of a stratum are multinomial. Those of its parts are drawn first, then those within each
        part, which is the same and keeps the random access within the cache.
        """
        rng = generator(0, "bootstrap", self.order.size)
        for first in range(0, n_draws, _DRAWS):
            yield self._draw(rng, min(_DRAWS, n_draws - first))

    def _draw(self, rng: np.random.Generator, n_draws: int) -> Iterator[tuple[slice, Floats]]:
        ends = np.append(np.flatnonzero(np.diff(self.stratum)) + 1, self.stratum.size)
        first = 0
        for last in ends[ends > 0].tolist():
            edges = np.unique(np.append(np.arange(first, last, _UNITS), last))
            sizes = np.diff(edges)
            totals = rng.multinomial(last - first, sizes / sizes.sum(), size=n_draws)
            for i, size in enumerate(sizes.tolist()):
                counts = _draw_multinomial(rng, totals[:, i], size).astype(np.float32)
                unit = slice(edges[i], edges[i + 1])
                begin = int(self.start[unit][0])
                end = begin + int(self.count[unit].sum())
                if end - begin > size:
                    counts = np.repeat(counts, self.count[unit], axis=0)
                yield slice(begin, end), counts
            first = last


def _draw_multinomial(rng: np.random.Generator, totals: Rows, size: int) -> npt.NDArray[np.uint8]:
    """Draw units with replacement: ``totals`` of ``size``, as counts of shape ``(size, n_draws)``.

    Poisson numbers with a given sum are multinomial. Somewhat too few are drawn first, and single units then
    fill up each draw, which is quicker than to draw all singly.
    """
    shape = (size, totals.size)
    mean = 1 - _MARGIN / np.sqrt(size)
    counts = _draw_poisson(rng, mean, shape) if mean > 0 else np.zeros(shape, np.uint8)
    while (over := np.flatnonzero((rest := totals - counts.sum(axis=0, dtype=np.int64)) < 0)).size:
        counts[:, over] = _draw_poisson(rng, mean, (size, over.size))  # one in thousands
    single = rng.integers(0, size, int(rest.sum()), np.uint16).astype(np.int64)
    single *= totals.size
    single += np.repeat(np.arange(totals.size), rest)
    np.add.at(counts.reshape(-1), single, np.uint8(1))
    return counts


def _draw_poisson(rng: np.random.Generator, mean: float, shape: tuple[int, int]) -> npt.NDArray[np.uint8]:
    """Look Poisson numbers up by 16 random bits, and by more where these leave them open."""
    table, ends = _poisson_table(mean)
    bits = rng.integers(0, 2**16, shape[0] * shape[1], np.uint16)
    counts: npt.NDArray[np.uint8] = table[bits]
    at = np.flatnonzero(counts == _OPEN)
    counts[at] = np.searchsorted(ends, (bits[at] + rng.random(at.size)) / 2**16, side="right")
    return counts.reshape(shape)


@functools.lru_cache(maxsize=8)
def _poisson_table(mean: float) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float64]]:
    """Return the Poisson number of each 16 bits, and the cumulative probabilities."""
    ends = poisson.cdf(np.arange(32), mean)
    low, high = (np.searchsorted(ends, np.arange(at, at + 2**16) / 2**16, side="right") for at in (0, 1))
    return np.where(low == high, low, _OPEN).astype(np.uint8), ends


def _rows_of(cells: scipy.sparse.csr_array, rows: slice) -> scipy.sparse.csr_array:
    """Return some rows over the same memory."""
    start, stop = cells.indptr[rows.start], cells.indptr[rows.stop]
    pointers = cells.indptr[rows.start : rows.stop + 1] - start
    content = cells.data[start:stop], cells.indices[start:stop], pointers
    return scipy.sparse.csr_array(content, shape=(pointers.size - 1, cells.shape[1]))


def draw_counts(units: Units, cells: scipy.sparse.csr_array, n_draws: int) -> Iterator[Floats]:
    """Count the rows in cells, were the objects drawn again.

    Parameters
    ----------
    units
        Rows by object.
    cells
        Which cells each row is in: float32 ones of shape ``(n_rows, n_cells)``, the rows as in `Units.order`.
    n_draws
        How many times to draw.

    Yields
    ------
    numpy.ndarray
        Counts of some draws at a time, float32 of shape ``(n_cells, n_draws)``; below 2**24 they are exact.
    """
    parts: dict[int, scipy.sparse.csc_array] = {}
    for block in units.draw(n_draws):
        total: Floats | None = None
        for rows, counts in block:
            if rows.start not in parts:
                parts[rows.start] = _rows_of(cells, rows).T
            here = parts[rows.start] @ counts
            total = here if total is None else np.add(total, here, out=total)
        if total is not None:
            yield total
