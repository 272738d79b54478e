"""Stamps of point sources through a PSF model."""

from __future__ import annotations

__all__ = ("GalSimStamper", "PsfStamper", "Stamp", "Stamper", "aperture_flux")

import math
import sys
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt
from lsst.images import Box, Image
from lsst.images.psfs import PointSpreadFunction

from ..imaging import overlap

type Floats = npt.NDArray[np.float64]

_DRAW_SIZE_MAX = 10_000


class Stamp(NamedTuple):
    """A star of unit flux: pixels, parent coordinates of the first one, and the side it was drawn with."""

    array: Floats
    y0: int
    x0: int
    draw_size: int

    @property
    def bbox(self) -> Box:
        """Pixels of the stamp."""
        return Box.from_shape(self.array.shape, (self.y0, self.x0))


class Stamper(Protocol):
    """Draws stars of unit flux."""

    def stamp(self, x: float, y: float, jacobian: Floats, draw_size: int = 0) -> Stamp | None:
        """Draw a star.

        Parameters
        ----------
        x, y
            Position in parent pixels.
        jacobian
            Derivatives of (east, north) in arcsec by (x, y) in pixels at the star.
        draw_size
            Side of the stamp in pixels, 0 for the stamper's own choice.

        Returns
        -------
        Stamp or None
            None where the PSF cannot be evaluated here nor at the nearest point of the image.
        """
        ...


def _psf_errors() -> tuple[type[Exception], ...]:
    """Return what PSF models raise where they cannot be evaluated, afw's among them if it is loaded."""
    pex = sys.modules.get("lsst.pex.exceptions")
    legacy: type[Exception] | None = getattr(pex, "InvalidParameterError", None)
    known = (ValueError, ArithmeticError, LookupError, RuntimeError)
    return (*known, legacy) if legacy is not None else known


class _NearestPsf:
    """A PSF model that is evaluated at the nearest point of the image where it fails at a source.

    Parameters
    ----------
    psf
        The model.
    bbox
        Pixels of the image, where the model is taken to be valid.
    calib_flux_radius
        If positive, stars are divided by the model's flux within this radius (pixels) at the middle of the
        image.
    """

    def __init__(self, psf: PointSpreadFunction, bbox: Box, calib_flux_radius: float = 0.0) -> None:
        self._psf = psf
        self._bbox = bbox
        self._errors = _psf_errors()
        self._norm = 1.0
        if calib_flux_radius > 0.0:
            kernel = psf.compute_kernel_image(x=bbox.x.center, y=bbox.y.center)
            self._norm = 1.0 / aperture_flux(kernel.array, calib_flux_radius)

    def _evaluate(self, evaluate: Callable[..., Image], x: float, y: float) -> tuple[Image, int, int] | None:
        """Evaluate at a source, or moved by whole pixels, to keep the sub-pixel phase, into the image."""
        image = self._try(evaluate, x, y)
        if image is not None:
            return image, 0, 0
        dx = _steps_inside(x, self._bbox.x.min, self._bbox.x.max)
        dy = _steps_inside(y, self._bbox.y.min, self._bbox.y.max)
        image = self._try(evaluate, x + dx, y + dy) if dx or dy else None
        return None if image is None else (image, dx, dy)

    def _try(self, evaluate: Callable[..., Image], x: float, y: float) -> Image | None:
        try:
            image = evaluate(x=x, y=y)
        except self._errors:
            return None
        return image if math.isfinite(image.array.sum()) else None


class PsfStamper(_NearestPsf):
    """Draws stars as the PSF model does, on all of its own stamp."""

    def stamp(self, x: float, y: float, jacobian: Floats, draw_size: int = 0) -> Stamp | None:
        """Draw a star, see `Stamper.stamp`."""
        found = self._evaluate(self._psf.compute_stellar_image, x, y)
        if found is None:
            return None
        image, dx, dy = found
        array = np.asarray(image.array, dtype=np.float64)
        if self._norm != 1.0:
            array = array * self._norm
        stamp = Stamp(array, image.bbox.y.start - dy, image.bbox.x.start - dx, max(array.shape))
        return stamp if draw_size <= 0 else _cut(stamp, x, y, min(draw_size, _DRAW_SIZE_MAX))


class GalSimStamper(_NearestPsf):
    """Draws stars as lsst.source_injection does: GalSim interpolates the kernel, on stamps of its good size.

    The kernel is band-limited where its transform has faded, which smooths the noise of PSF models made of
    pixels: with those, peaks differ from `PsfStamper`'s by about 1 %, fluxes do not.
    """

    def stamp(self, x: float, y: float, jacobian: Floats, draw_size: int = 0) -> Stamp | None:
        """Draw a star, see `Stamper.stamp`."""
        import galsim

        found = self._evaluate(self._psf.compute_kernel_image, x, y)
        if found is None:
            return None
        wcs = galsim.JacobianWCS(*jacobian.ravel())
        kernel = galsim.Image(np.array(found[0].array, dtype=np.float64) * self._norm)
        star = galsim.Convolve(galsim.DeltaFunction(), galsim.InterpolatedImage(kernel, wcs=wcs))
        size = min(
            draw_size if draw_size > 0 else star.getGoodImageSize(wcs.minLinearScale()), _DRAW_SIZE_MAX
        )
        xi, yi = own_pixel(x), own_pixel(y)
        bounds = galsim.BoundsI(xi, xi, yi, yi).withBorder(size // 2)
        image = star.drawImage(
            galsim.Image(bounds, dtype=float), offset=(x - xi, y - yi), wcs=wcs, method="no_pixel"
        )
        return Stamp(image.array, bounds.ymin, bounds.xmin, size)


def own_pixel(value: float) -> int:
    """Return the pixel that lsst.source_injection takes for a source's own: its coordinate rounded down."""
    return int(np.floor(value))


def _cut(stamp: Stamp, x: float, y: float, size: int) -> Stamp:
    """Cut a stamp to a square about the source's own pixel, or pad it with zeros."""
    half = size // 2
    out = Stamp(np.zeros((2 * half + 1, 2 * half + 1)), own_pixel(y) - half, own_pixel(x) - half, size)
    shared = overlap(out.bbox, stamp.bbox)
    if shared is not None:
        out.array[shared.slice_within(out.bbox)] = stamp.array[shared.slice_within(stamp.bbox)]
    return out


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
    inside = CircularAperture(centre, radius).to_mask(method="exact").get_values(kernel)
    return float(np.sum(inside))
