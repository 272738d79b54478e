"""Subtraction: matching kernels, flux scale, difference image, decorrelated noise."""

from __future__ import annotations

from ._kernel_choice import MatchingOptions
from ._subtraction import Subtraction, SubtractionOptions, subtract
from ._visit import DifferenceProducts, subtract_visit

__all__ = (
    "DifferenceProducts",
    "MatchingOptions",
    "Subtraction",
    "SubtractionOptions",
    "subtract",
    "subtract_visit",
)
