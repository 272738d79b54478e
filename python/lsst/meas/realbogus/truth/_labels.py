"""A label and its reason for every DIA source."""

from __future__ import annotations

__all__ = ("MatchRules", "Matched", "label_dia_sources")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy.spatial import cKDTree

from ..errors import InvalidCatalogError
from ..options import Options, option
from ..tables import NO_ID, make_table
from ._artefacts import distance_to_segments
from ._candidates import Candidates, gather_candidates
from ._explanations import column_or, explain_bogus
from ._inputs import read_injected, read_matched_sources, read_truth
from ._matching import match_mutual_nearest, unit_vectors
from ._objects import injected_objects
from ._schema import DIA_SOURCE_MATCH, FAKE, Label, Reason

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class MatchRules(Options, ordered=[("radius", "max_radius")]):
    """How near and how bright a source must be to be what it seems."""

    radius: float = option(0.5, "Match radius for sources with well-measured positions (arcsec).", above=0.0)
    n_sigma: float = option(
        5.0, "The radius grows to this many times a source's own position error.", min=0.0
    )
    max_radius: float = option(1.0, "Largest match radius (arcsec).", above=0.0)
    min_snr: float = option(
        1.0, "A change of the sky fainter than this many flux errors explains nothing.", min=0.0
    )
    min_flux_ratio: float = option(
        0.4,
        "Nor does one fainter than this fraction of the source's PSF flux: the source is something else that "
        "happens to lie there.",
        min=0.0,
    )
    near_radius: float = option(
        1.5,
        "Unmatched sources this near a change that could have made them are undecided: the other lobe of a "
        "bad fit, or a second peak (arcsec).",
        min=0.0,
    )
    static_radius: float = option(
        1.5, "Reach of stars and galaxies of the truth, to which sources are ascribed (arcsec).", min=0.0
    )
    artefact_margin: float = option(4.0, "Reach of artefacts beyond their outline (pixels).", min=0.0)
    noise_snr: float = option(
        7.0,
        "What nothing explains is noise below this SNR, and unexplained above it (a flaw of the template, "
        "say).",
        min=0.0,
    )
    unmatched_is_bogus: bool = option(
        False,
        "Without a truth table nothing is known of unmatched sources; call them bogus instead of undecided?",
    )


@dataclasses.dataclass(frozen=True)
class Matched:
    """Labels of the DIA sources, and which of them each injected source is.

    Parameters
    ----------
    table
        Table of schema `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH`.
    injected_to_source
        For every row of the injected catalogue the row of its DIA source, -1 for none. Rows of one object
        have the same; rows that were not drawn have none.
    """

    table: Table
    injected_to_source: Indices


def label_dia_sources(
    dia_sources: Table, injected: Table, truth: Table | None = None, *, rules: MatchRules | None = None
) -> Matched:
    """Say of every DIA source of one image whether it is real, and why.

    Parameters
    ----------
    dia_sources
        DIA sources, as for `read_matched_sources`.
    injected
        Catalogue of injected sources, as the injection task writes it; with fakes in the template, what
        `join_injected` makes of the two catalogues.
    truth
        Truth table of the image, if there is one.
    rules
        Radii and limits.

    Returns
    -------
    Matched
        One row for every DIA source, in order, and the way back from the injected sources.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing or hold what cannot be used, or identifiers occur twice.

    Notes
    -----
    Real are the mutual nearest neighbours of changes of the sky with the same sign (DMTN-216: a positive is a
    spatial match with an astrophysical change). Bogus are, in this order: sources on a compact artefact,
    residuals of stars that moved, other dipoles, residuals of stars and galaxies, sources on a diffuse
    artefact, and what nothing explains.

    A variable is one change: the flux of its row in the visit less that of its row in the template. Light in
    the template alone is a negative change.
    """
    rules = rules or MatchRules()
    dia_sources, injected = read_matched_sources(dia_sources), read_injected(injected)
    truth = None if truth is None else read_truth(truth)
    _check_sources(dia_sources)
    n = len(dia_sources)
    label = np.full(n, Label.UNDECIDED, np.int8)
    reason = np.full(n, Reason.UNMATCHED.value, "U24")
    injection_id, truth_id = np.full(n, NO_ID), np.full(n, NO_ID)
    distance = np.full(n, np.nan)

    objects = injected_objects(injected)
    candidates = _plausible(gather_candidates(injected, objects, truth), dia_sources, rules)
    source, candidate, matched_distance = _match(dia_sources, candidates, rules)
    label[source], reason[source] = Label.REAL, candidates.reason[candidate]
    injection_id[source], truth_id[source] = (
        candidates.injection_id[candidate],
        candidates.truth_id[candidate],
    )
    distance[source] = matched_distance

    free = np.ones(n, bool)
    free[source] = False
    near = _near_real(dia_sources, candidates, rules) | _on_trail(dia_sources, candidates, truth, rules)
    near &= free
    reason[near] = Reason.NEAR_REAL
    free &= ~near
    if truth is not None:
        kinds, ids, distances = explain_bogus(
            dia_sources, truth, static_radius=rules.static_radius, artefact_margin=rules.artefact_margin
        )
        with np.errstate(invalid="ignore", divide="ignore"):
            snr = np.abs(
                np.asarray(dia_sources["psfFlux"], float) / np.asarray(dia_sources["psfFluxErr"], float)
            )
        kinds[(kinds == Reason.NOISE) & (snr >= rules.noise_snr)] = Reason.UNEXPLAINED
        label[free], reason[free], truth_id[free], distance[free] = (
            Label.BOGUS,
            kinds[free],
            ids[free],
            distances[free],
        )
    elif rules.unmatched_is_bogus:
        label[free] = Label.BOGUS

    back = np.full(len(objects), -1, np.int64)
    is_injected = candidates.reason[candidate] == Reason.INJECTED
    back[candidates.row[candidate[is_injected]]] = source[is_injected]
    drawn = np.asarray(injected["injection_flag"]) == 0
    injected_to_source = np.where(drawn, back[objects.of_row], -1)
    columns = {
        "diaSourceId": dia_sources["diaSourceId"],
        "label": label,
        "label_reason": reason,
        "injection_id": injection_id,
        "truth_id": truth_id,
        "match_distance": distance,
        **_identify(reason, injection_id, truth_id, injected, truth),
    }
    return Matched(make_table(DIA_SOURCE_MATCH, columns), injected_to_source)


def _identify(
    reason: npt.NDArray[np.str_],
    injection_id: Indices,
    truth_id: Indices,
    injected: Table,
    truth: Table | None,
) -> dict[str, npt.NDArray[Any]]:
    """Return the kind, the object and its host of every source."""
    kind, object_id, host_id = reason.copy(), truth_id.copy(), np.full(len(reason), NO_ID)
    fake, row = _rows_of(injection_id, injected["injection_id"])
    kind[fake], object_id[fake] = FAKE, injection_id[fake]
    if "supernova_id" in injected.colnames:
        named = np.asarray(injected["supernova_id"])[row]
        object_id[fake] = np.where(named > 0, named, object_id[fake])
    if "host_id" in injected.colnames:
        host_id[fake] = np.asarray(injected["host_id"])[row]
    if truth is not None:
        known, row = _rows_of(truth_id, truth["truth_id"])
        kind[known] = np.asarray(truth["kind"])[row]
        if "host_id" in truth.colnames:
            host_id[known] = np.asarray(truth["host_id"])[row]
    return {"kind": kind, "object_id": object_id, "host_id": np.where(host_id == 0, NO_ID, host_id)}


def _rows_of(wanted: Indices, ids: npt.ArrayLike) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return which of the wanted ids are ids at all, and the row of each of these."""
    ids = np.asarray(ids, np.int64)
    order = np.argsort(ids, kind="stable")
    known = np.flatnonzero(wanted != NO_ID)
    return known, order[np.searchsorted(ids, wanted[known], sorter=order)]


def _check_sources(dia_sources: Table) -> None:
    if len(np.unique(dia_sources["diaSourceId"])) != len(dia_sources):
        raise InvalidCatalogError("DIA sources", ["diaSourceId occurs more than once"])


def _plausible(candidates: Candidates, dia_sources: Table, rules: MatchRules) -> Candidates:
    errors = np.asarray(dia_sources["psfFluxErr"], float)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    typical = float(np.median(errors)) if errors.size else 0.0
    return candidates.keep(np.abs(candidates.change) > rules.min_snr * typical)


def _match(dia_sources: Table, candidates: Candidates, rules: MatchRules) -> tuple[Indices, Indices, Floats]:
    """Pair DIA sources with candidates of the same sign: rows, rows, arcseconds."""
    ra, dec = np.asarray(dia_sources["ra"], float), np.asarray(dia_sources["dec"], float)
    # Both are errors along great circles.
    error = 3600 * np.hypot(column_or(dia_sources, "raErr", 0.0), column_or(dia_sources, "decErr", 0.0))
    radius = np.clip(np.nan_to_num(rules.n_sigma * error), rules.radius, rules.max_radius)
    negative, found = np.asarray(dia_sources["isNegative"]), []
    for sign in (False, True):
        rows, others = np.flatnonzero(negative == sign), np.flatnonzero((candidates.change < 0) == sign)
        pairs = match_mutual_nearest(
            ra[rows],
            dec[rows],
            candidates.ra[others],
            candidates.dec[others],
            radius[rows],
        )
        found.append((rows[pairs.first], others[pairs.second], pairs.distance))
    source, candidate, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    could = _could_make(
        candidates.change[candidate], np.asarray(dia_sources["psfFlux"], float)[source], rules
    )
    order = np.flatnonzero(could)[np.argsort(source[could])]
    return source[order].astype(np.int64), candidate[order].astype(np.int64), distance[order]


def _could_make(change: Floats, flux: Floats, rules: MatchRules) -> Bools:
    return ~(np.abs(change) < rules.min_flux_ratio * np.abs(flux))


def _near_real(dia_sources: Table, candidates: Candidates, rules: MatchRules) -> Bools:
    near = np.zeros(len(dia_sources), bool)
    sky = unit_vectors(dia_sources["ra"], dia_sources["dec"])
    others = unit_vectors(candidates.ra, candidates.dec)
    rows, finite = np.flatnonzero(np.isfinite(sky).all(axis=1)), np.isfinite(others).all(axis=1)
    if not rows.size or not finite.any():
        return near
    flux, change = np.asarray(dia_sources["psfFlux"], float), candidates.change[finite]
    tree = cKDTree(others[finite])
    for row, hits in zip(
        rows, tree.query_ball_point(sky[rows], np.radians(rules.near_radius / 3600)), strict=True
    ):
        near[row] = bool(hits) and bool(_could_make(change[hits], flux[row], rules).any())
    return near


def _on_trail(dia_sources: Table, candidates: Candidates, truth: Table | None, rules: MatchRules) -> Bools:
    """Return the sources on the trail of something that moved, which may break up into several."""
    on = np.zeros(len(dia_sources), bool)
    if truth is None or not {"x", "y", "length", "angle"} <= set(truth.colnames):
        return on
    trails = candidates.keep(candidates.truth_id != NO_ID)
    trails = trails.keep(np.asarray(truth["length"], float)[trails.row] > 0)
    x, y, length, angle = (
        np.asarray(truth[name], float)[trails.row] for name in ("x", "y", "length", "angle")
    )
    distance = distance_to_segments(dia_sources["x"], dia_sources["y"], x, y, length, np.zeros(len(x)), angle)
    could = _could_make(trails.change, np.asarray(dia_sources["psfFlux"], float)[:, np.newaxis], rules)
    on[:] = ((distance <= rules.artefact_margin) & could).any(axis=1)
    return on
