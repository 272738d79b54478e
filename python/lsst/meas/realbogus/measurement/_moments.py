"""Second moments of sources, weighted with the size of the PSF."""

from __future__ import annotations

__all__ = ("aperture_fluxes", "weighted_moments")

import numpy as np
import numpy.typing as npt
from lsst.images import Box
from photutils.aperture import CircularAperture, aperture_photometry

type FloatArray = npt.NDArray[np.float64]


def weighted_moments(images: FloatArray, dx: FloatArray, dy: FloatArray, sigma: float) -> FloatArray:
    """Measure second moments.

    Parameters
    ----------
    images
        Stamps of sources of positive flux, shape ``(n, size, size)``.
    dx, dy
        Where the sources are, relative to the middle pixels.
    sigma
        Width of the Gaussian weight.

    Returns
    -------
    numpy.ndarray
        ``ixx, iyy, ixy``, shape ``(3, n)``, NaN where not positive. For a Gaussian source of any size they
        are right: the effect of the weight is taken out.
    """
    radius = images.shape[-1] // 2
    steps = np.arange(-radius, radius + 1.0)
    x = steps - dx[:, np.newaxis, np.newaxis]
    y = steps[:, np.newaxis] - dy[:, np.newaxis, np.newaxis]
    weighted = images * np.exp(-0.5 * (x**2 + y**2) / sigma**2)
    norm = weighted.sum(axis=(1, 2))
    with np.errstate(divide="ignore", invalid="ignore"):
        xx = (weighted * x**2).sum(axis=(1, 2)) / norm
        yy = (weighted * y**2).sum(axis=(1, 2)) / norm
        xy = (weighted * x * y).sum(axis=(1, 2)) / norm
    return _unweighted(xx, yy, xy, sigma)


def _unweighted(xx: FloatArray, yy: FloatArray, xy: FloatArray, sigma: float) -> FloatArray:
    """Take the Gaussian weight out: the inverse of the moments' matrix, less that of the weight's."""
    with np.errstate(divide="ignore", invalid="ignore"):
        determinant = xx * yy - xy**2
        a, b, c = yy / determinant - sigma**-2, xx / determinant - sigma**-2, -xy / determinant
        again = a * b - c**2
        out = np.stack([b / again, a / again, -c / again])
        sound = (determinant > 0) & (again > 0) & (a > 0) & (xx > 0)
    return np.where(sound, out, np.nan)


def aperture_fluxes(
    image: npt.NDArray[np.floating],
    variance: npt.NDArray[np.floating],
    missing: npt.NDArray[np.bool_],
    bbox: Box,
    x: FloatArray,
    y: FloatArray,
    radius: float,
) -> tuple[FloatArray, FloatArray]:
    """Sum pixels in circles, missing ones counting as 0.

    Returns
    -------
    tuple of numpy.ndarray
        Fluxes and errors.
    """
    if len(x) == 0:
        return np.zeros(0), np.zeros(0)
    places = np.stack([x - bbox.x.start, y - bbox.y.start], axis=1)
    error = np.sqrt(np.where(missing, 0.0, variance))
    sums = aperture_photometry(
        np.where(missing, 0.0, image), CircularAperture(places, r=radius), error=error, method="exact"
    )
    return np.asarray(sums["aperture_sum"]), np.asarray(sums["aperture_sum_err"])
