"""Subtraction: matching kernels, flux scale, difference image, decorrelated noise."""

from __future__ import annotations

from ._options import SubtractionOptions
from ._subtraction import Subtraction, subtract
from ._visit import DifferenceProducts, subtract_visit

__all__ = (
    "DifferenceProducts",
    "Subtraction",
    "SubtractionOptions",
    "subtract",
    "subtract_visit",
)
