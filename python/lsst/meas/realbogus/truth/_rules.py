"""How near and how bright a source must be to be what it seems."""

from __future__ import annotations

__all__ = ("MatchRules",)

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class MatchRules(Options, ordered=[("radius", "max_radius")]):
    """How near and how bright a source must be to be what it seems."""

    radius: float = option(0.5, "Match radius for sources with well-measured positions (arcsec).", above=0.0)
    n_sigma: float = option(
        5.0, "The radius grows to this many times a source's own position error.", min=0.0
    )
    max_radius: float = option(1.0, "Largest match radius (arcsec).", above=0.0)
    max_psf_widths: float = option(
        1.5,
        "Largest match radius in widths (FWHM) of the difference's PSF, where that is known; the smaller of "
        "the two limits acts.",
        above=0.0,
    )
    min_snr: float = option(
        1.0, "A change of the sky fainter than this many flux errors explains nothing.", min=0.0
    )
    min_flux_ratio: float = option(
        0.4,
        "Nor does one fainter than this fraction of the source's PSF flux: the source is something else that "
        "happens to lie there.",
        min=0.0,
    )
    near_radius: float = option(
        1.5,
        "Unmatched sources this near a change that could have made them are undecided: the other lobe of a "
        "bad fit, or a second peak (arcsec).",
        min=0.0,
    )
    static_radius: float = option(
        1.5, "Reach of stars and galaxies of the truth, to which sources are ascribed (arcsec).", min=0.0
    )
    artefact_margin: float = option(4.0, "Reach of artefacts beyond their outline (pixels).", min=0.0)
    noise_snr: float = option(
        7.0,
        "What nothing explains is noise below this SNR, and unexplained above it (a flaw of the template, "
        "say).",
        min=0.0,
    )
    unmatched_is_bogus: bool = option(
        False,
        "Without a truth table nothing is known of unmatched sources; call them bogus instead of undecided?",
    )
