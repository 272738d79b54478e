"""Stamps turned, zoomed and shifted, many at a time."""

from __future__ import annotations

__all__ = ("View", "draw_views", "show")

import dataclasses
import functools
import math
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..model import fit_stamps, has_value, pixel_cover, resampling_matrix
from ..randomness import generator

if TYPE_CHECKING:
    from ._augmentation import Augmentation

Pixels = npt.NDArray[np.float32]

_MARGIN = 3
"""Old pixels around what is shown that the interpolation may look at."""
_MAX_LOST = 0.1
"""Fraction of a new pixel that may lie on missing ones."""


@dataclasses.dataclass(frozen=True)
class View:
    """A way to show stamps: turned or mirrored, zoomed, shifted.

    Parameters
    ----------
    element
        Element of the dihedral group, 0 to 7: bits 0 and 1 mirror rows and columns, bit 2 transposes. The
        central pixel, ``(h // 2, w // 2)``, stays.
    zoom
        Factor by which everything appears larger.
    shift
        Rows and columns [new pixels] by which everything moves, before it is turned.
    """

    element: int = 0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


def draw_views(augmentation: Augmentation, seed: int, epoch: int) -> tuple[list[View], list[View]]:
    """Draw the views of an epoch.

    Every stamp is shown in one of a few views, so that stamps of the same view share their matrices; the
    views are others in every epoch.

    Parameters
    ----------
    augmentation
        Limits of zoom and shift, and the number of views.
    seed, epoch
        What the draws depend on.

    Returns
    -------
    plain, resampled
        Views that keep the pixels as they are, and others. There is at least one of each.
    """
    n_elements = 8 if augmentation.turn else 1
    draws = generator(seed, "augmentation-views", epoch).random((augmentation.views, 3))
    low, high = np.log(augmentation.zoom)
    zooms = np.exp(low + draws[:, 0] * (high - low))
    shifts = augmentation.shift * (2 * draws[:, 1:] - 1)
    resampled = [
        View(number % n_elements, float(zoom), (float(y), float(x)))
        for number, (zoom, (y, x)) in enumerate(zip(zooms, shifts, strict=True))
    ]
    return [View(element) for element in range(n_elements)], resampled


def show(stamps: npt.NDArray[Any], view: View, size: int) -> Pixels:
    """Show stamps in one view.

    Parameters
    ----------
    stamps
        Shape ``(n, h, w)``, NaN or 1e37 and more where a pixel is missing.
    view
        How.
    size
        Rows and columns to make.

    Returns
    -------
    numpy.ndarray
        Float32 stamps of shape ``(n, size, size)``, NaN where a pixel is missing, or more than a tenth of it.
    """
    odd = 2 * (size // 2) + 1  # mirrored about the central pixel
    plain = view.zoom == 1 and view.shift == (0, 0)
    pixels = np.array(stamps, np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        damaged = np.flatnonzero(
            ~has_value(pixels.sum(axis=(1, 2)))
        )  # another sum proves that none is missing
    pixels[damaged] = np.where(has_value(pixels[damaged]), pixels[damaged], np.float32(np.nan))
    shown = _fitted(pixels, odd) if plain else _resampled(pixels, damaged, view, odd)
    shown = shown[:, :: -1 if view.element & 1 else 1, :: -1 if view.element & 2 else 1]
    return (shown.swapaxes(1, 2) if view.element & 4 else shown)[:, :size, :size]


def _fitted(stamps: Pixels, size: int) -> Pixels:
    fitted, outside = fit_stamps(stamps, size)
    if outside is not None:
        fitted[:, outside] = np.nan
    return fitted


def _resampled(stamps: Pixels, damaged: npt.NDArray[np.intp], view: View, size: int) -> Pixels:
    (rows, across_rows, cover_rows), (columns, across_columns, cover_columns) = (
        _axis(length, 1 / view.zoom, shift, size)
        for length, shift in zip(stamps.shape[1:], view.shift, strict=True)
    )
    part = np.ascontiguousarray(stamps[:, rows, columns])
    valid = np.isfinite(part[damaged])
    # A local guess, so that splines do not ring from holes: the mean of the stamp's valid pixels.
    total = np.where(valid, part[damaged], 0).sum(axis=(1, 2)) / np.maximum(valid.sum(axis=(1, 2)), 1)
    part[damaged] = np.where(valid, part[damaged], total[:, None, None])
    shown: Pixels = np.asarray(across_rows @ part @ across_columns.T)
    inside = np.outer(cover_rows.sum(axis=1), cover_columns.sum(axis=1))
    shown[:, inside < 1 - _MAX_LOST] = np.nan
    kept = cover_rows @ valid.astype(np.float32) @ cover_columns.T
    shown[damaged] = np.where(kept < 1 - _MAX_LOST, np.float32(np.nan), shown[damaged])
    return shown


@functools.lru_cache(maxsize=512)
def _axis(length: int, factor: float, shift: float, size: int) -> tuple[slice, Pixels, Pixels]:
    """Return the old pixels that matter along an axis, and what the new ones are and cover of these."""
    reach = math.ceil((size / 2 + abs(shift)) * factor) + _MARGIN
    first, last = max(length // 2 - reach, 0), min(length // 2 + reach + 1, length)
    offset = length // 2 - first - (last - first) // 2 - shift * factor
    matrices = (make(last - first, factor, size, offset) for make in (resampling_matrix, pixel_cover))
    across, cover = (matrix.astype(np.float32) for matrix in matrices)
    return slice(first, last), across, cover
