"""Which change of the sky each DIA source is, and where more than one could be meant."""

from __future__ import annotations

__all__ = ("Counterparts", "find_counterparts", "is_near_real", "is_on_trail", "plausible")

import dataclasses

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..tables import NO_ID
from ._artefacts import distance_to_segments
from ._candidates import Candidates
from ._explanations import column_or
from ._matching import match_mutual_nearest, neighbours
from ._rules import MatchRules

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Counterparts:
    """DIA sources with the changes that they are.

    Parameters
    ----------
    source, candidate
        Rows of what belongs together, ascending in the first.
    distance
        Their separations in arcsec.
    radius
        Match radius of every source in arcsec.
    ambiguous
        Whether there is a second change that a source could be, or a second source that could be its change.
    """

    source: Indices
    candidate: Indices
    distance: Floats
    radius: Floats
    ambiguous: Bools


def plausible(candidates: Candidates, dia_sources: Table, rules: MatchRules) -> Candidates:
    """Leave out changes that are too faint to explain any source of the image."""
    errors = np.asarray(dia_sources["psfFluxErr"], float)
    errors = errors[np.isfinite(errors) & (errors > 0)]
    typical = float(np.median(errors)) if errors.size else 0.0
    return candidates.keep(np.abs(candidates.change) > rules.min_snr * typical)


def find_counterparts(
    dia_sources: Table, candidates: Candidates, rules: MatchRules, fwhm: float | None = None
) -> Counterparts:
    """Pair DIA sources with changes of the same sign that are bright enough.

    Parameters
    ----------
    dia_sources
        DIA sources.
    candidates
        What could have made them.
    rules
        Radii and limits.
    fwhm
        Width of the difference's PSF in arcsec; `None` if it is not known.

    Returns
    -------
    Counterparts
        Mutual nearest neighbours. A radius is ``n_sigma`` position errors, but not below ``radius``, and in
        any case not above ``max_radius`` or ``max_psf_widths`` PSF widths, whichever is smaller.
    """
    ra, dec = np.asarray(dia_sources["ra"], float), np.asarray(dia_sources["dec"], float)
    radius = _radii(dia_sources, rules, fwhm)
    flux = np.asarray(dia_sources["psfFlux"], float)
    negative, found, near = np.asarray(dia_sources["isNegative"]), [], []
    for sign in (False, True):
        rows, others = np.flatnonzero(negative == sign), np.flatnonzero((candidates.change < 0) == sign)
        places = (ra[rows], dec[rows], candidates.ra[others], candidates.dec[others], radius[rows])
        pairs, (first, second) = match_mutual_nearest(*places), neighbours(*places)
        found.append((rows[pairs.first], others[pairs.second], pairs.distance))
        near.append((rows[first], others[second]))
    source, candidate, distance = (np.concatenate(part) for part in zip(*found, strict=True))
    could = _could_make(candidates.change[candidate], flux[source], rules)
    order = np.flatnonzero(could)[np.argsort(source[could])]
    first, second = (np.concatenate(part) for part in zip(*near, strict=True))
    could = _could_make(candidates.change[second], flux[first], rules)
    return Counterparts(
        source[order].astype(np.int64),
        candidate[order].astype(np.int64),
        distance[order],
        radius,
        _ambiguous(first[could], second[could], len(dia_sources), len(candidates)),
    )


def _radii(dia_sources: Table, rules: MatchRules, fwhm: float | None) -> Floats:
    # Both are errors along great circles.
    error = 3600 * np.hypot(column_or(dia_sources, "raErr", 0.0), column_or(dia_sources, "decErr", 0.0))
    largest = rules.max_radius if fwhm is None else min(rules.max_radius, rules.max_psf_widths * fwhm)
    return np.minimum(np.maximum(np.nan_to_num(rules.n_sigma * error), rules.radius), largest)


def _ambiguous(source: Indices, candidate: Indices, n_sources: int, n_candidates: int) -> Bools:
    crowded = np.bincount(source, minlength=n_sources)[source] > 1
    crowded |= np.bincount(candidate, minlength=n_candidates)[candidate] > 1
    out = np.zeros(n_sources, bool)
    out[source[crowded]] = True
    return out


def _could_make(change: Floats, flux: Floats, rules: MatchRules) -> Bools:
    return ~(np.abs(change) < rules.min_flux_ratio * np.abs(flux))


def is_near_real(dia_sources: Table, candidates: Candidates, rules: MatchRules) -> Bools:
    """Return the sources that lie near a change, of either sign, that could have made them."""
    source, candidate = neighbours(
        dia_sources["ra"], dia_sources["dec"], candidates.ra, candidates.dec, rules.near_radius
    )
    could = _could_make(
        candidates.change[candidate], np.asarray(dia_sources["psfFlux"], float)[source], rules
    )
    near = np.zeros(len(dia_sources), bool)
    near[source[could]] = True
    return near


def is_on_trail(dia_sources: Table, candidates: Candidates, truth: Table | None, rules: MatchRules) -> Bools:
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
