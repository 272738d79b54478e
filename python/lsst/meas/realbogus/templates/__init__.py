"""Templates: tracts, warping, coadds, the template on a detector."""

from __future__ import annotations

from ._coadd import CoaddInput, assemble_coadd, prepare_input
from ._options import CoaddOptions, TemplateOptions
from ._patch_coadd import PatchCoadd
from ._pixel_map import needed_box
from ._sparse_template import CoaddPixels, sparse_template
from ._template import build_template
from ._tract import Tract
from ._warp import warp_image

__all__ = (
    "CoaddInput",
    "CoaddOptions",
    "CoaddPixels",
    "PatchCoadd",
    "TemplateOptions",
    "Tract",
    "assemble_coadd",
    "build_template",
    "needed_box",
    "prepare_input",
    "sparse_template",
    "warp_image",
)
