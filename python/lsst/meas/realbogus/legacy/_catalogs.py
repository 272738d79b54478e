"""Catalogues of afw, and tables that may be stored as such."""

from __future__ import annotations

__all__ = ("afw_catalog", "get_table")

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from astropy.table import Table
    from lsst.daf.butler import DeferredDatasetHandle

_TYPES = {"float32": "F", "float64": "D", "int32": "I", "int64": "L", "bool": "Flag"}
"""afw's name of each type of number that a catalogue can hold."""


def get_table(handle: DeferredDatasetHandle) -> Table:
    """Read a table dataset: a parquet file as it is, an afw catalogue as an astropy table.

    Parameters
    ----------
    handle
        Deferred handle of a table, declared or stored as any kind of table or catalogue.

    Returns
    -------
    astropy.table.Table
        The table. Angles of afw are in radians, its flags are columns of booleans.
    """
    from ..tables import as_astropy

    name = str(handle.ref.datasetType.name)
    try:
        return as_astropy(handle.get(), name)
    except TypeError:
        # Declared AstropyTable, stored as parquet: no conversion is registered for that pair.
        return as_astropy(handle.get(storageClass="ArrowAstropy"), name)
    except (ImportError, ValueError):
        # An afw catalogue where there is no afw: it is a FITS table. Anything else is no file of that kind.
        uri = getattr(handle.butler, "getURI", None)
        if uri is None or (found := uri(handle.ref)).getExtension() != ".fits":
            raise
        return _read_fits(found, name)


def _read_fits(uri: Any, name: str) -> Table:
    from astropy.table import Table

    from ..tables import as_astropy

    with uri.as_local() as local:
        table = Table.read(local.ospath, hdu=1, character_as_bytes=False)
    for column in table.colnames:
        if not table[column].dtype.isnative:
            table[column] = table[column].astype(table[column].dtype.newbyteorder("="))
    return as_astropy(table, name)


def afw_catalog(table: Table) -> Any:
    """Write a table as an afw catalogue, such as `FilterDiaSourceReliabilityTask` of ap_association reads.

    Parameters
    ----------
    table
        Columns of numbers, booleans and words. The filter wants ``id`` (int64), ``score`` (float32) and
        ``version`` (at most 7 characters).

    Returns
    -------
    lsst.afw.table.BaseCatalog
        Fields of the same names, row by row: int64 as L, float32 as F, float64 as D, booleans as Flag, words
        as String of the column's width.

    Raises
    ------
    ImportError
        Raised outside the full stack.
    InvalidInputError
        Raised if a column is of a type that afw cannot hold.
    """
    from lsst.afw.table import BaseCatalog, Schema

    from ..errors import InvalidInputError

    schema = Schema()
    words = []
    for name in table.colnames:
        column = table[name]
        doc = column.description or name
        if column.dtype.kind == "U" and column.ndim == 1:
            words.append(name)
            schema.addField(name, type="String", size=max(1, column.dtype.itemsize // 4), doc=doc)
        elif column.dtype.name in _TYPES and column.ndim == 1:
            schema.addField(name, type=_TYPES[column.dtype.name], doc=doc)
        else:
            raise InvalidInputError(f"column {name} ({column.dtype}) cannot be part of an afw catalogue")
    catalog = BaseCatalog(schema)
    catalog.resize(len(table))
    for name in table.colnames if len(table) else ():
        if name not in words:
            catalog[name] = table[name].data
    for name in words:
        for record, word in zip(catalog, table[name].tolist(), strict=True):
            record[name] = word
    return catalog
