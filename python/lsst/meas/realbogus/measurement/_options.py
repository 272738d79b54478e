"""How to detect and measure."""

from __future__ import annotations

__all__ = ("DetectionOptions", "SourceOptions")

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class DetectionOptions(Options):
    """How to detect and measure sources of a difference image."""

    background_box: int = option(
        40,
        "Width of the boxes whose median background is taken away first (pixels); 0: it is not.",
        min=0,
    )
    threshold: float = option(5.0, "Least absolute significance of a detection.", above=0.0)
    grow: int = option(2, "By how many pixels footprints grow.", min=0)
    dipole_distance: float = option(
        1.5, "Peaks of opposite sign at most this far apart are tried as dipoles (FWHM).", min=0.0
    )
    aperture_radius: float = option(12.0, "Radius of the aperture of apFlux (pixels).", above=0.0)
    bad_flags: tuple[str, ...] = option(
        ("badCenter", "edgeCenter", "nodataCenter", "saturatedCenter", "sat_templateCenter"),
        "Sources with one of these pixel flags, named without their prefix, are left out, and counted.",
    )
    psf_order: int = option(2, "Degree of the variation of the PSF models.", min=0, max=5)


@dataclasses.dataclass(frozen=True)
class SourceOptions(Options):
    """How to detect and measure sources of a science image."""

    threshold: float = option(5.0, "Least signal-to-noise ratio of a point source's peak.", min=1.0)
