"""The tables of this room: their columns, types, units and meanings."""

from __future__ import annotations

__all__ = (
    "DIA_SOURCE_MATCH",
    "INJECTED_FATE",
    "Column",
    "Fate",
    "Label",
    "Reason",
    "empty_table",
    "make_table",
)

import dataclasses
import enum
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table


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


@dataclasses.dataclass(frozen=True)
class Column:
    """One column of a table.

    Parameters
    ----------
    dtype
        numpy type; strings are given as ``"str"``.
    description
        Meaning, with what stands for "none".
    unit
        Unit as astropy spells it, or None.
    """

    dtype: str
    description: str
    unit: str | None = None


DIA_SOURCE_MATCH: Mapping[str, Column] = {
    "diaSourceId": Column("int64", "identifier of the DIA source; one row each, in order"),
    "label": Column("int8", "1 real, 0 bogus, -1 undecided"),
    "label_reason": Column("str", "one of Reason, or a kind of the truth table"),
    "injection_id": Column("int64", "identifier of the injected source it is, 0 for none"),
    "truth_id": Column("int64", "identifier of the row of the truth table that explains it, 0 for none"),
    "match_distance": Column("float64", "distance to that source on the sky, NaN for none", "arcsec"),
}

INJECTED_FATE: Mapping[str, Column] = {
    "injection_id": Column("int64", "identifier of the injected source; one row each, in order"),
    "is_primary": Column("bool", "False for the second row of a variable, so that objects count once"),
    "fate": Column("str", "what became of it"),
    "diaSourceId": Column("int64", "the DIA source that it is, 0 for none"),
    "match_distance": Column("float64", "distance to that DIA source, NaN for none", "arcsec"),
    "flux": Column("float64", "injected flux: in the image, less that of the object in the template", "nJy"),
    "snr_expected": Column("float64", "|flux| over the noise of a PSF fit at its place in the difference"),
    "mag": Column("float64", "AB magnitude of |flux|", "mag"),
    "x": Column("float64", "position in parent pixels", "pix"),
    "y": Column("float64", "position in parent pixels", "pix"),
}


def make_table(schema: Mapping[str, Column], columns: Mapping[str, npt.ArrayLike]) -> Table:
    """Put columns into a table of exactly the given schema.

    Parameters
    ----------
    schema
        Column name to `Column`.
    columns
        Column name to values; all of the schema's columns, in any order.

    Returns
    -------
    astropy.table.Table
        Table with the schema's order, types, units and descriptions.
    """
    if missing := set(schema) ^ set(columns):
        raise KeyError(f"columns differ from the schema in {sorted(missing)}")
    table = Table()
    for name, column in schema.items():
        # Numpy's fixed-width strings must not take their width from the longest value of one detector.
        dtype = "U24" if column.dtype == "str" else column.dtype
        table[name] = np.asarray(columns[name]).astype(dtype)
        table[name].description = column.description
        if column.unit is not None:
            table[name].unit = column.unit
    return table


def empty_table(schema: Mapping[str, Column]) -> Table:
    """Make a table of the given schema without rows."""
    return make_table(schema, {name: [] for name in schema})
