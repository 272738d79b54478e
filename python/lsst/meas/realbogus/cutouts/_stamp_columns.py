"""Columns of npz, parquet and FITS files, read from front to back a few rows at a time."""

from __future__ import annotations

__all__ = ("FileColumns", "open_cubes", "open_npz", "open_parquet")

import contextlib
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import astropy.io.fits
import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet

from ..tables import open_fits, unzip
from ._npz import NpzMember, npz_members

type Columns = dict[str, npt.NDArray[Any]]

_BUFFER = 1 << 20
_IMAGES = (astropy.io.fits.PrimaryHDU, astropy.io.fits.ImageHDU, astropy.io.fits.CompImageHDU)
_TABLES = (astropy.io.fits.BinTableHDU, astropy.io.fits.TableHDU)


class FileColumns(Protocol):
    """The columns of an open file."""

    @property
    def shapes(self) -> Mapping[str, tuple[int, ...]]:
        """Shapes by name, rows first; all that is known before anything is read."""
        ...

    def read(self, names: Sequence[str], size: int, start: int) -> Iterator[Columns]:
        """Read columns from a row to the end.

        Parameters
        ----------
        names
            Which columns, at least one.
        size
            Largest number of rows at a time.
        start
            First row.

        Yields
        ------
        dict
            Arrays by name, of one length.
        """
        ...


def open_npz(path: Path, stack: contextlib.ExitStack) -> FileColumns:
    """Open an npz file.

    Parameters
    ----------
    path
        The file.
    stack
        Keeps it open.

    Returns
    -------
    FileColumns
        Its arrays.
    """
    return _NpzColumns(path)


class _NpzColumns:
    def __init__(self, path: Path) -> None:
        self._path = path
        self.shapes: dict[str, tuple[int, ...]] = {}
        for name in npz_members(path):
            with contextlib.ExitStack() as once:
                self.shapes[name] = NpzMember(path, name, once, header_only=True).shape

    def read(self, names: Sequence[str], size: int, start: int) -> Iterator[Columns]:
        with contextlib.ExitStack() as stack:
            members = [NpzMember(self._path, name, stack) for name in names]
            n_rows = members[0].shape[0]
            for member in members:
                member.skip_to(start)
            for row in range(start, n_rows, size):
                yield {member.name: member.read(min(size, n_rows - row)) for member in members}


def open_cubes(path: Path, stack: contextlib.ExitStack) -> FileColumns:
    """Open a FITS file with cubes as extensions and tables; a ``.gz`` is unpacked to a temporary file.

    Parameters
    ----------
    path
        The file.
    stack
        Keeps it open.

    Returns
    -------
    FileColumns
        Its extensions and the columns of its tables.
    """
    if path.name.endswith(".gz"):
        unpacked = stack.enter_context(tempfile.NamedTemporaryFile(suffix=".fits"))
        unzip(path, unpacked)
        unpacked.flush()
        path = Path(unpacked.name)
    # Pixels are read, not mapped: mapped pages count as memory of the process until others need it.
    tables = stack.enter_context(open_fits(path, "stamps"))
    images = stack.enter_context(astropy.io.fits.open(path, memmap=False))
    return _FitsColumns(images, tables)


class _FitsColumns:
    def __init__(self, images: astropy.io.fits.HDUList, tables: astropy.io.fits.HDUList) -> None:
        self.shapes: dict[str, tuple[int, ...]] = {}
        self._cubes: dict[str, Any] = {}
        self._tables: dict[str, Any] = {}
        for image, table in zip(images, tables, strict=True):
            if isinstance(image, _IMAGES):
                self._cubes[image.name] = image
                self.shapes[image.name] = tuple(image.shape)
            elif isinstance(table, _TABLES):
                for name in table.columns.names:
                    self._tables[name] = table
                    self.shapes[name] = (table.header["NAXIS2"],)

    def read(self, names: Sequence[str], size: int, start: int) -> Iterator[Columns]:
        n_rows = self.shapes[names[0]][0]
        for row in range(start, n_rows, size):
            rows = slice(row, min(row + size, n_rows))
            yield {
                name: np.asarray(
                    self._cubes[name].section[rows]
                    if name in self._cubes
                    else self._tables[name].data[name][rows]
                )
                for name in names
            }


def open_parquet(path: Path, stack: contextlib.ExitStack) -> FileColumns:
    """Open a parquet file, whatever its row groups.

    Parameters
    ----------
    path
        The file.
    stack
        Keeps it open.

    Returns
    -------
    FileColumns
        Its columns. Reading holds a batch of rows and, of each column, one page and a buffer of 1 MB.
    """
    return _ParquetColumns(
        stack.enter_context(pyarrow.parquet.ParquetFile(path, buffer_size=_BUFFER, pre_buffer=False))
    )


class _ParquetColumns:
    def __init__(self, file: pyarrow.parquet.ParquetFile) -> None:
        self._file = file
        n_rows = file.metadata.num_rows
        self.shapes = {
            field.name: (n_rows, *_row_shape(file.schema_arrow, field)) for field in file.schema_arrow
        }

    def read(self, names: Sequence[str], size: int, start: int) -> Iterator[Columns]:
        groups, skip = self._groups_from(start)
        if not groups:
            return
        batches = self._file.iter_batches(
            batch_size=size, row_groups=groups, columns=list(names), use_threads=False
        )
        for batch in batches:
            passed = min(skip, batch.num_rows)
            skip -= passed
            if passed < batch.num_rows:
                part = batch.slice(passed)
                yield {name: self._values(name, part) for name in names}

    def _groups_from(self, start: int) -> tuple[list[int], int]:
        """Return the row groups from a row on, and how many rows of the first come before it."""
        first = 0
        for group in range(self._file.num_row_groups):
            n_rows = self._file.metadata.row_group(group).num_rows
            if first + n_rows > start:
                return list(range(group, self._file.num_row_groups)), start - first
            first += n_rows
        return [], 0

    def _values(self, name: str, batch: pyarrow.RecordBatch) -> npt.NDArray[Any]:
        column = batch.column(name)
        shape = self.shapes[name][1:]
        if not shape:
            return np.asarray(column.to_numpy(zero_copy_only=False))
        values = column.flatten().to_numpy(zero_copy_only=False)
        if not column.null_count:
            return np.asarray(values.reshape(len(column), *shape))
        out = np.full((len(column), *shape), np.nan, np.result_type(values.dtype, np.float16))
        out[column.is_valid().to_numpy(zero_copy_only=False)] = values.reshape(-1, *shape)
        return out


def _row_shape(schema: pyarrow.Schema, field: pyarrow.Field) -> tuple[int, ...]:
    """Return the shape of a row's array: what the Butler noted, else a square; empty if neither is known."""
    text = (schema.metadata or {}).get(f"lsst::arrow::shape::{field.name}".encode())
    if text is not None:
        noted = tuple(int(part) for part in text.decode().strip("()[] ").split(",") if part.strip())
        return noted if min(noted, default=0) > 0 else ()
    size = field.type.list_size if pyarrow.types.is_fixed_size_list(field.type) else 0
    side = round(size**0.5)
    return (side, side) if size and side * side == size else ()
