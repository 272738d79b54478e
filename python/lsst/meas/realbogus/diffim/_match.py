"""Bringing two images to one PSF, flux scale, background and place."""

from __future__ import annotations

__all__ = ("Match", "match_frames")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.signal
from lsst.images import Box

from ..imaging import Frame, band_kernel, convolve_image
from ._kernel_choice import MatchingPair, find_kernel
from ._kernel_fit import KernelFit
from ._options import SubtractionOptions
from ._scaling import Scaling, fit_scaling, shift_kernel

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]

_WIDE = 4.0
"""Structure this many times as wide as the PSF does not count for the flux ratio."""

_CHANGED = 4.0
"""The background is not fitted near what differs by so many errors,"""
_LEAST_BLANK = 0.1
"""unless this share of the image or less would be left."""


@dataclasses.dataclass(frozen=True)
class Match:
    """A kernel, the image convolved with it, and what takes that to the other image.

    Parameters
    ----------
    fit
        The kernel, with the shift in it.
    matched
        The image convolved with it.
    scaling
        ``other image = scale * matched + background``.
    shift
        What the kernel moves the image by, ``(dx, dy)`` in pixels.
    """

    fit: KernelFit
    matched: Frame
    scaling: Scaling
    shift: tuple[float, float] = (0.0, 0.0)


def match_frames(
    sharp: Frame,
    broad: Frame,
    unusable: BoolArray,
    bbox: Box,
    options: SubtractionOptions,
    *,
    may_shift: bool,
) -> Match:
    """Find the kernel, and scale, background and shift under it.

    Parameters
    ----------
    sharp, broad
        Image to convolve and image to match. Both cover the box of ``unusable``, which is the smaller of
        theirs.
    unusable
        Pixels that no fit should see.
    bbox
        The box of ``unusable``.
    options
        How to find the kernel, and the degrees of scale and background.
    may_shift
        Whether the image to convolve may be moved; false where its sources must stay in their places.

    Returns
    -------
    Match
        Kernel, convolved image and scaling.
    """
    near, far = sharp.cut(bbox), broad.cut(bbox)
    pair = MatchingPair(
        bbox, near.pixels, far.pixels, near.variance + far.variance, unusable, near.psf, far.psf
    )
    fit = find_kernel(pair, options)
    match = _scaled(fit, sharp, far, unusable, options)
    for _ in range(options.max_shifts if may_shift else 0):
        if not match.scaling.is_shifted:
            break
        shift = match.shift[0] + match.scaling.shift[0], match.shift[1] + match.scaling.shift[1]
        moved = dataclasses.replace(fit, kernel=shift_kernel(fit.kernel, shift))
        match = dataclasses.replace(_scaled(moved, sharp, far, unusable, options), shift=shift)
    return match


def _scaled(
    fit: KernelFit, sharp: Frame, broad: Frame, unusable: BoolArray, options: SubtractionOptions
) -> Match:
    """Convolve, and fit scale and shift, then the background.

    Scale and shift are fitted to both images in the band of scales of the PSF: smoothed, PSFs that do not
    quite match and shifts matter less; and ghosts and glow, which only one of the images may have, do not
    count.
    """
    bbox, sigma = broad.bbox, broad.sigma
    matched = sharp.convolved(fit.kernel, bbox)
    band = band_kernel(sigma, _WIDE * sigma)
    model_variance = sharp.noise(np.asarray(scipy.signal.convolve(fit.kernel.middle(), band)), bbox)
    wide = scipy.ndimage.maximum_filter(unusable, size=2 * round(2 * sigma) + 1)
    image, model = _in_band(broad.pixels, band), _in_band(matched.pixels, band)
    variance = broad.noise(band, bbox) + np.float32(fit.flux_ratio**2) * model_variance
    scaling = fit_scaling(
        image,
        model,
        variance,
        wide,
        bbox,
        model_variance=model_variance,
        scale_order=options.scale_order,
        background_order=-1,
        expected_scale=fit.flux_ratio,
    )
    # The wings of what changed would be taken for background, and fluxes come out too low.
    changed = np.abs(image - np.float32(scaling.scale[0]) * model) > _CHANGED * np.sqrt(variance)
    blank = ~(unusable | scipy.ndimage.maximum_filter(changed, size=2 * round(_WIDE * sigma) + 1))
    rest = broad.pixels - scaling.scale_image(bbox).astype(np.float32) * matched.pixels
    nothing = np.zeros_like(rest)
    background = fit_scaling(
        rest,
        nothing,
        broad.variance + np.float32(scaling.scale[0] ** 2) * matched.variance,
        ~blank if blank.mean() > _LEAST_BLANK else unusable,
        bbox,
        model_variance=nothing,
        scale_order=-1,
        background_order=options.background_order,
    )
    return Match(fit, matched, dataclasses.replace(scaling, background=background.background))


def _in_band(pixels: Pixels, band: FloatArray) -> Pixels:
    """Filter an image, whose borders are continued by reflection: a step there would look like an object."""
    reach = band.shape[0] // 2
    return convolve_image(np.pad(pixels, reach, mode="reflect"), band)[reach:-reach, reach:-reach]
