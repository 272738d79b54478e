"""Tables of any make as astropy tables."""

from __future__ import annotations

__all__ = ("META_KEY", "as_astropy")

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._input import reading

if TYPE_CHECKING:
    from astropy.table import Table

META_KEY = b"table_meta_yaml"
"""Where astropy and the Butler keep units and descriptions in parquet files."""


def as_astropy(table: Any, name: str = "table") -> Table:
    """View or convert a table of any make.

    Parameters
    ----------
    table
        An astropy, arrow or pandas table, a structured array, a mapping of columns, or an afw catalogue.
    name
        What to call it in messages.

    Returns
    -------
    astropy.table.Table
        The table, units of arrow and parquet tables included. The packed flags and slots of an afw catalogue
        that was read as a plain FITS table are spelled out as columns.

    Raises
    ------
    InvalidInputError
        If this is no table.

    Examples
    --------
    >>> as_astropy({"a": [1, 2]}).colnames
    ['a']
    """
    with reading(name, "a table"):
        out = _as_astropy(table)
    if out is None:
        raise InvalidInputError(f"{name}: a {type(table).__name__} is not a table")
    return out


def _as_astropy(table: Any) -> Table | None:
    from astropy.table import QTable, Table

    if isinstance(table, QTable):
        return Table(table, copy=False)
    if isinstance(table, Table):
        return _unpacked(table) if "flags" in table.colnames else table
    if isinstance(table, Mapping) or (isinstance(table, np.ndarray) and table.dtype.names):
        return Table(table, copy=False)
    if hasattr(table, "asAstropy"):  # afw catalogue
        return table.asAstropy()
    if hasattr(table, "to_pandas") and hasattr(table, "column_names"):  # arrow
        return _from_arrow(table)
    if hasattr(table, "iloc"):  # pandas
        return Table.from_pandas(table.reset_index() if table.index.names != [None] else table)
    return None


def _from_arrow(table: Any) -> Table:
    """Convert an arrow table: nulls are masked; units are where astropy and the Butler store them."""
    from astropy.table import Table, meta

    header = (table.schema.metadata or {}).get(META_KEY)
    stored = meta.get_header_from_yaml(header.decode().split("\n")) if header else {}
    if not isinstance(stored, Mapping):
        raise ValueError(f"the metadata {META_KEY.decode()} are a {type(stored).__name__}")
    out = Table(meta=stored.get("meta"))
    attributes = {column["name"]: column for column in stored.get("datatype", ())}
    for name in table.column_names:
        out[name] = _column_from_arrow(table.column(name))
        of_field = {k.decode(): v.decode() for k, v in (table.schema.field(name).metadata or {}).items()}
        for key in ("unit", "description"):
            if value := attributes.get(name, of_field).get(key):
                setattr(out[name], key, value)
    return out


def _column_from_arrow(column: Any) -> npt.NDArray[Any]:
    if hasattr(column.type, "list_size") and not column.null_count:  # an array in each row
        whole = column.combine_chunks() if hasattr(column, "chunks") else column
        inner = _column_from_arrow(whole.flatten())
        return inner.reshape(len(column), column.type.list_size, *inner.shape[1:])
    # Without the nulls first: with them, integers come as floats, and the large ones not exactly.
    values: npt.NDArray[Any] = column.drop_null().to_numpy(zero_copy_only=False)
    if len(values) and isinstance(values[0], str):
        values = values.astype(str)
    if not column.null_count:
        return values
    masked = np.asarray(column.is_null())
    out = np.zeros(len(column), values.dtype)
    out[~masked] = values
    return np.ma.masked_array(out, masked)


def _unpacked(table: Table) -> Table:
    """Spell out the flags and the slots of an afw catalogue."""
    flags = table["flags"]
    if flags.ndim != 2:
        return table
    out = table.copy(copy_data=False)
    for key, name in table.meta.items():
        if match := re.fullmatch(r"TFLAG(\d+)", key):
            if not 1 <= int(match[1]) <= flags.shape[1]:
                raise ValueError(f"{key} names one of {flags.shape[1]} flags")
            out[name] = flags[:, int(match[1]) - 1]
    aliases = table.meta.get("ALIAS", [])
    for alias in [aliases] if isinstance(aliases, str) else aliases:
        slot, _, target = str(alias).partition(":")
        for column in table.colnames:
            if column.startswith(target + "_"):
                out[slot + column.removeprefix(target)] = table[column]
    return out
