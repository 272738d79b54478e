"""The one zero point: AB magnitudes and nanojanskys."""

from __future__ import annotations

__all__ = ("magnitude_to_njy", "njy_to_magnitude")

import functools

import numpy as np
import numpy.typing as npt


@functools.cache
def _zero_point() -> float:
    """AB magnitude of 1 nJy, 31.4."""
    import astropy.units as u

    return float((1.0 * u.nJy).to_value(u.ABmag))


def magnitude_to_njy(magnitude: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn AB magnitudes into fluxes.

    Parameters
    ----------
    magnitude
        AB magnitudes.

    Returns
    -------
    numpy.ndarray
        Float64 fluxes in nJy; NaN of NaN.

    Examples
    --------
    >>> float(magnitude_to_njy(31.4))
    1.0
    """
    return np.asarray(10.0 ** (-0.4 * (np.asarray(magnitude, np.float64) - _zero_point())))


def njy_to_magnitude(flux: npt.ArrayLike) -> npt.NDArray[np.float64]:
    """Turn fluxes into AB magnitudes.

    Parameters
    ----------
    flux
        Fluxes in nJy.

    Returns
    -------
    numpy.ndarray
        Float64 AB magnitudes, NaN of fluxes that are not positive.

    Examples
    --------
    >>> njy_to_magnitude([1.0, -1.0]).tolist()
    [31.4, nan]
    """
    flux = np.asarray(flux, np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.where(flux > 0.0, _zero_point() - 2.5 * np.log10(flux), np.nan))
