"""Stamps of point sources through a PSF model."""

from __future__ import annotations

__all__ = ("PointSourceStamper", "Stamp", "aperture_flux", "good_image_size")

import sys
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from lsst.images import Box
from lsst.images.psfs import PointSpreadFunction

type Floats = npt.NDArray[np.float64]

_FOLDING_THRESHOLD = 5e-3
_INTERPOLANT_RANGE = 3.0


class Stamp(NamedTuple):
    """A star of unit flux: pixels, and the parent coordinates of the first one."""

    array: Floats
    y0: int
    x0: int


def _psf_errors() -> tuple[type[Exception], ...]:
    """Return what PSF models raise where they cannot be evaluated, afw's among them if it is loaded."""
    pex = sys.modules.get("lsst.pex.exceptions")
    legacy: type[Exception] | None = getattr(pex, "InvalidParameterError", None)
    known = (ValueError, ArithmeticError, LookupError, RuntimeError)
    return (*known, legacy) if legacy is not None else known


class PointSourceStamper:
    """Evaluates a PSF model at sources, at the nearest valid point where it cannot be evaluated at them.

    Parameters
    ----------
    psf
        The model.
    bbox
        Pixels of the image, where the model is taken to be valid.
    calib_flux_radius
        If positive, stamps are divided by the model's flux within this radius (pixels) at the middle of
        the image.
    """

    def __init__(self, psf: PointSpreadFunction, bbox: Box, calib_flux_radius: float = 0.0) -> None:
        self._psf = psf
        self._bbox = bbox
        self._errors = _psf_errors()
        self._norm = 1.0
        if calib_flux_radius > 0.0:
            kernel = psf.compute_kernel_image(x=bbox.x.center, y=bbox.y.center)
            self._norm = 1.0 / aperture_flux(kernel.array, calib_flux_radius)

    def stamp(self, x: float, y: float) -> Stamp | None:
        """Draw a star of unit flux.

        Parameters
        ----------
        x, y
            Position in parent pixels.

        Returns
        -------
        Stamp or None
            None where the model cannot be evaluated here nor at the nearest point of the image.
        """
        first = self._evaluate(x, y, 0, 0)
        if first is not None:
            return first
        dx, dy = (
            _steps_inside(x, self._bbox.x.min, self._bbox.x.max),
            _steps_inside(y, self._bbox.y.min, self._bbox.y.max),
        )
        return self._evaluate(x, y, dx, dy) if dx or dy else None

    def kernel(self, x: float, y: float) -> Floats | None:
        """Return the centred kernel at a position, or at the nearest point of the image, or None."""
        for dx, dy in dict.fromkeys(((0, 0), (self._step_x(x), self._step_y(y)))):
            try:
                array = self._psf.compute_kernel_image(x=x + dx, y=y + dy).array
            except self._errors:
                continue
            if np.isfinite(array).all():
                return np.asarray(array, dtype=np.float64)
        return None

    def _evaluate(self, x: float, y: float, dx: int, dy: int) -> Stamp | None:
        """Evaluate at a point moved by whole pixels, to keep the sub-pixel phase, and move the stamp back."""
        try:
            image = self._psf.compute_stellar_image(x=x + dx, y=y + dy)
        except self._errors:
            return None
        array = np.asarray(image.array, dtype=np.float64)
        if not np.isfinite(array.sum()):
            return None
        return Stamp(array * self._norm, image.bbox.y.start - dy, image.bbox.x.start - dx)

    def _step_x(self, x: float) -> int:
        return _steps_inside(x, self._bbox.x.min, self._bbox.x.max)

    def _step_y(self, y: float) -> int:
        return _steps_inside(y, self._bbox.y.min, self._bbox.y.max)


def _steps_inside(value: float, low: int, high: int) -> int:
    """Return the least number of whole pixels that moves a coordinate to within the pixel centres."""
    if value < low:
        return int(np.ceil(low - value))
    if value > high:
        return -int(np.ceil(value - high))
    return 0


def aperture_flux(kernel: Floats, radius: float) -> float:
    """Sum a centred kernel within a circle.

    Parameters
    ----------
    kernel
        Odd-sided PSF kernel with its centre at the middle pixel.
    radius
        Pixels.

    Returns
    -------
    float
        Flux, pixels on the rim weighted by their overlap (exact, as photutils).
    """
    from photutils.aperture import CircularAperture

    centre = (kernel.shape[1] // 2, kernel.shape[0] // 2)
    return float(CircularAperture(centre, radius).do_photometry(kernel, method="exact")[0][0])


def good_image_size(kernel: Floats, anisotropy: float = 1.0) -> int:
    """Return the side of a square that holds at least 99.5 % of a kernel's flux.

    Parameters
    ----------
    kernel
        Odd-sided PSF kernel with its centre at the middle pixel.
    anisotropy
        Ratio of the largest to the smallest local pixel scale.

    Returns
    -------
    int
        Even size, by the rule of GalSim's ``getGoodImageSize`` for an interpolated image: squares about the
        centre grow until they hold the flux; the quintic interpolant's reach is added in quadrature.
    """
    cy, cx = kernel.shape[0] // 2, kernel.shape[1] // 2
    target = (1.0 - _FOLDING_THRESHOLD) * kernel.sum()
    reach = min(cy, cx)
    half = 1
    while half < reach and kernel[cy - half : cy + half + 1, cx - half : cx + half + 1].sum() <= target:
        half += 1
    full = 2.0 * np.hypot(half, _INTERPOLANT_RANGE) * anisotropy
    return 2 * ((int(np.ceil(full * (1.0 - 1e-12))) + 1) // 2)
