"""How to make templates."""

from __future__ import annotations

__all__ = ("CoaddOptions", "TemplateOptions")

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class CoaddOptions(Options):
    """How visits are averaged into a coadd."""

    clip_sigma: float = option(
        4.0,
        "Values this many errors from the median of the inputs are left out (three inputs or more).",
        above=0.0,
    )
    clip_softening: float = option(
        0.3,
        "Fraction of the median's absolute value added to the error before clipping, beside what the PSFs of "
        "the inputs say of how much stars differ from visit to visit.",
        min=0.0,
    )
    psf_radius: int = option(20, "Half width of the PSF kernels (pixels).", min=1)


@dataclasses.dataclass(frozen=True)
class TemplateOptions(Options):
    """How coadds become the template of a detector."""

    border: int = option(20, "How far the template reaches beyond the detector (pixels).", min=0)
    psf_order: int = option(2, "Degree of the variation of the template's PSF.", min=0, max=5)
    psf_nodes: int = option(7, "Points along each side at which the PSFs of the coadds are sampled.", min=2)
    high_variance: float = option(
        4.0, "Pixels whose variance is above this many medians are HIGH_VARIANCE.", above=0.0
    )
