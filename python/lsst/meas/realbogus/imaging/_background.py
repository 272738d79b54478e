"""Smooth light that subtraction leaves: ghosts, glow, differences of sky models."""

from __future__ import annotations

__all__ = ("smooth_background",)

import numpy as np
import numpy.typing as npt
from astropy.stats import SigmaClip
from photutils.background import Background2D, MedianBackground

type Pixels = npt.NDArray[np.float32]

_FILTER = 3
_MOST_MISSING = 90.0


def smooth_background(pixels: Pixels, missing: npt.NDArray[np.bool_], box: int) -> Pixels:
    """Estimate the background of a difference image by clipped medians in boxes.

    Parameters
    ----------
    pixels
        Difference image.
    missing
        Pixels not to use.
    box
        Width of the boxes in pixels; several times the size of a source.

    Returns
    -------
    numpy.ndarray
        Background, shape of ``pixels``; 0 where an image is too small or too empty to tell.
    """
    if min(pixels.shape) < 2 * box or missing.mean() > 0.5:
        return np.zeros_like(pixels)
    background = Background2D(
        pixels,
        box,
        mask=missing,
        filter_size=_FILTER,
        exclude_percentile=_MOST_MISSING,
        sigma_clip=SigmaClip(sigma=3.0, maxiters=5),
        bkg_estimator=MedianBackground(sigma_clip=None),
    )
    return np.asarray(background.background, dtype=np.float32)
