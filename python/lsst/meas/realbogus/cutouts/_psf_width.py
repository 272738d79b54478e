"""How wide the point-spread function is where sources are."""

from __future__ import annotations

__all__ = ("psf_fwhm", "psf_fwhm_at")

import functools
import logging
from typing import Any

import numpy as np
import numpy.typing as npt
from lsst.images import VisitImage
from lsst.images.psfs import PointSpreadFunction

from ..errors import InvalidInputError
from ..legacy import DeferredImage, read_psf
from ._readers import Handle

type Widths = npt.NDArray[np.float32]

_LOG = logging.getLogger(__name__)
_NODES = 5
_TINY = 1e-12
# What PSFs raise that cannot be read, or have no value at a place.
_NO_PSF = (
    ArithmeticError,
    AttributeError,
    ImportError,
    InvalidInputError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
)


def psf_fwhm(images: npt.ArrayLike) -> Widths:
    """Measure the full width at half maximum of PSFs.

    Parameters
    ----------
    images
        Images of PSFs with their centres in the pixels ``(h // 2, w // 2)``, any normalisation, shape
        ``(n, h, w)``.

    Returns
    -------
    numpy.ndarray
        Float32 FWHM [pixel], shape ``(n,)``; NaN where an image has no peak, does not fall to half of it, or
        has pixels that are not finite.

    Notes
    -----
    Twice the radius beyond which the mean over circles about the centre stays below half of its maximum. The
    mean is over pixels of equal distance, and between these its logarithm is taken as linear in the square of
    the radius: exact for a Gaussian however coarse its pixels. Elongation drops out to first order. For a
    ring, the PSF of a telescope out of focus, it is the outer width. It is what headers and observers call
    seeing; second moments and the effective area hang on wings, by 20 % and more for a Moffat profile.

    Examples
    --------
    >>> r2 = np.sum(np.square(np.mgrid[-10:11, -10:11]), axis=0)
    >>> psf_fwhm([np.exp(-4 * np.log(2) * r2 / 3.0**2)])
    array([3.], dtype=float32)
    """
    stamps = np.asarray(images, np.float64)
    if stamps.ndim != 3:
        raise InvalidInputError(f"images of PSFs must have the shape (n, h, w); got {stamps.shape}")
    order, starts, squares = _rings(stamps.shape[1], stamps.shape[2])
    if len(squares) < 2 or not len(stamps):
        return np.full(len(stamps), np.nan, np.float32)
    flat = stamps.reshape(len(stamps), -1)[:, order]
    profile = np.add.reduceat(flat, starts, axis=1) / np.diff([*starts, len(order)])
    peak = profile.max(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        level = profile / peak[:, None]
        last = level.shape[1] - 1 - np.argmax(level[:, ::-1] >= 0.5, axis=1)
        known = np.isfinite(profile).all(axis=1) & (peak > 0) & (last < level.shape[1] - 1)
    last[~known] = 0
    rows = np.arange(len(level))
    with np.errstate(invalid="ignore", divide="ignore"):
        inner, outer = (np.log(np.maximum(level[rows, ring], _TINY)) for ring in (last, last + 1))
        square = squares[last] + (np.log(0.5) - inner) / (outer - inner) * (squares[last + 1] - squares[last])
        return np.where(known, 2 * np.sqrt(square), np.nan).astype(np.float32)


@functools.lru_cache(maxsize=8)
def _rings(
    height: int, width: int
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], npt.NDArray[np.int64]]:
    """Sort the pixels by their distance from the centre: order, first of each ring, square of its radius."""
    rows, columns = np.arange(height) - height // 2, np.arange(width) - width // 2
    square = (rows[:, None] ** 2 + columns**2).ravel()
    inside = min(rows[-1], columns[-1]) ** 2  # beyond, circles leave the image
    order = np.argsort(square, kind="stable")[: np.count_nonzero(square <= inside)]
    squares, starts = np.unique(square[order], return_index=True)
    return order, starts, squares


def psf_fwhm_at(science: Any, x: npt.ArrayLike, y: npt.ArrayLike) -> Widths:
    """Return the width of an image's PSF at positions.

    Parameters
    ----------
    science
        A `~lsst.images.VisitImage`, the deferred handle of one (or of an afw exposure), or a PSF. Images of
        other forms carry no PSF.
    x, y
        Positions, parent coordinates [pixel], shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        Float32 FWHM [pixel] as from `psf_fwhm`, shape ``(n,)``. NaN where the PSF is not known; if it is
        not known anywhere, a warning says so.

    Notes
    -----
    The PSF is evaluated on a grid of 5 × 5 points over the pixels for which it is valid, and interpolated
    linearly: what a source gets does not depend on the others, and many cost as little as few.
    """
    x, y = (np.atleast_1d(np.asarray(values, np.float64)) for values in (x, y))
    try:
        found = _interpolated(_psf_of(science), x, y)
    except _NO_PSF as error:
        _LOG.warning("The PSF of the science image is not known: %s", error)
        return np.full(len(x), np.nan, np.float32)
    return found


def _psf_of(science: Any) -> PointSpreadFunction:
    match science:
        case PointSpreadFunction():
            return science
        case VisitImage():
            return science.psf
        case DeferredImage():
            return read_psf(science.handle)
        case Handle():
            return read_psf(science)  # type: ignore[arg-type]
    raise InvalidInputError("it carries none, or none that can be read here")


def _interpolated(psf: PointSpreadFunction, x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Widths:
    from scipy.interpolate import RegularGridInterpolator

    box = psf.bounds.bbox
    axes = [np.linspace(side.min, max(side.max, side.min + 1), _NODES) for side in (box.y, box.x)]
    nodes = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 2)
    widths = np.array([_width(psf, float(node[1]), float(node[0])) for node in nodes])
    known = np.isfinite(widths)
    if not known.any():
        raise InvalidInputError(f"it has no value on {box}")
    for node in np.flatnonzero(~known):  # as at the nearest place where it is known
        distances = np.square(nodes[known] - nodes[node]).sum(axis=1)
        widths[node] = widths[known][np.argmin(distances)]
    places = [np.clip(values, side[0], side[-1]) for values, side in zip((y, x), axes, strict=True)]
    # A position that is not known counts as out of bounds.
    grid = RegularGridInterpolator(axes, widths.reshape(_NODES, _NODES), bounds_error=False)
    return np.asarray(grid(np.stack(places, axis=-1)), np.float32)


def _width(psf: PointSpreadFunction, x: float, y: float) -> float:
    if not psf.bounds.contains(x=x, y=y):
        return np.nan
    try:
        image = psf.compute_kernel_image(x=x, y=y).array
    except _NO_PSF:
        return np.nan
    return float(psf_fwhm(image[None])[0])
