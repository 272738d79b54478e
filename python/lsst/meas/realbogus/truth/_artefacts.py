"""How far a pixel position lies from artefacts that have an extent."""

from __future__ import annotations

__all__ = ("distance_to_segments", "nearest_artefact")

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]


def distance_to_segments(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    centre_x: npt.ArrayLike,
    centre_y: npt.ArrayLike,
    length: npt.ArrayLike,
    width: npt.ArrayLike,
    angle: npt.ArrayLike,
) -> Floats:
    """Distance of every position to the outline of every artefact.

    Parameters
    ----------
    x, y
        Positions in pixels, shape ``(n,)``.
    centre_x, centre_y
        Centres of the artefacts in pixels, shape ``(m,)``.
    length, width
        Full extents in pixels: a segment of this length, thickened to this width with round ends. A disk has
        length 0, a point has both 0.
    angle
        Direction of the segment in degrees, counter-clockwise from +x.

    Returns
    -------
    numpy.ndarray
        Float64 array of shape ``(n, m)`` in pixels; 0 inside an artefact.
    """
    dx = np.asarray(x, float)[:, None] - np.asarray(centre_x, float)
    dy = np.asarray(y, float)[:, None] - np.asarray(centre_y, float)
    theta = np.radians(np.asarray(angle, float))
    along = dx * np.cos(theta) + dy * np.sin(theta)
    across = dy * np.cos(theta) - dx * np.sin(theta)
    half_width = np.asarray(width, float) / 2
    half_segment = np.maximum(np.asarray(length, float) / 2 - half_width, 0)
    past_end = np.maximum(np.abs(along) - half_segment, 0)
    distance: Floats = np.maximum(np.hypot(past_end, across) - half_width, 0)
    return distance


def nearest_artefact(distances: Floats, margin: float) -> tuple[npt.NDArray[np.int64], Floats]:
    """Choose for every position the nearest artefact within a margin.

    Parameters
    ----------
    distances
        What `distance_to_segments` returns.
    margin
        Largest distance in pixels that still counts as touching.

    Returns
    -------
    index
        Column of the nearest artefact, -1 where none is near enough.
    distance
        Its distance in pixels, NaN where there is none.
    """
    if not distances.shape[1]:
        return np.full(len(distances), -1, np.int64), np.full(len(distances), np.nan)
    index = np.argmin(np.where(np.isnan(distances), np.inf, distances), axis=1).astype(np.int64)
    nearest = distances[np.arange(len(distances)), index]
    near = nearest <= margin
    return np.where(near, index, -1), np.where(near, nearest, np.nan)
