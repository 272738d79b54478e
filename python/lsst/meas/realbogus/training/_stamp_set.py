"""Labelled stamps on disk, as many as there are: written and read a few at a time."""

from __future__ import annotations

__all__ = ("StampSet", "StampWriter")

import contextlib
import dataclasses
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt
import pyarrow
import pyarrow.parquet

from ..cutouts import ROLES, FixedArrays
from ..errors import InvalidInputError
from ..tables import atomic_output, reading
from ._stamps import UNKNOWN, LabelledStamps

ROWS_PER_GROUP = 256

type PixelType = Literal["float32", "float16"]


class StampWriter:
    """A parquet file of labelled stamps in the making; a context manager.

    Parameters
    ----------
    path
        File to write; one that exists is replaced once the new one is complete.
    pixel_type
        ``"float32"``, or ``"float16"``, half the size: each stamp is divided by a power of two that fits it
        in, and keeps 11 bits of each pixel.
    """

    def __init__(self, path: Path, pixel_type: PixelType = "float32") -> None:
        self._path, self._pixels = path, FixedArrays(pixel_type)
        self._stack = contextlib.ExitStack()
        self._writer: pyarrow.parquet.ParquetWriter | None = None
        self._left: LabelledStamps | None = None
        self._shapes: dict[str, tuple[int, ...]] = {}

    def __enter__(self) -> Self:
        self._place = self._stack.enter_context(atomic_output(self._path, overwrite=True))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and self._left is not None:
            self._write_group(self._left)
        if self._writer is not None:
            self._writer.close()
        if error is None and self._writer is None:
            error = InvalidInputError(f"{self._path}: there are no stamps to write")
            self._stack.__exit__(type(error), error, None)
            raise error
        self._stack.__exit__(kind, error, trace)

    def write(self, stamps: LabelledStamps) -> None:
        """Add stamps.

        Parameters
        ----------
        stamps
            Stamps of the same images and of the same size as the ones before.
        """
        shapes = {name: values.shape[1:] for name, values in stamps.pixels.items()}
        self._shapes = self._shapes or shapes
        if shapes != self._shapes:
            raise InvalidInputError(f"{self._path}: stamps of {shapes} after stamps of {self._shapes}")
        if self._left is not None:
            stamps = LabelledStamps.concatenate([self._left, stamps])
        whole = len(stamps) - len(stamps) % ROWS_PER_GROUP
        for start in range(0, whole, ROWS_PER_GROUP):
            self._write_group(stamps[start : start + ROWS_PER_GROUP])
        self._left = stamps[whole:] if whole < len(stamps) else None

    def _write_group(self, stamps: LabelledStamps) -> None:
        fields, arrays = [], []
        for role, pixels in stamps.pixels.items():
            for field, array in self._pixels.to_arrow(role, pixels):
                fields.append(field)
                arrays.append(array)
        for name, values in stamps.columns.items():
            fields.append(pyarrow.field(name, pyarrow.from_numpy_dtype(values.dtype)))
            arrays.append(pyarrow.array(values, type=fields[-1].type))
        batch = pyarrow.record_batch(arrays, schema=pyarrow.schema(fields))
        if self._writer is None:
            words = [field.name for field in batch.schema if pyarrow.types.is_string(field.type)]
            self._writer = pyarrow.parquet.ParquetWriter(
                self._place, batch.schema, compression="lz4", use_dictionary=words
            )
        self._writer.write_batch(batch)


@dataclasses.dataclass(frozen=True)
class _Block:
    path: Path
    group: int
    first: int
    n_rows: int


class StampSet:
    """Labelled stamps in files, read a few hundred at a time.

    Parameters
    ----------
    paths
        A folder, whose ``.parquet`` and ``.npz`` files are taken in the order of their names, or files as
        `StampWriter` and `LabelledStamps.save` make them. Of an npz file all stamps are read at once.

    Raises
    ------
    InvalidInputError
        Raised if there is no file, or one is not a file of labelled stamps. When columns are read, also if a
        label is neither 1 nor 0.
    """

    def __init__(self, paths: Path | Iterable[Path]) -> None:
        if isinstance(paths, Path):
            paths = _in_folder(paths) if paths.is_dir() else [paths]
        self.paths = tuple(paths)
        self._blocks: list[_Block] = []
        for path in self.paths:
            for group, n_rows in enumerate(_group_sizes(path)):
                self._blocks.append(_Block(path, group, len(self), n_rows))
        if not self._blocks:
            raise InvalidInputError("a set of stamps needs at least one file with stamps; got none")

    def __len__(self) -> int:
        return self._blocks[-1].first + self._blocks[-1].n_rows if self._blocks else 0

    def columns(self, names: Iterable[str] = ("label", *UNKNOWN)) -> dict[str, npt.NDArray[Any]]:
        """Read columns, whole.

        Parameters
        ----------
        names
            ``label`` and columns of `LabelledStamps` besides the pixels.

        Returns
        -------
        dict
            Arrays by name, a row for each stamp of the set.
        """
        names = list(names)
        parts = [_read_columns(path, names) for path in self.paths]
        return {name: np.concatenate([part[name] for part in parts]) for name in names}

    @property
    def blocks(self) -> tuple[range, ...]:
        """The rows that are read at once: those of a row group, or of an npz file."""
        return tuple(range(block.first, block.first + block.n_rows) for block in self._blocks)

    def read(self, number: int) -> LabelledStamps:
        """Read the stamps of a block.

        Parameters
        ----------
        number
            Index in `blocks`.

        Returns
        -------
        LabelledStamps
            Its stamps, in order.
        """
        block = self._blocks[number]
        if block.path.suffix == ".npz":
            return LabelledStamps.load(block.path)
        with reading(str(block.path), "stamps"), _open(block.path) as file:
            table = file.read_row_group(block.group, use_threads=False)
            pixels = FixedArrays.from_arrow(table, ROLES)
            return LabelledStamps.from_arrays({**pixels, **_numpy(table, ("label", *UNKNOWN))})

    def load(self, rows: npt.NDArray[Any] | None = None) -> LabelledStamps:
        """Read stamps into memory.

        Parameters
        ----------
        rows
            Which, an index or boolean array; by default all.

        Returns
        -------
        LabelledStamps
            The stamps in the order of the rows.
        """
        rows = np.arange(len(self))[slice(None) if rows is None else rows]
        order = np.argsort(rows, kind="stable")
        parts = []
        for number, block in enumerate(self.blocks):
            inside = rows[order[slice(*np.searchsorted(rows[order], (block.start, block.stop)))]]
            if inside.size:
                parts.append(self.read(number)[inside - block.start])
        if not parts:
            return self.read(0)[:0]
        return LabelledStamps.concatenate(parts)[np.argsort(order, kind="stable")]


def _in_folder(folder: Path) -> list[Path]:
    found = sorted(path for path in folder.iterdir() if path.suffix in (".parquet", ".npz"))
    if not found:
        raise InvalidInputError(
            f"{folder}: there is no .parquet or .npz file of labelled stamps in this folder"
        )
    return found


def _open(path: Path) -> pyarrow.parquet.ParquetFile:
    return pyarrow.parquet.ParquetFile(path, pre_buffer=False)


def _group_sizes(path: Path) -> list[int]:
    if path.suffix == ".npz":
        return [len(_read_columns(path, ["label"])["label"])]
    with reading(str(path), "stamps"), _open(path) as file:
        if "label" not in file.schema_arrow.names:
            raise InvalidInputError(f"{path}: not a file of labelled stamps: there is no column label")
        return [file.metadata.row_group(group).num_rows for group in range(file.num_row_groups)]


def _read_columns(path: Path, names: list[str]) -> dict[str, npt.NDArray[Any]]:
    if path.suffix != ".npz":
        with reading(str(path), "stamps"), _open(path) as file:
            there = [name for name in names if name in file.schema_arrow.names]
            found = _numpy(file.read(columns=there, use_threads=False), there)
            n_rows = file.metadata.num_rows
    else:
        with reading(str(path), "stamps"), np.load(path, allow_pickle=False) as content:
            if "label" not in content.files:
                raise InvalidInputError(f"{path}: not a file of labelled stamps: there is no array label")
            found = {name: content[name] for name in names if name in content.files}
            n_rows = len(content["label"])
    if "label" in found and (others := np.flatnonzero(~np.isin(found["label"], (0, 1)))).size:
        raise InvalidInputError(
            f"{path}: label must be 1 (real) or 0 (bogus); got {found['label'][others[0]]} in row "
            f"{others[0]}, one of {others.size} such rows; `realbogus train stamps` leaves them out"
        )
    return {name: found[name] if name in found else np.full(n_rows, UNKNOWN[name]) for name in names}


def _numpy(table: pyarrow.Table, names: Iterable[str]) -> dict[str, npt.NDArray[Any]]:
    found = {name: table.column(name) for name in names if name in table.column_names}
    text = (name for name, column in found.items() if pyarrow.types.is_string(column.type))
    arrays = {name: np.asarray(found.pop(name).to_pylist(), np.str_) for name in list(text)}
    return arrays | {name: column.to_numpy() for name, column in found.items()}
