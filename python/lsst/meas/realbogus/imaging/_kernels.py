"""Images of kernels: how wide they are, and how they are cut and padded."""

from __future__ import annotations

__all__ = ("FloatArray", "kernel_reach", "psf_width", "resize")

import numpy as np
import numpy.typing as npt

type FloatArray = npt.NDArray[np.float64]


def psf_width(kernel: FloatArray) -> float:
    """Return the Gaussian width of a kernel in pixels, from its noise-equivalent area.

    The area ``1 / sum(k^2)`` of a Gaussian is ``4 pi sigma^2``; unlike second moments it does not hang on
    wings.

    Parameters
    ----------
    kernel
        PSF kernel, shape ``(size, size)``.

    Returns
    -------
    float
        Sigma in pixels.
    """
    unit = kernel / kernel.sum()
    return float(np.sqrt(1.0 / (4.0 * np.pi * np.sum(unit**2))))


def kernel_reach(kernel: FloatArray, share: float = 0.8) -> int:
    """Return the half width of the square that holds this share of a kernel's absolute weight.

    Parameters
    ----------
    kernel
        Kernel image, odd sizes.
    share
        Share of the weight.

    Returns
    -------
    int
        Half width in pixels.
    """
    weight = np.abs(kernel)
    radius = kernel.shape[0] // 2
    inside = [resize(weight[np.newaxis], r).sum() for r in range(radius + 1)]
    return int(np.argmax(np.array(inside) >= share * weight.sum()))


def resize(images: FloatArray, radius: int) -> FloatArray:
    """Cut or pad images, shape ``(n, size, size)``, to half width ``radius`` about their middle.

    Parameters
    ----------
    images
        Images of odd size.
    radius
        Half width wanted in pixels.

    Returns
    -------
    numpy.ndarray
        Images of ``2 radius + 1`` pixels; padding is 0.
    """
    old = images.shape[-1] // 2
    if radius < old:
        cut = slice(old - radius, old + radius + 1)
        return images[:, cut, cut]
    pad = radius - old
    return np.pad(images, ((0, 0), (pad, pad), (pad, pad)))
