"""The table of stamps, ``dia_source_cutouts``: one row a source, stamps as array columns."""

from __future__ import annotations

__all__ = (
    "StampTableSchema",
    "StoredStamps",
    "check_stamp_table",
    "half_scales",
    "stamp_table",
    "stamp_table_schema",
    "stamps_of",
    "stored_stamps",
)

import functools
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from importlib import resources
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import Column as AstropyColumn
from astropy.table import Table

from ..errors import InvalidCatalogError, InvalidInputError
from ..tables import Column, Schema
from ._triplets import MISSING_BITS, OUTSIDE_BITS, ROLES, StampBlock

_ADDED = ("psfFwhm", "pixelScale")
"""Columns that tables of versions 1 and 2 lack."""

_HALF_MAX = 32768.0  # largest power of two that float16 holds


@dataclass(frozen=True)
class StampTableSchema:
    """What is in a table of stamps.

    Attributes
    ----------
    version
        Goes up whenever the file in ``resources/schemas`` changes.
    columns
        By name; in shapes ``"h"`` and ``"w"`` stand for the stamp's size.
    """

    version: int
    columns: Schema


@functools.cache
def stamp_table_schema() -> StampTableSchema:
    """Read the frozen schema of the table of stamps.

    Returns
    -------
    StampTableSchema
        The schema that this version of the package writes.
    """
    path = resources.files("lsst.meas.realbogus") / "resources" / "schemas" / "dia_source_cutouts.json"
    content = json.loads(path.read_text())
    columns = {
        column["name"]: Column(
            column["dtype"], column["description"], column["unit"], shape=tuple(column["shape"])
        )
        for column in content["columns"]
    }
    return StampTableSchema(content["version"], columns)


def stamp_table(
    sources: Table,
    blocks: Iterable[StampBlock],
    *,
    dtype: npt.DTypeLike = np.float32,
    psf_fwhm: npt.NDArray[np.float32] | None = None,
    pixel_scale: float | None = None,
) -> Table:
    """Put stamps into a table.

    Parameters
    ----------
    sources
        Sources as from `read_dia_sources`, one a stamp.
    blocks
        Their stamps, in order, as from `extract_triplets`. One block at a time is held beside the table. An
        image that is not there has no columns.
    dtype
        Type of the pixels, float32 or float16. A float16 stamp is divided by a power of two, ``*_scale``,
        that fits it in; it keeps 11 bits of each pixel.
    psf_fwhm
        FWHM of the science image's PSF at each source [pixel], NaN where it is not known, the default.
    pixel_scale
        Pixel scale of the science image [arcsec], if it is known.

    Returns
    -------
    astropy.table.Table
        A table of the schema `stamp_table_schema`. Stamps have the unit of their image.

    Raises
    ------
    InvalidInputError
        If the type is another, or the numbers of sources and stamps differ.
    """
    dtype = np.dtype(dtype)
    if dtype not in (np.dtype(np.float32), np.dtype(np.float16)):
        raise InvalidInputError(f"stamps are stored as float32 or float16, not {dtype}")
    columns: dict[str, npt.NDArray[Any]] = {}
    units: dict[str, u.UnitBase] = {}
    done = 0
    for block in blocks:
        units |= {role: unit for role, unit in block.units.items() if unit is not None}
        rows = slice(done, done + len(block))
        done = rows.stop
        if done > len(sources):
            continue  # counted on, for the message
        for name, values in _values(sources[rows], block, dtype):
            if name not in columns:
                kind = dtype if name in ROLES else stamp_table_schema().columns[name].dtype
                columns[name] = np.empty((len(sources), *values.shape[1:]), kind)
            columns[name][rows] = values
    for name, given in zip(_ADDED, (psf_fwhm, pixel_scale), strict=True):
        columns[name] = np.full(len(sources), np.nan if given is None else given, np.float32)
    if len(sources) != done:
        raise InvalidInputError(f"{len(sources)} sources, but {done} stamps")
    schema = stamp_table_schema()
    table = Table(meta={"schema_version": schema.version})
    for name, column in schema.columns.items():
        if name in columns:
            table.add_column(
                AstropyColumn(
                    columns.pop(name),
                    unit=units.get(name) if name in ROLES else column.unit,
                    description=column.description,
                    copy=False,
                ),
                name=name,
                copy=False,
            )
    return table


def _values(
    sources: Table, block: StampBlock, dtype: np.dtype[Any]
) -> Iterator[tuple[str, npt.NDArray[Any]]]:
    """Yield the columns of a block of sources."""
    yield "diaSourceId", np.asarray(sources["id"])
    for name in ("x", "y", "ra", "dec", "snr"):
        yield name, np.asarray(sources[name])
    yield "isNegative", np.asarray(sources["is_negative"])
    yield "missing", block.missing_bits
    yield "fraction_missing", block.fraction_missing
    yield "leaves_image", np.any([block[role].leaves_image for role in block.roles], axis=0)
    for role in block.roles:
        stamps = block[role]
        if dtype == np.float16:
            scale = half_scales(stamps.pixels)
            yield role, stamps.pixels / scale[:, None, None]
        else:
            scale = np.ones(len(block), np.float32)
            yield role, stamps.pixels
        yield f"{role}_scale", scale
        yield f"{role}_fraction_missing", stamps.fraction_missing
        yield f"{role}_mask_center", stamps.mask_center
        yield f"{role}_mask_any", stamps.mask_any


def check_stamp_table(table: Table, name: str = "dia_source_cutouts") -> None:
    """Check that a table is a table of stamps.

    Parameters
    ----------
    table
        The table.
    name
        What to call it in messages.

    Raises
    ------
    InvalidCatalogError
        With every column that is missing, unknown or of the wrong type or shape.
    """
    reasons = []
    roles = [role for role in ROLES if role in table.colnames]
    sides = {table[role].shape[1:] for role in roles}
    if not roles:
        reasons.append(f"no stamps: none of {', '.join(ROLES)}")
    if len(sides) > 1:
        reasons.append(f"stamps of different sizes {sorted(sides)}")
    for column, wanted in stamp_table_schema().columns.items():
        role = column.split("_")[0]
        if column not in table.colnames:
            if (role not in ROLES or role in roles) and column not in _ADDED:
                reasons.append(f"no column {column}")
            continue
        found = table[column].dtype
        allowed = {wanted.dtype, "float16"} if column in ROLES else {wanted.dtype}
        if found.name not in allowed:
            reasons.append(f"{column} is {found}, not {wanted.dtype}")
        if table[column].ndim != 1 + len(wanted.shape):
            reasons.append(f"{column} has rows of shape {table[column].shape[1:]}")
    if reasons:
        raise InvalidCatalogError(name, reasons)


@dataclass(frozen=True)
class StoredStamps:
    """The stamps of one image as they were stored.

    Attributes
    ----------
    pixels
        Float32 in the unit they were cut in, shape ``(n, height, width)``, NaN where missing.
    missing, outside
        Bool, same shape: pixels that are missing, and those of them that lie off the image; `None` where the
        table does not say.
    """

    pixels: npt.NDArray[np.float32]
    missing: npt.NDArray[np.bool_] | None
    outside: npt.NDArray[np.bool_] | None


def stored_stamps(columns: Mapping[str, Any] | Table, roles: Iterable[str]) -> dict[str, StoredStamps]:
    """Take stamps out of the columns of a table of stamps: what is scored, learnt from and shown.

    Parameters
    ----------
    columns
        A table of stamps, or as many columns of it as there are, by name.
    roles
        Which of `ROLES`.

    Returns
    -------
    dict of str to StoredStamps
        By role. The scale of stamps stored as float16 is taken off.

    Raises
    ------
    InvalidInputError
        If pixels are no numbers, or scales or missing pixels do not fit them.
    """
    found = {}
    names = frozenset(columns.keys())
    bits = np.asarray(columns["missing"]) if "missing" in names else None
    for role in roles:
        stored = np.asarray(columns[role])
        _check(role, stored, "fiub", stored.shape)
        pixels = np.asarray(stored, np.float32)
        if bits is not None:
            _check("missing", bits, "iu", stored.shape)
        if f"{role}_scale" in names:
            scale = np.asarray(columns[f"{role}_scale"])
            _check(f"{role}_scale", scale, "fiu", stored.shape[:1])
            scale = scale.astype(np.float32, copy=False)
            pixels = pixels if (scale == 1).all() else pixels * scale[:, None, None]
        missing, outside = (
            None if bits is None else (bits & bit[role]) != 0 for bit in (MISSING_BITS, OUTSIDE_BITS)
        )
        found[role] = StoredStamps(pixels, missing, outside)
    return found


def _check(name: str, values: npt.NDArray[Any], kinds: str, shape: tuple[int, ...]) -> None:
    if values.dtype.kind not in kinds:
        wanted = "integers" if kinds == "iu" else "numbers"
        raise InvalidInputError(f"{name} must be {wanted}, not {values.dtype}")
    if values.shape != shape:
        raise InvalidInputError(f"{name} has shape {values.shape}; it must have {shape}")


def stamps_of(table: Table, role: str) -> npt.NDArray[np.float32]:
    """Take the pixels of one image out of a table, as `stored_stamps` does.

    Parameters
    ----------
    table
        A table of stamps.
    role
        One of `ROLES`.

    Returns
    -------
    numpy.ndarray
        Float32, shape ``(n, height, width)``, NaN where missing.
    """
    return stored_stamps(table, [role])[role].pixels


def half_scales(pixels: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Return the smallest power of two that brings each stamp into the range of float16.

    Parameters
    ----------
    pixels
        Stamps of shape ``(n, h, w)``.
    """
    largest = np.max(np.abs(pixels), axis=(1, 2), initial=0.0, where=np.isfinite(pixels))
    exponent = np.ceil(np.log2(np.where(largest > 0, largest, _HALF_MAX) / _HALF_MAX))
    return np.asarray(2.0**exponent, np.float32)
