"""The match tables of the AP pipeline as labels and fates."""

from __future__ import annotations

__all__ = ("read_ap_matches",)

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidCatalogError
from ..tables import NO_ID, Column, Schema, apply_schema, as_astropy, make_table
from ._fates import FateRules
from ._inputs import read_injected, read_matched_sources
from ._labels import check_sources
from ._mask_labels import flag_labels
from ._match import Matches
from ._objects import injected_objects
from ._schema import DIA_SOURCE_MATCH, FAKE, INJECTED_FATE, Fate, Label, Reason

Bools = npt.NDArray[np.bool_]

_NAMES = {"isVisitSource": "is_visit_source", "isTemplateSource": "is_template_source"}
_FLAGS = {
    Fate.OFF_IMAGE: ("offimage",),
    Fate.MASKED: ("badCenter", "saturatedCenter", "nodataCenter", "crCenter"),
    Fate.EDGE: ("edgeCenter",),
}
_SNR = "forced_base_PsfFlux_instFlux_SNR"
_AP: Schema = {
    "diaSourceId": Column("int64", "the DIA source; 0 or -1 for none", none=NO_ID, required=True),
    "dist_diaSrc": Column("float64", "distance to it; -1 for none", "arcsec"),
    _SNR: Column("float64", "SNR of a forced PSF flux"),
}


def read_ap_matches(
    matched: Table,
    dia_sources: Table,
    *,
    unmatched_is_bogus: bool = False,
    rules: FateRules | None = None,
) -> Matches:
    """Read what ``MatchInjectedToDiaSourceTask`` wrote.

    Parameters
    ----------
    matched
        ``fakes_goodSeeingDiff_matchDiaSrc`` or its relatives: the injected sources, with ``diaSourceId`` and
        ``dist_diaSrc``. No match is an id of 0 or -1 or none at all, or a distance of -1.
    dia_sources
        The DIA sources that were matched.
    unmatched_is_bogus
        Call all other sources bogus, as is usual where stamps are labelled by injections alone; otherwise
        they are undecided.
    rules
        Its detection threshold parts sources that were not to be found from those that were.

    Returns
    -------
    Matches
        One row for every DIA source, real where it is an injected one, and one for every row of ``matched``.
        The forced SNR stands for the expected one, and forced flags say what was masked or at the edge. That
        task trims its catalogue (``trimBuffer``): what lies near the border is not among the fates.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used, or two injected sources that are no twins have one
        DIA source.
    """
    rules, name = rules or FateRules(), "match table"
    raw = as_astropy(matched, name).copy()
    for old, new in _NAMES.items():
        if old in raw.colnames and new not in raw.colnames:
            raw.rename_column(old, new)
    if _SNR in raw.colnames:
        raw[_SNR].unit = None  # that task gives it the unit of the flux
    if "injection_flag" not in raw.colnames:
        raw["injection_flag"] = np.zeros(len(raw), np.int64)
    injected = read_injected(apply_schema(raw, _AP, name=name), name=name)
    sources = read_matched_sources(dia_sources)
    check_sources(sources)
    objects = injected_objects(injected)
    drawn = np.asarray(injected["injection_flag"]) == 0
    identifiers = np.asarray(injected["diaSourceId"], np.int64)
    found = drawn & (identifiers != NO_ID)
    distance = np.full(len(injected), np.nan)
    if "dist_diaSrc" in injected.colnames:
        distance = np.asarray(injected["dist_diaSrc"], float)
        found &= ~(distance < 0)
    else:
        found &= identifiers != 0
    is_primary = np.zeros(len(injected), bool)
    is_primary[objects.primary] = True
    snr = np.full(len(injected), np.nan)
    if _SNR in injected.colnames:
        snr = np.abs(np.asarray(injected[_SNR], float))
    flags = {fate: _forced(injected, names) for fate, names in _FLAGS.items()}
    below = snr < rules.detection_threshold
    fate = np.select(
        [~drawn, found, *flags.values(), below],
        [Fate.NOT_DRAWN.value, Fate.FOUND.value, *(key.value for key in flags), Fate.BELOW_THRESHOLD.value],
        default=Fate.UNDETECTED.value,
    )
    flux = np.where(drawn, objects.change[objects.of_row], np.asarray(injected["flux"], float))
    fates = make_table(
        INJECTED_FATE,
        {
            "injection_id": injected["injection_id"],
            "is_primary": is_primary,
            "fate": fate,
            "diaSourceId": np.where(found, identifiers, NO_ID),
            "match_distance": np.where(found, distance, np.nan),
            "flux": flux,
            "snr_expected": snr,
            "injection_flag": injected["injection_flag"],
            "is_masked": flags[Fate.MASKED],
            "is_edge": flags[Fate.EDGE],
            **{column: injected[column] for column in ("mag", "x", "y") if column in injected.colnames},
        },
        len(injected),
    )
    label = _labels(sources, injected, fates, unmatched_is_bogus, name)
    for column in label.colnames:
        if column != "diaSourceId":
            sources[column] = label[column]
    return Matches(sources, fates)


def _forced(injected: Table, names: tuple[str, ...]) -> Bools:
    out = np.zeros(len(injected), bool)
    for name in names:
        column = f"forced_base_PixelFlags_flag_{name}"
        if column in injected.colnames:
            out |= np.asarray(injected[column], bool)
    return out


def _labels(sources: Table, injected: Table, fates: Table, unmatched_is_bogus: bool, name: str) -> Table:
    """Turn fates round: a label for every DIA source."""
    n = len(sources)
    rows = np.flatnonzero(np.asarray(fates["is_primary"]) & (np.asarray(fates["fate"]) == Fate.FOUND))
    row_of = {int(identifier): row for row, identifier in enumerate(sources["diaSourceId"])}
    of = np.array([row_of.get(int(i), -1) for i in fates["diaSourceId"][rows]], np.int64)
    if (twice := np.flatnonzero(np.bincount(of[of >= 0], minlength=n) > 1)).size:
        first = int(sources["diaSourceId"][twice[0]])
        raise InvalidCatalogError(name, [f"diaSourceId {first} matches more than one injected source"])
    rows, of = rows[of >= 0], of[of >= 0]
    label = np.full(n, Label.BOGUS if unmatched_is_bogus else Label.UNDECIDED, np.int8)
    reason, kind = np.full(n, Reason.UNMATCHED.value, "U32"), np.full(n, Reason.UNMATCHED.value, "U32")
    injection_id, host_id = np.full(n, NO_ID), np.full(n, NO_ID)
    distance = np.full(n, np.nan)
    label[of], reason[of], kind[of] = Label.REAL, Reason.INJECTED.value, FAKE
    injection_id[of] = np.asarray(injected["injection_id"], np.int64)[rows]
    distance[of] = np.asarray(fates["match_distance"], float)[rows]
    if "host_id" in injected.colnames:
        hosts = np.asarray(injected["host_id"], np.int64)[rows]
        host_id[of] = np.where(hosts > 0, hosts, NO_ID)
    return make_table(
        DIA_SOURCE_MATCH,
        {
            "diaSourceId": sources["diaSourceId"],
            "label": label,
            "label_reason": reason,
            "injection_id": injection_id,
            "match_distance": distance,
            "kind": kind,
            "object_id": injection_id,
            "host_id": host_id,
            "mask_label": flag_labels(sources),
        },
        n,
    )
