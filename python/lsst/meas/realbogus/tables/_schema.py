"""How a table is declared, and tables made of declarations."""

from __future__ import annotations

__all__ = ("NO_ID", "Column", "Schema", "empty_table", "make_table")

import dataclasses
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from astropy.table import Column as AstropyColumn
    from astropy.table import Table

NO_ID = -1
"""What stands for "none" in a column of identifiers of another table, where 0 is a legal identifier."""

_WORD = "U32"
"""What ``"str"`` is: wide enough for every word of ours, and the same for every image."""


@dataclasses.dataclass(frozen=True, slots=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    dtype
        numpy type; ``"str"`` for words of at most 24 characters.
    description
        Meaning.
    unit
        Unit as astropy spells it, or None. Values in another unit are converted, those without are taken to
        be in it.
    none
        What stands for a value that is not there: NaN, False and an empty string by default. An integer has
        none unless it is given here: it must be there.
    required
        Whether a table that is read must have the column.
    minimum
        Least legal value, or None.
    shape
        Shape of one row's value; names stand for lengths that differ from table to table.
    """

    dtype: str
    description: str
    unit: str | None = None
    none: Any = None
    required: bool = False
    minimum: int | None = None
    shape: tuple[str | int, ...] = ()

    @property
    def numpy_dtype(self) -> np.dtype[Any]:
        """The type of the column's array."""
        return np.dtype(_WORD if self.dtype == "str" else self.dtype)

    @property
    def fill(self) -> Any:
        """What rows without a value hold: ``none``, and 0 for integers that must have one."""
        if self.none is not None:
            return self.none
        return np.nan if self.numpy_dtype.kind == "f" else np.zeros(1, self.numpy_dtype)[0]


type Schema = Mapping[str, Column]


def make_table(schema: Schema, values: Mapping[str, Any], n_rows: int | None = None) -> Table:
    """Make a table of exactly the columns of a schema.

    Parameters
    ----------
    schema
        Columns by name, in order.
    values
        By name, arrays of ``n_rows`` values or single values; columns without hold what stands for "none".
    n_rows
        Number of rows; by default that of the arrays among the values, 0 where there are none.

    Returns
    -------
    astropy.table.Table
        The schema's order, types, units and descriptions.

    Raises
    ------
    KeyError
        If a value is not of a column.
    InvalidInputError
        If a word is longer than its column.

    Examples
    --------
    >>> schema = {"id": Column("int64", "name"), "ra": Column("float64", "place", "deg")}
    >>> table = make_table(schema, {"id": [3, 4]})
    >>> table["ra"].tolist(), str(table["ra"].unit)
    ([nan, nan], 'deg')
    """
    from astropy.table import Table

    if unknown := sorted(set(values) - set(schema)):
        raise KeyError(f"not columns of this table: {unknown}; columns are {', '.join(schema)}")
    arrays = {name: np.asarray(value) for name, value in values.items()}
    if n_rows is None:
        n_rows = max((len(array) for array in arrays.values() if array.ndim), default=0)
    columns = {
        name: described(_filled(name, column, arrays.get(name), n_rows), column)
        for name, column in schema.items()
    }
    return Table(columns, copy=False)


def empty_table(schema: Schema) -> Table:
    """Make a table without rows.

    Parameters
    ----------
    schema
        Columns by name, in order.

    Returns
    -------
    astropy.table.Table
        As from `make_table`.
    """
    return make_table(schema, {})


def described(values: npt.NDArray[Any], column: Column) -> AstropyColumn:
    """Give an array the unit and the description of its column.

    Parameters
    ----------
    values
        The array.
    column
        Its declaration.

    Returns
    -------
    astropy.table.Column
        A column over the same memory.
    """
    from astropy.table import Column as AstropyColumn

    return AstropyColumn(values, unit=column.unit, description=column.description)


def _filled(name: str, column: Column, values: npt.NDArray[Any] | None, n_rows: int) -> npt.NDArray[Any]:
    dtype = column.numpy_dtype
    if values is None:
        return np.full(n_rows, column.fill, dtype)
    if dtype.kind == "U" and values.dtype.kind == "U" and values.dtype.itemsize > dtype.itemsize:
        longest = max((str(value) for value in values.ravel()), key=len, default="")
        if len(longest) > dtype.itemsize // 4:
            raise InvalidInputError(f"{name} {longest!r} is longer than {dtype.itemsize // 4} characters")
    values = values.astype(dtype)
    return values if values.ndim else np.full(n_rows, values)
