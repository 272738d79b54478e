"""Mutual nearest neighbours on the sky."""

from __future__ import annotations

__all__ = ("Pairs", "match_mutual_nearest", "neighbours", "unit_vectors")

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.spatial import cKDTree

from ..tables import separation

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class Pairs:
    """Which row of one catalogue belongs to which row of another.

    Parameters
    ----------
    first, second
        Row numbers in the two catalogues, int64, the same length, ascending in ``first``; no row of either
        catalogue occurs twice.
    distance
        Separations in arcseconds.
    """

    first: Indices
    second: Indices
    distance: Floats

    def __len__(self) -> int:
        return self.first.size

    def keep(self, wanted: npt.NDArray[np.bool_]) -> Pairs:
        """Return the pairs for which ``wanted`` is true.

        Parameters
        ----------
        wanted
            Bool, one for each pair.

        Returns
        -------
        Pairs
            Those that are wanted.
        """
        return Pairs(self.first[wanted], self.second[wanted], self.distance[wanted])


def unit_vectors(ra: npt.ArrayLike, dec: npt.ArrayLike) -> Floats:
    """Turn sky positions in degrees into unit vectors, shape ``(n, 3)``.

    Parameters
    ----------
    ra, dec
        Degrees, any shape of ``n`` values.

    Returns
    -------
    numpy.ndarray
        Float64, shape ``(n, 3)``.
    """
    alpha, delta = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
    return np.stack(
        [np.cos(delta) * np.cos(alpha), np.cos(delta) * np.sin(alpha), np.sin(delta)], axis=-1
    ).reshape(-1, 3)


def match_mutual_nearest(
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    other_ra: npt.ArrayLike,
    other_dec: npt.ArrayLike,
    radius: npt.ArrayLike,
) -> Pairs:
    """Pair rows that are each other's nearest neighbour on the sky.

    Parameters
    ----------
    ra, dec
        Positions of the first catalogue in degrees, shape ``(n,)``. Rows that are not finite match nothing.
    other_ra, other_dec
        Positions of the second catalogue in degrees, shape ``(m,)``.
    radius
        Largest separation in arcseconds, one number or one for each row of the first catalogue.

    Returns
    -------
    Pairs
        The pairs, ascending in the first catalogue's row number.

    Notes
    -----
    The "handshake" of LSST's ``MatchInjectedToDiaSourceTask``: a pair counts only if neither has a nearer
    neighbour in the other catalogue, so no source is used twice.

    Examples
    --------
    >>> pairs = match_mutual_nearest([10.0, 10.0001], [0.0, 0.0], [10.00002], [0.0], radius=0.5)
    >>> pairs.first.tolist(), pairs.second.tolist(), pairs.distance.round(3).tolist()
    ([0], [0], [0.072])
    """
    first, second = unit_vectors(ra, dec), unit_vectors(other_ra, other_dec)
    limit = np.broadcast_to(np.asarray(radius, float), (len(first),))
    rows = np.flatnonzero(np.isfinite(first).all(axis=1))
    other_rows = np.flatnonzero(np.isfinite(second).all(axis=1))
    if not rows.size or not other_rows.size:
        none = np.empty(0, np.int64)
        return Pairs(none, none, np.empty(0))
    forward = cKDTree(second[other_rows]).query(first[rows])[1]
    backward = cKDTree(first[rows]).query(second[other_rows])[1]
    mutual = backward[forward] == np.arange(rows.size)
    a, b = rows[mutual].astype(np.int64), other_rows[forward[mutual]].astype(np.int64)
    here, there = (np.asarray(ra)[a], np.asarray(dec)[a]), (np.asarray(other_ra)[b], np.asarray(other_dec)[b])
    distance = separation(*here, *there)
    pairs = Pairs(a, b, distance)
    return pairs.keep(pairs.distance <= limit[a])


def neighbours(
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    other_ra: npt.ArrayLike,
    other_dec: npt.ArrayLike,
    radius: npt.ArrayLike,
) -> tuple[Indices, Indices]:
    """Find all rows of one catalogue near each row of another.

    Parameters
    ----------
    ra, dec, other_ra, other_dec
        Positions in degrees, as for `match_mutual_nearest`.
    radius
        Largest separation in arcsec, one number or one for each row of the first catalogue.

    Returns
    -------
    first, second
        Row numbers of every pair, int64, ascending in the first.
    """
    first, second = unit_vectors(ra, dec), unit_vectors(other_ra, other_dec)
    rows = np.flatnonzero(np.isfinite(first).all(axis=1))
    other_rows = np.flatnonzero(np.isfinite(second).all(axis=1))
    if not rows.size or not other_rows.size:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    angle = np.radians(np.broadcast_to(np.asarray(radius, float), (len(first),))[rows] / 3600)
    hits = cKDTree(second[other_rows]).query_ball_point(first[rows], 2 * np.sin(angle / 2))
    counts = np.array([len(hit) for hit in hits])
    found = np.concatenate([np.asarray(hit, np.int64) for hit in hits])
    return np.repeat(rows, counts).astype(np.int64), other_rows[found].astype(np.int64)
