"""What made a DIA source that nothing real made."""

from __future__ import annotations

__all__ = ("column_or", "explain_bogus")

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy.spatial import cKDTree

from ..tables import NO_ID, separation
from ._artefacts import distance_to_segments, nearest_artefact
from ._candidates import DIFFUSE_KINDS, REAL_KINDS, STATIC_KINDS, TEMPLATE_PREFIX
from ._matching import unit_vectors
from ._schema import Reason

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def column_or(table: Table, name: str, default: float) -> Floats:
    """Return a column as float64, or the default in every row where the table lacks it."""
    if name not in table.colnames:
        return np.full(len(table), default)
    return np.asarray(table[name], float)


def explain_bogus(
    dia_sources: Table, truth: Table, *, static_radius: float, artefact_margin: float
) -> tuple[npt.NDArray[np.str_], Indices, Floats]:
    """Name what made each DIA source, if nothing real did.

    Parameters
    ----------
    dia_sources
        DIA sources with ``ra``, ``dec``, ``x``, ``y`` and, if known, ``isDipole``.
    truth
        Truth table of the image.
    static_radius
        Reach of stars and galaxies in arcseconds.
    artefact_margin
        Reach of artefacts beyond their outline in pixels.

    Returns
    -------
    reason
        A kind of the truth table, ``"dipole"`` or ``"noise"``.
    truth_id
        Row of the truth table that explains it, `tables.NO_ID` for none.
    distance
        Distance to that star or galaxy in arcseconds, NaN for artefacts and where there is none.
    """
    n = len(dia_sources)
    kinds = np.asarray(truth["kind"]).astype("U32")
    reason = np.full(n, Reason.NOISE.value, "U32")
    row, distance = np.full(n, -1, np.int64), np.full(n, np.nan)

    def ascribe(where: npt.NDArray[np.bool_], rows: Indices, apart: Floats | float) -> None:
        reason[where], row[where] = kinds[rows[where]], rows[where]
        distance[where] = np.broadcast_to(apart, n)[where]

    # From the least to the most telling, each overwriting the ones before.
    in_template = np.char.startswith(kinds, TEMPLATE_PREFIX)
    for rows, only_negative in _template_flaws(truth, kinds):
        on = _touching(dia_sources, truth, rows, artefact_margin)
        ascribe((on >= 0) & (np.asarray(dia_sources["isNegative"]) | (not only_negative)), on, np.nan)
    diffuse = np.isin(kinds, sorted(DIFFUSE_KINDS))
    on = _touching(dia_sources, truth, np.flatnonzero(diffuse), artefact_margin)
    ascribe(on >= 0, on, np.nan)
    static = np.isin(kinds, sorted(STATIC_KINDS))
    nearest, gap = _nearest(dia_sources, truth, np.flatnonzero(static))
    ascribe(gap <= static_radius, nearest, gap)
    if "isDipole" in dia_sources.colnames:
        reason[np.asarray(dia_sources["isDipole"], bool) & (reason != "high_proper_motion")] = Reason.DIPOLE
    compact = ~in_template & ~diffuse & ~static & ~np.isin(kinds, sorted(REAL_KINDS))
    on = _touching(dia_sources, truth, np.flatnonzero(compact), artefact_margin)
    ascribe(on >= 0, on, np.nan)

    ids = np.append(np.asarray(truth["truth_id"], np.int64), NO_ID)
    return reason, ids[row], distance


def _template_flaws(truth: Table, kinds: npt.NDArray[np.str_]) -> Iterator[tuple[Indices, bool]]:
    """Yield rows of flaws of the template, the diffuse ones first, and whether they leave negatives only."""
    names = np.char.replace(kinds, TEMPLATE_PREFIX, "", 1)
    in_template = np.char.startswith(kinds, TEMPLATE_PREFIX)
    # Light that only the template has is subtracted; missing pixels and the like may leave either sign.
    light = np.asarray(truth["template_flux"], float) > 0
    diffuse = np.isin(names, sorted(DIFFUSE_KINDS))
    for wanted in (diffuse, ~diffuse):
        for with_light in (True, False):
            yield np.flatnonzero(in_template & wanted & (light == with_light)), with_light


def _touching(dia_sources: Table, truth: Table, rows: Indices, margin: float) -> Indices:
    """Row of the truth whose outline each source touches, the nearest and then the thinnest; -1 for none."""
    length, width, angle = _extent(truth)
    rows = rows[np.argsort(width[rows], kind="stable")]
    x, y = column_or(truth, "x", 0.0)[rows], column_or(truth, "y", 0.0)[rows]
    index, _ = nearest_artefact(
        distance_to_segments(
            dia_sources["x"], dia_sources["y"], x, y, length[rows], width[rows], angle[rows]
        ),
        margin,
    )
    return np.append(rows, -1)[index].astype(np.int64)


def _nearest(dia_sources: Table, truth: Table, rows: npt.NDArray[np.intp]) -> tuple[Indices, Floats]:
    sky = unit_vectors(dia_sources["ra"], dia_sources["dec"])
    gap, nearest = np.full(len(sky), np.inf), np.full(len(sky), -1, np.int64)
    good = np.isfinite(sky).all(axis=1)
    if rows.size and good.any():
        others = unit_vectors(truth["ra"][rows], truth["dec"][rows])
        index = cKDTree(others).query(sky[good])[1]
        nearest[good] = rows[index]
        places = (truth["ra"][nearest[good]], truth["dec"][nearest[good]])
        gap[good] = separation(dia_sources["ra"][good], dia_sources["dec"][good], *places)
    return nearest, gap


def _extent(artefacts: Table) -> tuple[Floats, Floats, Floats]:
    length, width, angle = (
        np.nan_to_num(column_or(artefacts, name, 0.0)) for name in ("length", "width", "angle")
    )
    radius = np.nan_to_num(column_or(artefacts, "radius", 0.0))
    return length, np.where(radius > 0, 2 * radius, width), angle
