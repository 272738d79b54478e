"""Which sources are of one object."""

from __future__ import annotations

__all__ = ("Association", "associate")

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from ..errors import InvalidInputError
from ..truth import unit_vectors

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

_ARCSEC = np.pi / 180 / 3600


@dataclasses.dataclass(frozen=True)
class Association:
    """Which object each source is of.

    Parameters
    ----------
    object_ids
        Identifier of the object of each source: that of the object's first source, int64.
    is_crowded
        Whether the source's group held several sources of one visit, so that it had to be divided.
    """

    object_ids: Indices
    is_crowded: npt.NDArray[np.bool_]


def associate(
    ids: npt.ArrayLike,
    visits: npt.ArrayLike,
    mjd: npt.ArrayLike,
    ra: npt.ArrayLike,
    dec: npt.ArrayLike,
    *,
    radius: float,
) -> Association:
    """Group sources of many visits into objects, of which each has one source of a visit at most.

    Parameters
    ----------
    ids
        Identifiers of the sources, int64, shape ``(n,)``, each once.
    visits
        Visits that they are of.
    mjd
        Times.
    ra, dec
        Positions in degrees. A source without a position is an object by itself.
    radius
        Largest distance of two sources that are linked, in arcsec.

    Returns
    -------
    Association
        One entry for each source, in order. It depends on the set of sources only, not on their order.

    Raises
    ------
    InvalidInputError
        If an identifier occurs twice.

    Notes
    -----
    Friends of friends: all pairs of sources within the radius are links, nearest first. A link that would
    put two sources of one visit into one object is left out, and all sources of such a group are marked.
    Groups without such a link are the connected components of the links, and most are; the others alone are
    gone through link by link. Links of the same length are taken in order of the identifiers.

    An object is called as its first source (in time, then by identifier), as ap_association does, so later
    visits do not change its name.

    Examples
    --------
    >>> associate([7, 8, 9], [1, 2, 2], [0.0, 1.0, 1.0], [10, 10, 20], [0, 0.0001, 0], radius=0.5).object_ids
    array([7, 7, 9])
    """
    ids, visits = np.asarray(ids, np.int64), np.asarray(visits, np.int64)
    unique, counts = np.unique(ids, return_counts=True)
    if (counts > 1).any():
        raise InvalidInputError(f"diaSourceId {unique[counts > 1][0]} occurs {counts.max()} times")
    points = unit_vectors(ra, dec)
    links, lengths = _links(points, radius)
    groups = _components(links, ids.size)
    crowded = _with_repeated_visits(groups, visits)
    is_crowded = np.isin(groups, crowded)
    if crowded.size:
        here = is_crowded[links[:, 0]]
        links, lengths = links[here], lengths[here]
        least, greatest = np.sort(ids[links], axis=1).T
        links = links[np.lexsort((greatest, least, lengths))]
        groups = np.where(is_crowded, ids.size + _divided(links, visits), groups)
    return Association(_first_of_each(groups, ids, np.asarray(mjd, float)), is_crowded)


def _links(points: Floats, radius: float) -> tuple[Indices, Floats]:
    """Find all pairs of points within a radius, and their distances along chords."""
    rows = np.flatnonzero(np.isfinite(points).all(axis=1))
    chord = 2 * np.sin(0.5 * radius * _ARCSEC)
    pairs = cKDTree(points[rows]).query_pairs(chord, output_type="ndarray") if rows.size else np.empty((0, 2))
    links = rows[pairs.astype(np.int64)]
    return links, np.linalg.norm(points[links[:, 0]] - points[links[:, 1]], axis=1)


def _components(links: Indices, n: int) -> Indices:
    graph = coo_array((np.ones(len(links), bool), (links[:, 0], links[:, 1])), shape=(n, n))
    return np.asarray(connected_components(graph, directed=False)[1], np.int64)


def _with_repeated_visits(groups: Indices, visits: Indices) -> Indices:
    pairs, counts = np.unique(np.stack([groups, visits], axis=1), axis=0, return_counts=True)
    return np.unique(pairs[counts > 1, 0])


def _divided(links: Indices, visits: Indices) -> Indices:
    """Join sources link by link, but never two of one visit; return a number for each source's group."""
    group = np.arange(visits.size)
    members: dict[int, list[int]] = {}
    for one, other in links.tolist():
        first, second = (int(group[row]) for row in (one, other))
        if first == second:
            continue
        here, there = members.get(first, [first]), members.pop(second, [second])
        if set(visits[here].tolist()) & set(visits[there].tolist()):
            members[second] = there
            continue
        members[first] = here + there
        group[there] = first
    return group


def _first_of_each(groups: Indices, ids: Indices, mjd: Floats) -> Indices:
    """Return the identifier of the first member of each row's group."""
    order = np.lexsort((ids, mjd, groups))
    _, starts, inverse = np.unique(groups[order], return_index=True, return_inverse=True)
    out = np.empty_like(ids)
    out[order] = ids[order][starts][inverse]
    return out
