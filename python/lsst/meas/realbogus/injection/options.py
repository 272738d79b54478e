"""Every number that shapes a catalogue of fakes or their injection, with its meaning.

The tasks make their configuration from these classes, so a default is written once.
"""

from __future__ import annotations

__all__ = ("CatalogOptions", "HostOptions", "HostedOptions", "HostlessOptions", "InjectionOptions", "option")

import dataclasses
from typing import Any


def option(default: Any, doc: str, **limits: Any) -> Any:
    """Declare a field with its meaning; ``limits`` may hold ``choices``, ``min`` and ``max``."""
    metadata = {"doc": doc, **limits}
    if isinstance(default, type):
        return dataclasses.field(default_factory=default, metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


@dataclasses.dataclass(frozen=True)
class HostOptions:
    """Which rows of a source table are galaxies that can host a supernova."""

    extendedness_min: float = option(0.5, "Least extendedness of a galaxy.", min=0.0)
    flux_column: str = option("apFlux", "Column with the total flux in nJy.")
    mag_min: float = option(14.0, "Brightest host.")
    mag_max: float = option(26.0, "Faintest host.")
    shape: str = option(
        "moments",
        "Where host sizes come from: second moments less those of the PSF, or columns host_a, host_b "
        "(arcsec) and host_pa (degrees).",
        choices=("moments", "columns"),
    )
    radius_min: float = option(
        0.2, "Least rms semi-axis in arcsec; smaller or undefined ones become this.", min=0.0
    )
    radius_max: float = option(5.0, "Largest rms semi-axis in arcsec.", min=0.0)
    bad_flags: tuple[str, ...] = option(
        ("pixelFlags_edge", "pixelFlags_saturatedCenter", "pixelFlags_crCenter", "pixelFlags_bad"),
        "Rows with any of these flags are no hosts; flags that the table lacks are ignored.",
    )


@dataclasses.dataclass(frozen=True)
class HostedOptions:
    """Fakes near galaxies."""

    fraction: float = option(0.03, "Share of the galaxies that get a fake.", min=0.0, max=1.0)
    mag_above_host: float = option(-1.0, "Least magnitude relative to the host.")
    mag_below_host: float = option(3.0, "Largest magnitude relative to the host.")
    mag_min: float = option(16.0, "Fakes brighter than this are drawn again as this.")
    mag_max: float = option(27.0, "Fakes fainter than this are not made.")
    offset_law: str = option(
        "radial",
        "How fakes lie about their host: 'radial', a distance N(0, a) along a uniform direction of the "
        "ellipse; 'gaussian', two-dimensional with the host's moments; 'sersic', a Sersic profile's light.",
        choices=("radial", "gaussian", "sersic"),
    )
    sersic_index: float = option(1.0, "Index of the 'sersic' law.", min=0.3, max=6.2)
    offset_scale: float = option(1.0, "Factor on all offsets.", min=0.0)


@dataclasses.dataclass(frozen=True)
class HostlessOptions:
    """Fakes far from anything, uniform over the image."""

    fraction: float = option(
        0.05, "Share of hostless fakes among hosted and hostless ones.", min=0.0, max=0.99
    )
    mag_min: float = option(20.0, "Brightest fake.")
    mag_max: float = option(25.0, "Faintest fake.")


@dataclasses.dataclass(frozen=True)
class CatalogOptions:
    """What `make_catalog` makes."""

    host: HostOptions = option(HostOptions, "Which sources are hosts.")
    hosted: HostedOptions = option(HostedOptions, "Fakes near galaxies.")
    hostless: HostlessOptions = option(HostlessOptions, "Fakes far from anything.")


@dataclasses.dataclass(frozen=True)
class InjectionOptions:
    """How `inject` puts light into pixels."""

    target: str = option(
        "visit",
        "Rows of which kind are drawn: those for visit images or for templates.",
        choices=("visit", "template"),
    )
    trim_padding: int = option(
        100, "Rows further than this many pixels outside the image are dropped.", min=0
    )
    add_noise: bool = option(True, "Draw Poisson noise of the added light.")
    inject_variance: bool = option(True, "Add the variance of the added light.")
    mask_plane: str = option("INJECTED", "Mask plane of drawn stamps; its core is the name with _CORE.")
    draw_size: str = option(
        "psf",
        "Side of a drawn stamp: 'psf', all of the PSF model's own stamp; 'good', the size that holds 99.5 % "
        "of the flux, as lsst.source_injection draws. A column draw_size overrides it by row.",
        choices=("psf", "good"),
    )
    calib_flux_radius: float = option(
        0.0,
        "If positive, divide stamps by the flux of the PSF at the middle of the image within this radius in "
        "pixels, as where magnitudes are calibrated to that aperture (lsst.source_injection: 12).",
        min=0.0,
    )
    bad_planes: tuple[str, ...] = option(
        (
            "BAD",
            "COSMIC_RAY",
            "CROSSTALK",
            "INTERPOLATED",
            "NO_DATA",
            "SATURATED",
            "SUSPECT",
            "UNMASKED_NAN",
        ),
        "Pixels with any of these are left out where variance is fitted to flux.",
    )
