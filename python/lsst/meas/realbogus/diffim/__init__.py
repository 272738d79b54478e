"""Embedded difference imaging: warp, assemble, subtract, detect, measure."""

from __future__ import annotations

from .catalog import DetectionOptions, DiaCatalog, SourceIds, detect_and_measure
from .coadd import CoaddInput, assemble_coadd, prepare_input, source_overlap
from .difference import DifferenceProducts, measure_difference, subtract_visit
from .matching import MatchingOptions
from .psf import KernelField
from .schema import empty_table
from .subtraction import Subtraction, SubtractionOptions, subtract
from .template import build_template
from .tract import Tract
from .warp import warp_image

__all__ = (
    "CoaddInput",
    "DetectionOptions",
    "DiaCatalog",
    "DifferenceProducts",
    "KernelField",
    "MatchingOptions",
    "SourceIds",
    "Subtraction",
    "SubtractionOptions",
    "Tract",
    "assemble_coadd",
    "build_template",
    "detect_and_measure",
    "empty_table",
    "measure_difference",
    "prepare_input",
    "source_overlap",
    "subtract",
    "subtract_visit",
    "warp_image",
)
