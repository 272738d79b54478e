"""Clouds whose transparency differs from place to place."""

from __future__ import annotations

__all__ = ("draw_transparency",)

import numpy as np

from ._pixels import Floats

_WAVES = 16
_WAVELENGTH = (0.12, 0.6)
"""Range of the wavelengths, in units of the image's longer side."""
_LEAST = 0.1


def draw_transparency(shape: tuple[int, int], rng: np.random.Generator, spread: float) -> Floats:
    """Draw what clouds let through, relative to its mean over an image.

    Parameters
    ----------
    shape
        Rows and columns.
    rng
        Random numbers.
    spread
        Standard deviation.

    Returns
    -------
    numpy.ndarray
        One where as much comes through as the photometric scaling says, shape ``shape``; at least a tenth.

    Notes
    -----
    A sum of plane waves in random directions, from an eighth of the image to more than half of it: too short
    for what is fitted to the flux scale of a detector, so that every star leaves a residual.
    """
    height, width = shape
    shortest, longest = np.log(_WAVELENGTH)
    length = max(shape) * np.exp(rng.uniform(shortest, longest, _WAVES))
    direction, phase = rng.uniform(0, 2 * np.pi, (2, _WAVES))
    v, u = np.arange(height)[:, None], np.arange(width)[None, :]
    field = np.zeros(shape)
    for k, theta, start in zip(2 * np.pi / length, direction, phase, strict=True):
        # The cosine of a sum, from those of rows and columns.
        along_u, along_v = k * np.cos(theta) * u, k * np.sin(theta) * v + start
        field += np.cos(along_u) * np.cos(along_v) - np.sin(along_u) * np.sin(along_v)
    transparency: Floats = np.maximum(1 + spread * np.sqrt(2 / _WAVES) * field, _LEAST)
    return transparency
