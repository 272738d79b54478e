"""Missing rows, columns, blocks and borders."""

from __future__ import annotations

__all__ = ("GAP_DRAWS", "draw_gaps")

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

GAP_DRAWS = 8
"""Uniform numbers that the gaps of a stamp take."""

_NEAREST = 2
"""Pixels about the central one that never go missing."""


def draw_gaps(
    pixels: dict[str, npt.NDArray[np.float32]], draws: Iterator[Floats], gaps: float, borders: float
) -> None:
    """Make pixels go missing, in place.

    A border takes everything beyond a line from all images. A gap is a few rows or columns, or a block, of
    the science image or of the template, and of the difference. The central pixels stay.

    Parameters
    ----------
    pixels
        Image name to stamps of shape ``(n, size, size)``.
    draws
        Uniform numbers for each stamp, `GAP_DRAWS` of them.
    gaps, borders
        Fractions of stamps.
    """
    chance, kind, side, near, width, across, length, image = (next(draws) for _ in range(GAP_DRAWS))
    rows = np.flatnonzero(chance < gaps + borders)
    if not rows.size:
        return
    size = next(iter(pixels.values())).shape[1]
    is_border, is_block = chance[rows] < borders, kind[rows] < 0.5
    reach = size // 2
    first = _NEAREST + (near[rows] * max(reach - _NEAREST, 1)).astype(int)
    widest = np.where(is_block, max(size // 3, 1), 3)
    last = np.where(is_border, size, first + 1 + (width[rows] * widest).astype(int))
    half = np.where(is_block & ~is_border, 1 + (length[rows] * (size // 6)).astype(int), size)
    middle = np.where(is_block & ~is_border, ((2 * across[rows] - 1) * reach).astype(int), 0)
    place = np.arange(size) - reach
    forward = side[rows] < 0.5
    along = np.where(forward[:, None], place, -place)
    band = (along >= first[:, None]) & (along < last[:, None])
    span = np.abs(place - middle[:, None]) <= half[:, None]
    upright = (side[rows] * 4).astype(int) % 2 == 0
    gone = np.where(
        upright[:, None, None], band[:, :, None] & span[:, None, :], span[:, :, None] & band[:, None, :]
    )
    for role, stamps in pixels.items():
        other = image[rows] < 0.5 if role == "template" else image[rows] >= 0.5
        hit = is_border | (role == "difference") | other
        chosen = rows[hit]
        stamps[chosen] = np.where(gone[hit], np.float32(np.nan), stamps[chosen])
