"""What rooms with pixels need: planes, frames, polynomials, convolution, variance, PSF fields."""

from __future__ import annotations

from ._background import smooth_background
from ._boxes import overlap
from ._convolution import band_kernel, convolve_image
from ._filling import fill_smoothly
from ._frames import Frame, prepare_frame
from ._kernel_field import KernelField, own_psf, psf_nodes
from ._kernels import kernel_reach, psf_width, resize
from ._photutils import known_keyword
from ._planes import (
    DIFFERENCE_PLANES,
    TEMPLATE_PLANES,
    UNUSABLE_PLANES,
    any_plane,
    dilate_bits,
    ensure_planes,
    missing_pixels,
)
from ._polynomials import chebyshev_design, chebyshev_field, chebyshev_grid, n_terms
from ._sky import local_jacobian, pixel_scale
from ._together import Place, check_catalog, check_together, looks_swapped
from ._variance import robust_std

__all__ = (
    "DIFFERENCE_PLANES",
    "TEMPLATE_PLANES",
    "UNUSABLE_PLANES",
    "Frame",
    "KernelField",
    "Place",
    "any_plane",
    "band_kernel",
    "chebyshev_design",
    "chebyshev_field",
    "chebyshev_grid",
    "check_catalog",
    "check_together",
    "convolve_image",
    "dilate_bits",
    "ensure_planes",
    "fill_smoothly",
    "kernel_reach",
    "known_keyword",
    "local_jacobian",
    "looks_swapped",
    "missing_pixels",
    "n_terms",
    "overlap",
    "own_psf",
    "pixel_scale",
    "prepare_frame",
    "psf_nodes",
    "psf_width",
    "resize",
    "robust_std",
    "smooth_background",
)
