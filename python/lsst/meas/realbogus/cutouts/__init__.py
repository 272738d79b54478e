"""Stamps: extraction, missing pixels, the stamp table."""

from __future__ import annotations

from .extraction import DEFAULT_BAD_PLANES, Mode, Stamps, TrimmedStamp, extract, first_pixels
from .planes import BIT_OF_PLANE, PLANES, plane_bits, plane_names, translate

__all__ = (
    "BIT_OF_PLANE",
    "DEFAULT_BAD_PLANES",
    "PLANES",
    "Mode",
    "Stamps",
    "TrimmedStamp",
    "extract",
    "first_pixels",
    "plane_bits",
    "plane_names",
    "translate",
)
