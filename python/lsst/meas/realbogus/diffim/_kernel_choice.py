"""Choosing the matching kernel: from the PSF models, or from stars."""

from __future__ import annotations

__all__ = ("MatchingPair", "find_kernel")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.signal
from lsst.images import Box

from lsst.meas.realbogus.errors import SubtractionError

from ..imaging import KernelField, psf_width
from ._kernel_basis import KernelBasis, choose_basis
from ._kernel_fit import KernelFit, StampSystem, brighter_median, fit_psf_models
from ._kernel_stamps import StampPairs, cut_stamps, select_positions
from ._options import SubtractionOptions

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]

_FEW_STAMPS = 6
"""Fewer stamps than these cannot overrule PSF models."""
_CLEARLY = 0.95
"""Stars overrule PSF models where their chi-squared is below this share of that of the models."""
_STAMP_SIGMAS = 5.0
"""Half width of a stamp in PSF widths."""


@dataclasses.dataclass(frozen=True)
class MatchingPair:
    """Two images of the same box, without holes, and their PSFs.

    Parameters
    ----------
    bbox
        The box.
    sharp, broad
        Pixels of the image to convolve and of the one to match.
    variance
        Variance of their difference, about.
    unusable
        Pixels not to fit.
    sharp_psf, broad_psf
        PSFs.
    """

    bbox: Box
    sharp: Pixels
    broad: Pixels
    variance: Pixels
    unusable: npt.NDArray[np.bool_]
    sharp_psf: KernelField
    broad_psf: KernelField


def find_kernel(pair: MatchingPair, options: SubtractionOptions) -> KernelFit:
    """Find the kernel that takes the sharp image to the broad one.

    Raises
    ------
    SubtractionError
        If stars are asked for and there are too few.
    """
    x, y = pair.bbox.x.center, pair.bbox.y.center
    sharp_sigma = psf_width(pair.sharp_psf.at(x, y)[0])
    broad_sigma = psf_width(pair.broad_psf.at(x, y)[0])
    basis = choose_basis(sharp_sigma, broad_sigma)
    models = fit_psf_models(
        pair.sharp_psf, pair.broad_psf, basis, pair.bbox, order=options.psf_kernel_order, ridge=options.ridge
    )
    if options.kernel_source == "psf":
        return models
    stamps = _stamps(pair, basis, broad_sigma, options)
    if options.kernel_source == "auto" and len(stamps) < _FEW_STAMPS:
        return models
    system = StampSystem.make(stamps, basis, pair.bbox)
    order = 2 if len(stamps) >= options.min_stamps_second_order else options.star_kernel_order
    if options.kernel_source == "stars":
        return system.fit(order, options.ridge)
    models = _judged(models, stamps)
    if models.chi2 <= options.trusted_chi2:
        return models
    try:
        stars = system.fit(order, options.ridge)
    except SubtractionError:
        return models
    return stars if stars.chi2 < _CLEARLY * models.chi2 else models


def _stamps(pair: MatchingPair, basis: KernelBasis, sigma: float, options: SubtractionOptions) -> StampPairs:
    radius = max(8, round(_STAMP_SIGMAS * sigma))
    broad, variance = pair.broad.astype(np.float64), pair.variance.astype(np.float64)
    rows, columns = select_positions(
        broad,
        variance,
        pair.unusable,
        sigma=sigma,
        radius=radius,
        min_snr=options.min_stamp_snr,
        limit=options.max_stamps,
    )
    return cut_stamps(
        pair.sharp.astype(np.float64),
        broad,
        variance,
        pair.unusable,
        pair.bbox,
        rows,
        columns,
        radius=radius,
        margin=basis.radius,
    )


def _judged(fit: KernelFit, stamps: StampPairs) -> KernelFit:
    """Return a kernel from models with the flux ratio and chi-squared that stamps give it."""
    kernels = fit.kernel.at(stamps.x, stamps.y)
    matched = np.stack(
        [scipy.signal.fftconvolve(s, k, mode="same") for s, k in zip(stamps.sharp, kernels, strict=True)]
    )
    cut = slice(stamps.margin, -stamps.margin)
    model, data, weight = (
        a.reshape(len(stamps), -1) for a in (matched[:, cut, cut], stamps.broad, stamps.weight)
    )
    total = np.maximum(weight.sum(axis=1, keepdims=True), np.finfo(float).tiny)
    model = model - np.sum(model * weight, axis=1, keepdims=True) / total
    data = data - np.sum(data * weight, axis=1, keepdims=True) / total
    ratios = np.sum(model * weight * data, axis=1) / np.maximum(np.sum(model**2 * weight, axis=1), 1e-300)
    ratio = float(np.median(ratios))
    n_pixels = np.maximum((weight > 0).sum(axis=1), 1)
    chi2 = np.sum(weight * (data - ratio * model) ** 2, axis=1) / n_pixels
    return dataclasses.replace(fit, flux_ratio=ratio, n_stamps=len(stamps), chi2=brighter_median(chi2))
