"""Pixel flags of detections."""

from __future__ import annotations

__all__ = ("pixel_flags",)

import numpy as np
import numpy.typing as npt
from lsst.images import Mask

from ._schema import FLAG_PLANES

type BoolArray = npt.NDArray[np.bool_]


def pixel_flags(
    mask: Mask, footprint: npt.NDArray[np.int32], count: int, x: npt.ArrayLike, y: npt.ArrayLike
) -> dict[str, BoolArray]:
    """Say which planes the footprint and the centre of each source touch.

    Parameters
    ----------
    mask
        Mask of the difference image.
    footprint
        Numbers of the sources plus one, shape of the mask.
    count
        Number of sources.
    x, y
        Centres, parent coordinates.

    Returns
    -------
    dict
        Columns ``pixelFlags_*``. A source at the border of the image is an edge source.
    """
    box = mask.bbox
    row = np.rint(np.asarray(y, dtype=np.float64)).astype(np.intp) - box.y.start
    column = np.rint(np.asarray(x, dtype=np.float64)).astype(np.intp) - box.x.start
    near_edge = (row < 1) | (row >= box.y.size - 1) | (column < 1) | (column >= box.x.size - 1)
    row, column = np.clip(row, 1, box.y.size - 2), np.clip(column, 1, box.x.size - 2)
    steps = np.arange(-1, 2)
    core = row[:, np.newaxis, np.newaxis] + steps[:, np.newaxis], column[:, np.newaxis, np.newaxis] + steps
    out = {}
    for flag, (plane, with_centre) in FLAG_PLANES.items():
        known = plane in mask.schema.names
        pixels = mask.get(plane) if known else np.zeros(box.shape, dtype=bool)
        touched = np.zeros(count, dtype=bool)
        touched[np.unique(footprint[pixels & (footprint > 0)]) - 1] = True
        centre = pixels[core].any(axis=(1, 2))
        if flag == "edge":
            touched |= near_edge | _at_border(footprint, count)
            centre |= near_edge
        out[f"pixelFlags_{flag}"] = touched | centre
        if with_centre:
            out[f"pixelFlags_{flag}Center"] = centre
    return out


def _at_border(footprint: npt.NDArray[np.int32], count: int) -> BoolArray:
    border = np.concatenate([footprint[0], footprint[-1], footprint[:, 0], footprint[:, -1]])
    out = np.zeros(count, dtype=bool)
    out[np.unique(border[border > 0]) - 1] = True
    return out
