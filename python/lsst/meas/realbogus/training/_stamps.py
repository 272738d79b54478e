"""Labelled stamps: what a classifier learns from."""

from __future__ import annotations

__all__ = ("LabelledStamps", "dihedral")

import dataclasses
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..cutouts import ROLES, stored_stamps
from ..errors import InvalidCatalogError, InvalidInputError
from ..model import fit_stamps
from ..tables import NO_ID, atomic_output, sky_cell, standard_columns

CELL = 60.0
"""Side of a sky cell [arcsec]."""

UNKNOWN: Mapping[str, Any] = {
    "reason": "",
    "kind": "",
    "is_negative": np.bool_(False),
    "snr": np.float64(np.nan),
    "band": "",
    "psf_fwhm": np.float32(np.nan),
    "pixel_scale": np.float32(np.nan),
    "flux_ratio": np.float32(np.nan),
    "object_id": np.int64(NO_ID),
    "host_id": np.int64(NO_ID),
    "visit": np.int64(NO_ID),
    "cell": np.int64(NO_ID),
    "group": np.int64(0),
}
"""Columns of labelled stamps besides pixels and label: what stands where a value is not known."""

_FROM_CUTOUTS = {
    "is_negative": "isNegative",
    "snr": "snr",
    "psf_fwhm": "psfFwhm",
    "pixel_scale": "pixelScale",
}
_FROM_MATCH = {"reason": "label_reason", "kind": "kind", "object_id": "object_id", "host_id": "host_id"}
_FROM_SOURCES = {"is_negative": "isNegative", "snr": "snr", "visit": "visit", "band": "band"}

_NOT_GIVEN = np.empty(0)


def _not_given() -> Any:
    return _NOT_GIVEN


@dataclass(frozen=True)
class LabelledStamps:
    """Stamps of DIA sources with what each one really is. Columns that are not given are unknown everywhere.

    Parameters
    ----------
    pixels
        Image name to float32 stamps of shape ``(n, h, w)``, NaN where a pixel is missing.
    label
        Int8 array of shape ``(n,)``: 1 real, 0 bogus. All other columns have this shape.
    reason
        Why a source has its label (``label_reason`` of ``dia_source_match``); "" where that is not known.
    kind
        What made it: ``"fake"``, a kind of the truth table such as ``"transient"`` or ``"cosmic_ray"``, or
        else the reason.
    is_negative
        Whether the source is negative in the difference, bool.
    snr
        Signal to noise of the source in the difference, float64, NaN where it is not known.
    band
        Band of the science image.
    psf_fwhm
        FWHM of the science image's PSF at the source [pixel], float32, NaN where it is not known.
    pixel_scale
        Pixel scale [arcsec], float32, NaN where it is not known.
    flux_ratio
        Absolute flux in the difference over the flux in the template, float32; infinite where the template
        has no light, NaN where it is not known.
    object_id
        The object that made the source, the same in every visit of a group, int64, -1 for none.
    host_id
        The host of that object, int64, -1 for none.
    visit
        Visit, int64, -1 where it is not known.
    cell
        Cell of the sky, an arcminute wide, int64, -1 where it is not known.
    group
        The survey (or night, or field) that the source is of, int64.
    """

    pixels: dict[str, npt.NDArray[np.float32]]
    label: npt.NDArray[np.int8]
    reason: npt.NDArray[np.str_] = field(default_factory=_not_given)
    kind: npt.NDArray[np.str_] = field(default_factory=_not_given)
    is_negative: npt.NDArray[np.bool_] = field(default_factory=_not_given)
    snr: npt.NDArray[np.float64] = field(default_factory=_not_given)
    band: npt.NDArray[np.str_] = field(default_factory=_not_given)
    psf_fwhm: npt.NDArray[np.float32] = field(default_factory=_not_given)
    pixel_scale: npt.NDArray[np.float32] = field(default_factory=_not_given)
    flux_ratio: npt.NDArray[np.float32] = field(default_factory=_not_given)
    object_id: npt.NDArray[np.int64] = field(default_factory=_not_given)
    host_id: npt.NDArray[np.int64] = field(default_factory=_not_given)
    visit: npt.NDArray[np.int64] = field(default_factory=_not_given)
    cell: npt.NDArray[np.int64] = field(default_factory=_not_given)
    group: npt.NDArray[np.int64] = field(default_factory=_not_given)

    def __post_init__(self) -> None:
        n = len(self.label)
        for name, unknown in UNKNOWN.items():
            value = getattr(self, name)
            if value is _NOT_GIVEN:
                object.__setattr__(self, name, np.full(n, unknown))
            elif not isinstance(unknown, str):
                object.__setattr__(self, name, np.asarray(value, unknown.dtype))
        lengths = {name: len(value) for name, value in self.arrays().items() if len(value) != n}
        if lengths:
            raise InvalidInputError(f"columns of labelled stamps differ in length: {lengths}, expected {n}")

    @property
    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """All columns but the pixels, by name, ``label`` first."""
        return {"label": self.label, **{name: getattr(self, name) for name in UNKNOWN}}

    def arrays(self) -> dict[str, npt.NDArray[Any]]:
        """Return pixels and columns by name.

        Returns
        -------
        dict
            What `from_arrays` takes.
        """
        return {**self.pixels, **self.columns}

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Make labelled stamps of what `arrays` returns.

        Parameters
        ----------
        arrays
            Pixels by image name, ``label``, and as many of the other columns as there are.
        """
        pixels = {name: np.asarray(arrays[name], np.float32) for name in ROLES if name in arrays}
        columns = {name: arrays[name] for name in UNKNOWN if name in arrays}
        return cls(pixels, np.asarray(arrays["label"], np.int8), **columns)

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: npt.NDArray[Any] | slice) -> Self:
        """Return the given rows (an index or boolean array, or a slice)."""
        return self.from_arrays({name: values[rows] for name, values in self.arrays().items()})

    @classmethod
    def from_tables(
        cls,
        cutouts: Table,
        match: Table,
        sources: Table,
        group: int = 0,
        *,
        visit: int | None = None,
        band: str | None = None,
    ) -> Self:
        """Join stamps, labels and measurements of one detector, leaving out undecided sources.

        Parameters
        ----------
        cutouts
            A ``dia_source_cutouts`` table.
        match
            The ``dia_source_match`` table of these sources, and perhaps of others.
        sources
            The ``dia_source_unstandardized`` table of these sources, and perhaps of others.
        group
            Value of `group` for all rows.
        visit, band
            Of all rows, where the table of sources does not say.

        Raises
        ------
        InvalidCatalogError
            Raised if a source of which there are stamps is not in the other tables.
        """
        match = _rows_of(cutouts, match, "dia_source_match")
        name = "dia_source_unstandardized"
        sources = _rows_of(cutouts, standard_columns(sources, counts=True, name=name), name)
        rows = np.flatnonzero(np.asarray(match["label"]) >= 0)
        cutouts, match, sources = cutouts[rows], match[rows], sources[rows]
        roles = [role for role in ROLES if role in cutouts.colnames]
        given = {"visit": visit, "band": band, "group": group}
        found: dict[str, npt.NDArray[Any]] = {
            name: np.full(len(rows), value) for name, value in given.items() if value is not None
        }
        for table, names in (
            (cutouts, _FROM_CUTOUTS),
            (match, _FROM_MATCH),
            (sources, _FROM_SOURCES),
        ):
            found |= {ours: np.asarray(table[name]) for ours, name in names.items() if name in table.colnames}
        if {"ra", "dec"} <= set(cutouts.colnames):
            found["cell"] = sky_cell(cutouts["ra"], cutouts["dec"], CELL)
        if {"psfFlux", "templateFlux"} <= set(sources.colnames):
            found["flux_ratio"] = flux_ratio(sources["psfFlux"], sources["templateFlux"])
        found["snr"] = np.abs(found["snr"])
        return cls(
            {name: stamps.pixels for name, stamps in stored_stamps(cutouts, roles).items()},
            np.asarray(match["label"], np.int8),
            **found,
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """Put several sets of stamps one after the other.

        Parameters
        ----------
        parts
            The sets, at least one, with the same images. Smaller stamps get missing pixels around them, the
            central one, ``(h // 2, w // 2)``, staying in the middle.

        Raises
        ------
        InvalidInputError
            Raised if there is no set, or if they have different images.
        """
        parts = list(parts)
        if not parts:
            raise InvalidInputError("no labelled stamps to concatenate")
        images = sorted({" ".join(sorted(part.pixels)) for part in parts})
        if len(images) > 1:
            raise InvalidInputError(f"stamps of different images do not go into one set: {images}")
        size = max((max(stamps.shape[1:]) for part in parts for stamps in part.pixels.values()), default=0)
        if all(stamps.shape[1:] == (size, size) for part in parts for stamps in part.pixels.values()):
            arrays = [part.arrays() for part in parts]
        else:
            arrays = [part.padded(size).arrays() for part in parts]
        return cls.from_arrays({name: np.concatenate([part[name] for part in arrays]) for name in arrays[0]})

    def padded(self, size: int) -> Self:
        """Return stamps of another size, the central pixel staying in the middle.

        Parameters
        ----------
        size
            Rows and columns; those that a stamp does not reach are missing.

        Returns
        -------
        LabelledStamps
            The same sources.
        """
        pixels = {}
        for name, stamps in self.pixels.items():
            pixels[name], outside = fit_stamps(stamps, size)
            if outside is not None:
                pixels[name][:, outside] = np.nan
        return dataclasses.replace(self, pixels=pixels)

    def save(self, path: Path) -> None:
        """Write everything to a compressed ``.npz`` file.

        Parameters
        ----------
        path
            File to write, with the ending ``.npz``; one that exists is replaced.
        """
        with atomic_output(path, overwrite=True) as place:
            np.savez_compressed(place, allow_pickle=False, **self.arrays())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path
            File to read.
        """
        with np.load(path, allow_pickle=False) as content:
            return cls.from_arrays({name: content[name] for name in content.files})


def _rows_of(cutouts: Table, table: Table, name: str) -> Table:
    """Return the rows of a table that are of the sources of the stamps, in their order."""
    wanted, ids = np.asarray(cutouts["diaSourceId"]), np.asarray(table["diaSourceId"])
    if np.array_equal(wanted, ids):
        return table
    order = np.argsort(ids, kind="stable")
    place = np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)
    if not len(ids) or (lost := ids[order[place]] != wanted).any():
        n_lost = int(lost.sum()) if len(ids) else len(wanted)
        raise InvalidCatalogError(name, [f"{n_lost} sources of dia_source_cutouts are not in it"])
    return table[order[place]]


def flux_ratio(difference: npt.ArrayLike, template: npt.ArrayLike) -> npt.NDArray[np.float32]:
    """Return the absolute flux in the difference over that in the template.

    Parameters
    ----------
    difference, template
        Fluxes in one unit.

    Returns
    -------
    numpy.ndarray
        Float32; infinite where the template has no light.
    """
    change, before = np.abs(np.asarray(difference, np.float64)), np.asarray(template, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(before <= 0, np.inf * np.sign(change), change / before).astype(np.float32)


def dihedral(stamps: npt.NDArray[np.float32], element: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Turn and mirror square stamps, each by its own element of the dihedral group of the square.

    Parameters
    ----------
    stamps
        Array of shape ``(n, h, h, …)``; trailing axes are carried along.
    element
        Integers 0 … 7 of shape ``(n,)``: ``element % 4`` quarter turns, mirrored where ``element >= 4``.

    Returns
    -------
    numpy.ndarray
        A new array of the same shape.
    """
    out = np.empty_like(stamps)
    for value in range(8):
        rows = element == value
        turned = np.rot90(stamps[rows], value % 4, axes=(1, 2))
        out[rows] = turned[:, :, ::-1] if value >= 4 else turned
    return out
