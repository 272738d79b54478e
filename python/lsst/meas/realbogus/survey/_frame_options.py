"""What a user says of FITS images."""

from __future__ import annotations

__all__ = ("FrameOptions",)

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameOptions(Options):
    """What is said of images beside what their headers say; none leaves it to the header."""

    gain: float | None = option(None, "Electrons per count.", above=0.0)
    zero_point: float | None = option(None, "AB magnitude of one count.")
    saturation: float | None = option(None, "Counts from which pixels are saturated.", above=0.0)
    psf_fwhm: float | None = option(None, "First guess of the FWHM of stars (pixels).", above=0.0)
    exposure_time: float | None = option(None, "Exposure time (s).", above=0.0)
    detector: int | None = option(
        None, "Number of the detector; by default the header's CCDNUM, or 0.", min=0
    )
    extension: str | None = option(
        None, "Name or number of the extension with the image; by default SCI, or the first image."
    )
    mask_bits: int | None = option(
        None,
        "Bits of the mask, added up, that make a pixel bad; by default what JWST, HST and DES publish, and "
        "all bits of other masks.",
        min=1,
    )
    background_box: int = option(
        0,
        "Width of the boxes in which the background is measured (pixels); 0 subtracts one constant.",
        min=0,
    )
