"""Labels that people gave, in the place of those that stamps came with."""

from __future__ import annotations

__all__ = ("HAND_LABELS", "HandLabels", "read_hand_labels")

from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..errors import InvalidCatalogError
from ..tables import Column, Schema, apply_schema, make_table, read_table_file
from ..truth import DIA_SOURCE_MATCH, Label

HAND_LABELS: Schema = {
    "diaSourceId": Column("int64", "Identifier of the DIA source.", required=True),
    "label": Column("int8", "1 real, 0 bogus, -1 undecided.", required=True),
}
"""Labels by hand: what the page of `realbogus explain` saves, which has more columns; one row a source."""

_REASON = "labelled_by_hand"


class HandLabels:
    """Labels of some sources.

    Parameters
    ----------
    table
        A table of the schema `HAND_LABELS`.
    name
        What to call it in messages.

    Raises
    ------
    InvalidCatalogError
        Raised if a label is none, or a source has two different ones.
    """

    def __init__(self, table: Table, name: str = "labels") -> None:
        found = apply_schema(table, HAND_LABELS, name=name)
        ids, labels = np.asarray(found["diaSourceId"], np.int64), np.asarray(found["label"], np.int8)
        if wrong := sorted(set(labels.tolist()) - {int(label) for label in Label}):
            raise InvalidCatalogError(name, [f"labels are 1 real, 0 bogus and -1 undecided; got {wrong}"])
        pairs = np.unique(np.stack([ids, labels.astype(np.int64)], axis=1), axis=0)
        self._ids, self._labels = pairs[:, 0], pairs[:, 1].astype(np.int8)
        if twice := self._ids[1:][np.diff(self._ids) == 0].tolist():
            raise InvalidCatalogError(name, [f"two labels of the sources {twice[:5]} ({len(twice)} in all)"])

    def __len__(self) -> int:
        return len(self._ids)

    def of(self, ids: npt.ArrayLike) -> npt.NDArray[np.int8]:
        """Return the label of each source.

        Parameters
        ----------
        ids
            Identifiers, shape ``(n,)``.

        Returns
        -------
        numpy.ndarray
            Int8, -1 for sources that nobody labelled.
        """
        wanted = np.asarray(ids, np.int64)
        if not len(self):
            return np.full(wanted.shape, -1, np.int8)
        place = np.minimum(np.searchsorted(self._ids, wanted), len(self) - 1)
        return np.where(self._ids[place] == wanted, self._labels[place], np.int8(-1))

    def match(self, ids: npt.ArrayLike, match: Table | None = None) -> Table:
        """Make a ``dia_source_match`` of these labels alone.

        Parameters
        ----------
        ids
            The sources, shape ``(n,)``.
        match
            What else is known of them (and perhaps of others): kinds, objects and hosts are kept.

        Returns
        -------
        astropy.table.Table
            One row for each source, in order; those that nobody labelled are undecided.
        """
        wanted = np.asarray(ids, np.int64)
        if match is None:
            table = make_table(DIA_SOURCE_MATCH, {"diaSourceId": wanted, "kind": ""})
        else:
            known = np.asarray(match["diaSourceId"])
            order = np.argsort(known, kind="stable")
            place = np.minimum(np.searchsorted(known, wanted, sorter=order), len(known) - 1)
            if not len(known) or (known[order[place]] != wanted).any():
                raise InvalidCatalogError("dia_source_match", ["some sources of the stamps are not in it"])
            table = match[order[place]]
        table["label"] = self.of(wanted)
        table["label_reason"] = np.full(len(wanted), _REASON)
        return table


def read_hand_labels(*paths: Path) -> HandLabels:
    """Read labels from tables.

    Parameters
    ----------
    *paths
        Files ending in csv, ecsv, parquet or fits, with the columns of `HAND_LABELS` and perhaps others.

    Returns
    -------
    HandLabels
        The labels.

    Raises
    ------
    InvalidInputError
        Raised if there is no such table; see also `HandLabels`.
    """
    tables = [apply_schema(read_table_file(path), HAND_LABELS, name=str(path)) for path in paths]
    return HandLabels(vstack(tables, metadata_conflicts="silent"), " and ".join(map(str, paths)))
