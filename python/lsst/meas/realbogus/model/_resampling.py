"""Stamps of another survey on the pixel scale that a model was trained at."""

from __future__ import annotations

__all__ = ("pixel_cover", "resample_stamps", "resampling_matrix", "source_size")

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
    rows, columns = (resampling_matrix(length, _checked(factor), size) for length in stamps.shape[1:])
    absent = missing | ~np.isfinite(stamps)
    filled = np.where(absent, np.float32(0), stamps)
    if absent.any():
        # A local guess, so that splines do not ring from holes: the mean of the stamp's valid pixels.
        n_valid = np.maximum((~absent).sum(axis=(1, 2)), 1)
        filled = np.where(absent, (filled.sum(axis=(1, 2)) / n_valid)[:, None, None], filled)
    values = (rows @ filled.astype(np.float64) @ columns.T).astype(np.float32)
    row_cover, column_cover = (pixel_cover(length, factor, size) for length in stamps.shape[1:])
    gone = 1.0 - row_cover @ (~absent) @ column_cover.T > 0.1
    return np.where(gone, np.float32(np.nan), values), gone


def _checked(factor: float) -> float:
    if not 1 / _MAX_FACTOR <= factor <= _MAX_FACTOR:
        raise InvalidInputError(
            f"pixel scales may differ by a factor of {_MAX_FACTOR:g} at most; got {factor:g}"
        )
    return factor


@functools.lru_cache(maxsize=16)
def resampling_matrix(length: int, factor: float, size: int, offset: float = 0.0) -> npt.NDArray[np.float64]:
    """Return the new pixels as a linear function of the old ones, along one axis.

    Parameters
    ----------
    length
        Number of old pixels.
    factor
        Size of the new pixels in old ones: above 1 they are means over the area of old ones, otherwise they
        are interpolated by cubic splines.
    size
        Number of new pixels.
    offset
        Where the central new pixel (``size // 2``) lies, in old pixels from the central old one.

    Returns
    -------
    numpy.ndarray
        Float64, shape ``(size, length)``; not to be changed.
    """
    if factor > 1:
        cover = pixel_cover(length, factor, size, offset)
        return cover / np.maximum(cover.sum(axis=1, keepdims=True), 1e-12)
    from scipy.ndimage import spline_filter1d

    centres = (np.arange(size) - size // 2) * factor + length // 2 + offset
    knots = spline_filter1d(np.eye(length), order=3, axis=0, mode="mirror")
    first = np.floor(centres).astype(int) - 1
    splines = np.zeros((size, length))
    for step in range(4):
        apart = np.abs(centres - (first + step))
        weight = np.where(apart < 1, 2 / 3 - apart**2 + apart**3 / 2, np.maximum(2 - apart, 0) ** 3 / 6)
        place = np.abs(first + step) % max(2 * length - 2, 1)
        np.add.at(splines, (np.arange(size), np.minimum(place, 2 * length - 2 - place)), weight)
    return np.asarray(splines @ knots)


@functools.lru_cache(maxsize=16)
def pixel_cover(length: int, factor: float, size: int, offset: float = 0.0) -> npt.NDArray[np.float64]:
    """Return the fraction of each new pixel that lies on each old one, along one axis.

    Parameters
    ----------
    length, factor, size, offset
        As for `resampling_matrix`.

    Returns
    -------
    numpy.ndarray
        Float64, shape ``(size, length)``; not to be changed.
    """
    left = (np.arange(size) - size // 2 - 0.5) * factor + length // 2 + offset
    edges = np.arange(length) - 0.5
    overlap = np.minimum(left[:, None] + factor, edges + 1) - np.maximum(left[:, None], edges)
    return np.asarray(np.maximum(overlap, 0.0) / factor, np.float64)
