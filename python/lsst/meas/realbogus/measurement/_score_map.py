"""Significance of a point source at every pixel."""

from __future__ import annotations

__all__ = ("ScoreMap", "score_map")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from ..imaging import convolve_image, kernel_reach, robust_std

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]

_LEAST_COVERAGE = 0.25
_OBJECT = 4.0
"""Pixels this many errors off zero, and those near them, are not blank sky."""


@dataclasses.dataclass(frozen=True)
class ScoreMap:
    """Signal-to-noise ratio of a point source centred on each pixel.

    Parameters
    ----------
    score
        Values with a scatter of 1 on blank sky; 0 where too few pixels are known.
    rms
        Scatter on blank sky before it was divided out: 1 for a perfect variance plane and white noise.
    """

    score: Pixels
    rms: float


def score_map(
    image: Pixels, variance: Pixels, missing: BoolArray, kernel: FloatArray, skip: BoolArray | None = None
) -> ScoreMap:
    """Correlate an image with the PSF.

    Parameters
    ----------
    image, variance
        Pixels.
    missing
        Pixels without a value; they count for nothing.
    kernel
        PSF kernel of unit sum.
    skip
        Pixels that do not count as blank sky.

    Notes
    -----
    ``sum(P d) / sqrt(sum(P^2 v))``. Weights of ``1 / v`` would be better for faint sources next to bright
    ones, but the photon noise in ``v`` would turn the peak of a bright source into a ring.
    """
    known = ~missing & np.isfinite(image) & (variance > 0)
    flipped = kernel[::-1, ::-1]
    signal = convolve_image(np.where(known, image, np.float32(0)), flipped)
    noise = convolve_image(np.where(known, variance, np.float32(0)), flipped**2)
    coverage = convolve_image(known.astype(np.float32), flipped**2) / np.sum(flipped**2)
    covered = (coverage > _LEAST_COVERAGE) & (noise > 0)
    score = np.divide(signal, np.sqrt(np.abs(noise)), out=np.zeros_like(signal), where=covered)
    blank = covered & known if skip is None else covered & known & ~skip
    rms = _blank_rms(score, blank, 2 * kernel_reach(kernel, 0.5))
    return ScoreMap(np.asarray(score / np.float32(rms), dtype=np.float32), rms)


def _blank_rms(score: Pixels, blank: BoolArray, reach: int, iterations: int = 3) -> float:
    """Return the scatter of the score away from objects, which are found with it."""
    rms = robust_std(score[blank])
    for _ in range(iterations):
        if not (np.isfinite(rms) and rms > 0):
            return 1.0
        objects = scipy.ndimage.maximum_filter(np.abs(score) > _OBJECT * rms, size=2 * reach + 1)
        rms = robust_std(score[blank & ~objects])
    return rms if np.isfinite(rms) and rms > 0 else 1.0
