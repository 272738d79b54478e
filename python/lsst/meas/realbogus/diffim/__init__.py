"""Embedded difference imaging: warp, assemble, subtract, detect, measure."""

from __future__ import annotations

from .tract import Tract

__all__ = ("Tract",)
