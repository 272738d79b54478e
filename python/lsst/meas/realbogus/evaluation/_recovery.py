"""Injected sources beside what was measured of them, one row each."""

from __future__ import annotations

__all__ = ("INJECTED_RECOVERY", "Boxes", "find_rows", "match_images", "recover_injected")

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.images import Box

from ..errors import InvalidInputError
from ..injection import light_beneath
from ..tables import NO_ID, Column, InjectionFlag, Schema, make_table
from ..truth import Fate, match

type Floats = npt.NDArray[np.float64]
type Boxes = Mapping[int, Box]

INJECTED_RECOVERY: Schema = {
    "visit": Column("int64", "visit"),
    "detector": Column("int64", "detector"),
    "band": Column("U8", "band"),
    "injection_id": Column("int64", "identifier of the injected source"),
    "population": Column("U16", "which population the row was drawn from"),
    "fate": Column("str", "what became of it"),
    "on_image": Column("bool", "False where the fake lies off the image, so that it could not be drawn"),
    "diaSourceId": Column("int64", "the DIA source that it is, -1 for none", none=NO_ID),
    "mag": Column("float64", "AB magnitude of |flux|", "mag"),
    "snr_expected": Column("float64", "|flux| over the noise of a PSF fit at its place in the difference"),
    "host_sb": Column("float64", "surface brightness of the host beneath, NaN for none", "mag / arcsec2"),
    "x": Column("float64", "injected position in parent pixels", "pix"),
    "y": Column("float64", "injected position in parent pixels", "pix"),
    "edge_distance": Column("float64", "distance to the nearest edge of the image, NaN if unknown", "pix"),
    "flux": Column("float64", "injected flux, of the visit less that of the template", "nJy"),
    "psfFlux": Column("float64", "measured flux in the difference, NaN if not found", "nJy"),
    "psfFluxErr": Column("float64", "its error", "nJy"),
    "x_measured": Column("float64", "measured position", "pix"),
    "y_measured": Column("float64", "measured position", "pix"),
    "xErr": Column("float64", "its error", "pix"),
    "yErr": Column("float64", "its error", "pix"),
    "match_distance": Column("float64", "distance on the sky of both positions", "arcsec"),
}
"""What `recover_injected` makes."""

_IMAGE = ("visit", "detector")
_MEASURED = {
    "psfFlux": "psfFlux",
    "psfFluxErr": "psfFluxErr",
    "x": "x_measured",
    "y": "y_measured",
    "xErr": "xErr",
    "yErr": "yErr",
}


def find_rows(wanted: Table, table: Table, keys: Sequence[str]) -> npt.NDArray[np.int64]:
    """Find rows by several identifiers at once.

    Parameters
    ----------
    wanted, table
        Tables with integer columns ``keys``.
    keys
        Names of the identifiers, which together name a row of ``table``.

    Returns
    -------
    numpy.ndarray
        For each row of ``wanted`` the number of the row of ``table``, the first of several, -1 for none.

    Examples
    --------
    >>> from astropy.table import Table, vstack
    >>> table = Table({"visit": [1, 1, 2], "id": [7, 8, 7]})
    >>> find_rows(Table({"visit": [2, 2], "id": [7, 8]}), table, ("visit", "id")).tolist()
    [2, -1]
    """
    codes = np.zeros(len(wanted) + len(table), np.int64)
    for key in keys:
        values = np.concatenate([np.asarray(part[key], np.int64) for part in (wanted, table)])
        # Again after each key, so that codes stay below the square of the number of rows.
        _, code = np.unique(values, return_inverse=True)
        _, codes = np.unique(codes * (int(code.max(initial=0)) + 1) + code, return_inverse=True)
    known, first = np.unique(codes[len(wanted) :], return_index=True)
    if not known.size:
        return np.full(len(wanted), -1)
    place = np.minimum(np.searchsorted(known, codes[: len(wanted)]), known.size - 1)
    return np.where(known[place] == codes[: len(wanted)], first[place], -1)


def match_images(sources: Table, injected: Table) -> Table:
    """Match the tables of many images, image by image, where nobody has done so.

    Parameters
    ----------
    sources
        DIA sources with ``visit`` and ``detector``, as for `~lsst.meas.realbogus.truth.match`.
    injected
        Injected catalogues with ``visit`` and ``detector``.

    Returns
    -------
    astropy.table.Table
        Fates with ``visit`` and ``detector``; the expected SNR is for the typical flux error of the image's
        sources.
    """
    parts = []
    images = np.unique(np.stack([np.asarray(injected[name], np.int64) for name in _IMAGE], axis=1), axis=0)
    for key in images.tolist():
        of_image = [
            table[np.all([np.asarray(table[name]) == k for name, k in zip(_IMAGE, key, strict=True)], axis=0)]
            for table in (sources, injected)
        ]
        fates = match(*of_image).fates
        error = np.asarray(of_image[0]["psfFluxErr"], np.float64)
        error = error[np.isfinite(error) & (error > 0)]
        typical = float(np.median(error)) if error.size else np.nan
        fates["snr_expected"] = np.abs(np.asarray(fates["flux"])) / typical
        for name, value in zip(_IMAGE, key, strict=True):
            fates[name] = np.full(len(fates), value, np.int64)
        parts.append(fates)
    if not parts:
        raise InvalidInputError("the injected catalogue has no rows: nothing to match")
    return vstack(parts, metadata_conflicts="silent")


def recover_injected(
    sources: Table, fates: Table, injected: Table | None = None, boxes: Boxes | None = None
) -> Table:
    """Put what was injected beside what was measured of it.

    Parameters
    ----------
    sources
        DIA sources of any number of images: ``visit``, ``detector``, ``diaSourceId``, fluxes and positions.
    fates
        Fates of the injected sources, of schema `~lsst.meas.realbogus.truth.INJECTED_FATE` with ``visit`` and
        ``detector``. Of the two rows of a variable the primary one counts.
    injected
        Injected catalogues of the same images, which tell of bands, populations and hosts.
    boxes
        Pixels of each detector.

    Returns
    -------
    astropy.table.Table
        Table of schema `INJECTED_RECOVERY`, a row for every primary row of ``fates``, in order.
    """
    if "is_primary" in fates.colnames:
        fates = fates[np.asarray(fates["is_primary"], bool)]
    names = [name for name in INJECTED_RECOVERY if name in fates.colnames]
    columns: dict[str, npt.ArrayLike] = {name: np.asarray(fates[name]) for name in names}
    found = np.asarray(fates["fate"]) == Fate.FOUND
    row = find_rows(fates, sources, (*_IMAGE, "diaSourceId"))
    is_measured = found & (row >= 0)
    for name, ours in _MEASURED.items():
        columns[ours] = _taken(sources, name, row, is_measured)
    columns["on_image"] = np.asarray(fates["fate"]) != Fate.OFF_IMAGE
    columns["edge_distance"] = _edge_distances(fates, boxes or {})
    columns |= _of_catalog(fates, injected, np.asarray(columns["on_image"], bool))
    return make_table(INJECTED_RECOVERY, columns, len(fates))


def _taken(table: Table, name: str, row: npt.NDArray[np.int64], here: npt.NDArray[np.bool_]) -> Floats:
    values = np.full(len(row), np.nan)
    if name in table.colnames:
        values[here] = np.asarray(table[name], np.float64)[row[here]]
    return values


def _of_catalog(
    fates: Table, injected: Table | None, on_image: npt.NDArray[np.bool_]
) -> dict[str, npt.ArrayLike]:
    """Return band, population and host light of each fake, and whether it could be drawn."""
    if injected is None or not len(injected):
        return {}
    row = find_rows(fates, injected, (*_IMAGE, "injection_id"))
    known = row >= 0
    columns: dict[str, npt.ArrayLike] = {}
    for name in ("band", "population"):
        if name in injected.colnames:
            columns[name] = np.where(known, np.asarray(injected[name]).astype(str)[row], "")
    columns["host_sb"] = np.where(known, light_beneath(injected)[row], np.nan)
    off = (np.asarray(injected["injection_flag"], np.int64)[row] & InjectionFlag.NO_OVERLAP) > 0
    columns["on_image"] = on_image & ~(known & off)
    return columns


def _edge_distances(fates: Table, boxes: Boxes) -> Floats:
    x, y = (np.asarray(fates[name], np.float64) for name in ("x", "y"))
    distance = np.full(len(fates), np.nan)
    for detector in np.unique(np.asarray(fates["detector"])).tolist():
        if detector in boxes:
            box, here = boxes[detector], np.asarray(fates["detector"]) == detector
            gaps = (
                x[here] - (box.x.min - 0.5),
                (box.x.max + 0.5) - x[here],
                y[here] - (box.y.min - 0.5),
                (box.y.max + 0.5) - y[here],
            )
            distance[here] = np.minimum.reduce(gaps)
    return distance
