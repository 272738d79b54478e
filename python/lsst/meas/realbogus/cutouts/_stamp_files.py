"""Stamps outside a Butler: npz, parquet and FITS files, read from front to back in bounded memory."""

from __future__ import annotations

__all__ = ("DIFFERENCE_SIGNS", "DifferenceSign", "StampBatch", "StampFile", "open_stamp_file")

import contextlib
import dataclasses
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..tables import Column, apply_schema, read_signs, reading, sign_column
from ._psf_width import psf_fwhm
from ._stamp_columns import FileColumns, open_cubes, open_npz, open_parquet
from ._stamp_table import check_stamp_table, stored_stamps
from ._triplets import ROLES

if TYPE_CHECKING:
    from astropy.table import Table

type DifferenceSign = Literal["science-minus-template", "as-detected"]
DIFFERENCE_SIGNS: tuple[str, ...] = get_args(DifferenceSign.__value__)
"""Signs that stored differences may have: science − template for every source, or, as in ZTF's alerts, the
one that makes the detection positive."""

_ROLE_NAMES: Mapping[str, tuple[str, ...]] = {
    "science": ("science", "srch", "search", "cutoutScience"),
    "template": ("template", "tmpl", "reference", "cutoutTemplate"),
    "difference": ("difference", "diff", "cutoutDifference"),
}
_IDS = ("diaSourceId", "id", "candid", "sourceId")
_FLUX = "psfFlux"
_PSF = ("psfFwhm", "psf_fwhm", "science_psf")
_PIXEL_SCALES = ("pixelScale", "pixel_scale")
_AS_DETECTED_COLUMN = "isdiffpos"
_BATCH_BYTES = 64 << 20
_MOST_PIXELS = _BATCH_BYTES // 4
_OPENERS: Mapping[str, Callable[[Path, contextlib.ExitStack], FileColumns]] = {
    ".npz": open_npz,
    ".parquet": open_parquet,
    ".parq": open_parquet,
    ".fits": open_cubes,
}


@dataclass(frozen=True)
class StampBatch:
    """Consecutive sources of a stamp file or of alerts.

    Attributes
    ----------
    ids
        Int64, shape ``(n,)``.
    stamps
        By role, float32, shape ``(n, height, width)``, NaN where missing; differences are science − template.
    is_negative
        Bool, shape ``(n,)``; False where neither a sign nor a flux says.
    missing, outside
        By role, bool, shape of the stamps: pixels not to be used, and those of them off the image, where that
        is known.
    pixel_scale
        Pixel scale of the stamps [arcsec], where it is known.
    psf_fwhm
        FWHM of the science image's PSF at each source [pixel], float32, shape ``(n,)``, NaN where it is not
        known; `None` if it was not asked for or is not known of any.
    columns
        Other columns that were asked for, by name.
    """

    ids: npt.NDArray[np.int64]
    stamps: Mapping[str, npt.NDArray[np.float32]]
    is_negative: npt.NDArray[np.bool_]
    missing: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    outside: Mapping[str, npt.NDArray[np.bool_]] = field(default_factory=dict)
    pixel_scale: float | None = None
    psf_fwhm: npt.NDArray[np.float32] | None = None
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.ids)

    def __getitem__(self, rows: slice | npt.NDArray[np.intp]) -> StampBatch:
        """Return some of the sources."""

        def some[T: np.generic](arrays: Mapping[str, npt.NDArray[T]]) -> dict[str, npt.NDArray[T]]:
            return {name: array[rows] for name, array in arrays.items()}

        return StampBatch(
            self.ids[rows],
            some(self.stamps),
            self.is_negative[rows],
            some(self.missing),
            some(self.outside),
            self.pixel_scale,
            None if self.psf_fwhm is None else self.psf_fwhm[rows],
            some(self.columns),
        )

    @classmethod
    def from_table(cls, cutouts: Table, columns: Mapping[str, npt.NDArray[Any]] | None = None) -> StampBatch:
        """Take the sources of a table of stamps.

        Parameters
        ----------
        cutouts
            A ``dia_source_cutouts`` table.
        columns
            What else is known of its sources, by name.

        Returns
        -------
        StampBatch
            Its sources, in order.
        """
        check_stamp_table(cutouts)
        names = cutouts.colnames
        stored = stored_stamps(cutouts, [role for role in ROLES if role in names])
        return cls(
            np.asarray(cutouts["diaSourceId"], np.int64),
            {role: stamp.pixels for role, stamp in stored.items()},
            np.asarray(cutouts["isNegative"], bool),
            {role: stamp.missing for role, stamp in stored.items() if stamp.missing is not None},
            {role: stamp.outside for role, stamp in stored.items() if stamp.outside is not None},
            _median(np.asarray(cutouts["pixelScale"])) if "pixelScale" in names else None,
            _widths(np.asarray(cutouts["psfFwhm"])) if "psfFwhm" in names else None,
            columns or {},
        )


@dataclass(frozen=True)
class StampFile:
    """An open stamp file.

    Attributes
    ----------
    name
        The file.
    n_rows
        How many sources it has.
    roles
        Which images it has.
    as_detected
        Whether the file's differences have the sign that makes the detection positive.
    """

    name: str
    n_rows: int
    roles: tuple[str, ...]
    as_detected: bool
    _columns: FileColumns
    _names: Mapping[str, str]
    _others: tuple[str, ...]
    _psf: str | None = None

    def has_column(self, name: str) -> bool:
        """Whether a column of one value a source can be asked for.

        Parameters
        ----------
        name
            Its name.

        Returns
        -------
        bool
            Whether the file has it.
        """
        return self._columns.shapes.get(name) == (self.n_rows,)

    def batches(
        self,
        size: int = 256,
        start: int = 0,
        roles: Sequence[str] | None = None,
        *,
        psf: bool = True,
        columns: Sequence[str] = (),
    ) -> Iterator[StampBatch]:
        """Read the sources in batches, from a row to the end.

        Parameters
        ----------
        size
            Largest number of sources in a batch. A batch holds no more than 64 MB of pixels, or one source.
        start
            First row.
        roles
            Which images are read; by default all that there are.
        psf
            Read how wide the PSF is, or measure it where the file holds PSFs?
        columns
            Other columns to read, of those for which `has_column` is true.

        Yields
        ------
        StampBatch
            Batches in order.

        Raises
        ------
        InvalidInputError
            If the file turns out to be damaged, or ids or signs are none.
        """
        names = {role: self._names[role] for role in roles or self.roles}
        told = [self._psf] if psf and self._psf is not None else []
        pixels = [math.prod(self._columns.shapes[name][1:]) for name in (*names.values(), *told)]
        row_bytes = 4 * sum(pixels)
        size = max(1, min(size, _BATCH_BYTES // max(row_bytes, 1)))
        scales = (f"{role}_scale" for role in names)
        scaled = (name for name in scales if name in self._columns.shapes)
        wanted = list(dict.fromkeys([*names.values(), *self._others, *told, *scaled, *columns]))
        row = start
        with _told(self.name):
            for found in self._columns.read(wanted, size, start):
                batch = self._batch(found, names, row)
                batch = dataclasses.replace(batch, columns={name: found[name] for name in columns})
                row += len(batch)
                yield batch

    def _batch(
        self, columns: Mapping[str, npt.NDArray[Any]], names: Mapping[str, str], row: int
    ) -> StampBatch:
        n = len(columns[next(iter(names.values()))])
        where = f"{self.name}, rows from {row}"
        stored = stored_stamps({**columns, **{role: columns[name] for role, name in names.items()}}, names)
        negative = read_signs(columns, n, name=where, flux=columns.get(_FLUX))
        stamps = {role: stamp.pixels for role, stamp in stored.items()}
        if self.as_detected and "difference" in stamps and negative.any():
            stamps["difference"] = np.where(
                negative[:, None, None], -stamps["difference"], stamps["difference"]
            )
        return StampBatch(
            _identifiers(where, columns, n, row),
            stamps,
            negative,
            {role: stamp.missing for role, stamp in stored.items() if stamp.missing is not None},
            {role: stamp.outside for role, stamp in stored.items() if stamp.outside is not None},
            _median(next((columns[name] for name in _PIXEL_SCALES if name in columns), None)),
            _widths(columns.get(self._psf or "")),
        )


@contextlib.contextmanager
def open_stamp_file(path: Path, *, difference_sign: DifferenceSign | None = None) -> Iterator[StampFile]:
    """Open a file of stamps.

    Parameters
    ----------
    path
        An ``.npz`` with arrays ``science``, ``template``, ``difference`` of shape ``(n, h, w)``, as many of
        them as the model wants (the short names ``srch``, ``tmpl``, ``diff`` do too); a ``.parquet`` with
        such array columns, as ``dia_source_cutouts``; or a FITS file with such cubes as extensions and
        perhaps a table. Arrays or columns ``id`` (or ``diaSourceId``, ``candid``), ``isNegative`` (or
        ``isdiffpos``, see `tables.read_signs`), ``psfFlux``, and ``missing``, ``*_scale`` and ``pixelScale``
        (or ``pixel_scale``) of ``dia_source_cutouts`` are used; without, sources are numbered from 0 and
        positive. The science image's PSF is told by ``psfFwhm`` or ``psf_fwhm`` [pixel], or by images of it,
        ``science_psf`` of shape ``(n, h, w)``. A column ``fwhm`` is not used: in ZTF's data it is the width
        of the source.
    difference_sign
        One of `DIFFERENCE_SIGNS`: what the file's differences are of negative sources. By default
        ``"as-detected"`` where the signs are in a column ``isdiffpos``, as in ZTF's data, otherwise
        ``"science-minus-template"``.

    Yields
    ------
    StampFile
        The open file.

    Raises
    ------
    InvalidInputError
        If the file is of another kind, damaged, or lacks the stamps.
    """
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in _OPENERS:
        raise InvalidInputError(f"{path}: not a stamp file; known are {', '.join(_OPENERS)}")
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file")
    if difference_sign is not None and difference_sign not in DIFFERENCE_SIGNS:
        raise InvalidInputError(
            f"the sign of differences must be one of {', '.join(DIFFERENCE_SIGNS)}; got {difference_sign!r}"
        )
    with contextlib.ExitStack() as stack:
        with _told(str(path)):
            columns = _OPENERS[suffix](path, stack)
            file = _stamp_file(path, columns, difference_sign)
        yield file


def _stamp_file(path: Path, columns: FileColumns, difference_sign: DifferenceSign | None) -> StampFile:
    names = _role_names(path, list(columns.shapes))
    lengths = {}
    for role, name in names.items():
        if len(columns.shapes[name]) != 3:
            raise InvalidInputError(
                f"{path}: {name} must have shape (n, height, width), not {columns.shapes[name]}"
            )
        lengths[role], *sides = columns.shapes[name]
        if lengths[role] and not 1 <= math.prod(sides) <= _MOST_PIXELS:
            size = " x ".join(map(str, sides))
            raise InvalidInputError(
                f"{path}: {name} has stamps of {size} pixels; there may be 1 to {_MOST_PIXELS}"
            )
    if len(set(lengths.values())) != 1:
        raise InvalidInputError(f"{path}: different numbers of stamps: {lengths}")
    n = next(iter(lengths.values()))
    sign = sign_column(columns.shapes)
    scale = next((name for name in _PIXEL_SCALES if columns.shapes.get(name) == (n,)), None)
    identifier = next((name for name in _IDS if name in columns.shapes), None)
    wanted = [identifier, sign, _FLUX, "missing", scale]
    by_case = {name.lower(): name for name in columns.shapes}
    psf = next((by_case[name.lower()] for name in _PSF if name.lower() in by_case), None)
    others = tuple(name for name in wanted if name is not None and name in columns.shapes)
    for name in (*others, *([psf] if psf else [])):
        if columns.shapes[name][:1] != (n,):
            raise InvalidInputError(f"{path}: {name} has shape {columns.shapes[name]} for {n} stamps")
    as_detected = sign == _AS_DETECTED_COLUMN if difference_sign is None else difference_sign == "as-detected"
    return StampFile(str(path), n, tuple(names), as_detected, columns, names, others, psf)


@contextlib.contextmanager
def _told(name: str) -> Iterator[None]:
    """Name the file in the errors of those who read it."""
    try:
        with reading(name, "stamps"):
            yield
    except InvalidInputError as error:
        if name in str(error):
            raise
        raise InvalidInputError(f"{name}: {error}") from error


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


def _identifiers(name: str, columns: Mapping[str, Any], n: int, first: int) -> npt.NDArray[np.int64]:
    column = next((column for column in _IDS if column in columns), None)
    if column is None:
        return np.arange(first, first + n, dtype=np.int64)
    schema = {column: Column("int64", "Identifier of the source.")}
    return np.asarray(apply_schema({column: columns[column]}, schema, name=name)[column])


def _widths(values: npt.NDArray[Any] | None) -> npt.NDArray[np.float32] | None:
    """Return the widths of PSFs from widths, or from images of them."""
    if values is None:
        return None
    return psf_fwhm(values) if values.ndim == 3 else np.asarray(values, np.float32)


def _median(values: npt.NDArray[Any] | None) -> float | None:
    if values is None or not np.isfinite(values).any():
        return None
    return float(np.nanmedian(np.where(np.isfinite(values), values, np.nan)))
