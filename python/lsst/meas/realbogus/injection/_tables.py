"""Users' own tables of fakes: reading, and bringing them into the form of our catalogues."""

from __future__ import annotations

__all__ = ("from_user_table", "read_table", "write_table")

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.table import Table

from ..errors import InvalidCatalogError, InvalidInputError
from ..tables import atomic_output
from ._schema import COLUMNS, empty_catalog
from ._sky import Footprint

_READERS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".parq": "parquet",
    ".parquet": "parquet",
    ".fits": "fits",
    ".fit": "fits",
}


def read_table(path: str | Path) -> Table:
    """Read a table, its format from its name.

    Parameters
    ----------
    path
        File ending in csv, ecsv, parquet (or parq) or fits.

    Returns
    -------
    astropy.table.Table
        The table, columns that are not masked anywhere as plain columns.

    Raises
    ------
    InvalidInputError
        If there is no such file, or its name says no known format.
    """
    path = Path(path)
    file_format = _format(path)
    if not path.is_file():
        raise InvalidInputError(f"no table {path}")
    if file_format == "parquet":
        import pyarrow.parquet

        arrow = pyarrow.parquet.read_table(path)
        return Table({name: arrow[name].to_numpy(zero_copy_only=False) for name in arrow.column_names})
    return Table.read(path, format=file_format)


def write_table(table: Table, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a table, its format from its name; the reverse of `read_table`."""
    path = Path(path)
    file_format = _format(path)
    with atomic_output(path, overwrite=overwrite) as place:
        if file_format == "parquet":
            import pyarrow
            import pyarrow.parquet

            columns = {name: np.ma.filled(np.ma.asarray(table[name])) for name in table.colnames}
            pyarrow.parquet.write_table(pyarrow.table(columns), place, compression="zstd")
        else:
            table.write(place, format=file_format)


def _format(path: Path) -> str:
    known = _READERS.get(path.suffix.lower())
    if known is None:
        raise InvalidInputError(
            f"cannot tell the format of {path.name}; known endings are {', '.join(_READERS)}"
        )
    return known


def from_user_table(
    table: Table, footprint: Footprint, *, padding: int = 32, name: str = "user table"
) -> Table:
    """Pick the rows of a user's table that belong to an image.

    Parameters
    ----------
    table
        Columns ``ra``, ``dec``, ``mag``; others named as ours are kept. A ``visit`` or ``band`` column
        restricts rows to that visit or band (0 and an empty string mean any).
    footprint
        The image.
    padding
        Pixels outside the image that still count.
    name
        What the table is called in messages.

    Returns
    -------
    astropy.table.Table
        Rows of population ``user``, without ids of their own (``injection_id`` is given anew).
    """
    missing = [column for column in ("ra", "dec", "mag") if column not in table.colnames]
    if missing:
        raise InvalidCatalogError(name, [f"columns missing: {', '.join(missing)}"])
    here = footprint.contains(_values(table, "ra", u.deg), _values(table, "dec", u.deg), padding)
    for column, wanted, any_value in (("visit", footprint.visit, 0), ("band", footprint.band, "")):
        if column in table.colnames:
            here &= np.isin(np.asarray(table[column]), [wanted, any_value])
    rows = table[here]
    own = {"visit", "detector", "band", "mjd", "injection_id", "population"}
    values = {
        c.name: _values(rows, c.name, c.unit)
        for c in COLUMNS
        if c.name in rows.colnames and c.name not in own
    }
    return empty_catalog(
        len(rows),
        **values,
        population="user",
        visit=footprint.visit,
        detector=footprint.detector,
        band=footprint.band,
        mjd=footprint.mjd,
    )


def _values(table: Table, name: str, unit: u.UnitBase | None) -> npt.NDArray[Any]:
    """Return a column in our unit, masked numbers as NaN; numbers without a unit are taken to be in it."""
    column = table[name]
    data = np.ma.asarray(column)
    if unit is not None and column.unit is not None:
        data = data * u.Unit(column.unit).to(unit)
    return np.asarray(data.filled(np.nan) if data.dtype.kind == "f" else data.data)
