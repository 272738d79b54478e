"""A label and its reason for every DIA source."""

from __future__ import annotations

__all__ = ("Matched", "check_sources", "label_dia_sources")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidCatalogError
from ..tables import NO_ID, make_table
from ._candidates import gather_candidates
from ._conditions import Conditions
from ._counterparts import find_counterparts, is_near_real, is_on_trail, plausible
from ._explanations import explain_bogus
from ._inputs import read_injected, read_matched_sources, read_truth
from ._mask_labels import flag_labels
from ._objects import injected_objects
from ._rules import MatchRules
from ._schema import DIA_SOURCE_MATCH, FAKE, Label, Reason

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


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
    dia_sources: Table,
    injected: Table,
    truth: Table | None = None,
    *,
    rules: MatchRules | None = None,
    fwhm: float | None = None,
    conditions: Conditions | None = None,
    mask_label: npt.NDArray[np.int8] | None = None,
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
    fwhm
        Width of the difference's PSF in arcsec, for the limit of the radius in PSF widths.
    conditions
        The difference image at the sources; without it no source is known to be masked or at the edge.
    mask_label
        What `mask_labels` says of the sources; without it, their flags of injected pixels.

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
    check_sources(dia_sources)
    n = len(dia_sources)
    label = np.full(n, Label.UNDECIDED, np.int8)
    reason = np.full(n, Reason.UNMATCHED.value, "U32")
    injection_id, truth_id = np.full(n, NO_ID), np.full(n, NO_ID)
    distance = np.full(n, np.nan)

    objects = injected_objects(injected)
    candidates = plausible(gather_candidates(injected, objects, truth), dia_sources, rules)
    counterparts = find_counterparts(dia_sources, candidates, rules, fwhm)
    source, candidate = counterparts.source, counterparts.candidate
    label[source], reason[source] = Label.REAL, candidates.reason[candidate]
    injection_id[source], truth_id[source] = (
        candidates.injection_id[candidate],
        candidates.truth_id[candidate],
    )
    distance[source] = counterparts.distance

    free = np.ones(n, bool)
    free[source] = False
    near = is_near_real(dia_sources, candidates, rules) | is_on_trail(dia_sources, candidates, truth, rules)
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
        "match_radius": counterparts.radius,
        "is_ambiguous": counterparts.ambiguous,
        "mask_label": flag_labels(dia_sources) if mask_label is None else mask_label,
        **(conditions or Conditions.unknown(n)).columns(),
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


def check_sources(dia_sources: Table) -> None:
    """Refuse DIA sources of which one occurs twice."""
    if len(np.unique(dia_sources["diaSourceId"])) != len(dia_sources):
        raise InvalidCatalogError("DIA sources", ["diaSourceId occurs more than once"])
