"""Fitting the kernel that takes one PSF to another."""

from __future__ import annotations

__all__ = ("KernelFit", "StampSystem", "brighter_median", "fit_psf_models", "to_convolution_kernel")

import dataclasses
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.fft
import scipy.linalg
from lsst.images import Box
from lsst.images.convolution_kernels import ImageBasisConvolutionKernel

from lsst.meas.realbogus.errors import SubtractionError

from ..imaging import KernelField, chebyshev_design, chebyshev_field, n_terms, psf_nodes, resize
from ._kernel_basis import KernelBasis
from ._kernel_stamps import StampPairs

type FloatArray = npt.NDArray[np.float64]
type BoolArray = npt.NDArray[np.bool_]

_FEWEST_STAMPS = 3


@dataclasses.dataclass(frozen=True)
class KernelFit:
    """A matching kernel and how it was found.

    Parameters
    ----------
    kernel
        The kernel, of unit sum.
    flux_ratio
        Flux of the image to match over that of the image to convolve; 1 where no stars were looked at.
    source
        ``"psf"`` or ``"stars"``.
    order
        Degree of the spatial variation.
    n_stamps
        How many stamps the kernel was fitted to or judged by.
    chi2
        Median over the stamps of chi-squared per pixel: held-out for kernels from stars; NaN without
        stamps.
    """

    kernel: KernelField
    flux_ratio: float
    source: str
    order: int
    n_stamps: int = 0
    chi2: float = float("nan")


def to_convolution_kernel(kernel: KernelField) -> ImageBasisConvolutionKernel:
    """Return a kernel in the form that a `lsst.images.DifferenceImage` carries."""
    fields = [chebyshev_field(row, kernel.domain) for row in np.eye(len(kernel.terms))]
    return ImageBasisConvolutionKernel(np.ascontiguousarray(kernel.terms), fields)


def fit_psf_models(
    sharp: KernelField,
    broad: KernelField,
    basis: KernelBasis,
    domain: Box,
    *,
    order: int = 2,
    ridge: float = 1e-6,
    n_nodes: int = 5,
) -> KernelFit:
    """Find the kernel that takes one PSF model to another.

    Parameters
    ----------
    sharp, broad
        PSF to convolve and PSF to match.
    basis
        Images the kernel is made of.
    domain
        Box over which the kernel varies.
    order
        Degree of the variation.
    ridge
        Strength of the penalty on coefficients, relative to the mean diagonal of the normal matrix.
    n_nodes
        Positions along each side at which the models are compared.
    """
    x, y = psf_nodes(domain, n_nodes)
    radius = max(sharp.radius, broad.radius)
    models = _convolved_basis(resize(sharp.at(x, y), radius), basis).reshape(len(x), len(basis), -1)
    target = resize(broad.at(x, y), radius).reshape(len(x), -1)
    residual = target - models[:, 0]
    columns = models[:, 1:]
    gram = columns @ columns.transpose(0, 2, 1)
    right = np.einsum("nbp,np->nb", columns, residual)
    coefficients = _solve(gram, right, chebyshev_design(x, y, domain, order), ridge, flux_is_free=False)
    terms = np.einsum("bj,bhw->jhw", coefficients, basis.images[1:])
    terms[0] += basis.images[0]
    return KernelFit(KernelField(domain, terms), 1.0, "psf", order)


@dataclasses.dataclass(frozen=True)
class StampSystem:
    """The normal equations of each stamp, from which kernels are fitted to any choice of stamps.

    Parameters
    ----------
    basis, domain
        Images the kernel is made of, and the box over which it varies.
    x, y
        Positions of the stamps.
    gram, right, norm
        For each stamp, products of the convolved basis images with each other and with the data, and of
        the data with themselves, weighted, each stamp's own constant background taken out.
    n_pixels
        Pixels of each stamp.
    """

    basis: KernelBasis
    domain: Box
    x: FloatArray
    y: FloatArray
    gram: FloatArray
    right: FloatArray
    norm: FloatArray
    n_pixels: npt.NDArray[np.intp]

    @classmethod
    def make(cls, stamps: StampPairs, basis: KernelBasis, domain: Box) -> Self:
        """Convolve the stamps with the basis and make the normal equations.

        Raises
        ------
        SubtractionError
            If there are no stamps.
        """
        if len(stamps) == 0:
            raise SubtractionError(
                f"0 usable stamps are too few for a kernel; {_FEWEST_STAMPS} are needed",
                n_stamps=0,
                n_stamps_needed=_FEWEST_STAMPS,
            )
        margin = stamps.margin
        models = _convolved_basis(stamps.sharp, basis)[:, :, margin:-margin, margin:-margin]
        models = models.reshape(len(stamps), len(basis), -1)
        data = stamps.broad.reshape(len(stamps), -1)
        weight = stamps.weight.reshape(len(stamps), -1)
        total = np.maximum(weight.sum(axis=1), np.finfo(float).tiny)
        means = np.einsum("nbp,np->nb", models, weight) / total[:, np.newaxis]
        models = models - means[:, :, np.newaxis]
        data = data - (np.einsum("np,np->n", data, weight) / total)[:, np.newaxis]
        weighted = models * weight[:, np.newaxis]
        return cls(
            basis,
            domain,
            stamps.x,
            stamps.y,
            gram=weighted @ models.transpose(0, 2, 1),
            right=np.einsum("nbp,np->nb", weighted, data),
            norm=np.einsum("np,np,np->n", data, weight, data),
            n_pixels=(weight > 0).sum(axis=1),
        )

    def __len__(self) -> int:
        return len(self.x)

    def chi2(self, coefficients: FloatArray, order: int) -> FloatArray:
        """Return chi-squared per pixel of each stamp, for coefficients ``(n_basis, n_spatial)``."""
        local = chebyshev_design(self.x, self.y, self.domain, order) @ coefficients.T
        chi2 = self.norm - 2 * np.einsum("nb,nb->n", self.right, local)
        chi2 += np.einsum("nb,nbc,nc->n", local, self.gram, local, optimize=True)
        per_pixel: FloatArray = chi2 / np.maximum(self.n_pixels, 1)
        return per_pixel

    def solve(self, which: BoolArray, order: int, ridge: float) -> FloatArray:
        """Fit coefficients ``(n_basis, n_spatial)`` to some stamps: one flux ratio, a shape that varies."""
        design = chebyshev_design(self.x[which], self.y[which], self.domain, order)
        return _solve(self.gram[which], self.right[which], design, ridge, flux_is_free=True)

    def affordable(self, order: int, n_stamps: int) -> int:
        """Lower an order until there are two stamps for every term.

        Raises
        ------
        SubtractionError
            If there are fewer than three stamps.
        """
        if n_stamps < _FEWEST_STAMPS:
            raise SubtractionError(
                f"{n_stamps} usable stamps are too few for a kernel; {_FEWEST_STAMPS} are needed",
                n_stamps=int(n_stamps),
                n_stamps_needed=_FEWEST_STAMPS,
            )
        while order > 0 and 2 * n_terms(order) > n_stamps:
            order -= 1
        return order

    def fit(self, order: int, ridge: float, *, clip: float = 5.0, iterations: int = 4) -> KernelFit:
        """Fit a kernel to the stamps, leaving out those that no kernel fits.

        Parameters
        ----------
        order
            Degree of the variation; lowered where there are too few stamps.
        ridge
            Strength of the penalty on all coefficients but the flux ratio.
        clip
            Stamps whose chi-squared is above this many medians (or this, if that is more) are left out.
        iterations
            How often to clip.

        Raises
        ------
        SubtractionError
            If there are too few stamps, or the images have nothing in common.
        """
        used = self.n_pixels > 0
        for _ in range(iterations + 1):
            order = self.affordable(order, int(used.sum()))
            coefficients = self.solve(used, order, ridge)
            chi2 = self.chi2(coefficients, order)
            keep = used & (chi2 < clip * max(float(np.median(chi2[used])), 1.0))
            if (keep == used).all() or keep.sum() < _FEWEST_STAMPS:
                break
            used = keep
        flux_ratio = float(coefficients[0, 0])
        if not flux_ratio > 0:
            raise SubtractionError(
                f"the images have a flux ratio of {flux_ratio:.3g}; it must be positive",
                flux_ratio=flux_ratio,
            )
        terms = np.einsum("bj,bhw->jhw", coefficients / flux_ratio, self.basis.images)
        held_out = self.held_out_chi2(used, order, ridge)
        return KernelFit(
            KernelField(self.domain, terms), flux_ratio, "stars", order, int(used.sum()), held_out
        )

    def held_out_chi2(self, which: BoolArray, order: int, ridge: float, *, folds: int = 4) -> float:
        """Return the median chi-squared of bright stamps under kernels fitted to the others."""
        index = np.flatnonzero(which)
        if len(index) - -(-len(index) // folds) < max(_FEWEST_STAMPS, n_terms(order)):
            return float("inf")
        out = np.empty(len(index))
        for fold in range(folds):
            test = np.arange(len(index)) % folds == fold
            train = np.zeros(len(self), dtype=bool)
            train[index[~test]] = True
            out[test] = self.chi2(self.solve(train, order, ridge), order)[index[test]]
        return brighter_median(out)


def brighter_median(chi2: FloatArray) -> float:
    """Return the median of the first half of values that are ordered from bright to faint stamps."""
    return float(np.median(chi2[: max(_FEWEST_STAMPS, (len(chi2) + 1) // 2)]))


def _convolved_basis(images: FloatArray, basis: KernelBasis) -> FloatArray:
    """Convolve images, shape ``(n, h, w)``, with each basis image, to shape ``(n, n_basis, h, w)``."""
    height, width = images.shape[1:]
    size = [scipy.fft.next_fast_len(s + 2 * basis.radius, real=True) for s in (height, width)]
    transform = scipy.fft.rfft2(basis.images, size)
    out = np.empty((len(images), len(basis), height, width))
    window = slice(basis.radius, basis.radius + height), slice(basis.radius, basis.radius + width)
    for i, image in enumerate(images):
        product = scipy.fft.irfft2(transform * scipy.fft.rfft2(image, size), size)
        out[i] = product[:, *window]
    return out


def _solve(
    gram: FloatArray, right: FloatArray, design: FloatArray, ridge: float, *, flux_is_free: bool
) -> FloatArray:
    """Solve for coefficients ``(n_basis, n_spatial)`` from the normal equations at each position.

    With ``flux_is_free`` the first basis image, which carries the flux, is constant in space and has no
    penalty.
    """
    n_basis, n_spatial = gram.shape[1], design.shape[1]
    size = n_basis * n_spatial
    matrix = np.einsum("nbc,nj,nk->bjck", gram, design, design, optimize=True).reshape(size, size)
    vector = np.einsum("nb,nj->bj", right, design).ravel()
    free = np.r_[0, n_spatial:size] if flux_is_free else np.arange(size)
    matrix, vector = matrix[np.ix_(free, free)], vector[free]
    penalty = np.full(free.size, ridge * np.mean(np.diagonal(matrix)[int(flux_is_free) :]))
    if flux_is_free:
        penalty[0] = 0.0
    matrix[np.diag_indices_from(matrix)] += penalty
    out = np.zeros(size)
    try:
        out[free] = scipy.linalg.solve(matrix, vector, assume_a="pos")
    except np.linalg.LinAlgError as error:
        raise SubtractionError(f"the matching kernel is not determined: {error}") from error
    return out.reshape(n_basis, n_spatial)
