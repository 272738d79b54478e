"""Fits of point sources to stamps, many at once."""

from __future__ import annotations

__all__ = ("FitStamps", "PointFits", "cut", "fit_fluxes", "fit_points")

import dataclasses

import numpy as np
import numpy.typing as npt
from lsst.images import Box

from ..imaging import KernelField

type FloatArray = npt.NDArray[np.float64]
type IntArray = npt.NDArray[np.intp]

_MAX_STEP = 0.7
"""Largest change of a position in one iteration, pixels."""


@dataclasses.dataclass(frozen=True)
class FitStamps:
    """Stamps cut about pixels.

    Parameters
    ----------
    data, weight
        Values, 0 where missing, and inverse variances, 0 where missing; shape ``(n, size, size)``.
    row, column
        Middle pixels, parent coordinates.
    """

    data: FloatArray
    weight: FloatArray
    row: IntArray
    column: IntArray

    @property
    def radius(self) -> int:
        """Half width."""
        return int(self.data.shape[-1] // 2)

    @property
    def n_pixels(self) -> IntArray:
        """Known pixels of each stamp."""
        return np.asarray((self.weight > 0).sum(axis=(1, 2)))


@dataclasses.dataclass(frozen=True)
class PointFits:
    """Results of `fit_points`, for ``n`` stamps of ``k`` point sources each.

    Parameters
    ----------
    flux, x, y
        Shape ``(n, k)``.
    covariance
        Of flux, x and y of the first source, then of the second; shape ``(n, 3 k, 3 k)``; NaN where a fit
        failed.
    chi2, n_pixels
        Shape ``(n,)``.
    """

    flux: FloatArray
    x: FloatArray
    y: FloatArray
    covariance: FloatArray
    chi2: FloatArray
    n_pixels: IntArray


def cut(
    image: npt.NDArray[np.floating],
    variance: npt.NDArray[np.floating],
    missing: npt.NDArray[np.bool_],
    bbox: Box,
    row: IntArray,
    column: IntArray,
    radius: int,
) -> FitStamps:
    """Cut stamps about pixels; beyond the image and where it is missing, data and weight are 0.

    Parameters
    ----------
    image, variance, missing
        Pixels of a box.
    bbox
        The box.
    row, column
        Middle pixels, parent coordinates.
    radius
        Half width of the stamps.
    """
    steps = np.arange(-radius, radius + 1)
    rows = (row - bbox.y.start)[:, np.newaxis, np.newaxis] + steps[:, np.newaxis]
    columns = (column - bbox.x.start)[:, np.newaxis, np.newaxis] + steps
    inside = (rows >= 0) & (rows < bbox.y.size) & (columns >= 0) & (columns < bbox.x.size)
    place = np.clip(rows, 0, bbox.y.size - 1), np.clip(columns, 0, bbox.x.size - 1)
    known = inside & ~missing[place]
    data = np.where(known, image[place], 0.0).astype(np.float64)
    noise = np.where(known, variance[place], 1.0).astype(np.float64)
    return FitStamps(data, np.where(known, 1.0 / noise, 0.0), row, column)


def fit_fluxes(
    stamps: FitStamps, psf: KernelField, x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Fit fluxes of point sources at known positions.

    Returns
    -------
    tuple of numpy.ndarray
        Fluxes and errors; NaN where the stamp has no weight.
    """
    model = psf.stamps(x, y, stamps.radius, (stamps.row, stamps.column))
    information = np.einsum("nij,nij,nij->n", model, stamps.weight, model)
    signal = np.einsum("nij,nij,nij->n", model, stamps.weight, stamps.data)
    with np.errstate(divide="ignore", invalid="ignore"):
        flux = np.where(information > 0, signal / information, np.nan)
        error = np.where(information > 0, 1.0 / np.sqrt(information), np.nan)
    return flux, error


def fit_points(
    stamps: FitStamps,
    psf: KernelField,
    x: FloatArray,
    y: FloatArray,
    *,
    iterations: int = 12,
    reach: float = 3.0,
) -> PointFits:
    """Fit fluxes and positions of one or more point sources to each stamp.

    Parameters
    ----------
    stamps
        Data.
    psf
        PSF of the image.
    x, y
        First guesses of the positions, shape ``(n, k)``.
    iterations
        At most this many.
    reach
        Positions stay within this many pixels of their first guess.

    Notes
    -----
    Gauss-Newton on the positions with the fluxes solved for exactly in each step.
    """
    count, sources = x.shape
    start_x, start_y = x, y
    x, y = x.copy(), y.copy()
    size = (2 * stamps.radius + 1) ** 2
    weight, data = stamps.weight.reshape(count, size), stamps.data.reshape(count, size)
    for _ in range(iterations):
        parts = _models(stamps, psf, x, y)
        flux = _linear(parts[:, :, 0], weight, data)
        jacobian = _jacobian(parts, flux)
        rest = data - np.einsum("nk,nkp->np", flux, parts[:, :, 0])
        step = _solve(jacobian, weight, rest).reshape(count, sources, 3)[:, :, 1:]
        step = np.clip(np.nan_to_num(step), -_MAX_STEP, _MAX_STEP)
        x = np.clip(x + step[:, :, 0], start_x - reach, start_x + reach)
        y = np.clip(y + step[:, :, 1], start_y - reach, start_y + reach)
        if np.abs(step).max(initial=0.0) < 1e-3:
            break
    parts = _models(stamps, psf, x, y)
    flux = _linear(parts[:, :, 0], weight, data)
    rest = data - np.einsum("nk,nkp->np", flux, parts[:, :, 0])
    return PointFits(
        flux=flux,
        x=x,
        y=y,
        covariance=_covariance(_jacobian(parts, flux), weight),
        chi2=np.einsum("np,np,np->n", rest, weight, rest),
        n_pixels=stamps.n_pixels,
    )


def _models(stamps: FitStamps, psf: KernelField, x: FloatArray, y: FloatArray) -> FloatArray:
    """Return images and slopes of unit sources, shape ``(n, k, 3, pixels)``."""
    count, sources = x.shape
    row, column = np.repeat(stamps.row, sources), np.repeat(stamps.column, sources)
    parts = psf.stamps_with_slopes(x.ravel(), y.ravel(), stamps.radius, (row, column))
    return np.stack(parts, axis=1).reshape(count, sources, 3, (2 * stamps.radius + 1) ** 2)


def _jacobian(parts: FloatArray, flux: FloatArray) -> FloatArray:
    scaled = parts.copy()
    scaled[:, :, 1:] *= flux[:, :, np.newaxis, np.newaxis]
    return scaled.reshape(len(parts), 3 * parts.shape[1], parts.shape[-1])


def _linear(models: FloatArray, weight: FloatArray, data: FloatArray) -> FloatArray:
    return np.nan_to_num(_solve(models, weight, data))


def _solve(columns: FloatArray, weight: FloatArray, data: FloatArray) -> FloatArray:
    normal, ok = _normal(columns, weight)
    right = np.einsum("nap,np->na", columns * weight[:, np.newaxis], data)
    out = np.linalg.solve(normal, right[:, :, np.newaxis])[:, :, 0]
    return np.where(ok[:, np.newaxis], out, np.nan)


def _covariance(columns: FloatArray, weight: FloatArray) -> FloatArray:
    normal, ok = _normal(columns, weight)
    return np.where(ok[:, np.newaxis, np.newaxis], np.linalg.inv(normal), np.nan)


def _normal(columns: FloatArray, weight: FloatArray) -> tuple[FloatArray, npt.NDArray[np.bool_]]:
    """Return normal matrices, lightly damped, and which of them are sound."""
    normal = (columns * weight[:, np.newaxis]) @ columns.transpose(0, 2, 1)
    diagonal = np.einsum("naa->na", normal)
    ok = (diagonal > 0).all(axis=1)
    size = normal.shape[1]
    normal = np.where(ok[:, np.newaxis, np.newaxis], normal, np.eye(size))
    damping = 1e-9 * np.einsum("naa->na", normal)
    return normal + damping[:, :, np.newaxis] * np.eye(size), ok
