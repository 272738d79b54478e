"""Whitening the noise of a difference image."""

from __future__ import annotations

__all__ = ("decorrelation_kernel",)

import numpy as np
import numpy.typing as npt
import scipy.fft

type FloatArray = npt.NDArray[np.float64]


def decorrelation_kernel(
    kernel: FloatArray, convolved_variance: float, other_variance: float, *, power: float = 1.0 - 1e-4
) -> FloatArray:
    """Find the kernel that whitens the noise of a difference.

    Parameters
    ----------
    kernel
        Matching kernel, odd sizes.
    convolved_variance
        Variance of the image that was convolved with it, before.
    other_variance
        Variance of the other image.
    power
        The result is cut to the smallest size that holds this share of its power.

    Returns
    -------
    numpy.ndarray
        Kernel of unit sum and odd size: flux is kept, and the noise becomes white with the variance
        ``other_variance + convolved_variance * kernel.sum()**2``.

    Notes
    -----
    Reiss & Lupton, LSST technical note DMTN-021, equation 1, for one place and typical variances.
    """
    size = 2 * kernel.shape[0] + 31
    size += 1 - size % 2
    padded = np.zeros((size, size))
    height, width = kernel.shape
    padded[:height, :width] = kernel
    padded = np.roll(padded, (-(height // 2), -(width // 2)), axis=(0, 1))
    response = np.abs(scipy.fft.fft2(padded)) ** 2
    total = kernel.sum() ** 2
    ratio = (other_variance + convolved_variance * total) / (other_variance + convolved_variance * response)
    whitening = np.fft.fftshift(scipy.fft.ifft2(np.sqrt(ratio)).real)
    return _trim(whitening, power)


def _trim(kernel: FloatArray, power: float) -> FloatArray:
    middle = kernel.shape[0] // 2
    total = np.sum(kernel**2)
    for radius in range(1, middle):
        cut = kernel[middle - radius : middle + radius + 1, middle - radius : middle + radius + 1]
        if np.sum(cut**2) >= power * total:
            break
    return cut / cut.sum()
