"""Tables checked against a schema, and what is declared applied to them."""

from __future__ import annotations

__all__ = ("apply_schema", "check_table")

import dataclasses
from typing import TYPE_CHECKING, Any

from ..errors import InvalidCatalogError
from ._astropy import as_astropy
from ._convert import convert_column
from ._schema import Schema, described
from ._values import Problem, Severity

if TYPE_CHECKING:
    from astropy.table import Table


def check_table(table: Any, schema: Schema) -> tuple[Table, list[Problem]]:
    """Bring the columns of a table to their declared types and units, and list what cannot be used.

    Parameters
    ----------
    table
        An astropy, arrow or pandas table, a structured array or a mapping of columns.
    schema
        Columns by name; the table may have others, which are carried along as they are, and may lack those
        that are not required.

    Returns
    -------
    table
        A new table with the same columns, those of the schema in their declared type and unit, what is
        masked or empty replaced by what stands for "none".
    problems
        Faults, all of them, with their rows. The values of these mean nothing.
    """
    from astropy.table import Table

    given = as_astropy(table)
    problems = [
        Problem(Severity.ERROR, f"column {name} is missing", column=name)
        for name, column in schema.items()
        if column.required and name not in given.colnames
    ]
    columns = {}
    for name in given.colnames:
        if name not in schema:
            columns[name] = given[name]
            continue
        values, found = convert_column(name, given[name], schema[name])
        columns[name] = described(values, schema[name])
        problems += (dataclasses.replace(problem, column=name) for problem in found)
    return Table(columns, meta=given.meta, copy=False), problems


def apply_schema(table: Any, schema: Schema, *, name: str) -> Table:
    """Read a table as it is declared.

    Parameters
    ----------
    table, schema
        As for `check_table`.
    name
        What the table is called in messages.

    Returns
    -------
    astropy.table.Table
        As `check_table` returns it.

    Raises
    ------
    InvalidCatalogError
        With every fault and its rows.

    Examples
    --------
    >>> import astropy.units as u
    >>> from lsst.meas.realbogus.tables import Column
    >>> schema = {"id": Column("int64", "name"), "ra": Column("float64", "place", "deg")}
    >>> table = apply_schema({"id": ["7"], "ra": [3.141592653589793] * u.rad}, schema, name="mine")
    >>> table["id"].tolist(), table["ra"].tolist()
    ([7], [180.0])
    """
    out, problems = check_table(table, schema)
    if problems:
        raise InvalidCatalogError(name, map(str, problems))
    return out
