"""Cells that several groups of sources are made of, so that every source is counted once for all of them."""

from __future__ import annotations

__all__ = ("SharedCells", "share_cells")

import dataclasses
import itertools
from collections.abc import Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt
import scipy.sparse

from ._cells import Cells, ScoreRanks

type Counts = npt.NDArray[np.float32]
type Columns = npt.NDArray[np.int32]
type Entries = list[npt.NDArray[np.intp]]


class CountedGroup(Protocol):
    """What is counted: rows of a sample, in cells of their scores."""

    ranks: ScoreRanks
    rows: npt.NDArray[np.integer]
    cells: Cells
    family: str


@dataclasses.dataclass(frozen=True)
class SharedCells:
    """Where each source of a sample is counted, and what of it goes to which group.

    Parameters
    ----------
    columns
        For each family of groups the cell that each source is in, -1 for none; int32 of shape
        ``(n_families, n_rows)``.
    parts
        Which cells each group has: for every group a matrix of shape ``(2 * n_cells, n_columns)``, its bogus
        sources first.
    """

    columns: Columns
    parts: Sequence[scipy.sparse.csr_array]

    def members(self, order: npt.NDArray[np.intp]) -> scipy.sparse.csr_array:
        """Tell which cells each source is in.

        Parameters
        ----------
        order
            Rows of the sample in the order that is wanted.

        Returns
        -------
        scipy.sparse.csr_array
            Float32 ones, shape ``(n_rows, n_columns)``.
        """
        there = self.columns >= 0
        pointers = np.concatenate([[0], np.cumsum(there.sum(axis=0)[order])])
        indices = self.columns.T[order][there.T[order]]
        shape = (order.size, self.parts[0].shape[1] if self.parts else 0)
        return scipy.sparse.csr_array((np.ones(indices.size, np.float32), indices, pointers), shape=shape)

    def split(self, counts: Counts) -> list[Counts]:
        """Add up the cells of each group.

        Parameters
        ----------
        counts
            Counts in the shared cells, shape ``(n_columns, n_draws)``.

        Returns
        -------
        list of numpy.ndarray
            For each group its counts, shape ``(n_draws, 2 * n_cells)``.
        """
        return [(part @ counts).T for part in self.parts]


def share_cells(groups: Sequence[CountedGroup], real: npt.NDArray[np.bool_]) -> SharedCells:
    """Cut the sources of each family of groups into cells that lie in one cell of every group.

    Parameters
    ----------
    groups
        The groups; those of one family and of the same scores are taken together.
    real
        Whether each source of the sample is real, shape ``(n,)``.

    Returns
    -------
    SharedCells
        The cells; their number is of the order of ``groups * cells`` for groups that are bins of one
        quantity.
    """
    families: dict[tuple[int, str], list[int]] = {}
    for i, group in enumerate(groups):
        families.setdefault((id(group.ranks), group.family), []).append(i)
    columns = np.full((len(families), real.size), -1, np.int32)
    sources: dict[int, Entries] = {}
    n_columns = 0
    for column, members in zip(columns, families.values(), strict=True):
        entries, size = _share([groups[i] for i in members], real, n_columns, column)
        sources |= dict(zip(members, entries, strict=True))
        n_columns += size
    parts = []
    for i, group in enumerate(groups):
        place = np.concatenate(sources[i], axis=1) if sources[i] else np.empty((2, 0), np.intp)
        shape = (2 * group.cells.starts.size, n_columns)
        parts.append(
            scipy.sparse.csr_array((np.ones(place.shape[1], np.float32), (place[0], place[1])), shape=shape)
        )
    return SharedCells(columns, parts)


def _share(
    groups: Sequence[CountedGroup], real: npt.NDArray[np.bool_], first: int, column: Columns
) -> tuple[list[Entries], int]:
    """Number the shared cells of one family from ``first`` on in ``column``, and list those of each group."""
    part, memberships = _divide(groups, real)
    order = np.argsort(part, kind="stable")
    ends = np.cumsum(np.bincount(part, minlength=len(memberships)))
    entries: list[Entries] = [[] for _ in groups]
    size = 0
    for rows, members in zip(np.split(order, ends)[:-1], memberships, strict=True):
        if not members:
            continue
        starts = np.unique(np.concatenate([groups[i].cells.starts for i in members]))
        cell = np.searchsorted(starts, groups[0].ranks.rank[rows], side="right") - 1
        is_there = np.bincount(cell, minlength=starts.size) > 0
        number = np.cumsum(is_there) - 1 + first + size
        column[rows] = number[cell]
        for i in members:
            own = groups[i].cells.starts
            code = np.searchsorted(own, starts[is_there], side="right") - 1 + own.size * bool(real[rows[0]])
            entries[i].append(np.stack([code, number[is_there]]))
        size += int(is_there.sum())
    return entries, size


def _divide(
    groups: Sequence[CountedGroup], real: npt.NDArray[np.bool_]
) -> tuple[npt.NDArray[np.intp], list[tuple[int, ...]]]:
    """Number the parts of a sample of which every group has all or nothing, and list the groups of each."""
    part = real.astype(np.intp)
    memberships: list[tuple[int, ...]] = [(), ()]
    for i, group in enumerate(groups):
        part *= 2
        part[group.rows] += 1
        is_there = np.bincount(part, minlength=2 * len(memberships)) > 0
        memberships = [
            members + (i,) * inside
            for (members, inside), there in zip(itertools.product(memberships, (0, 1)), is_there, strict=True)
            if there
        ]
        part = (np.cumsum(is_there) - 1)[part]
    return part, memberships
