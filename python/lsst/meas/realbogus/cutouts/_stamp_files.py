"""Stamps outside a Butler: npz, parquet and FITS files, read a batch at a time."""

from __future__ import annotations

__all__ = ("StampBatch", "StampFile", "open_stamp_file")

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.io.fits
import numpy as np
import numpy.typing as npt
import pyarrow.parquet

from ..errors import InvalidInputError
from ..tables import SIGN_COLUMNS, read_signs
from ._triplets import ROLES

_ROLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "science": ("science", "srch", "search", "cutoutScience"),
    "template": ("template", "tmpl", "reference", "cutoutTemplate"),
    "difference": ("difference", "diff", "cutoutDifference"),
}
_IDS = ("diaSourceId", "id", "candid", "sourceId")
_FLUX = "psfFlux"
_COLUMNS = (*_IDS, *SIGN_COLUMNS, _FLUX)


@dataclass(frozen=True)
class StampBatch:
    """Consecutive sources of a stamp file.

    Attributes
    ----------
    ids
        Int64, shape ``(n,)``.
    stamps
        By role, float32, shape ``(n, height, width)``, NaN where missing.
    is_negative
        Bool, shape ``(n,)``; False where neither a sign nor a flux says.
    """

    ids: npt.NDArray[np.int64]
    stamps: Mapping[str, npt.NDArray[np.float32]]
    is_negative: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True)
class StampFile:
    """A stamp file whose sources can be read from any row on.

    Attributes
    ----------
    name
        The file.
    n_rows
        How many sources it has.
    roles
        Which images.
    read
        Reads the sources of a range of rows.
    """

    name: str
    n_rows: int
    roles: tuple[str, ...]
    read: Callable[[int, int], StampBatch]

    def batches(self, size: int, start: int = 0) -> Iterator[StampBatch]:
        """Read the sources in batches.

        Parameters
        ----------
        size
            Sources in a batch.
        start
            First row.

        Yields
        ------
        StampBatch
            Batches in order.
        """
        for begin in range(start, self.n_rows, size):
            yield self.read(begin, min(begin + size, self.n_rows))


@contextlib.contextmanager
def open_stamp_file(path: Path) -> Iterator[StampFile]:
    """Open a file of stamps.

    Parameters
    ----------
    path
        An ``.npz`` with arrays ``science``, ``template``, ``difference`` of shape ``(n, h, w)``, as many of
        them as the model wants (the short names ``srch``, ``tmpl``, ``diff`` do too); a ``.parquet`` with
        such array columns, as ``dia_source_cutouts``; or a FITS file with such cubes as extensions and
        perhaps a table. Arrays or columns ``id`` (or ``diaSourceId``, ``candid``), ``isNegative`` (or
        ``isdiffpos``, see `tables.read_signs`) and ``psfFlux`` are used; without, sources are numbered from
        0 and positive.

    Yields
    ------
    StampFile
        The open file.

    Raises
    ------
    InvalidInputError
        If the file is of another kind, damaged, or has no stamps.
    """
    openers = {".npz": _open_npz, ".parquet": _open_parquet, ".parq": _open_parquet, ".fits": _open_fits}
    suffix = path.name.removesuffix(".gz")
    opener = openers.get(Path(suffix).suffix.lower())
    if opener is None:
        raise InvalidInputError(f"{path}: not a stamp file; known are {', '.join(openers)}")
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file")
    with contextlib.ExitStack() as stack:
        try:
            file = opener(path, stack)
        except InvalidInputError:
            raise
        except (OSError, ValueError, KeyError, EOFError) as error:
            raise InvalidInputError(f"{path}: cannot be read as stamps: {error}") from error
        yield file


def _open_npz(path: Path, stack: contextlib.ExitStack) -> StampFile:
    content = stack.enter_context(np.load(path, allow_pickle=False))
    names = _role_names(path, content.files)
    cubes = {role: _cube(path, name, content[name]) for role, name in names.items()}
    n = _common_length(path, cubes)
    columns = {name: content[name] for name in _COLUMNS if name in content.files}
    return _in_memory(path, n, cubes, columns)


def _open_fits(path: Path, stack: contextlib.ExitStack) -> StampFile:
    hdus = stack.enter_context(astropy.io.fits.open(path, memmap=not path.name.endswith(".gz")))
    extensions = {hdu.name: hdu for hdu in hdus}
    names = _role_names(path, list(extensions))
    cubes = {role: _cube(path, name, extensions[name].data) for role, name in names.items()}
    n = _common_length(path, cubes)
    columns: dict[str, npt.NDArray[Any]] = {}
    for hdu in hdus:
        if isinstance(hdu, astropy.io.fits.BinTableHDU) and not isinstance(hdu, astropy.io.fits.CompImageHDU):
            columns |= {name: np.asarray(hdu.data[name]) for name in hdu.columns.names}
    return _in_memory(path, n, cubes, columns)


def _in_memory(
    path: Path, n: int, cubes: Mapping[str, npt.NDArray[Any]], columns: Mapping[str, npt.NDArray[Any]]
) -> StampFile:
    ids, negative = _identifiers(path, columns, n), _signs(path, columns, n)

    def read(begin: int, end: int) -> StampBatch:
        rows = slice(begin, end)
        stamps = {role: np.ascontiguousarray(cube[rows], np.float32) for role, cube in cubes.items()}
        return StampBatch(ids[rows], stamps, negative[rows])

    return StampFile(str(path), n, tuple(cubes), read)


def _open_parquet(path: Path, stack: contextlib.ExitStack) -> StampFile:
    file = stack.enter_context(pyarrow.parquet.ParquetFile(path))
    names = _role_names(path, file.schema_arrow.names)
    shapes = {role: _parquet_shape(path, file, name) for role, name in names.items()}
    others = [n for n in _COLUMNS if n in file.schema_arrow.names]
    scales = [n for role in names if (n := f"{role}_scale") in file.schema_arrow.names]
    starts = np.cumsum([0, *(file.metadata.row_group(i).num_rows for i in range(file.num_row_groups))])

    def read(begin: int, end: int) -> StampBatch:
        groups = [i for i in range(file.num_row_groups) if starts[i] < end and starts[i + 1] > begin]
        table = file.read_row_groups(groups, columns=[*names.values(), *others, *scales])
        table = table.slice(begin - int(starts[groups[0]]), end - begin)
        stamps = {}
        for role, name in names.items():
            flat = table.column(name).combine_chunks().flatten().to_numpy(zero_copy_only=False)
            stamps[role] = flat.astype(np.float32).reshape(end - begin, *shapes[role])
            if f"{role}_scale" in scales:
                stamps[role] *= table.column(f"{role}_scale").to_numpy().astype(np.float32)[:, None, None]
        columns = {name: table.column(name).to_numpy() for name in others}
        ids = _identifiers(path, columns, end - begin, begin)
        return StampBatch(ids, stamps, _signs(path, columns, end - begin))

    return StampFile(str(path), file.metadata.num_rows, tuple(names), read)


def _parquet_shape(path: Path, file: pyarrow.parquet.ParquetFile, name: str) -> tuple[int, int]:
    kind = file.schema_arrow.field(name).type
    metadata = file.schema_arrow.metadata or {}
    text = metadata.get(f"lsst::arrow::shape::{name}".encode())
    if text is not None:
        height, width = (int(part) for part in text.decode().strip("()[] ").split(",") if part.strip())
        return height, width
    size = getattr(kind, "list_size", 0)
    side = round(size**0.5)
    if not size or side * side != size:
        raise InvalidInputError(f"{path}: column {name} of type {kind} holds no square stamps")
    return side, side


def _role_names(path: Path, names: list[str]) -> dict[str, str]:
    by_case = {name.lower(): name for name in names}  # FITS writes extensions' names in capitals
    out = {}
    for role, known in _ROLE_NAMES.items():
        if found := next((by_case[name.lower()] for name in known if name.lower() in by_case), None):
            out[role] = found
    if not out:
        there = ", ".join(names[:20])
        raise InvalidInputError(f"{path}: no stamps: none of {', '.join(ROLES)} among {there}")
    return out


def _cube(path: Path, name: str, array: Any) -> npt.NDArray[Any]:
    if array is None or array.ndim != 3:
        shape = None if array is None else array.shape
        raise InvalidInputError(f"{path}: {name} must have shape (n, height, width), not {shape}")
    return np.asarray(array)


def _common_length(path: Path, cubes: Mapping[str, npt.NDArray[Any]]) -> int:
    lengths = {role: len(cube) for role, cube in cubes.items()}
    if len(set(lengths.values())) != 1:
        raise InvalidInputError(f"{path}: different numbers of stamps: {lengths}")
    return next(iter(lengths.values()))


def _identifiers(path: Path, columns: Mapping[str, Any], n: int, first: int = 0) -> npt.NDArray[np.int64]:
    name = next((name for name in _IDS if name in columns), None)
    if name is None:
        return np.arange(first, first + n, dtype=np.int64)
    values = np.asarray(columns[name])
    if len(values) != n:
        raise InvalidInputError(f"{path}: {len(values)} values of {name} for {n} stamps")
    try:
        return values.astype(np.int64)
    except ValueError as error:
        raise InvalidInputError(f"{path}: {name} must be integers, such as not {values[0]!r}") from error


def _signs(path: Path, columns: Mapping[str, Any], n: int) -> npt.NDArray[np.bool_]:
    return read_signs(columns, n, name=str(path), flux=columns.get(_FLUX))
