"""Stamps: extraction, missing pixels, the stamp table."""

from __future__ import annotations

from .extraction import DEFAULT_BAD_PLANES, NOWHERE, Mode, Stamps, TrimmedStamp, extract, first_pixels
from .planes import BIT_OF_PLANE, PLANES, plane_bits, plane_names, translate
from .readers import Handle, PixelInput, PixelReader, open_pixels
from .triplets import MISSING_BITS, ROLES, StampBlock, concatenate, extract_triplets

__all__ = (
    "BIT_OF_PLANE",
    "DEFAULT_BAD_PLANES",
    "MISSING_BITS",
    "NOWHERE",
    "PLANES",
    "ROLES",
    "Handle",
    "Mode",
    "PixelInput",
    "PixelReader",
    "StampBlock",
    "Stamps",
    "TrimmedStamp",
    "concatenate",
    "extract",
    "extract_triplets",
    "first_pixels",
    "open_pixels",
    "plane_bits",
    "plane_names",
    "translate",
)
