"""How tasks declare and read catalogues of sources, stored differently in the stack and with PyPI alone."""

from __future__ import annotations

__all__ = ("dia_sources_storage_class", "read_placed")

from typing import Any, Protocol

from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import SkyProjection
from lsst.pex.config import ChoiceField

from ..errors import InvalidCatalogError
from ..legacy import read_projection, read_table


class CatalogReader(Protocol):
    """`cutouts.read_dia_sources` or `cutouts.read_sources`."""

    def __call__(self, catalog: Any, projection: SkyProjection[Any] | None = None, *, name: str) -> Table: ...


def dia_sources_storage_class() -> Any:
    """Make the configuration field of the storage class of the connection ``diaSources``.

    An afw ``SourceCatalog`` can be read as `astropy.table.Table` under the name ``AstropyTable`` only, a
    parquet table under the name ``ArrowAstropy``.
    """
    return ChoiceField[str](
        doc="How diaSources are declared: AstropyTable where they are afw catalogues.",
        allowed={"ArrowAstropy": "Parquet tables.", "AstropyTable": "afw SourceCatalog, read as a table."},
        default="ArrowAstropy",
    )


def read_placed(read: CatalogReader, handle: DeferredDatasetHandle, science: DeferredDatasetHandle) -> Table:
    """Read a catalogue with pixel positions, its own or those that the science image's projection gives.

    Parameters
    ----------
    read
        Reader of the kind of catalogue.
    handle
        The catalogue.
    science
        The science image; its projection is read only where the catalogue has no pixel positions.
    """
    table, name = read_table(handle), str(handle.ref.datasetType.name)
    try:
        return read(table, name=name)
    except InvalidCatalogError:
        # Perhaps it has sky positions only; whatever else is wrong is said again.
        return read(table, read_projection(science), name=name)
