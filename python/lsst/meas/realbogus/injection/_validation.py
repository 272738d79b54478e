"""What is wrong with a catalogue of fakes, found before anything is drawn."""

from __future__ import annotations

__all__ = ("ValidationRules", "check_fakes", "require_valid")

import dataclasses
import difflib
from collections.abc import Iterator

import numpy as np
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table

from ..errors import InvalidCatalogError
from ..options import Options, option
from ..tables import Problem, Severity, check_table, rows_where
from ._schema import INJECTED_CATALOG

_SOURCE_TYPES = ("Star", "DeltaFunction")
_CARRIED = ("comment",)


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


def check_fakes(catalog: Table, rules: ValidationRules = _DEFAULT) -> list[Problem]:
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
    return _check(catalog, rules)[1]


def _check(catalog: Table, rules: ValidationRules) -> tuple[Table, list[Problem]]:
    """Return the catalogue as it is declared, and what is wrong with it."""
    table, problems = check_table(catalog, INJECTED_CATALOG)
    faulty = {problem.column for problem in problems}
    problems += _unknown_columns(table)
    if not faulty & {"ra", "dec"}:
        problems += [*_positions(table), *_blends(table, rules)]
    if "mag" not in faulty:
        problems += _magnitudes(table, rules)
    if "injection_id" not in faulty:
        problems += _identifiers(table)
    problems += _source_types(table)
    return table, sorted(problems, key=lambda problem: problem.severity)


def require_valid(
    catalog: Table, rules: ValidationRules = _DEFAULT, *, name: str, strict: bool = False
) -> Table:
    """Read a catalogue that is to be injected.

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

    Returns
    -------
    astropy.table.Table
        The catalogue with the types and units of `INJECTED_CATALOG`.

    Raises
    ------
    InvalidCatalogError
        With all the reasons and the rows of each.
    """
    table, problems = _check(catalog, rules)
    reasons = [str(problem) for problem in problems if strict or problem.severity is Severity.ERROR]
    if reasons:
        raise InvalidCatalogError(name, reasons)
    return table


def _unknown_columns(catalog: Table) -> Iterator[Problem]:
    known = [*INJECTED_CATALOG, *_CARRIED]
    for name in catalog.colnames:
        if name not in known:
            close = [k for k in ("mag", "ra", "dec", "visit", "band") if name.lower().startswith(f"{k}_")]
            close += difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.5)
            hint = f"; did you mean {close[0]}?" if close else ""
            yield Problem(Severity.WARNING, f"column {name} means nothing here and is carried along{hint}")


def _positions(catalog: Table) -> Iterator[Problem]:
    ra, dec = np.asarray(catalog["ra"]), np.asarray(catalog["dec"])
    bad = ~(np.isfinite(ra) & np.isfinite(dec))
    if bad.any():
        yield Problem(Severity.ERROR, "ra or dec is not a number", rows_where(bad))
    with np.errstate(invalid="ignore"):
        off = (ra < -180.0) | (ra > 360.0) | (np.abs(dec) > 90.0)
    if off.any():
        yield Problem(
            Severity.ERROR,
            "ra is not between 0 and 360 or dec not between -90 and 90 degrees",
            rows_where(off),
        )
    radians = np.isfinite(dec).any() and len(catalog) > 20 and np.nanmax(np.abs(ra)) < 2 * np.pi + 1e-9
    if radians and np.nanmax(np.abs(dec)) < np.pi / 2 + 1e-9:
        yield Problem(Severity.WARNING, "ra and dec look like radians; degrees are expected")


def _magnitudes(catalog: Table, rules: ValidationRules) -> Iterator[Problem]:
    mag = np.asarray(catalog["mag"])
    bad = ~np.isfinite(mag)
    if bad.any():
        yield Problem(Severity.WARNING, "mag is not a number, will be flagged MAG_BAD", rows_where(bad))
    with np.errstate(invalid="ignore"):
        off = (mag < rules.mag_min) | (mag > rules.mag_max)
    if off.any():
        yield Problem(
            Severity.ERROR,
            f"mag is not between {rules.mag_min:g} and {rules.mag_max:g}",
            rows_where(off & ~bad),
        )


def _identifiers(catalog: Table) -> Iterator[Problem]:
    if "injection_id" not in catalog.colnames:
        return
    ids = np.asarray(catalog["injection_id"])
    _, inverse, counts = np.unique(ids, return_inverse=True, return_counts=True)
    repeated = counts[inverse] > 1
    if repeated.any():
        yield Problem(Severity.ERROR, "injection_id occurs more than once", rows_where(repeated))


def _source_types(catalog: Table) -> Iterator[Problem]:
    if "source_type" in catalog.colnames:
        unknown = ~np.isin(np.asarray(catalog["source_type"]).astype(str), _SOURCE_TYPES)
        if unknown.any():
            kinds = ", ".join(sorted(set(np.asarray(catalog["source_type"]).astype(str)[unknown])))
            reason = f"source_type {kinds} is not a point source, will be flagged TYPE_UNKNOWN"
            yield Problem(Severity.WARNING, reason, rows_where(unknown))


def _blends(catalog: Table, rules: ValidationRules) -> Iterator[Problem]:
    """Find fakes that touch: of one visit, and both in the visit image or both in the template."""
    ra, dec = np.asarray(catalog["ra"]), np.asarray(catalog["dec"])
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
            rows_where(near),
        )
