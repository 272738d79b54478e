"""Identifiers made of what they identify."""

from __future__ import annotations

__all__ = ("MAX_DETECTORS", "source_id_base")

MAX_DETECTORS = 256
"""Detectors of one visit that fit into identifiers made without an instrument."""
_ROW_BITS = 24


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
    return (visit * MAX_DETECTORS + detector) << _ROW_BITS
