"""What is wrong with a catalogue of fakes, found before anything is drawn."""

from __future__ import annotations

__all__ = ("Problem", "Severity", "ValidationRules", "check_catalog", "require_valid")

import dataclasses
import difflib
import enum
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from ..errors import InvalidCatalogError
from ..options import Options, option
from ._schema import COLUMNS

_SOURCE_TYPES = ("Star", "DeltaFunction")
_REQUIRED = ("ra", "dec", "mag")
_ALSO_KNOWN = (
    "draw_size",
    "n",
    "x",
    "y",
    "comment",
    "redshift",
    "flux",
    "injection_flag",
    "injection_draw_size",
)
_SHOWN_ROWS = 5


class Severity(enum.StrEnum):
    """Whether a fault stops an injection."""

    ERROR = "error"
    WARNING = "warning"


@dataclasses.dataclass(frozen=True)
class Problem:
    """One fault of a catalogue.

    Parameters
    ----------
    severity
        An error stops an injection; rows of a warning are flagged, or drawn as they are.
    reason
        What is wrong.
    rows
        Numbers of the rows at fault, from 0; empty for a fault of the whole table.
    """

    severity: Severity
    reason: str
    rows: tuple[int, ...] = ()

    def __str__(self) -> str:
        if not self.rows:
            return self.reason
        shown = ", ".join(str(row) for row in self.rows[:_SHOWN_ROWS])
        more = f" and {len(self.rows) - _SHOWN_ROWS} more" if len(self.rows) > _SHOWN_ROWS else ""
        return f"{self.reason} (row{'s' if len(self.rows) > 1 else ''} {shown}{more})"


@dataclasses.dataclass(frozen=True)
class ValidationRules(Options, ordered=[("mag_min", "mag_max")]):
    """Limits of what is sensible."""

    mag_min: float = option(5.0, "Brighter fakes are errors.")
    mag_max: float = option(35.0, "Fainter fakes are errors.")
    min_separation: float = option(
        2.0,
        "Fakes of one image nearer than this many arcsec blend with each other: a warning. 0 allows all.",
        min=0.0,
    )


_DEFAULT = ValidationRules()


def check_catalog(catalog: Table, rules: ValidationRules = _DEFAULT) -> list[Problem]:
    """Find everything that is wrong with a catalogue.

    Parameters
    ----------
    catalog
        Catalogue of fakes, ours or a user's.
    rules
        Limits.

    Returns
    -------
    list of Problem
        Errors first. An empty list means that all is well.
    """
    missing = [name for name in _REQUIRED if name not in catalog.colnames]
    problems = [Problem(Severity.ERROR, f"column {name} is missing") for name in missing]
    problems += [*_units(catalog), *_unknown_columns(catalog)]
    if not missing and not any("unit of" in problem.reason for problem in problems):
        problems += [
            *_positions(catalog),
            *_magnitudes(catalog, rules),
            *_identifiers(catalog),
            *_source_types(catalog),
            *_blends(catalog, rules),
        ]
    return sorted(problems, key=lambda problem: problem.severity)


def require_valid(
    catalog: Table, rules: ValidationRules = _DEFAULT, *, name: str, strict: bool = False
) -> None:
    """Raise if a catalogue cannot be injected.

    Parameters
    ----------
    catalog
        Catalogue of fakes.
    rules
        Limits.
    name
        What the catalogue is called in the message.
    strict
        Count warnings as errors.

    Raises
    ------
    InvalidCatalogError
        With all the reasons and the rows of each.
    """
    reasons = [str(p) for p in check_catalog(catalog, rules) if strict or p.severity is Severity.ERROR]
    if reasons:
        raise InvalidCatalogError(name, reasons)


def _rows(where: npt.NDArray[np.bool_]) -> tuple[int, ...]:
    return tuple(int(row) for row in np.flatnonzero(where))


def _floats(catalog: Table, name: str) -> npt.NDArray[np.float64]:
    column = catalog[name]
    try:
        data = np.ma.asarray(column).astype(np.float64)
    except ValueError:
        return np.full(len(catalog), np.nan)
    scale = 1.0 if column.unit is None else u.Unit(column.unit).to({"mag": u.mag}.get(name, u.deg))
    return np.asarray(np.ma.filled(data, np.nan)) * scale


def _units(catalog: Table) -> Iterator[Problem]:
    ours = {column.name: column.unit for column in COLUMNS if column.unit is not None}
    for name in catalog.colnames:
        unit = getattr(catalog[name], "unit", None)
        if name in ours and unit is not None and not u.Unit(unit).is_equivalent(ours[name]):
            yield Problem(Severity.ERROR, f"unit of {name} is {unit}, not one of {ours[name].physical_type}")


def _unknown_columns(catalog: Table) -> Iterator[Problem]:
    known = [*(column.name for column in COLUMNS), *_ALSO_KNOWN]
    for name in catalog.colnames:
        if name not in known:
            close = [k for k in ("mag", "ra", "dec", "visit", "band") if name.lower().startswith(f"{k}_")]
            close += difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield Problem(Severity.WARNING, f"column {name} means nothing here and is carried along{hint}")


def _positions(catalog: Table) -> Iterator[Problem]:
    ra, dec = _floats(catalog, "ra"), _floats(catalog, "dec")
    bad = ~(np.isfinite(ra) & np.isfinite(dec))
    if bad.any():
        yield Problem(Severity.ERROR, "ra or dec is not a number", _rows(bad))
    with np.errstate(invalid="ignore"):
        off = (ra < -180.0) | (ra > 360.0) | (np.abs(dec) > 90.0)
    if off.any():
        yield Problem(
            Severity.ERROR, "ra is not between 0 and 360 or dec not between -90 and 90 degrees", _rows(off)
        )
    radians = np.isfinite(dec).any() and len(catalog) > 20 and np.nanmax(np.abs(ra)) < 2 * np.pi + 1e-9
    if radians and np.nanmax(np.abs(dec)) < np.pi / 2 + 1e-9:
        yield Problem(Severity.WARNING, "ra and dec look like radians; degrees are expected")


def _magnitudes(catalog: Table, rules: ValidationRules) -> Iterator[Problem]:
    mag = _floats(catalog, "mag")
    bad = ~np.isfinite(mag)
    if bad.any():
        yield Problem(Severity.WARNING, "mag is not a number, will be flagged MAG_BAD", _rows(bad))
    with np.errstate(invalid="ignore"):
        off = (mag < rules.mag_min) | (mag > rules.mag_max)
    if off.any():
        yield Problem(
            Severity.ERROR, f"mag is not between {rules.mag_min:g} and {rules.mag_max:g}", _rows(off & ~bad)
        )


def _identifiers(catalog: Table) -> Iterator[Problem]:
    if "injection_id" not in catalog.colnames:
        return
    ids = np.asarray(catalog["injection_id"])
    if ids.dtype.kind not in "iu":
        yield Problem(Severity.ERROR, f"injection_id is {ids.dtype}, not an integer")
        return
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    repeated = counts[inverse] > 1
    if repeated.any():
        yield Problem(Severity.ERROR, "injection_id occurs more than once", _rows(repeated))


def _source_types(catalog: Table) -> Iterator[Problem]:
    if "source_type" in catalog.colnames:
        unknown = ~np.isin(np.asarray(catalog["source_type"]).astype(str), _SOURCE_TYPES)
        if unknown.any():
            kinds = ", ".join(sorted(set(np.asarray(catalog["source_type"]).astype(str)[unknown])))
            reason = f"source_type {kinds} is not a point source, will be flagged TYPE_UNKNOWN"
            yield Problem(Severity.WARNING, reason, _rows(unknown))


def _blends(catalog: Table, rules: ValidationRules) -> Iterator[Problem]:
    """Find fakes that touch: of one visit, and both in the visit image or both in the template."""
    ra, dec = _floats(catalog, "ra"), _floats(catalog, "dec")
    good = np.isfinite(ra) & np.isfinite(dec) & (np.abs(np.nan_to_num(dec)) <= 90.0)
    keys = [
        np.asarray(catalog[k]).astype(str)
        for k in ("visit", "band", "is_template_source")
        if k in catalog.colnames
    ]
    group = (
        np.array(["/".join(parts) for parts in zip(*keys, strict=True)])
        if keys
        else np.zeros(len(catalog), "U1")
    )
    near = np.zeros(len(catalog), dtype=bool)
    for name in np.unique(group[good]) if rules.min_separation > 0.0 else ():
        rows = np.flatnonzero(good & (group == name))
        if len(rows) > 1:
            sky = SkyCoord(ra[rows] * u.deg, dec[rows] * u.deg)
            _, distance, _ = sky.match_to_catalog_sky(sky, nthneighbor=2)
            near[rows] = distance.to_value(u.arcsec) < rules.min_separation
    if near.any():
        yield Problem(
            Severity.WARNING,
            f"fakes of one image lie within {rules.min_separation:g} arcsec of each other",
            _rows(near),
        )
