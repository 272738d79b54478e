"""The tables of this room: their columns, types, units and meanings."""

from __future__ import annotations

__all__ = (
    "DIA_OBJECT",
    "DIA_SOURCE_ASSOCIATION",
    "EPOCH",
    "LIGHT_CURVE",
    "Confirmation",
    "dia_object_schema",
)

import enum
from collections.abc import Iterable

from ..tables import NO_ID, Column, Schema

_NO_LABEL = -1


class Confirmation(enum.StrEnum):
    """Whether the light curve of an object confirms it; the first that applies, in this order."""

    FEW_EPOCHS = "few_epochs"
    LOW_FRACTION = "low_fraction"
    SHORT = "short"
    MIXED_SIGNS = "mixed_signs"
    INCOHERENT = "incoherent"
    CONFIRMED = "confirmed"


EPOCH: Schema = {
    "diaSourceId": Column("int64", "identifier, unique over the survey", required=True, minimum=0),
    "visit": Column("int64", "visit", required=True),
    "detector": Column("int64", "detector", required=True),
    "band": Column("U16", "band", required=True),
    "midpointMjdTai": Column("float64", "middle of the exposure, MJD TAI", "d", required=True),
    "ra": Column("float64", "right ascension", "deg", required=True),
    "dec": Column("float64", "declination", "deg", required=True),
    "psfFlux": Column("float64", "PSF flux on the difference image", "nJy", required=True),
    "psfFluxErr": Column("float64", "its error", "nJy", required=True),
    "score": Column("float64", "probability that the source is real, NaN for none"),
    "label": Column("int8", "1 real, 0 bogus, -1 not known", none=_NO_LABEL),
}
"""What is read of a DIA source; scores and labels may be absent."""

DIA_SOURCE_ASSOCIATION: Schema = {
    "diaSourceId": Column("int64", "identifier of the DIA source; one row each, in order"),
    "diaObjectId": Column("int64", "identifier of its object: that of the object's first source"),
    "separation": Column("float64", "distance from the object's mean position", "arcsec"),
    "isCrowded": Column("bool", "other sources of its visit lay in the same group, which was divided"),
}
"""Which object every DIA source is of."""

LIGHT_CURVE: Schema = {
    "diaObjectId": Column("int64", "identifier of the object"),
    "diaSourceId": Column("int64", "the source, -1 where the image holds none of the object", none=NO_ID),
    "visit": Column("int64", "visit"),
    "detector": Column("int64", "detector"),
    "band": Column("U16", "band"),
    "midpointMjdTai": Column("float64", "middle of the exposure, MJD TAI", "d"),
    "psfFlux": Column("float64", "PSF flux on the difference image; NaN without a source", "nJy"),
    "psfFluxErr": Column(
        "float64", "its error; without a source, the median error of the sources of the image", "nJy"
    ),
    "score": Column("float64", "probability that the source is real, NaN for none"),
    "label": Column("int8", "1 real, 0 bogus, -1 not known", none=_NO_LABEL),
}
"""Light curves, one row an epoch, in order of object and time."""

DIA_OBJECT: Schema = {
    "diaObjectId": Column("int64", "identifier: that of the first source"),
    "ra": Column("float64", "right ascension of the mean position", "deg"),
    "dec": Column("float64", "declination of the mean position", "deg"),
    "radius": Column("float64", "largest distance of a source from it", "arcsec"),
    "nDiaSources": Column("int32", "sources, each of another visit"),
    "nVisits": Column("int32", "visits that covered the position, -1 where that is not known", none=-1),
    "firstDiaSourceMjdTai": Column("float64", "time of the first source, MJD TAI", "d"),
    "lastDiaSourceMjdTai": Column("float64", "time of the last source, MJD TAI", "d"),
    "isCrowded": Column("bool", "its group held several sources of one visit, and was divided"),
    "nScored": Column("int32", "sources with a score"),
    "nAbove": Column("int32", "sources with a score above the threshold"),
    "fractionAbove": Column("float64", "nAbove over nDiaSources"),
    "maxScore": Column("float64", "highest score, NaN without scores"),
    "meanScore": Column("float64", "mean score"),
    "medianScore": Column("float64", "median score"),
    "confirmation": Column("str", "confirmed, or why not: one of Confirmation"),
    "nReal": Column("int32", "sources labelled real"),
    "nBogus": Column("int32", "sources labelled bogus"),
    "label": Column("int8", "label of most of them; -1 where none or as many of either", none=_NO_LABEL),
}
"""Objects; columns for each band follow, see `dia_object_schema`."""


def dia_object_schema(bands: Iterable[str]) -> Schema:
    """Return the columns of a table of objects, those of bands named as in the DiaObject table.

    Parameters
    ----------
    bands
        The bands.

    Returns
    -------
    mapping
        `DIA_OBJECT`, and the columns of each band.
    """
    of_bands = {
        f"{band}_{name}": column
        for band in bands
        for name, column in {
            "psfFluxNdata": Column("int32", f"sources with a flux in {band}"),
            "psfFluxMean": Column("float64", f"mean flux in {band}, weighted by inverse variance", "nJy"),
            "psfFluxMeanErr": Column("float64", "its error", "nJy"),
            "psfFluxSigma": Column("float64", f"standard deviation of the fluxes in {band}", "nJy"),
            "psfFluxChi2": Column("float64", f"chi-squared of the fluxes in {band} about their mean"),
        }.items()
    }
    return {**DIA_OBJECT, **of_bands}
