"""Measurement of detected sources: positions, fluxes, shapes."""

from __future__ import annotations

__all__ = ("MeasuredFrame", "fit_sources", "fluxes_apart", "forced_fluxes", "shapes")

import dataclasses

import numpy as np
import numpy.typing as npt
from lsst.images import Box, MaskedImage

from ..imaging import KernelField, missing_pixels, psf_width
from ._moments import weighted_moments
from ._point_fit import FitStamps, PointFits, cut, fit_fluxes, fit_points

type FloatArray = npt.NDArray[np.float64]
type IntArray = npt.NDArray[np.intp]
type Pixels = npt.NDArray[np.float32]

_FIT_SIGMAS = 3.5
_EXTENDED = 1.5
"""Sources whose moments are this many times those of the PSF are called extended."""


@dataclasses.dataclass(frozen=True)
class MeasuredFrame:
    """An image as arrays, with its PSF.

    Parameters
    ----------
    bbox
        Box of the arrays.
    pixels, variance, missing
        Arrays of one shape; values of missing pixels are 0 and their variance 1.
    psf
        PSF.
    """

    bbox: Box
    pixels: Pixels
    variance: Pixels
    missing: npt.NDArray[np.bool_]
    psf: KernelField

    @classmethod
    def make(cls, image: MaskedImage, psf: KernelField, *, variance_factor: float = 1.0) -> MeasuredFrame:
        """Make a frame from an image."""
        missing = missing_pixels(image)
        return cls(
            image.bbox,
            np.where(missing, np.float32(0), image.image.array).astype(np.float32),
            np.where(missing, np.float32(1), image.variance.array * np.float32(variance_factor)).astype(
                np.float32
            ),
            missing,
            psf,
        )

    @property
    def sigma(self) -> float:
        """Width of the PSF in pixels."""
        return psf_width(self.psf.middle())

    @property
    def fit_radius(self) -> int:
        """Half width of stamps to which a PSF is fitted: no wider than the PSF is known."""
        return min(max(4, int(np.ceil(_FIT_SIGMAS * self.sigma))), self.psf.radius)

    def cut(self, row: IntArray, column: IntArray, radius: int) -> FitStamps:
        """Cut stamps about pixels, parent coordinates."""
        return cut(self.pixels, self.variance, self.missing, self.bbox, row, column, radius)


def fit_sources(frame: MeasuredFrame, row: IntArray, column: IntArray, *, passes: int = 2) -> PointFits:
    """Fit one point source at each detection, its neighbours taken away.

    Parameters
    ----------
    frame
        Difference image.
    row, column
        Peaks, parent coordinates.
    passes
        How often to fit; from the second on, the models of all other sources are subtracted first.

    Returns
    -------
    PointFits
        Arrays for one source a stamp. Where a fit fails or leaves the peak, the position is the peak.
    """
    radius = frame.fit_radius
    guess_x, guess_y = column[:, np.newaxis].astype(np.float64), row[:, np.newaxis].astype(np.float64)
    stamps = frame.cut(row, column, radius)
    fits = fit_points(stamps, frame.psf, guess_x, guess_y)
    for _ in range(passes - 1):
        fits = _settled(fits, guess_x, guess_y)
        stamps = dataclasses.replace(stamps, data=stamps.data - _neighbours(frame, fits, row, column, radius))
        fits = fit_points(stamps, frame.psf, fits.x, fits.y)
        stamps = frame.cut(row, column, radius)
    return _settled(fits, guess_x, guess_y)


def _settled(fits: PointFits, guess_x: FloatArray, guess_y: FloatArray) -> PointFits:
    """Put fits that wandered off or failed back to their first guess."""
    lost = ~np.isfinite(fits.flux) | (np.hypot(fits.x - guess_x, fits.y - guess_y) > 2.5)
    return dataclasses.replace(fits, x=np.where(lost, guess_x, fits.x), y=np.where(lost, guess_y, fits.y))


def _neighbours(
    frame: MeasuredFrame, fits: PointFits, row: IntArray, column: IntArray, radius: int
) -> FloatArray:
    """Return what all other sources add to each stamp."""
    half = frame.psf.radius
    flux = np.nan_to_num(fits.flux[:, 0])[:, np.newaxis, np.newaxis]
    images = flux * frame.psf.stamps(fits.x[:, 0], fits.y[:, 0], half, (row, column))
    margin = half + radius
    scene = np.zeros((frame.bbox.y.size + 2 * margin, frame.bbox.x.size + 2 * margin))
    top, left = row - frame.bbox.y.start + margin, column - frame.bbox.x.start + margin
    for image, i, j in zip(images, top, left, strict=True):
        scene[i - half : i + half + 1, j - half : j + half + 1] += image
    windows = np.lib.stride_tricks.sliding_window_view(scene, (2 * radius + 1, 2 * radius + 1))
    own = images[:, half - radius : half + radius + 1, half - radius : half + radius + 1]
    return np.asarray(windows[top - radius, left - radius] - own)


def fluxes_apart(
    frame: MeasuredFrame, fits: PointFits, row: IntArray, column: IntArray
) -> tuple[FloatArray, FloatArray]:
    """Return PSF fluxes and errors at the fitted positions, the light of all other sources taken away.

    Parameters
    ----------
    frame
        Difference image.
    fits
        What `fit_sources` found.
    row, column
        Peaks that it was given.

    Returns
    -------
    tuple of numpy.ndarray
        Fluxes and errors; NaN where a source has no known pixel.
    """
    stamps = frame.cut(row, column, frame.fit_radius)
    others = _neighbours(frame, fits, row, column, frame.fit_radius)
    alone = dataclasses.replace(stamps, data=stamps.data - others)
    return fit_fluxes(alone, frame.psf, fits.x[:, 0], fits.y[:, 0])


def forced_fluxes(frame: MeasuredFrame, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return PSF fluxes and errors at given positions."""
    row, column = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
    return fit_fluxes(frame.cut(row, column, frame.fit_radius), frame.psf, x, y)


def shapes(
    frame: MeasuredFrame, x: FloatArray, y: FloatArray, negative: npt.NDArray[np.bool_]
) -> dict[str, FloatArray]:
    """Return second moments of the sources and of the PSF, and whether they are extended."""
    row, column = np.rint(y).astype(np.intp), np.rint(x).astype(np.intp)
    sign = np.where(negative, -1.0, 1.0)[:, np.newaxis, np.newaxis]
    stamps = frame.cut(row, column, frame.fit_radius)
    dx, dy = x - column, y - row
    source = weighted_moments(sign * stamps.data, dx, dy, frame.sigma)
    psf = weighted_moments(frame.psf.stamps(x, y, frame.fit_radius, (row, column)), dx, dy, frame.sigma)
    size, psf_size = source[0] + source[1], psf[0] + psf[1]
    extended = np.where(np.isfinite(size), np.where(size > _EXTENDED * psf_size, 1.0, 0.0), np.nan)
    return {
        "ixx": source[0],
        "iyy": source[1],
        "ixy": source[2],
        "ixxPSF": psf[0],
        "iyyPSF": psf[1],
        "ixyPSF": psf[2],
        "extendedness": extended,
    }
