"""Dipoles: a positive and a negative point source side by side."""

from __future__ import annotations

__all__ = ("DipoleFits", "fit_dipoles")

import dataclasses

import numpy as np
import numpy.typing as npt

from ..imaging import KernelField
from ._point_fit import FitStamps, PointFits, fit_points

type FloatArray = npt.NDArray[np.float64]

MIN_SNR = 5.0 * np.sqrt(2.0)
"""Least signal-to-noise ratio of both lobes together."""
MAX_SHARE = 0.65
"""Largest share of the absolute flux in one lobe."""


@dataclasses.dataclass(frozen=True)
class DipoleFits:
    """Fits of dipoles, all arrays of shape ``(n,)``.

    Parameters
    ----------
    fits
        The two sources of each, positive first.
    mean_flux, mean_flux_error
        Mean absolute flux of the lobes.
    flux_difference, flux_difference_error
        Sum of the signed fluxes.
    is_dipole
        Are both lobes significant and alike enough?
    """

    fits: PointFits
    mean_flux: FloatArray
    mean_flux_error: FloatArray
    flux_difference: FloatArray
    flux_difference_error: FloatArray
    is_dipole: npt.NDArray[np.bool_]


def fit_dipoles(
    stamps: FitStamps, psf: KernelField, x: FloatArray, y: FloatArray, significance: FloatArray
) -> DipoleFits:
    """Fit dipoles.

    Parameters
    ----------
    stamps
        Stamps of the difference image.
    psf
        Its PSF.
    x, y
        Positions of the positive and the negative lobe, shape ``(n, 2)``.
    significance
        Signal-to-noise ratio of the two lobes as they were detected, shape ``(n, 2)``. The errors of
        fitted fluxes will not do: those of two close lobes are large, since only their product with the
        distance is well known.

    Notes
    -----
    The rule is that of ip_diffim's ``DipoleFitTask``: a dipole has a signal-to-noise ratio above ``5
    sqrt(2)``, and neither lobe holds 65 % or more of the absolute flux. Unlike there, only the difference
    image is fitted.
    """
    fits = _positive_first(fit_points(stamps, psf, x, y))
    positive, negative = fits.flux[:, 0], fits.flux[:, 1]
    var_positive, var_negative = fits.covariance[:, 0, 0], fits.covariance[:, 3, 3]
    covariance = fits.covariance[:, 0, 3]
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.maximum(positive, -negative) / (np.abs(positive) + np.abs(negative))
    snr = np.hypot(*significance.T)
    is_dipole = (positive > 0) & (negative < 0) & (snr > MIN_SNR) & (share < MAX_SHARE)
    return DipoleFits(
        fits=fits,
        mean_flux=0.5 * (positive - negative),
        mean_flux_error=0.5 * np.sqrt(np.maximum(var_positive + var_negative - 2 * covariance, 0)),
        flux_difference=positive + negative,
        flux_difference_error=np.sqrt(np.maximum(var_positive + var_negative + 2 * covariance, 0)),
        is_dipole=is_dipole,
    )


def _positive_first(fits: PointFits) -> PointFits:
    """Swap the sources of fits in which close lobes have changed places."""
    swapped = fits.flux[:, 0] < fits.flux[:, 1]
    order = np.where(swapped[:, np.newaxis], [1, 0], [0, 1])
    places = np.where(swapped[:, np.newaxis], [3, 4, 5, 0, 1, 2], [0, 1, 2, 3, 4, 5])
    row = np.arange(len(swapped))[:, np.newaxis]
    return dataclasses.replace(
        fits,
        flux=fits.flux[row, order],
        x=fits.x[row, order],
        y=fits.y[row, order],
        covariance=fits.covariance[row[:, :, np.newaxis], places[:, :, np.newaxis], places[:, np.newaxis, :]],
    )
