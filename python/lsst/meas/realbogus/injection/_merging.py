"""One table of hosts out of the source tables of many images."""

from __future__ import annotations

__all__ = ("merge_hosts",)

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree

from ..tables import magnitude_to_njy
from ._hosts import Hosts

type Floats = npt.NDArray[np.float64]
type Groups = npt.NDArray[np.int64]


def merge_hosts(seen: Sequence[Hosts], radius: float = 0.7) -> Table:
    """Merge what many images saw of the same galaxies.

    Parameters
    ----------
    seen
        Hosts of each image.
    radius
        Detections within this many arcsec of each other are one galaxy, and those within of these.

    Returns
    -------
    astropy.table.Table
        Columns sourceId, ra, dec, apFlux, extendedness, host_a, host_b, host_pa, redshift, n_images: mean
        positions and medians of the rest, sorted by declination. The order of the images does not matter.
        `make_catalog` takes it as ``host_table``.
    """
    columns = {
        name: np.concatenate([np.zeros(0), *(getattr(hosts, name) for hosts in seen)])
        for name in ("ra", "dec", "mag", "a", "b", "pa", "redshift")
    }
    ids = np.concatenate([np.zeros(0, dtype=np.int64), *(hosts.id for hosts in seen)])
    order = np.lexsort((ids, columns["a"], columns["mag"], columns["ra"], columns["dec"]))
    ids, columns = ids[order], {name: values[order] for name, values in columns.items()}
    group = _friends(columns["ra"], columns["dec"], radius)
    table = _summary(ids, columns, group)
    table.sort(["dec", "ra"])
    return table


def _unit_vectors(ra: Floats, dec: Floats) -> Floats:
    a, d = np.deg2rad(ra), np.deg2rad(dec)
    return np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)


def _friends(ra: Floats, dec: Floats, radius: float) -> Groups:
    """Group positions, friends of friends."""
    if not len(ra):
        return np.zeros(0, dtype=np.int64)
    chord = 2.0 * np.sin(np.deg2rad(radius / 3600.0) / 2.0)
    pairs = KDTree(_unit_vectors(ra, dec)).query_pairs(chord, output_type="ndarray")
    links = coo_matrix((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(ra), len(ra)))
    return np.asarray(connected_components(links, directed=False)[1], dtype=np.int64)


def _summary(ids: npt.NDArray[np.int64], columns: dict[str, Floats], group: Groups) -> Table:
    """Reduce each group to a row."""
    count = np.bincount(group)
    vectors = _unit_vectors(columns["ra"], columns["dec"])
    mean = np.stack([np.bincount(group, weights=vectors[:, axis]) for axis in range(3)], axis=1)
    # Ellipses are averaged as moments, so that position angles near 0 and 180 degrees agree.
    angle = np.deg2rad(2.0 * columns["pa"])
    spread, size = (columns["a"] ** 2 + sign * columns["b"] ** 2 for sign in (-1.0, 1.0))
    plus, cross = _medians(spread * np.cos(angle), group), _medians(spread * np.sin(angle), group)
    split, total = np.hypot(plus, cross), _medians(size, group)
    first = np.full(len(count), np.iinfo(np.int64).max)
    np.minimum.at(first, group, ids)
    return Table(
        {
            "sourceId": first,
            "ra": np.rad2deg(np.arctan2(mean[:, 1], mean[:, 0])) % 360.0,
            "dec": np.rad2deg(np.arctan2(mean[:, 2], np.hypot(mean[:, 0], mean[:, 1]))),
            "apFlux": magnitude_to_njy(_medians(columns["mag"], group)),
            "extendedness": np.ones(len(count)),
            "host_a": np.sqrt((total + split) / 2.0),
            "host_b": np.sqrt(np.maximum(total - split, 0.0) / 2.0),
            "host_pa": np.rad2deg(np.arctan2(cross, plus)) / 2.0 % 180.0,
            "redshift": _medians(columns["redshift"], group),
            "n_images": count,
        }
    )


def _medians(values: npt.NDArray[Any], group: Groups) -> Floats:
    """Return the lower median of each group."""
    order = np.lexsort((values, group))
    count = np.bincount(group)
    start = np.cumsum(count) - count
    return np.asarray(values[order][start + (count - 1) // 2], dtype=np.float64)
