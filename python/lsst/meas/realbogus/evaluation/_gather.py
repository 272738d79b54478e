"""What is known of the sources of an image, put together from its tables."""

from __future__ import annotations

__all__ = ("ScoredTables", "sample_image", "stack_images")

import dataclasses
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..errors import InvalidInputError
from ..tables import Column, Schema, apply_schema, make_table, njy_to_magnitude, standard_columns
from ..truth import DIA_SOURCE_MATCH, FAKE, INJECTED_FATE, REAL_KINDS, Fate, Label
from ._sample import FLAGS, SCORED_SOURCE, ScoredSample, score_columns

type Bools = npt.NDArray[np.bool_]

_DIA_SOURCE: Schema = {
    "diaSourceId": Column("int64", "identifier", required=True),
    "psfFlux": Column("float64", "flux", "nJy"),
    "psfFluxErr": Column("float64", "its error", "nJy"),
    "snr": Column("float64", "signal to noise"),
}
_HOST: Schema = {
    "injection_id": Column("int64", "identifier", required=True),
    "supernova_id": Column("int64", "the supernova, the same in every visit", none=0),
    "host_mag": Column("float64", "magnitude", "mag"),
    "host_a": Column("float64", "semi-major axis (rms)", "arcsec"),
    "host_b": Column("float64", "semi-minor axis (rms)", "arcsec"),
    "host_offset": Column("float64", "distance of the fake", "arcsec"),
    "host_sb": Column("float64", "surface brightness at the fake", "mag / arcsec2"),
}
_OF_HOSTS = ("host_distance", "host_surface_brightness")
_TRUTH: Schema = {
    "truth_id": Column("int64", "identifier", required=True),
    "kind": Column("str", "what it is", required=True),
    "flux": Column("float64", "flux in the visit", "nJy"),
    "template_flux": Column("float64", "flux in the template", "nJy"),
}


@dataclasses.dataclass(frozen=True)
class ScoredTables:
    """The tables of one detector and visit.

    Parameters
    ----------
    visit, detector, band
        Which image.
    sources
        DIA sources, of any pipeline generation.
    match
        Their labels, of `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH`, if there are any.
    reliability
        Their scores, as ``rbClassifier`` writes them, if there are any.
    fates
        What became of the injected sources, of `~lsst.meas.realbogus.truth.INJECTED_FATE`.
    injected
        The catalogues of injected sources, for their hosts.
    truth
        What is on the sky, where that is known.
    """

    visit: int
    detector: int
    band: str
    sources: Any
    match: Any = None
    reliability: Any = None
    fates: Any = None
    injected: tuple[Any, ...] = ()
    truth: Any = None


def sample_image(tables: ScoredTables) -> Table:
    """Put together what is known of the sources of one image, detected or not.

    Parameters
    ----------
    tables
        Its tables.

    Returns
    -------
    astropy.table.Table
        Columns of `SCORED_SOURCE`, scores and flags. First the DIA sources, all of them and in order; then
        the fakes that were drawn, and the changes of the truth, that have none.

    Raises
    ------
    InvalidInputError
        If labels or scores are of other sources.
    InvalidCatalogError
        If a table holds what cannot be used.

    Notes
    -----
    The surface brightness of a host is ``host_sb`` of the catalogue or, where that is not given, that of a
    circular exponential profile with the host's magnitude and moments.
    """
    where = f"visit {tables.visit}, detector {tables.detector}"
    sources = apply_schema(
        standard_columns(tables.sources, counts=True), _DIA_SOURCE, name=f"DIA sources of {where}"
    )
    match = _beside(tables.match, sources, DIA_SOURCE_MATCH, f"labels of {where}")
    fates = _fates(tables, where)
    changes = _changes(tables, sources, where)
    detected = _detected(tables, sources, match, fates, changes)
    lost = [_lost_fakes(tables, fates), _lost_changes(tables, match, changes)]
    return _join([detected, *(part for part in lost if len(part))])


def _beside(table: Any, sources: Table, schema: Schema, name: str) -> Table:
    if table is None:
        return make_table(schema, {"label": Label.UNDECIDED} if "label" in schema else {}, len(sources))
    read = apply_schema(table, schema, name=name)
    _require_same(read["diaSourceId"], sources, name)
    return _complete(read, schema)


def _require_same(ids: Any, sources: Table, name: str) -> None:
    if not np.array_equal(np.asarray(ids), np.asarray(sources["diaSourceId"])):
        raise InvalidInputError(f"the {name} are not of the same DIA sources in the same order")


def _fates(tables: ScoredTables, where: str) -> Table:
    """Return the primary rows of the fates, with host and object."""
    read = apply_schema({} if tables.fates is None else tables.fates, INJECTED_FATE, name=f"fates of {where}")
    fates = _complete(read, INJECTED_FATE)
    if "is_primary" in read.colnames:
        fates = fates[np.asarray(fates["is_primary"])]
    parts = [apply_schema(part, _HOST, name=f"injected catalogue of {where}") for part in tables.injected]
    hosts = vstack([make_table(_HOST, {}), *(_complete(part, _HOST) for part in parts)])
    host, is_there = _rows(fates["injection_id"], hosts["injection_id"])
    offset, scale, mag, brightness = np.full((4, len(fates)), np.nan)
    offset[is_there], mag[is_there] = hosts["host_offset"][host], hosts["host_mag"][host]
    brightness[is_there] = hosts["host_sb"][host]
    # The rms of an exponential profile along an axis is sqrt(3) times its scale.
    scale[is_there] = np.sqrt(hosts["host_a"][host] * hosts["host_b"][host] / 3)
    with np.errstate(invalid="ignore", divide="ignore"):
        profile = mag - 2.5 * np.log10(np.exp(-offset / scale) / (2 * np.pi * scale**2))
    supernova = np.zeros(len(fates), np.int64)
    supernova[is_there] = hosts["supernova_id"][host]
    fates["object_id"] = np.where(supernova > 0, supernova, fates["injection_id"])
    fates["host_distance"] = offset
    fates["host_surface_brightness"] = np.where(np.isfinite(brightness), brightness, profile)
    return fates


def _complete(table: Table, schema: Schema) -> Table:
    """Return exactly the columns of a schema."""
    return make_table(schema, {name: table[name] for name in schema if name in table.colnames}, len(table))


def _changes(tables: ScoredTables, sources: Table, where: str) -> Table:
    """Return what changed on the sky, with its SNR for the typical flux error of the image's sources."""
    if tables.truth is None:
        return Table(
            {name: [] for name in ("truth_id", "kind", "snr", "mag")}, dtype=(np.int64, str, float, float)
        )
    truth = apply_schema(tables.truth, _TRUTH, name=f"truth of {where}")
    truth = truth[np.isin(np.asarray(truth["kind"]).astype(str), sorted(REAL_KINDS))]
    change = np.abs(np.asarray(truth["flux"], float) - np.asarray(truth["template_flux"], float))
    error = np.asarray(sources["psfFluxErr"], float) if "psfFluxErr" in sources.colnames else np.empty(0)
    error = error[np.isfinite(error) & (error > 0)]
    typical = float(np.median(error)) if error.size else np.nan
    return Table(
        {
            "truth_id": np.asarray(truth["truth_id"], np.int64),
            "kind": np.asarray(truth["kind"]).astype(str),
            "snr": change / typical,
            "mag": njy_to_magnitude(change),
        }
    )


def _detected(tables: ScoredTables, sources: Table, match: Table, fates: Table, changes: Table) -> Table:
    n = len(sources)
    flux, error = (
        np.asarray(sources[name], float) if name in sources.colnames else np.full(n, np.nan)
        for name in ("psfFlux", "psfFluxErr")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = np.abs(flux / error)
    if "snr" in sources.colnames:
        given = np.abs(np.asarray(sources["snr"], float))
        snr = np.where(np.isfinite(given), given, snr)
    true = {
        name: np.full(n, np.nan)
        for name in ("snr_true", "mag_true", "host_distance", "host_surface_brightness")
    }
    row, is_there = _rows(match["truth_id"], changes["truth_id"])
    true["snr_true"][is_there], true["mag_true"][is_there] = changes["snr"][row], changes["mag"][row]
    row, is_there = _rows(sources["diaSourceId"], fates["diaSourceId"])
    for name, own in {"snr_true": "snr_expected", "mag_true": "mag"}.items():
        true[name][is_there] = fates[own][row]
    for name in _OF_HOSTS:
        true[name][is_there] = fates[name][row]
    table = make_table(
        SCORED_SOURCE,
        {
            **_place(tables),
            **{name: match[name] for name in ("label", "label_reason", "kind", "object_id")},
            "diaSourceId": sources["diaSourceId"],
            "is_detected": True,
            "snr": snr,
            "mag": njy_to_magnitude(np.abs(flux)),
            "edge_distance": match["edge_distance"] if tables.match is not None else np.nan,
            **true,
        },
        n,
    )
    if tables.reliability is not None:
        scores = Table(tables.reliability)
        name = "id" if "id" in scores.colnames else "diaSourceId"
        _require_same(scores[name], sources, f"scores of visit {tables.visit}, detector {tables.detector}")
        for column in scores.colnames:
            if column.startswith(("score", "flag_")):
                table[column] = scores[column]
    for column in sources.colnames:
        if column.startswith(FLAGS) and sources[column].dtype.kind == "b":
            table[column] = sources[column]
    return table


def _lost_fakes(tables: ScoredTables, fates: Table) -> Table:
    lost = fates[~np.isin(np.asarray(fates["fate"]), [Fate.FOUND, Fate.NOT_DRAWN])]
    return make_table(
        SCORED_SOURCE,
        {
            **_place(tables),
            "label": Label.REAL,
            "label_reason": lost["fate"],
            "kind": FAKE,
            "snr_true": lost["snr_expected"],
            "mag_true": lost["mag"],
            **{name: lost[name] for name in ("object_id", "edge_distance", *_OF_HOSTS)},
        },
        len(lost),
    )


def _lost_changes(tables: ScoredTables, match: Table, changes: Table) -> Table:
    real = np.asarray(match["label"]) == Label.REAL
    lost = changes[~np.isin(changes["truth_id"], np.asarray(match["truth_id"])[real])]
    return make_table(
        SCORED_SOURCE,
        {
            **_place(tables),
            "label": Label.REAL,
            "label_reason": Fate.UNDETECTED.value,
            "kind": lost["kind"],
            "object_id": lost["truth_id"],
            "snr_true": lost["snr"],
            "mag_true": lost["mag"],
        },
        len(lost),
    )


def _place(tables: ScoredTables) -> dict[str, Any]:
    return {"visit": tables.visit, "detector": tables.detector, "band": tables.band}


def _rows(wanted: npt.ArrayLike, ids: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], Bools]:
    """Return the row among the ids of those that are wanted and there, and which of them are."""
    want, have = np.asarray(wanted, np.int64), np.asarray(ids, np.int64)
    order = np.argsort(have, kind="stable")
    is_there = np.isin(want, have) & (want >= 0)
    return order[np.searchsorted(have, want[is_there], sorter=order)], is_there


def _join(parts: list[Table]) -> Table:
    """Put tables below each other: no score and no flag where a part has none."""
    table = vstack(parts, metadata_conflicts="silent")
    for name in table.colnames:
        if getattr(table[name], "mask", None) is not None:
            table[name] = table[name].filled({"f": np.nan, "U": ""}.get(table[name].dtype.kind, 0))
    return table


def stack_images(images: Iterable[Table]) -> ScoredSample:
    """Put the tables of images together.

    Parameters
    ----------
    images
        As from `sample_image`.

    Returns
    -------
    ScoredSample
        In the order of the images; models are called by their columns.

    Raises
    ------
    InvalidInputError
        If there is no image.
    """
    parts = list(images)
    if not parts:
        raise InvalidInputError("there are no images to judge scores on")
    table = _join(parts)
    return ScoredSample(table, score_columns(table.colnames))
