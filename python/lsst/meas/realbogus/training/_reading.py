"""Labelled stamps from stamp files of any make."""

from __future__ import annotations

__all__ = ("read_labelled_stamps",)

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..cutouts import DifferenceSign, StampBatch, open_stamp_file
from ..errors import InvalidInputError
from ..tables import Column, apply_schema, sky_cell
from ._hand_labels import HandLabels
from ._stamps import CELL, UNKNOWN, LabelledStamps, flux_ratio

_NAMES: Mapping[str, tuple[str, ...]] = {
    **{name: (name,) for name in UNKNOWN if name not in ("is_negative", "psf_fwhm")},
    "reason": ("reason", "label_reason", "label_source"),
    "pixel_scale": ("pixel_scale", "pixelScale"),
}
_LABEL = Column("int64", "1 real, 0 bogus.", none=-1)
_FOR_OTHERS = ("ra", "dec", "psfFlux", "templateFlux")


def read_labelled_stamps(
    path: Path,
    *,
    group: int = 0,
    size: int = 256,
    difference_sign: DifferenceSign | None = None,
    labels: HandLabels | None = None,
) -> Iterator[LabelledStamps]:
    """Read the labelled stamps of a stamp file, a few at a time.

    Parameters
    ----------
    path
        A stamp file, see `~lsst.meas.realbogus.cutouts.open_stamp_file`, with a column or array ``label``: 1
        real, 0 bogus; other stamps are left out. Columns named as those of `LabelledStamps`, ``ra`` and
        ``dec`` (for the cell), and ``psfFlux`` and ``templateFlux`` (for the flux ratio) are used.
    group
        Value of `LabelledStamps.group` where the file does not say.
    size
        Stamps at a time.
    difference_sign
        As for `~lsst.meas.realbogus.cutouts.open_stamp_file`.
    labels
        Labels by identifier in the place of the file's own, which it need not have; stamps of other sources
        are left out.

    Yields
    ------
    LabelledStamps
        Stamps in order; missing pixels are NaN.

    Raises
    ------
    InvalidInputError
        Raised if the file has no stamps or no labels.
    """
    with open_stamp_file(path, difference_sign=difference_sign) as file:
        if labels is None and not file.has_column("label"):
            raise InvalidInputError(f"{path}: the stamps have no labels: there is no column label of 1 and 0")
        named = {
            ours: name
            for ours, names in _NAMES.items()
            if (name := next(filter(file.has_column, names), None))
        }
        others = [name for name in _FOR_OTHERS if file.has_column(name)]
        own = ["label"] if labels is None else []
        for batch in file.batches(size, columns=[*own, *named.values(), *others]):
            label = _own_labels(batch, str(path)) if labels is None else labels.of(batch.ids)
            yield _labelled(batch, label, named, group)


def _own_labels(batch: StampBatch, name: str) -> npt.NDArray[np.int64]:
    given = {"label": batch.columns["label"]}
    return np.asarray(apply_schema(given, {"label": _LABEL}, name=name)["label"])


def _labelled(
    batch: StampBatch, label: npt.NDArray[Any], named: Mapping[str, str], group: int
) -> LabelledStamps:
    columns: dict[str, npt.NDArray[Any]] = {"group": np.full(len(batch), group)}
    for ours, name in named.items():
        values = batch.columns[name]
        if isinstance(UNKNOWN[ours], str):
            columns[ours] = values.astype(np.str_)
        elif values.dtype.kind in "iufb":  # names of objects that are no numbers say nothing here
            columns[ours] = values
    if "snr" in columns:
        columns["snr"] = np.abs(columns["snr"])
    if batch.psf_fwhm is not None:
        columns["psf_fwhm"] = batch.psf_fwhm
    if "pixel_scale" not in columns and batch.pixel_scale is not None:
        columns["pixel_scale"] = np.full(len(batch), batch.pixel_scale)
    if "cell" not in columns and {"ra", "dec"} <= set(batch.columns):
        columns["cell"] = sky_cell(batch.columns["ra"], batch.columns["dec"], CELL)
    if "flux_ratio" not in columns and {"psfFlux", "templateFlux"} <= set(batch.columns):
        columns["flux_ratio"] = flux_ratio(batch.columns["psfFlux"], batch.columns["templateFlux"])
    pixels = {
        role: np.where(batch.missing[role], np.float32(np.nan), stamps) if role in batch.missing else stamps
        for role, stamps in batch.stamps.items()
    }
    stamps = LabelledStamps(pixels, label.astype(np.int8), is_negative=batch.is_negative, **columns)
    return stamps[np.isin(label, (0, 1))]
