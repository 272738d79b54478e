"""How tasks declare and read catalogues of sources, stored differently in the stack and with PyPI alone."""

from __future__ import annotations

__all__ = ("dia_sources_storage_class", "read_placed")

import dataclasses
from typing import Any, Protocol

from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import SkyProjection
from lsst.pex.config import ChoiceField

from ..errors import InvalidCatalogError
from ..imaging import Place, check_catalog
from ..legacy import get_table


class CatalogReader(Protocol):
    """`cutouts.read_dia_sources` or `cutouts.read_sources`."""

    def __call__(self, catalog: Any, projection: SkyProjection[Any] | None = None, *, name: str) -> Table: ...


def dia_sources_storage_class() -> Any:
    """Make the configuration field of the storage class of the connection ``diaSources``.

    An afw ``SourceCatalog`` can be read as `astropy.table.Table` under the name ``AstropyTable`` only; a
    parquet table is read under either (`legacy.get_table`).
    """
    return ChoiceField[str](
        doc="How diaSources are declared.",
        allowed={
            "AstropyTable": "Parquet tables and afw catalogues alike.",
            "ArrowAstropy": "Parquet tables only.",
        },
        default="AstropyTable",
    )


def read_placed(read: CatalogReader, handle: DeferredDatasetHandle, science: DeferredDatasetHandle) -> Table:
    """Read a catalogue with pixel positions, its own or those that the science image's projection gives.

    A catalogue of another visit or detector than the science image's is refused.

    Parameters
    ----------
    read
        Reader of the kind of catalogue.
    handle
        The catalogue.
    science
        The science image, of which box and projection are read.
    """
    table, name = get_table(handle), str(handle.ref.datasetType.name)
    image, place = str(science.ref.datasetType.name), Place.of(science)
    check_catalog(name, table, image, dataclasses.replace(place, projection=None))
    try:
        sources = read(table, name=name)
    except InvalidCatalogError:
        # Perhaps it has sky positions only; whatever else is wrong is said again.
        return read(table, place.projection, name=name)
    check_catalog(name, sources, image, place)  # positions, now in pixels and degrees
    return sources
