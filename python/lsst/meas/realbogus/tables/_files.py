"""Tables in files: one reader and one writer, whatever the format."""

from __future__ import annotations

__all__ = ("TABLE_ENDINGS", "read_table_file", "write_table_file")

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInputError
from ._astropy import META_KEY, as_astropy
from ._input import check_growth, open_fits, reading
from ._output import atomic_output
from ._values import plain

if TYPE_CHECKING:
    import pyarrow
    from astropy.table import Table

TABLE_ENDINGS: Mapping[str, str] = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".parq": "parquet",
    ".parquet": "parquet",
    ".fits": "fits",
    ".fit": "fits",
}
"""Endings of the names of files that hold tables, and their formats as astropy calls them."""


def read_table_file(path: str | Path) -> Table:
    """Read a table, its format from its name.

    Parameters
    ----------
    path
        File ending in csv, ecsv, parquet (or parq) or fits (or fit); of a FITS file the first table.

    Returns
    -------
    astropy.table.Table
        The table as it is written there, units and masks too; `apply_schema` makes the best of it.

    Raises
    ------
    InvalidInputError
        If there is no such file, its name says no known format, or it holds no table of that format.
    """
    path = Path(path)
    table_format = _format(path)
    if not path.is_file():
        raise InvalidInputError(f"no table {path}")
    with reading(path, f"a {table_format} table"):
        return _READERS[table_format](path)


def write_table_file(table: Table, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a table, its format from its name; the reverse of `read_table_file`.

    Parameters
    ----------
    table
        The table.
    path
        File ending as for `read_table_file`.
    overwrite
        Replace the file if it exists.

    Raises
    ------
    InvalidInputError
        If the name says no known format.
    OutputError
        If the file exists or cannot be written, see `atomic_output`.
    """
    table_format = _format(Path(path))
    with atomic_output(path, overwrite=overwrite) as place:
        if table_format == "parquet":
            import pyarrow.parquet

            pyarrow.parquet.write_table(_to_arrow(table), place, compression="zstd")
        else:
            table.write(place, format=table_format)


def _format(path: Path) -> str:
    known = TABLE_ENDINGS.get(path.suffix.lower())
    if known is None:
        raise InvalidInputError(
            f"cannot tell the format of {path.name}; known endings are {', '.join(TABLE_ENDINGS)}"
        )
    return known


def _read_ascii(path: Path) -> Table:
    from astropy.table import Table

    return as_astropy(Table.read(path, format=_format(path)))


def _read_parquet(path: Path) -> Table:
    import pyarrow.parquet

    metadata, schema = pyarrow.parquet.read_metadata(path), pyarrow.parquet.read_schema(path)
    check_growth(path, metadata.num_rows * sum(map(_least_bytes, schema.types)))
    return as_astropy(pyarrow.parquet.read_table(path), str(path))


def _least_bytes(kind: pyarrow.DataType) -> int:
    """Return how many bytes a value takes at least."""
    try:
        return int(-(-kind.bit_width // 8))
    except ValueError:  # of any length
        return 4


def _read_fits(path: Path) -> Table:
    from astropy.io.fits import BinTableHDU, CompImageHDU, TableHDU
    from astropy.table import Table

    with open_fits(path) as hdus:
        for hdu in hdus:
            if isinstance(hdu, BinTableHDU | TableHDU) and not isinstance(hdu, CompImageHDU):
                return as_astropy(Table.read(hdu))
    raise InvalidInputError(f"{path}: no table in it")


_READERS: Mapping[str, Callable[[Path], Table]] = {
    "ascii.csv": _read_ascii,
    "ascii.ecsv": _read_ascii,
    "parquet": _read_parquet,
    "fits": _read_fits,
}


def _to_arrow(table: Table) -> pyarrow.Table:
    """Convert a table, its units and descriptions where astropy and the Butler keep them."""
    import pyarrow
    from astropy.table import meta

    columns = {}
    for name in table.colnames:
        data, masked = plain(table[name])
        values = pyarrow.array(data.ravel(), mask=masked.ravel() if masked.any() else None)
        for length in data.shape[:0:-1]:
            values = pyarrow.FixedSizeListArray.from_arrays(values, length)
        columns[name] = values
    header = "\n".join(meta.get_yaml_from_table(table))
    return pyarrow.table(columns).replace_schema_metadata({META_KEY: header})
