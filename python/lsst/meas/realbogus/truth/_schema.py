"""The tables of this room: their columns, types, units and meanings."""

from __future__ import annotations

__all__ = ("DIA_SOURCE_MATCH", "FAKE", "INJECTED_FATE", "Fate", "Label", "Reason")

import enum

from ..tables import NO_ID, Column, Schema


class Label(enum.IntEnum):
    """What a DIA source is."""

    UNDECIDED = -1
    BOGUS = 0
    REAL = 1


class Reason(enum.StrEnum):
    """Why a DIA source has its label, where the reason is not the kind of a row of the truth table."""

    INJECTED = "injected"
    NEAR_REAL = "near_real"
    DIPOLE = "dipole"
    NOISE = "noise"
    UNEXPLAINED = "unexplained"
    UNMATCHED = "unmatched"


class Fate(enum.StrEnum):
    """What became of an injected source; the first that applies, in this order."""

    NOT_DRAWN = "not_drawn"
    FOUND = "found"
    OFF_IMAGE = "off_image"
    MASKED = "masked"
    EDGE = "edge"
    BELOW_THRESHOLD = "below_threshold"
    MERGED = "merged"
    UNDETECTED = "undetected"


_PLACE: Schema = {
    "is_masked": Column("bool", "its core touches pixels of masked_planes in the difference"),
    "is_edge": Column("bool", "its core touches pixels of edge_planes in the difference"),
    "edge_distance": Column("float64", "to the nearest border of the difference, negative beyond it", "pix"),
}
DIA_SOURCE_MATCH: Schema = {
    "diaSourceId": Column("int64", "identifier of the DIA source; one row each, in order"),
    "label": Column("int8", "1 real, 0 bogus, -1 undecided"),
    "label_reason": Column("str", "one of Reason, or a kind of the truth table"),
    "injection_id": Column("int64", "identifier of the injected source it is, -1 for none", none=NO_ID),
    "truth_id": Column("int64", "identifier of the truth's row that explains it, -1 for none", none=NO_ID),
    "match_distance": Column("float64", "distance to that source on the sky, NaN for none", "arcsec"),
    "kind": Column("str", "what made it: fake, the kind of that row of the truth, or else label_reason"),
    "object_id": Column(
        "int64",
        "the object that made it, the same in every visit: supernova_id, injection_id of the primary row, or "
        "truth_id; -1 for none",
        none=NO_ID,
    ),
    "host_id": Column("int64", "host of that object in its own catalogue, -1 for none", none=NO_ID),
    "match_radius": Column("float64", "how far its counterpart may lie", "arcsec"),
    "is_ambiguous": Column(
        "bool",
        "within the radius lies a second change that it could be, or its change has a second such source",
    ),
    "mask_label": Column(
        "int8",
        "label by the mask alone: 1 injected light at its centre, 0 none in its footprint, -1 undecided",
        none=-1,
    ),
    **_PLACE,
}
"""Label, reason and counterpart of every DIA source; ids of fakes and of the truth are of two namespaces."""

FAKE = "fake"
"""What ``kind`` says of injected sources."""

INJECTED_FATE: Schema = {
    "injection_id": Column("int64", "identifier of the injected source; one row each, in order"),
    "is_primary": Column("bool", "False for the second row of a variable, so that objects count once"),
    "fate": Column("str", "what became of it"),
    "diaSourceId": Column("int64", "the DIA source that it is, -1 for none", none=NO_ID),
    "match_distance": Column("float64", "distance to that DIA source, NaN for none", "arcsec"),
    "flux": Column("float64", "injected flux: in the image, less that of the object in the template", "nJy"),
    "snr_expected": Column("float64", "|flux| over the noise of a PSF fit at its place in the difference"),
    "mag": Column("float64", "AB magnitude of |flux|", "mag"),
    "x": Column("float64", "position in parent pixels", "pix"),
    "y": Column("float64", "position in parent pixels", "pix"),
    "injection_flag": Column(
        "int64", "why it was not drawn, bits of lsst.source_injection; 0: it was", none=0
    ),
    **_PLACE,
}
