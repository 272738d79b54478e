"""The columns of a catalogue of fakes, and the bits of ``injection_flag``."""

from __future__ import annotations

__all__ = (
    "COLUMNS",
    "FLAG_BITS",
    "POPULATIONS",
    "Column",
    "InjectionFlag",
    "empty_catalog",
    "stack_catalogs",
)

import enum
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.table import Column as TableColumn
from astropy.table import Table, vstack


class InjectionFlag(enum.IntFlag):
    """Why a row was not drawn; the names and bits of lsst.source_injection."""

    MAG_BAD = 1 << 0
    TYPE_UNKNOWN = 1 << 1
    SERSIC_EXTREME = 1 << 2
    NO_OVERLAP = 1 << 3
    FFT_SIZE_ERROR = 1 << 4
    PSF_COMPUTE_ERROR = 1 << 5


FLAG_BITS: Mapping[str, int] = {str(flag.name): flag.value.bit_length() - 1 for flag in InjectionFlag}
"""Bit number of each flag, as it stands in the metadata of an injected catalogue."""

POPULATIONS = (
    "hosted",
    "hostless",
    "random",
    "variable",
    "template",
    "faint_grid",
    "supernova",
    "dc2",
    "user",
)
"""What the column ``population`` may say."""


class Column(NamedTuple):
    """One column: name, numpy type, unit, the value of rows that have none, and what it means."""

    name: str
    dtype: str
    unit: u.UnitBase | None
    missing: Any
    description: str


_NAN = float("nan")

COLUMNS: tuple[Column, ...] = (
    Column("injection_id", "i8", None, 0, "one row on one image; unique over the survey, never 0"),
    Column("supernova_id", "i8", None, 0, "the object, the same in all visits; 0 for a single epoch"),
    Column("twin_id", "i8", None, 0, "injection_id of the other row of a variable; 0 for none"),
    Column("population", "U16", None, "user", "which population the row was drawn from"),
    Column("source_type", "U16", None, "Star", "profile, as lsst.source_injection names it"),
    Column("visit", "i8", None, 0, "the visit that the row is for"),
    Column("detector", "i8", None, 0, "the detector whose hosts or area the row came from"),
    Column("band", "U8", None, "", "band of mag"),
    Column("mjd", "f8", u.day, _NAN, "middle of the exposure, TAI"),
    Column("ra", "f8", u.deg, _NAN, "position"),
    Column("dec", "f8", u.deg, _NAN, "position"),
    Column("mag", "f8", u.mag, _NAN, "AB magnitude of the light that is added"),
    Column("is_visit_source", "?", None, True, "the light goes into the visit image"),
    Column("is_template_source", "?", None, False, "the light goes into the template"),
    Column("host_id", "i8", None, 0, "id of the host or star in its own catalogue; 0 for none"),
    Column("host_ra", "f8", u.deg, _NAN, "position of the host"),
    Column("host_dec", "f8", u.deg, _NAN, "position of the host"),
    Column("host_mag", "f8", u.mag, _NAN, "magnitude of the host"),
    Column("host_a", "f8", u.arcsec, _NAN, "semi-major axis of the host (rms)"),
    Column("host_b", "f8", u.arcsec, _NAN, "semi-minor axis of the host (rms)"),
    Column("host_pa", "f8", u.deg, _NAN, "position angle of the major axis, north through east"),
    Column("host_offset", "f8", u.arcsec, _NAN, "distance of the fake from the host's centre"),
    Column("host_sb", "f8", u.mag / u.arcsec**2, _NAN, "surface brightness of the host at the fake"),
    Column("delta_mag", "f8", u.mag, _NAN, "mag minus host_mag"),
    Column("mag_offset", "f8", u.mag, _NAN, "visit minus template magnitude of a variable"),
    Column("sn_type", "U8", None, "", "Ia, II, Ibc, or what the model calls itself"),
    Column("sn_model", "U24", None, "", "light-curve model"),
    Column("redshift", "f8", None, _NAN, "redshift"),
    Column("peak_mjd", "f8", u.day, _NAN, "time of rest-frame B (or V) maximum"),
    Column("peak_abs_mag", "f8", u.mag, _NAN, "absolute magnitude at maximum, this supernova's own"),
    Column("stretch", "f8", None, _NAN, "time stretch of the light curve (x1 for SALT2)"),
    Column("phase", "f8", u.day, _NAN, "rest-frame days from maximum"),
)


def empty_catalog(n_rows: int = 0, **values: npt.ArrayLike) -> Table:
    """Make a catalogue of fakes with every column.

    Parameters
    ----------
    n_rows
        Number of rows.
    **values
        Values of columns by name, scalars or arrays of length ``n_rows``; the others hold what stands for
        "none" in `COLUMNS`.

    Returns
    -------
    astropy.table.Table
        The catalogue, units and descriptions set.
    """
    table = Table()
    for name, dtype, unit, missing, description in COLUMNS:
        data = np.full(n_rows, missing, dtype=dtype)
        if name in values:
            data[...] = values.pop(name)
        table[name] = TableColumn(data, unit=unit, description=description)
    if values:
        raise TypeError(f"not columns of a catalogue of fakes: {sorted(values)}")
    return table


def stack_catalogs(parts: Sequence[Table]) -> Table:
    """Put catalogues with the same columns below each other, an empty one if there are none."""
    filled = [part for part in parts if len(part)]
    if not filled:
        return parts[0].copy() if parts else empty_catalog()
    return vstack(filled, metadata_conflicts="silent") if len(filled) > 1 else filled[0]
