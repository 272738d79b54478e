"""Formatters of the repositories that this package makes.

The module is public because repositories name it in their configuration.
"""

from __future__ import annotations

__all__ = ("FastImageFormatter", "StampTableFormatter")

from typing import Any, override

import pyarrow.parquet
from astropy.table import Table
from lsst.daf.butler.formatters.parquet import ParquetFormatter, astropy_to_arrow
from lsst.images.fits import FitsCompressionAlgorithm, FitsCompressionOptions
from lsst.images.formatters import GenericFormatter
from lsst.resources import ResourcePath

_MASK = FitsCompressionOptions(algorithm=FitsCompressionAlgorithm.RICE_1, tile_shape=(256, 256))
_GROUP_BYTES = 1 << 24


class FastImageFormatter(GenericFormatter):
    """Write images so that putting and getting them costs little: pixels as they are, masks packed.

    `lsst.images.formatters.GenericFormatter` compresses every plane with GZIP, which is a third smaller for
    real pixels and costs about six times the CPU time. A recipe of the configuration goes before this choice.

    Notes
    -----
    The files are ordinary ones of `lsst.images`, and the datastore's records name its formatter: they can be
    read where this package is not installed.
    """

    @classmethod
    @override
    def name(cls) -> str:
        return str(GenericFormatter.name())

    @override
    def _get_compression_options(self) -> dict[str, Any]:
        if "recipe" in self.write_parameters or "default" in self.write_recipes:
            return dict(super()._get_compression_options())
        return {"image": None, "variance": None, "psf": None, "mask": _MASK}


class StampTableFormatter(ParquetFormatter):
    """Write astropy tables as parquet a group of rows at a time, compressed with zstd.

    `lsst.daf.butler.formatters.parquet.ParquetFormatter`, which does everything else, copies a table twice
    on its way to the file: three times the stamps of a crowded image are much.

    Notes
    -----
    The files are ordinary parquet, and the datastore's records name the formatter of the Butler: they can be
    read where this package is not installed. Groups of rows hold about 16 MiB, so that they can be read part
    by part as well.
    """

    @classmethod
    @override
    def name(cls) -> str:
        return str(ParquetFormatter.name())

    @override
    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        if not isinstance(in_memory_dataset, Table) or not len(in_memory_dataset):
            super().write_local_file(in_memory_dataset, uri)
            return
        table = in_memory_dataset
        row_bytes = sum(table[name].nbytes for name in table.colnames) / len(table)
        step = max(1, int(_GROUP_BYTES / row_bytes))
        schema = astropy_to_arrow(table[:1]).schema
        with pyarrow.parquet.ParquetWriter(uri.ospath, schema, compression="zstd") as writer:
            for start in range(0, len(table), step):
                writer.write_table(astropy_to_arrow(table[start : start + step]))
