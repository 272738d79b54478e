"""How tables are declared where the full stack and PyPI packages store them differently."""

from __future__ import annotations

__all__ = ("dia_sources_storage_class",)

from typing import Any

from lsst.pex.config import ChoiceField


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
