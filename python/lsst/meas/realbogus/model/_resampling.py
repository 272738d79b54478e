"""Stamps of another survey on the pixel scale that a model was trained at."""

from __future__ import annotations

__all__ = ("resample_stamps", "source_size")

import functools
import math

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError

_MAX_FACTOR = 8.0


def source_size(size: int, factor: float) -> int:
    """Return the size of the stamps to cut so that resampled ones have ``size`` pixels, none missing.

    Parameters
    ----------
    size
        Size wanted, in pixels of the model.
    factor
        Size of the model's pixels in pixels of the image.

    Examples
    --------
    >>> source_size(51, 1.0), source_size(51, 2.0)
    (53, 105)
    """
    return 2 * math.ceil((size * _checked(factor) + 1) / 2) + 1


def resample_stamps(
    stamps: npt.NDArray[np.float32], missing: npt.NDArray[np.bool_], factor: float, size: int
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
    """Resample stamps about their central pixel; the values stay surface brightness.

    Larger pixels are means over the area of smaller ones, smaller pixels are interpolated by cubic splines.
    Nothing makes a point source sharper or wider in arcseconds than the image has it.

    Parameters
    ----------
    stamps
        Shape ``(n, h, w)``; missing pixels may hold anything.
    missing
        Which pixels are missing, same shape.
    factor
        Size of the new pixels in pixels of the stamps.
    size
        Rows and columns wanted.

    Returns
    -------
    stamps
        Shape ``(n, size, size)``, NaN where missing.
    missing
        New pixels of which more than a tenth lies on missing ones, or outside.

    Examples
    --------
    >>> stamps = np.full((1, 31, 31), 3.0, np.float32)
    >>> coarse, missing = resample_stamps(stamps, np.zeros(stamps.shape, bool), factor=2.0, size=11)
    >>> coarse.shape, float(coarse.max()), bool(missing.any())
    ((1, 11, 11), 3.0, False)
    """
    rows, columns = (_matrix(length, _checked(factor), size) for length in stamps.shape[1:])
    absent = missing | ~np.isfinite(stamps)
    filled = np.where(absent, np.float32(0), stamps)
    if absent.any():
        # A local guess, so that splines do not ring from holes: the mean of the stamp's valid pixels.
        n_valid = np.maximum((~absent).sum(axis=(1, 2)), 1)
        filled = np.where(absent, (filled.sum(axis=(1, 2)) / n_valid)[:, None, None], filled)
    values = (rows @ filled.astype(np.float64) @ columns.T).astype(np.float32)
    lost = 1.0 - _cover(stamps.shape[1], factor, size) @ (~absent) @ _cover(stamps.shape[2], factor, size).T
    gone = lost > 0.1
    return np.where(gone, np.float32(np.nan), values), gone


def _checked(factor: float) -> float:
    if not 1 / _MAX_FACTOR <= factor <= _MAX_FACTOR:
        raise InvalidInputError(
            f"pixel scales may differ by a factor of {_MAX_FACTOR:g} at most; got {factor:g}"
        )
    return factor


@functools.lru_cache(maxsize=16)
def _matrix(length: int, factor: float, size: int) -> npt.NDArray[np.float64]:
    """Return the new pixels as a linear function of the old ones, along one axis."""
    if factor >= 1:
        cover = _cover(length, factor, size)
        return cover / np.maximum(cover.sum(axis=1, keepdims=True), 1e-12)
    from scipy.ndimage import map_coordinates

    centres = (np.arange(size) - size // 2) * factor + length // 2
    return np.stack(
        [map_coordinates(unit, centres[None], order=3, mode="mirror") for unit in np.eye(length)], axis=1
    )


@functools.lru_cache(maxsize=16)
def _cover(length: int, factor: float, size: int) -> npt.NDArray[np.float64]:
    """Return the fraction of each new pixel that lies on each old one."""
    left = (np.arange(size) - size // 2 - 0.5) * factor + length // 2
    edges = np.arange(length) - 0.5
    overlap = np.minimum(left[:, None] + factor, edges + 1) - np.maximum(left[:, None], edges)
    return np.asarray(np.maximum(overlap, 0.0) / factor, np.float64)
