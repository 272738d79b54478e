"""Identifiers made of what they identify."""

from __future__ import annotations

__all__ = ("MAX_DETECTORS", "image_id", "source_id_base")

MAX_DETECTORS = 256
"""Detectors of one visit that fit into identifiers made without an instrument."""
_ROW_BITS = 24


def image_id(visit: int, detector: int) -> int:
    """Return the identifier of one detector of one visit.

    Parameters
    ----------
    visit, detector
        The image.

    Returns
    -------
    int
        What numbers the image among all of its instrument.
    """
    return visit * MAX_DETECTORS + detector


def source_id_base(visit: int, detector: int) -> int:
    """Return what is added to the numbers of an image's sources to make their identifiers unique.

    Parameters
    ----------
    visit, detector
        The image.

    Returns
    -------
    int
        Multiple of ``2**24``: numbers from 1 to ``2**24 - 1`` fit below the next image's.
    """
    return image_id(visit, detector) << _ROW_BITS
