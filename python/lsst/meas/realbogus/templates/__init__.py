"""Templates: tracts, warping, coadds, the template on a detector."""

from __future__ import annotations

from ._coadd import CoaddInput, assemble_coadd, prepare_input, source_overlap
from ._options import CoaddOptions, TemplateOptions
from ._sparse_template import CoaddPixels, needed_box, sparse_template
from ._template import build_template
from ._tract import Tract
from ._warp import warp_image

__all__ = (
    "CoaddInput",
    "CoaddOptions",
    "CoaddPixels",
    "TemplateOptions",
    "Tract",
    "assemble_coadd",
    "build_template",
    "needed_box",
    "prepare_input",
    "source_overlap",
    "sparse_template",
    "warp_image",
)
