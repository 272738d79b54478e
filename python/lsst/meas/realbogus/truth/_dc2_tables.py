"""Truth tables of the DESC DC2 simulation, as files: parameters of supernovae, objects, light curves."""

from __future__ import annotations

__all__ = ("read_dc2_summary", "read_dc2_truth", "read_dc2_variability")

import sqlite3
from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..errors import InvalidInputError
from ..tables import TABLE_ENDINGS, Column, Schema, apply_schema, make_table, read_table_file

_SALT2: Schema = {
    "snid": Column("U40", "name", required=True),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "redshift": Column("float64", "redshift", required=True),
    "t0": Column("float64", "time of maximum, MJD", "d", required=True),
    "x0": Column("float64", "SALT2 amplitude", required=True),
    "x1": Column("float64", "SALT2 stretch", required=True),
    "c": Column("float64", "SALT2 colour", required=True),
    "host_id": Column("int64", "id of the host; 0 for none", none=0, required=True),
}
# Names of ``sne_params``, and of the lists of the deep fields, which know no hosts.
_OF_SNE_PARAMS = {
    "snid_in": "snid",
    "snra_in": "ra",
    "sndec_in": "dec",
    "z_in": "redshift",
    "t0_in": "t0",
    "x0_in": "x0",
    "x1_in": "x1",
    "c_in": "c",
    "galaxy_id": "host_id",
}
_OF_LISTS = {
    "snid": "snid",
    "snra": "ra",
    "sndec": "dec",
    "z": "redshift",
    "t0": "t0",
    "x0": "x0",
    "x1": "x1",
    "c": "c",
}
_SUMMARY: Schema = {
    "id": Column("U40", "name", required=True),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "host_galaxy": Column("int64", "id of the host; 0 or -1 for none", none=0),
    "redshift": Column("float64", "redshift"),
    **{f"flux_{band}": Column("float64", f"mean flux in {band}", "nJy") for band in "ugrizy"},
}
_VARIABILITY: Schema = {
    "id": Column("U40", "name", required=True),
    "obsHistID": Column("int64", "visit", required=True),
    "MJD": Column("float64", "time", "d"),
    "bandpass": Column("U8", "band", required=True),
    "delta_flux": Column("float64", "flux less the mean flux in the band", "nJy", required=True),
}
_VARIABILITY_TABLES = ("sn_variability_truth", "stellar_variability_truth", "agn_variability_truth")


def read_dc2_truth(path: str | Path) -> Table:
    """Read the SALT2 parameters of DC2's supernovae.

    Parameters
    ----------
    path
        SQLite file with a table ``sne_params`` (as ``sne_cosmoDC2_v1.1.4_MS_DDF``), or a csv, parquet or
        FITS file with its columns or with ``snid, x0, t0, x1, c, z, snra, sndec`` (as the uDDF lists).

    Returns
    -------
    astropy.table.Table
        Columns snid (str), ra, dec [deg], redshift, t0 [MJD], x0, x1, c, host_id (0 for none), in the order
        of snid.

    Raises
    ------
    InvalidInputError
        If the file is neither.
    InvalidCatalogError
        If columns are missing or hold what cannot be used.
    """
    raw = _read(Path(path), ("sne_params",), _OF_SNE_PARAMS)
    names = _OF_SNE_PARAMS if "snid_in" in raw.colnames else _OF_LISTS
    schema = {old: _SALT2[new] for old, new in names.items()}
    table = apply_schema(raw, schema, name=str(path))[list(names)]
    table.rename_columns(list(names), list(names.values()))
    table = make_table(_SALT2, {name: table[name] for name in table.colnames}, len(table))
    table.sort("snid")
    return table


def read_dc2_summary(path: str | Path) -> Table:
    """Read a table of objects, DC2's ``truth_summary``.

    Parameters
    ----------
    path
        SQLite file with a table ``truth_summary``, or a parquet, csv or FITS file with its columns, of stars
        or of supernovae.

    Returns
    -------
    astropy.table.Table
        ``id`` (str), ``ra``, ``dec`` [deg], ``host_galaxy``, ``redshift`` and mean fluxes ``flux_u`` to
        ``flux_y`` [nJy]; NaN for fluxes that the table lacks.

    Raises
    ------
    InvalidInputError
        If the file is neither.
    InvalidCatalogError
        If columns are missing or hold what cannot be used.
    """
    return _declared(_read(Path(path), ("truth_summary",), _SUMMARY), _SUMMARY, str(path))


def read_dc2_variability(path: str | Path, visits: Collection[int] | None = None) -> Table:
    """Read light curves, DC2's ``sn_variability_truth`` and ``stellar_variability_truth``.

    Parameters
    ----------
    path
        SQLite file with such a table, or a parquet, csv or FITS file with its columns.
    visits
        Only the rows of these are read, of what may be very many.

    Returns
    -------
    astropy.table.Table
        ``id`` (str), ``obsHistID`` (the visit), ``MJD``, ``bandpass`` and ``delta_flux`` [nJy], the flux less
        the mean flux of `read_dc2_summary`.

    Raises
    ------
    InvalidInputError
        If the file is neither.
    InvalidCatalogError
        If columns are missing or hold what cannot be used.
    """
    raw = _read(Path(path), _VARIABILITY_TABLES, _VARIABILITY, visits)
    table = _declared(raw, _VARIABILITY, str(path))
    if visits is None:
        return table
    return table[np.isin(np.asarray(table["obsHistID"]), np.array(sorted(visits), np.int64))]


def _declared(raw: Table, schema: Schema, name: str) -> Table:
    """Bring a table to the columns of a schema, those that it lacks with nothing in them."""
    table = apply_schema(raw, schema, name=name)
    return make_table(schema, {c: table[c] for c in schema if c in table.colnames}, len(table))


def _read(
    path: Path, tables: tuple[str, ...], columns: Mapping[str, object], visits: Collection[int] | None = None
) -> Table:
    """Read columns of a file, of a database only those rows that are wanted."""
    if not path.is_file():
        raise InvalidInputError(f"no truth table {path}")
    if path.suffix.lower() not in TABLE_ENDINGS:
        return _read_sqlite(path, tables, columns, visits)
    if visits is not None and TABLE_ENDINGS[path.suffix.lower()] == "parquet":
        return _read_parquet(path, columns, visits)
    return read_table_file(path)


def _read_parquet(path: Path, columns: Mapping[str, object], visits: Collection[int]) -> Table:
    import pyarrow.parquet

    from ..tables import as_astropy, reading

    with reading(path, "a parquet table"):
        names = set(pyarrow.parquet.read_schema(path).names)
        if "obsHistID" not in names:
            return read_table_file(path)
        rows = pyarrow.parquet.read_table(
            path,
            columns=[name for name in columns if name in names],
            filters=[("obsHistID", "in", sorted(int(visit) for visit in visits))],
        )
    return as_astropy(rows)


def _read_sqlite(
    path: Path, tables: tuple[str, ...], columns: Mapping[str, object], visits: Collection[int] | None
) -> Table:
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        # Views are not read: one without end would never be.
        listed = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        known = [str(name) for (name,) in listed]
        table = next((name for name in tables if name in known), None)
        if table is None:
            raise InvalidInputError(f"{path} has no table {' or '.join(tables)}; has {', '.join(known)}")
        there = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        names = [name for name in columns if name in there]
        if not names:
            raise InvalidInputError(f"{path}: {table} has none of the columns {', '.join(columns)}")
        query = f"SELECT {', '.join(names)} FROM {table}"
        if visits is not None:
            query += f" WHERE obsHistID IN ({', '.join(str(int(visit)) for visit in sorted(visits))})"
        rows = connection.execute(query).fetchall()
    except sqlite3.DatabaseError as error:
        raise InvalidInputError(f"{path} is not a truth table of DC2: {error}") from error
    finally:
        if "connection" in locals():
            connection.close()
    return Table(rows=rows or None, names=names)
