"""Every number that shapes a catalogue of fakes or their injection, with its meaning."""

from __future__ import annotations

__all__ = (
    "CatalogOptions",
    "FaintGridOptions",
    "HostOptions",
    "HostedOptions",
    "HostlessOptions",
    "InjectionOptions",
    "MergeOptions",
    "RandomOptions",
    "ShardOptions",
    "SupernovaOptions",
    "TemplateSourceOptions",
    "VariableOptions",
)

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class HostOptions(Options, ordered=[("mag_min", "mag_max"), ("radius_min", "radius_max")]):
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
        (
            "pixelFlags_edge",
            "pixelFlags_saturatedCenter",
            "pixelFlags_crCenter",
            "pixelFlags_bad",
            "sky_source",
        ),
        "Rows with any of these flags are no hosts, nor stars; flags that the table lacks are ignored.",
    )
    needed_flags: tuple[str, ...] = option(
        ("detect_isPrimary",),
        "Rows without one of these flags are no hosts, nor stars: blends that were deblended, and places in "
        "empty sky. Flags that the table lacks are ignored.",
    )


@dataclasses.dataclass(frozen=True)
class HostedOptions(Options, ordered=[("mag_above_host", "mag_below_host"), ("mag_min", "mag_max")]):
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
class HostlessOptions(Options, ordered=[("mag_min", "mag_max")]):
    """Fakes far from anything, uniform over the image."""

    fraction: float = option(
        0.05, "Share of hostless fakes among hosted and hostless ones.", min=0.0, max=0.99
    )
    mag_min: float = option(20.0, "Brightest fake.")
    mag_max: float = option(25.0, "Faintest fake.")


@dataclasses.dataclass(frozen=True)
class RandomOptions(Options, ordered=[("mag_min", "mag_max")]):
    """Fakes on a Halton sequence over the image, at a density of their own."""

    density: float = option(0.0, "Fakes in a square degree.", min=0.0)
    mag_min: float = option(20.0, "Brightest fake.")
    mag_max: float = option(25.0, "Faintest fake.")


@dataclasses.dataclass(frozen=True)
class TemplateSourceOptions(Options, ordered=[("mag_min", "mag_max")]):
    """Fakes in the template alone: negatives in the difference."""

    density: float = option(0.0, "Fakes in a square degree.", min=0.0)
    mag_min: float = option(20.0, "Brightest fake.")
    mag_max: float = option(25.0, "Faintest fake.")


@dataclasses.dataclass(frozen=True)
class VariableOptions(Options, ordered=[("star_mag_min", "star_mag_max")]):
    """Stars with a companion that is brighter or fainter in the visit than in the template."""

    fraction: float = option(0.0, "Share of the stars that vary.", min=0.0, max=1.0)
    extendedness_max: float = option(0.5, "Largest extendedness of a star.")
    star_mag_min: float = option(17.0, "Brightest star.")
    star_mag_max: float = option(24.0, "Faintest star.")
    mag_below_star: float = option(0.0, "Magnitude of the companion in the template, relative to the star.")
    offset_mean: float = option(0.0, "Mean of visit minus template magnitude.")
    offset_scatter: float = option(0.5, "Standard deviation of visit minus template magnitude.", min=0.0)


@dataclasses.dataclass(frozen=True)
class FaintGridOptions(
    Options, ordered=[("mag_min", "mag_max"), ("surface_brightness_min", "surface_brightness_max")]
):
    """Fakes for efficiency curves: even in magnitude and in the surface brightness of the host beneath."""

    number: int = option(0, "Fakes on an image.", min=0)
    mag_min: float = option(21.0, "Brightest fake.")
    mag_max: float = option(26.0, "Faintest fake.")
    surface_brightness_min: float = option(20.0, "Brightest host light beneath a fake, mag / arcsec^2.")
    surface_brightness_max: float = option(27.0, "Faintest host light beneath a fake, mag / arcsec^2.")


@dataclasses.dataclass(frozen=True)
class SupernovaOptions(Options, ordered=[("redshift_min", "redshift_max")]):
    """Supernovae with light curves, the same in every visit and band that covers them."""

    fraction: float = option(
        0.0, "Share of the hosts whose supernova reaches maximum within any one window.", min=0.0, max=1.0
    )
    window: float = option(100.0, "Length of a window in days.", min=1.0)
    cell: float = option(
        5.0, "Side in arcsec of the sky cells by which hosts are known, at most one supernova each.", min=0.5
    )
    share_ia: float = option(0.5, "Share of type Ia.", min=0.0, max=1.0)
    share_ii: float = option(0.35, "Share of type II; the rest is Ibc.", min=0.0, max=1.0)
    redshift_min: float = option(0.02, "Least redshift.", min=0.001)
    redshift_max: float = option(0.5, "Largest redshift.", max=3.0)
    mag_max: float = option(25.5, "Fainter ones are left out of an image's catalogue.")
    offset_law: str = option(
        "gaussian",
        "How they lie about their host, as for hosted fakes.",
        choices=("radial", "gaussian", "sersic"),
    )
    sersic_index: float = option(1.0, "Index of the 'sersic' law.", min=0.3, max=6.2)
    offset_scale: float = option(1.0, "Factor on all offsets.", min=0.0)
    model: str = option(
        "parametric",
        "Light curves: the built-in family, or sncosmo's sources of the names below.",
        choices=("parametric", "sncosmo"),
    )
    sncosmo_ia: str = option("hsiao", "sncosmo source of type Ia.")
    sncosmo_ii: str = option("nugent-sn2p", "sncosmo source of type II.")
    sncosmo_ibc: str = option("nugent-sn1bc", "sncosmo source of type Ibc.")

    def check(self) -> None:
        """Leave a share, perhaps none, to type Ibc."""
        if self.share_ia + self.share_ii > 1.0:
            self.refuse("share_ii", f"at most 1 less share_ia, {1.0 - self.share_ia:g}")


@dataclasses.dataclass(frozen=True)
class CatalogOptions(Options):
    """What `make_catalog` makes."""

    host: HostOptions = option(HostOptions, "Which sources are hosts.")
    hosted: HostedOptions = option(HostedOptions, "Fakes near galaxies.")
    hostless: HostlessOptions = option(HostlessOptions, "Fakes far from anything.")
    random: RandomOptions = option(RandomOptions, "Fakes at a density.")
    template: TemplateSourceOptions = option(TemplateSourceOptions, "Negatives.")
    variable: VariableOptions = option(VariableOptions, "Variable stars.")
    faint_grid: FaintGridOptions = option(FaintGridOptions, "Fakes for efficiency curves.")
    supernova: SupernovaOptions = option(SupernovaOptions, "Supernovae with light curves.")
    padding: int = option(
        32, "Rows of user and truth tables this many pixels outside the image still belong to it.", min=0
    )


@dataclasses.dataclass(frozen=True)
class InjectionOptions(Options):
    """How `inject` puts light into pixels."""

    target: str = option(
        "visit",
        "Rows of which kind are drawn: those for visit images or for templates.",
        choices=("visit", "template"),
    )
    trim_padding: int = option(
        100, "Rows further than this many pixels outside the image are dropped.", min=0
    )
    strict: bool = option(
        False, "Refuse catalogues that have anything to warn of, see `realbogus fakes check`."
    )
    add_noise: bool = option(True, "Draw Poisson noise of the added light.")
    inject_variance: bool = option(True, "Add the variance of the added light.")
    mask_plane: str = option(
        "",
        "Mask plane of drawn stamps, its core's name with _CORE; '' for INJECTED, or INJECTED_TEMPLATE where "
        "the target is a template.",
    )
    renderer: str = option(
        "psf",
        "Who draws stars: 'psf', the PSF model, on all of its own stamp; 'galsim', GalSim from the model's "
        "kernel on stamps that hold 99.5 % of the flux, as lsst.source_injection. A column draw_size "
        "overrides the size of a row.",
        choices=("psf", "galsim"),
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

    @property
    def planes(self) -> tuple[str, str]:
        """Names of the mask planes of stamps and of their cores, as afw's subtraction names a template's."""
        plane = self.mask_plane or ("INJECTED_TEMPLATE" if self.target == "template" else "INJECTED")
        stem, found, _ = plane.rpartition("_TEMPLATE")
        return plane, f"{stem}_CORE_TEMPLATE" if found else f"{plane}_CORE"


@dataclasses.dataclass(frozen=True)
class MergeOptions(Options):
    """How the sources of many images become one table of hosts."""

    radius: float = option(0.7, "Detections this near each other are one galaxy (arcsec).", above=0.0)


@dataclasses.dataclass(frozen=True)
class ShardOptions(Options):
    """Which rows injection catalogues by region hold."""

    target: str = option(
        "visit",
        "Rows of which kind are written: those for visit images or for templates.",
        choices=("visit", "template"),
    )
