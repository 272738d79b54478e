"""What made a DIA source that nothing real made."""

from __future__ import annotations

__all__ = ("column_or", "explain_bogus")

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy.spatial import cKDTree

from .artefacts import distance_to_segments, nearest_artefact
from .candidates import REAL_KINDS, STATIC_KINDS
from .matching import separation, unit_vectors
from .schema import Reason

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
        Row of the truth table that explains it, 0 for none.
    distance
        Distance to that star or galaxy in arcseconds, NaN for artefacts and where there is none.
    """
    n = len(dia_sources)
    kinds = np.asarray(truth["kind"]).astype("U24")
    ids = np.asarray(truth["truth_id"], np.int64)
    name, row, distance = np.full(n, Reason.NOISE.value, "U24"), np.full(n, -1, np.int64), np.full(n, np.nan)

    static = np.flatnonzero(np.isin(kinds, sorted(STATIC_KINDS)))
    nearest, gap = _nearest(dia_sources, truth, static)
    close = gap <= static_radius
    row[close], distance[close] = nearest[close], gap[close]
    name[close] = kinds[nearest[close]]
    if "isDipole" in dia_sources.colnames:
        dipole = np.asarray(dia_sources["isDipole"], bool) & (name != "high_proper_motion")
        name[dipole] = Reason.DIPOLE

    artefacts = truth[~np.isin(kinds, sorted(STATIC_KINDS | REAL_KINDS))]
    index, _ = nearest_artefact(
        distance_to_segments(
            dia_sources["x"],
            dia_sources["y"],
            artefacts["x"],
            artefacts["y"],
            *_extent(artefacts),
        ),
        artefact_margin,
    )
    on = index >= 0
    name[on], distance[on] = np.asarray(artefacts["kind"]).astype("U24")[index[on]], np.nan
    truth_id = np.where(row >= 0, ids[row] if len(ids) else 0, 0)
    truth_id[on] = np.asarray(artefacts["truth_id"], np.int64)[index[on]]
    return name, truth_id.astype(np.int64), distance


def _nearest(dia_sources: Table, truth: Table, rows: npt.NDArray[np.intp]) -> tuple[Indices, Floats]:
    sky = unit_vectors(dia_sources["ra"], dia_sources["dec"])
    gap, nearest = np.full(len(sky), np.inf), np.full(len(sky), -1, np.int64)
    good = np.isfinite(sky).all(axis=1)
    if rows.size and good.any():
        others = unit_vectors(truth["ra"][rows], truth["dec"][rows])
        index = cKDTree(others).query(sky[good])[1]
        nearest[good], gap[good] = rows[index], separation(sky[good], others[index])
    return nearest, gap


def _extent(artefacts: Table) -> tuple[Floats, Floats, Floats]:
    length, width, angle = (
        np.nan_to_num(column_or(artefacts, name, 0.0)) for name in ("length", "width", "angle")
    )
    radius = np.nan_to_num(column_or(artefacts, "radius", 0.0))
    return length, np.where(radius > 0, 2 * radius, width), angle
