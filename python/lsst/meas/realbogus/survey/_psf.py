"""Point-spread functions: Moffat profiles whose size and shear vary over the field, as Piff models."""

from __future__ import annotations

__all__ = ("PsfField", "make_psf", "moffat_half_light_radius", "psf_of_stamp")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from lsst.images import Box
from lsst.images.psfs import PiffWrapper

from lsst.meas.realbogus.randomness import generator

from ._camera import CameraGeometry
from ._config import SurveyConfig
from ._schedule import Visit

STAMP_SIZE = 41
"""Width of PSF images [pixels]."""
_ORDER = 2


@dataclasses.dataclass(frozen=True)
class PsfField:
    """Half-light radius [pixels] and shear over a camera's field, as quadratic polynomials.

    Parameters
    ----------
    beta
        Exponent of the Moffat profile.
    coefficients
        Shape ``(3, 6)``: for size, g1 and g2 the terms 1, u, v, u^2, u v, v^2 of the position in units of
        the field's radius.
    radius
        Radius of the field in pixels.
    """

    beta: float
    coefficients: npt.NDArray[np.float64]
    radius: float

    def evaluate(
        self, x: npt.ArrayLike, y: npt.ArrayLike, axis: tuple[float, float]
    ) -> npt.NDArray[np.float64]:
        """Return size, g1 and g2, shape ``(3, n)``, at pixels of a detector whose optical axis is given."""
        u = (np.asarray(x, float) - axis[0]) / self.radius
        v = (np.asarray(y, float) - axis[1]) / self.radius
        terms = np.array([np.ones_like(u), u, v, u * u, u * v, v * v])
        values: npt.NDArray[np.float64] = self.coefficients @ terms
        return values

    def scaled(self, size_factor: float, shear: tuple[float, float]) -> PsfField:
        """Return the field of a PSF of another size and with a constant added to the shear."""
        coefficients = self.coefficients.copy()
        coefficients[0] *= size_factor
        coefficients[1:, 0] += shear
        return dataclasses.replace(self, coefficients=coefficients)

    @classmethod
    def draw(cls, config: SurveyConfig, visit: Visit, camera: CameraGeometry) -> PsfField:
        """Draw the PSF of a visit."""
        rng = generator(config.seed, "survey-psf", visit.id)
        coefficients = np.zeros((3, 6))
        size = visit.seeing / config.pixel_scale * moffat_half_light_radius(visit.moffat_beta)
        coefficients[0] = size * config.psf_size_variation * rng.normal(0, 0.5, 6)
        coefficients[0, 0] = size
        coefficients[1:] = config.psf_shear_variation * rng.normal(0, 0.5, (2, 6))
        coefficients[1:, 0] = rng.normal(0, config.psf_ellipticity, 2)
        return cls(visit.moffat_beta, coefficients, camera.radius)


def moffat_half_light_radius(beta: float) -> float:
    """Return the half-light radius of a Moffat profile in units of its FWHM."""
    return float(np.sqrt(2 ** (1 / (beta - 1)) - 1) / (2 * np.sqrt(2 ** (1 / beta) - 1)))


def make_psf(field: PsfField, axis: tuple[float, float], bbox: Box) -> PiffWrapper:
    """Make the PSF of one detector.

    Parameters
    ----------
    field
        Size and shear over the camera.
    axis
        The optical axis in pixels of the detector.
    bbox
        Pixels of the detector.

    Notes
    -----
    The profile is the effective PSF: it is sampled at pixel centres, not integrated over pixels.
    """
    import piff

    x, y = (
        grid.ravel()
        for grid in np.meshgrid(
            np.linspace(bbox.x.start, bbox.x.stop - 1, 4), np.linspace(bbox.y.start, bbox.y.stop - 1, 4)
        )
    )
    model = piff.Moffat(field.beta, include_pixel=False)
    # Piff's Moffat has a half-light radius of 1, so its size parameter is the half-light radius in pixels.
    return wrap_piff(model, x, y, field.evaluate(x, y, axis).T, bbox, piff.Polynomial(order=_ORDER))


def wrap_piff(
    model: Any,
    x: npt.NDArray[np.float64],
    y: npt.NDArray[np.float64],
    parameters: npt.NDArray[np.float64],
    bbox: Box,
    interpolant: Any,
    stamp_size: int = STAMP_SIZE,
) -> PiffWrapper:
    """Make a Piff PSF whose parameters are interpolated between values at some positions.

    Parameters
    ----------
    model
        Piff model of one star.
    x, y
        Positions in pixels, shape ``(n,)``. They stand for stars: afw evaluates a PSF at their mean.
    parameters
        The model's parameters there, shape ``(n, p)``.
    bbox
        Pixels for which the PSF is valid.
    interpolant
        Piff's interpolant of the parameters.
    stamp_size
        Width of PSF images in pixels.
    """
    import galsim
    import piff

    stars = []
    for x_star, y_star, values in zip(x, y, parameters, strict=True):
        target = piff.Star.makeTarget(x=x_star, y=y_star, scale=1.0, stamp_size=3)
        fit = target.fit.newParams(values, params_var=np.zeros(len(values)), num=None)
        stars.append(piff.Star(target.data, fit))
    interpolant.initialize(stars)
    interpolant.solve(stars)
    psf = piff.SimplePSF(model, interpolant)
    psf.wcs, psf.pointing, psf.stars = {0: galsim.PixelScale(1.0)}, None, stars
    return PiffWrapper(psf, bbox, stamp_size)


def psf_of_stamp(stamp: npt.NDArray[np.float64], bbox: Box) -> PiffWrapper:
    """Make a constant PSF of an image of a star.

    Parameters
    ----------
    stamp
        Pixels of the PSF, shape ``(n, n)`` with an odd n, its centre in the central pixel; its sum is made 1.
    bbox
        Pixels for which the PSF is valid.

    Returns
    -------
    lsst.images.psfs.PiffWrapper
        The PSF: at pixel centres exactly the stamp, between them interpolated by a Lanczos kernel.
    """
    import galsim
    import piff

    size = len(stamp)
    model = piff.PixelGrid(1.0, size, interp=galsim.Lanczos(5), centered=False)
    x, y = np.array([bbox.x.center]), np.array([bbox.y.center])
    values = (stamp / stamp.sum()).reshape(1, -1)
    return wrap_piff(model, x, y, values, bbox, piff.Mean(), size)
