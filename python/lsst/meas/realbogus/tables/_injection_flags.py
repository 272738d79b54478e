"""Why a row of an injection catalogue was not drawn."""

from __future__ import annotations

__all__ = ("InjectionFlag",)

import enum


class InjectionFlag(enum.IntFlag):
    """Why a row was not drawn; the names and bits of lsst.source_injection."""

    MAG_BAD = 1 << 0
    TYPE_UNKNOWN = 1 << 1
    SERSIC_EXTREME = 1 << 2
    NO_OVERLAP = 1 << 3
    FFT_SIZE_ERROR = 1 << 4
    PSF_COMPUTE_ERROR = 1 << 5
