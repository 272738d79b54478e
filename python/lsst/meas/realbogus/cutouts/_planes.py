"""Mask planes by fixed bits.

Every file numbers its mask planes in its own way. Stamps carry planes as bits of one 32-bit word whose
meaning never changes, so that words from different images, files and years can be compared and stored.
"""

from __future__ import annotations

__all__ = ("BIT_OF_PLANE", "PLANES", "plane_bits", "plane_names", "translate")

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from lsst.images import MaskSchema

from ..errors import InvalidInputError

PLANES: tuple[str, ...] = (
    "BAD",
    "SATURATED",
    "INTERPOLATED",
    "COSMIC_RAY",
    "DETECTION_EDGE",
    "DETECTED",
    "DETECTED_NEGATIVE",
    "SUSPECT",
    "NO_DATA",
    "VIGNETTED",
    "PARTLY_VIGNETTED",
    "CROSSTALK",
    "ITL_DIP",
    "NOT_DEBLENDED",
    "SPIKE",
    "UNMASKED_NAN",
    "SAT_TEMPLATE",
    "HIGH_VARIANCE",
    "STREAK",
    "INJECTED",
    "INJECTED_CORE",
    "INJECTED_TEMPLATE",
    "INJECTED_CORE_TEMPLATE",
    "CLIPPED",
    "REJECTED",
    "INEXACT_PSF",
    "SENSOR_EDGE",
    "SATURATED_TEMPLATE",  # what SAT_TEMPLATE was called here
)
"""Names of the planes that a word can hold, lowest bit first. Append only: files hold the numbers."""

BIT_OF_PLANE: Mapping[str, int] = {name: bit for bit, name in enumerate(PLANES)}


def plane_bits(names: Iterable[str]) -> int:
    """Make a word with the bits of some planes set.

    Parameters
    ----------
    names
        Names out of `PLANES`.

    Returns
    -------
    int
        The word.

    Raises
    ------
    InvalidInputError
        If a name is not one of `PLANES`.

    Examples
    --------
    >>> plane_bits(["BAD", "NO_DATA"])
    257
    """
    word = 0
    for name in names:
        if name not in BIT_OF_PLANE:
            raise InvalidInputError(f"unknown mask plane {name!r}; known are {', '.join(PLANES)}")
        word |= 1 << BIT_OF_PLANE[name]
    return word


def plane_names(word: int) -> tuple[str, ...]:
    """List the planes that are set in a word, lowest bit first.

    Parameters
    ----------
    word
        A word as in `Stamps.mask_any`.

    Returns
    -------
    tuple of str
        Names out of `PLANES`.

    Examples
    --------
    >>> plane_names(257)
    ('BAD', 'NO_DATA')
    """
    return tuple(name for bit, name in enumerate(PLANES) if int(word) >> bit & 1)


def translate(pixels: npt.NDArray[Any], schema: MaskSchema) -> npt.NDArray[np.uint32]:
    """Translate mask pixels from the file's own bits to the fixed ones.

    Parameters
    ----------
    pixels
        Mask pixels, or unions of many, shape ``(..., schema.mask_size)``.
    schema
        Schema of the mask they come from. Planes that are not in `PLANES` are left out.

    Returns
    -------
    numpy.ndarray
        Words by the bits of `PLANES`, uint32, shape ``pixels.shape[:-1]``.
    """
    words = np.zeros(pixels.shape[:-1], dtype=np.uint32)
    present = np.bitwise_or.reduce(pixels.reshape(-1, schema.mask_size), axis=0)
    for name in schema.names:
        bit = schema.bit(name)
        if name in BIT_OF_PLANE and present[bit.index] & bit.mask:
            is_set = (pixels[..., bit.index] & bit.mask) != 0
            words |= is_set.astype(np.uint32) << np.uint32(BIT_OF_PLANE[name])
    return words
