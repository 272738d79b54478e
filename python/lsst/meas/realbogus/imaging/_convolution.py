"""Convolution with kernels that vary over the image."""

from __future__ import annotations

__all__ = ("band_kernel", "convolve_field", "convolve_image")

import numpy as np
import numpy.typing as npt
import scipy.fft
from lsst.images import Box

from ._kernel_field import KernelField
from ._polynomials import chebyshev_grid

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]


def band_kernel(narrow: float, wide: float) -> FloatArray:
    """Return the difference of two round Gaussians of unit sum: it passes structure between their widths.

    Parameters
    ----------
    narrow, wide
        Widths (sigma) of the Gaussians in pixels.

    Returns
    -------
    numpy.ndarray
        Float64 kernel of zero sum, odd size.
    """
    steps = np.arange(-np.ceil(3 * wide), np.ceil(3 * wide) + 1)
    square = steps[:, np.newaxis] ** 2 + steps**2
    low, high = (np.exp(-0.5 * square / sigma**2) for sigma in (narrow, wide))
    return np.asarray(low / low.sum() - high / high.sum())


def convolve_image(image: Pixels, kernel: FloatArray) -> Pixels:
    """Convolve an image with one kernel; outside is 0.

    Parameters
    ----------
    image
        Float32 pixels, shape ``(ny, nx)``.
    kernel
        Kernel image, odd sizes.

    Returns
    -------
    numpy.ndarray
        Float32, shape of the image.
    """
    return _convolve(image, kernel[np.newaxis])[0]


def convolve_field(image: Pixels, bbox: Box, kernel: KernelField) -> Pixels:
    """Convolve an image with a kernel that varies.

    Parameters
    ----------
    image
        Pixels of ``bbox``; outside is 0.
    bbox
        Box of the image.
    kernel
        Kernel; each pixel of the result has the kernel of its own place.
    """
    parts = _convolve(image, kernel.terms)
    if len(parts) == 1:
        return parts[0]
    out = np.zeros_like(image)
    for unit, part in zip(np.eye(len(parts)), parts, strict=True):
        out += part * chebyshev_grid(unit, kernel.domain, bbox).astype(np.float32)
    return out


def _convolve(image: Pixels, kernels: FloatArray) -> list[Pixels]:
    height, width = image.shape
    reach_y, reach_x = kernels.shape[1] // 2, kernels.shape[2] // 2
    size = (
        scipy.fft.next_fast_len(height + 2 * reach_y, real=True),
        scipy.fft.next_fast_len(width + 2 * reach_x, real=True),
    )
    transform = scipy.fft.rfft2(np.asarray(image, dtype=np.float32), size)
    window = slice(reach_y, reach_y + height), slice(reach_x, reach_x + width)
    out = []
    for kernel in kernels:
        product = transform * scipy.fft.rfft2(kernel.astype(np.float32), size)
        out.append(np.asarray(scipy.fft.irfft2(product, size)[window], dtype=np.float32))
    return out
