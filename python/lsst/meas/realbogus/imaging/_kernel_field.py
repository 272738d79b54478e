"""PSF kernels as smooth functions of position: sampled once from any PSF model, then cheap everywhere."""

from __future__ import annotations

__all__ = ("KernelField", "own_psf", "psf_nodes")

import dataclasses
from functools import cached_property
from typing import Self

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.signal
from lsst.images import BoundsError, Box, MaskedImage
from lsst.images.psfs import PiffWrapper, PointSpreadFunction

from lsst.meas.realbogus.errors import InvalidInputError

from ._kernels import FloatArray, resize
from ._polynomials import chebyshev_design, n_terms, term_degrees
from ._splines import SPLINE_ORDER, SPLINE_REACH, apply_along, spline_weights


@dataclasses.dataclass(frozen=True)
class KernelField:
    """Images of a kernel whose every pixel is a polynomial of the position.

    Parameters
    ----------
    domain
        Box over which the polynomials are scaled.
    terms
        One image for each Chebyshev term, shape ``(n_terms, size, size)``, ``size`` odd; the kernel's
        centre is the middle pixel.
    """

    domain: Box
    terms: FloatArray

    @property
    def radius(self) -> int:
        """Half width of the images: they are ``2 radius + 1`` pixels wide."""
        return int(self.terms.shape[-1] // 2)

    @property
    def order(self) -> int:
        """Highest total degree of the polynomials."""
        return next(order for order in range(20) if n_terms(order) == len(self.terms))

    @classmethod
    def fit(cls, kernels: FloatArray, x: npt.ArrayLike, y: npt.ArrayLike, domain: Box, order: int) -> Self:
        """Fit kernels known at some positions.

        Parameters
        ----------
        kernels
            Kernel images, shape ``(n, size, size)``.
        x, y
            Where they hold, parent pixels.
        domain
            Box over which the field will be used.
        order
            Highest total degree; lowered where there are too few kernels.
        """
        count = len(kernels)
        if count == 0:
            raise InvalidInputError("a kernel field needs at least one kernel; got none")
        while order > 0 and n_terms(order) > count:
            order -= 1
        design = chebyshev_design(x, y, domain, order)
        terms, *_ = np.linalg.lstsq(design, kernels.reshape(count, -1), rcond=1e-10)
        return cls(domain, terms.reshape(len(terms), *kernels.shape[1:]))

    @classmethod
    def from_psf(
        cls,
        psf: PointSpreadFunction,
        domain: Box,
        *,
        order: int = 2,
        n_nodes: int = 5,
        radius: int | None = None,
    ) -> Self:
        """Sample a PSF model on a grid of nodes and fit the samples.

        Parameters
        ----------
        psf
            Any PSF with ``compute_kernel_image``.
        domain
            Box to cover.
        order
            Highest total degree.
        n_nodes
            Nodes along each side.
        radius
            Half width of the kernels; the model's own where `None`.

        Raises
        ------
        InvalidInputError
            If the PSF is not defined at any node.
        """
        places, samples = [], []
        for x, y in zip(*(axis.tolist() for axis in psf_nodes(domain, n_nodes)), strict=True):
            if not psf.bounds.contains(x=x, y=y):
                continue
            try:
                samples.append(np.asarray(psf.compute_kernel_image(x=x, y=y).array, dtype=np.float64))
            except BoundsError:  # within the image, where no input of a coadd has pixels
                continue
            places.append((x, y))
        if not places:
            raise InvalidInputError(f"the PSF (valid on {psf.bounds}) has no value within {domain}")
        kernels = np.stack(samples)
        kernels = resize(kernels, kernels.shape[-1] // 2 if radius is None else radius)
        kernels /= kernels.sum(axis=(1, 2), keepdims=True)
        at_x, at_y = np.transpose(places)
        return cls.fit(kernels, at_x, at_y, domain, order)

    def resized(self, radius: int) -> Self:
        """Return the field with its images cut or padded with zeros.

        Parameters
        ----------
        radius
            Half width of the new images in pixels.

        Returns
        -------
        KernelField
            The field with images of that size.
        """
        return dataclasses.replace(self, terms=resize(self.terms, radius))

    def normalized(self) -> Self:
        """Return the field scaled to unit sum at the middle of its domain.

        Returns
        -------
        KernelField
            The scaled field.
        """
        return dataclasses.replace(self, terms=self.terms / self.middle().sum())

    def at(self, x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
        """Return the centred kernels at positions, shape ``(n, size, size)``.

        Parameters
        ----------
        x, y
            Parent coordinates in pixels, shape ``(n,)``.

        Returns
        -------
        numpy.ndarray
            Float64 kernels, shape ``(n, size, size)``.
        """
        return np.tensordot(chebyshev_design(x, y, self.domain, self.order), self.terms, axes=1)

    def middle(self) -> FloatArray:
        """Return the kernel at the middle of the domain, shape ``(size, size)``.

        Returns
        -------
        numpy.ndarray
            Float64 kernel, shape ``(size, size)``.
        """
        kernel: FloatArray = self.at(self.domain.x.center, self.domain.y.center)[0]
        return kernel

    def stamps(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        radius: int | None = None,
        centre: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None = None,
    ) -> FloatArray:
        """Return images of unit point sources at positions.

        Parameters
        ----------
        x, y
            Parent coordinates in pixels, shape ``(n,)``.
        radius
            Half width of the stamps; that of the kernels where `None`.
        centre
            Rows and columns (parent) of the stamps' middle pixels; the pixels nearest to the positions
            where `None`.

        Returns
        -------
        numpy.ndarray
            Float64 array of shape ``(n, 2 radius + 1, 2 radius + 1)``, interpolated with splines of order
            5.
        """
        return self.stamps_with_slopes(x, y, radius, centre, slopes=False)[0]

    def stamps_with_slopes(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        radius: int | None = None,
        centre: tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]] | None = None,
        *,
        slopes: bool = True,
    ) -> tuple[FloatArray, ...]:
        """Return what `stamps` does, and its derivatives by x and by y.

        Parameters
        ----------
        x, y, radius, centre
            As for `stamps`.
        slopes
            Whether the derivatives are wanted.

        Returns
        -------
        tuple of numpy.ndarray
            Stamps and, if wanted, their derivatives by x and by y, all of one shape.
        """
        x = np.atleast_1d(np.asarray(x, dtype=np.float64))
        y = np.atleast_1d(np.asarray(y, dtype=np.float64))
        radius = self.radius if radius is None else radius
        column, row = np.floor(x + 0.5).astype(np.intp), np.floor(y + 0.5).astype(np.intp)
        offset_y, offset_x = (
            (0 * row, 0 * column) if centre is None else (row - centre[0], column - centre[1])
        )
        reach = int(max(np.abs(offset_y).max(initial=0), np.abs(offset_x).max(initial=0)))
        design = chebyshev_design(x, y, self.domain, self.order)
        wide = np.tensordot(design, resize(self._spline_terms, radius + reach + SPLINE_REACH), axes=1)
        size = 2 * (radius + SPLINE_REACH) + 1
        if reach:
            windows = np.lib.stride_tricks.sliding_window_view(wide, (size, size), axis=(1, 2))
            wide = windows[np.arange(len(x)), reach - offset_y, reach - offset_x]
        in_y, in_x = spline_weights(y - row), spline_weights(x - column)
        rows = apply_along(wide, in_y[0], 1)
        image = apply_along(rows, in_x[0], 2)
        if not slopes:
            return (image,)
        return image, apply_along(rows, in_x[1], 2), apply_along(apply_along(wide, in_y[1], 1), in_x[0], 2)

    @cached_property
    def _spline_terms(self) -> FloatArray:
        """Spline coefficients of the terms, some pixels wider than these."""
        wide = resize(self.terms, self.radius + 12)
        return np.stack([scipy.ndimage.spline_filter(term, SPLINE_ORDER, mode="mirror") for term in wide])

    def convolved(self, kernel: FloatArray) -> Self:
        """Return the field convolved with one kernel image, at its own size.

        Parameters
        ----------
        kernel
            Kernel image, odd sizes.

        Returns
        -------
        KernelField
            The convolved field.
        """
        terms = np.stack([scipy.signal.fftconvolve(term, kernel, mode="same") for term in self.terms])
        return dataclasses.replace(self, terms=terms)

    def to_psf(self, bounds: Box) -> PiffWrapper:
        """Return the field as a Piff PSF, which files of lsst.images can hold.

        Parameters
        ----------
        bounds
            Where the PSF is to be valid.

        Returns
        -------
        lsst.images.psfs.PiffWrapper
            The PSF.
        """
        import galsim
        import piff

        size = self.terms.shape[-1]
        interpolant = piff.BasisPolynomial(order=self.order)
        interpolant.q = self._monomials().reshape(len(self.terms), -1).T.copy()
        model = piff.PixelGrid(scale=1.0, size=size, centered=False)
        result = piff.SimplePSF(model, interpolant)
        result.chisq, result.last_delta_chisq, result.dof, result.nremoved, result.niter = 0.0, 0.0, 1, 0, 0
        result.wcs, result.pointing = {0: galsim.PixelScale(1.0)}, None
        # afw evaluates a PSF at the mean position of its stars.
        middle = piff.Star.makeTarget(x=bounds.x.center, y=bounds.y.center, scale=1.0, stamp_size=3)
        result.stars = [middle]
        return PiffWrapper(result, bounds=bounds, stamp_size=size)

    def _monomials(self) -> FloatArray:
        """Return the terms as coefficient images of x^i y^j, in the order of `piff.BasisPolynomial`."""
        powers = [(i, j) for i in range(self.order + 1) for j in range(self.order + 1 - i)]
        out = np.zeros((len(powers), *self.terms.shape[1:]))
        for term, (p, q) in zip(self.terms, term_degrees(self.order), strict=True):
            in_y = _power_coefficients(p, self.domain.y.start, self.domain.y.size)
            in_x = _power_coefficients(q, self.domain.x.start, self.domain.x.size)
            for k, (i, j) in enumerate(powers):
                if i < len(in_x) and j < len(in_y):
                    out[k] += in_x[i] * in_y[j] * term
        return out


def _power_coefficients(degree: int, start: int, size: int) -> FloatArray:
    """Return the coefficients of 1, t, t^2, ... of a scaled Chebyshev polynomial."""
    middle = start + 0.5 * size - 0.5
    scaled = np.polynomial.Polynomial([-middle * 2.0 / size, 2.0 / size])
    chebyshev = np.polynomial.Chebyshev.basis(degree).convert(kind=np.polynomial.Polynomial)
    return np.asarray(chebyshev(scaled).coef)


def psf_nodes(domain: Box, n_nodes: int) -> tuple[FloatArray, FloatArray]:
    """Return x and y of a regular grid of nodes inside a box.

    Parameters
    ----------
    domain
        The box.
    n_nodes
        Nodes along each side; 1 gives the middle.

    Returns
    -------
    tuple of numpy.ndarray
        Float64 x and y, parent coordinates, shape ``(n_nodes**2,)``.
    """
    along_x = np.linspace(domain.x.min, domain.x.max, n_nodes) if n_nodes > 1 else [domain.x.center]
    along_y = np.linspace(domain.y.min, domain.y.max, n_nodes) if n_nodes > 1 else [domain.y.center]
    x, y = np.meshgrid(along_x, along_y)
    return x.ravel(), y.ravel()


def own_psf(image: MaskedImage) -> PointSpreadFunction:
    """Return the PSF that an image carries.

    Parameters
    ----------
    image
        A `~lsst.images.VisitImage` or the like.

    Returns
    -------
    lsst.images.psfs.PointSpreadFunction
        Its PSF.

    Raises
    ------
    InvalidInputError
        If it has none.
    """
    psf = getattr(image, "psf", None)
    if not isinstance(psf, PointSpreadFunction):
        raise InvalidInputError(f"a {type(image).__name__} carries no PSF: give one beside it")
    return psf
