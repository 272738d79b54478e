"""How to subtract."""

from __future__ import annotations

__all__ = ("SubtractionOptions",)

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class SubtractionOptions(Options):
    """How to match two images and subtract one from the other."""

    mode: str = option(
        "auto",
        "Which image to convolve: 'template', 'science', or 'auto', the one with the narrower PSF.",
        choices=("auto", "template", "science"),
    )
    kernel_source: str = option(
        "auto",
        "What the matching kernel is fitted to: 'psf', the two PSF models; 'stars', stamps of objects in "
        "both images; 'auto', the models, unless stars say that these are wrong and a kernel fitted to other "
        "stars does better.",
        choices=("auto", "psf", "stars"),
    )
    psf_kernel_order: int = option(2, "Degree of the variation of a kernel from PSF models.", min=0, max=5)
    star_kernel_order: int = option(1, "Degree of the variation of a kernel from stars.", min=0, max=5)
    min_stamps_second_order: int = option(
        80, "Kernels from this many stamps of stars or more vary with degree 2.", min=0
    )
    min_stamp_snr: float = option(30.0, "Least signal-to-noise ratio of a stamp's peak.", min=0.0)
    max_stamps: int = option(300, "Use at most this many stamps, the brightest.", min=1)
    ridge: float = option(1e-5, "Strength of the penalty on the kernel's coefficients.", min=0.0)
    trusted_chi2: float = option(
        1.0,
        "PSF models are trusted without a fit to stars where the chi-squared per pixel of the stamps is at "
        "most this.",
        min=0.0,
    )
    scale_order: int = option(0, "Degree of the ratio of fluxes; -1: not fitted.", min=-1, max=5)
    background_order: int = option(
        1, "Degree of the difference of backgrounds; -1: not fitted.", min=-1, max=5
    )
    max_shifts: int = option(
        4, "How often the template is moved by part of a pixel where objects say that it is off.", min=0
    )
    scale_variance: bool = option(True, "Rescale variances to the scatter of blank sky before subtracting?")
    decorrelate: bool = option(True, "Whiten the noise of the difference?")
    psf_order: int = option(2, "Degree of the variation of the PSF models.", min=0, max=5)
