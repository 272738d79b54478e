"""Objects of injected catalogues: a variable has two rows, one for the visit and one for the template."""

from __future__ import annotations

__all__ = ("InjectedObjects", "injected_objects", "join_injected")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.images import SkyProjection

from ..errors import InvalidCatalogError
from ._inputs import read_injected

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class InjectedObjects:
    """What the rows of an injected catalogue are rows of.

    Parameters
    ----------
    of_row
        Object of every row, shape ``(n_rows,)``: a row and its twin have the same.
    primary
        Row that stands for each object, shape ``(n_objects,)``: one that was drawn if there is one, and of
        two such that of the visit.
    change
        Flux in nJy that each object adds to the difference: what was drawn in the image, less what was drawn
        in the template.
    """

    of_row: Indices
    primary: Indices
    change: Floats

    def __len__(self) -> int:
        return self.primary.size


def join_injected(
    in_visit: Table, in_template: Table | None = None, projection: SkyProjection[Any] | None = None
) -> Table:
    """Put the catalogues of what was injected into an image and into its template into one.

    Parameters
    ----------
    in_visit, in_template
        Catalogues as the injection, ours or lsst.source_injection's, writes them; no second one if nothing
        was injected into the template, or if its rows are in the first already.
    projection
        Gives pixel positions where a catalogue has none.

    Returns
    -------
    astropy.table.Table
        The rows of the first and those that only the second has, in their order. ``is_visit_source`` and
        ``is_template_source`` say where each row was really drawn, and ``injection_flag`` is 0 where it was
        drawn at all.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing or identifiers occur twice in a catalogue.
    """
    in_visit = read_injected(in_visit, projection)
    tables = {"injected catalogue": in_visit}
    if in_template is not None:
        name = "injected catalogue of the template"
        in_template = tables[name] = read_injected(in_template, projection, name=name)
    for name, table in tables.items():
        _check(name, table)
    joined = in_visit.copy()
    drawn = np.asarray(in_visit["injection_flag"]) == 0
    for_visit = _column(in_visit, "is_visit_source", True)
    for_template = ~for_visit & _column(in_visit, "is_template_source", False)
    joined["is_visit_source"], joined["is_template_source"] = drawn & for_visit, drawn & for_template
    if in_template is None:
        return joined
    here = {int(value): row for row, value in enumerate(in_visit["injection_id"])}
    both = np.array([here.get(int(value), -1) for value in in_template["injection_id"]], np.int64)
    drawn = np.asarray(in_template["injection_flag"]) == 0
    known = both >= 0
    joined["is_template_source"][both[known]] = drawn[known]
    joined["injection_flag"][both[known & drawn]] = 0
    rest = in_template[~known]
    rest["is_visit_source"], rest["is_template_source"] = False, drawn[~known]
    return vstack([joined, rest], metadata_conflicts="silent") if len(rest) else joined


def injected_objects(injected: Table) -> InjectedObjects:
    """Find the rows that belong together, and what each object changes.

    Parameters
    ----------
    injected
        Catalogue of injected sources: ``injection_id``, ``ra``, ``dec``, ``flux``, and ``injection_flag``,
        which is not 0 for rows that were not drawn; ``is_visit_source``, ``is_template_source`` (where it
        was drawn; without them, in the visit) and ``twin_id`` if there are any.

    Returns
    -------
    InjectedObjects
        Objects in the order of their first rows.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing, identifiers occur twice, or three rows are twins of each other.
    """
    injected = read_injected(injected)
    _check("injected catalogue", injected)
    n = len(injected)
    first = np.minimum(np.arange(n), _twins(injected))
    _, of_row = np.unique(first, return_inverse=True)
    drawn = np.asarray(injected["injection_flag"]) == 0
    in_visit = drawn & _column(injected, "is_visit_source", True)
    in_template = drawn & _column(injected, "is_template_source", False)
    light = np.where(drawn, np.asarray(injected["flux"], float), 0.0)
    change = np.bincount(of_row, light * (in_visit.astype(float) - in_template))
    # Of each object first the row that was drawn in the visit, then that in the template, then any.
    order = np.lexsort((np.arange(n), ~in_template, ~in_visit, of_row))
    _, begin = np.unique(of_row[order], return_index=True)
    return InjectedObjects(of_row.astype(np.int64), order[begin].astype(np.int64), change)


def _check(name: str, table: Table) -> None:
    values, counts = np.unique(np.asarray(table["injection_id"]), return_counts=True)
    if reasons := [f"injection_id {value} occurs more than once" for value in values[counts > 1]]:
        raise InvalidCatalogError(name, reasons)


def _column(table: Table, name: str, default: bool) -> Bools:
    if name not in table.colnames:
        return np.full(len(table), default)
    return np.asarray(table[name])


def _twins(injected: Table) -> Indices:
    """Row of each row's twin, its own where it has none in the table."""
    rows = np.arange(len(injected))
    if "twin_id" not in injected.colnames or not len(injected):
        return rows
    ids, wanted = np.asarray(injected["injection_id"]), np.asarray(injected["twin_id"])
    order = np.argsort(ids)
    near = order[np.clip(np.searchsorted(ids, wanted, sorter=order), 0, len(ids) - 1)]
    named = (wanted != 0) & (ids[near] == wanted)
    twin = np.where(named, near, rows)
    # A row that only its twin names: ids of 0 cannot be named.
    unnamed = ~named[twin[named]]
    twin[twin[named][unnamed]] = rows[named][unnamed]
    if (odd := np.flatnonzero(twin[twin] != rows)).size:
        row = int(odd[0])
        raise InvalidCatalogError(
            "injected catalogue",
            [
                f"twin_id {wanted[row]} of row {row} (injection_id {ids[row]}) is a row whose own twin is "
                f"injection_id {ids[twin[twin[row]]]}: twins come in pairs"
            ],
        )
    return twin.astype(np.int64)
