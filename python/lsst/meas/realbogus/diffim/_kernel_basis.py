"""The Alard-Lupton basis: Gaussians times polynomials."""

from __future__ import annotations

__all__ = ("KernelBasis", "choose_basis", "make_basis")

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

type FloatArray = npt.NDArray[np.float64]

_DEGREES = (4, 2, 2)
_MIN_SIGMA = 0.7
_FWHM = 2.3548


@dataclasses.dataclass(frozen=True)
class KernelBasis:
    """Basis images of a matching kernel.

    Parameters
    ----------
    images
        Shape ``(n, size, size)``. The first has unit sum, all others have zero sum and unit norm, so that
        the sum of a kernel is its first coefficient.
    """

    images: FloatArray

    @property
    def radius(self) -> int:
        """Half width of the images."""
        return int(self.images.shape[-1] // 2)

    def __len__(self) -> int:
        return len(self.images)


def make_basis(
    sigmas: Sequence[float], degrees: Sequence[int], radius: int, *, delta: bool = False
) -> KernelBasis:
    """Make the basis of Alard & Lupton (1998).

    Parameters
    ----------
    sigmas
        Widths of the Gaussians in pixels.
    degrees
        Highest degree of the polynomial that multiplies each.
    radius
        Half width of the images.
    delta
        Let the first image be a delta function, so that the identity is in the basis; the Gaussians follow.
    """
    steps = np.arange(-radius, radius + 1.0)
    images = []
    if delta:
        images.append(np.zeros((steps.size, steps.size)))
        images[0][radius, radius] = 1.0
    for sigma, degree in zip(sigmas, degrees, strict=True):
        profile = np.exp(-0.5 * (steps / sigma) ** 2)
        powers = [(steps / sigma) ** k * profile for k in range(degree + 1)]
        images.extend(
            np.outer(powers[i], powers[j]) for i in range(degree + 1) for j in range(degree + 1 - i)
        )
    basis = np.stack(images)
    first = basis[0] / basis[0].sum()
    sums = basis[1:].sum(axis=(1, 2), keepdims=True)
    rest = basis[1:] - sums * first
    norms = np.sqrt(np.sum(rest**2, axis=(1, 2), keepdims=True))
    return KernelBasis(np.concatenate([first[np.newaxis], rest / norms]))


def choose_basis(sharp_sigma: float, broad_sigma: float) -> KernelBasis:
    """Choose the widths of the basis for two PSFs.

    Parameters
    ----------
    sharp_sigma, broad_sigma
        Gaussian widths in pixels of the PSF to convolve and of the one to match.

    Notes
    -----
    Widths are half, one and twice the width of the Gaussian that takes one PSF to the other, as in
    ip_diffim, no narrower than 0.7 pixels. Where the kernel would be narrower than that, a delta function
    joins the basis.
    """
    needed = np.sqrt(max(broad_sigma**2 - sharp_sigma**2, 0.0))
    middle = max(needed, 2.0 * _MIN_SIGMA)
    sigmas = [0.5 * middle, middle, 2.0 * middle]
    radius = int(np.clip(np.ceil(3.0 * _FWHM * max(broad_sigma, sharp_sigma)), 10, 17))
    return make_basis(sigmas, _DEGREES, radius, delta=needed < 2.0 * _MIN_SIGMA)
