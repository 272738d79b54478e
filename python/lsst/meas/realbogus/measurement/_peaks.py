"""Where the largest pixel of each segment is."""

from __future__ import annotations

__all__ = ("peak_positions",)

from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage


def peak_positions(
    values: npt.NDArray[np.floating], labels: npt.NDArray[np.integer]
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Find the largest pixel of each segment.

    Parameters
    ----------
    values
        Pixels, shape ``(ny, nx)``.
    labels
        Segments of the same shape, numbered from 1 without gaps; 0 is none.

    Returns
    -------
    tuple of numpy.ndarray
        Rows and columns, one for each segment.

    Notes
    -----
    `scipy.ndimage.maximum_position` sorts all pixels it is given, and most are in no segment.

    Examples
    --------
    >>> peak_positions(np.array([[1.0, 9.0], [5.0, 3.0]]), np.array([[1, 0], [2, 2]]))
    (array([0, 1]), array([0, 0]))
    """
    inside = np.flatnonzero(labels)
    segments = labels.ravel()[inside]
    index = np.arange(1, int(segments.max(initial=0)) + 1)
    found: Any = scipy.ndimage.maximum_position(values.ravel()[inside], segments, index)
    row, column = np.unravel_index(inside[np.array(found, dtype=np.intp).reshape(-1)], labels.shape)
    return row, column
