"""Parquet compressed with zstd, for Butler repositories that are told to use it."""

from __future__ import annotations

__all__ = ("ZstdParquetFormatter",)

from typing import Any

import pyarrow.parquet
from astropy.table import Table
from lsst.daf.butler.formatters.parquet import (
    ParquetFormatter,
    astropy_to_arrow,
    compute_row_group_size,
)
from lsst.resources import ResourcePath


class ZstdParquetFormatter(ParquetFormatter):
    """Writes astropy tables as parquet with zstd instead of snappy; everything else as its base class.

    Notes
    -----
    Parquet says itself how it is compressed, so the base class, and anything else that reads parquet, reads
    these files. A repository uses this class where its configuration names it, see ``doc/cutouts.md``.
    """

    def write_local_file(self, in_memory_dataset: Any, uri: ResourcePath) -> None:
        """Write a table to a file.

        Parameters
        ----------
        in_memory_dataset
            The table.
        uri
            The file.
        """
        if not isinstance(in_memory_dataset, Table):
            super().write_local_file(in_memory_dataset, uri)
            return
        table = astropy_to_arrow(in_memory_dataset)
        size = compute_row_group_size(table.schema)
        pyarrow.parquet.write_table(table, uri.ospath, row_group_size=size, compression="zstd")
