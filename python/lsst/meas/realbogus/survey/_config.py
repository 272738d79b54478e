"""What a simulated survey looks like: one frozen set of numbers."""

from __future__ import annotations

__all__ = ("SurveyConfig", "load_config")

import dataclasses
from pathlib import Path

import yaml

from lsst.meas.realbogus.errors import InvalidInputError

from ..options import Options, option
from ..tables import MAX_DETECTORS, reading

SEARCH_START = 1000
"""Number of the first search visit; template visits have smaller numbers."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class SurveyConfig(Options):
    """Every number of a simulated survey.

    Ranges are ``(low, high)`` pairs from which a uniform number is drawn; rates are mean numbers (of a
    Poisson distribution, in a megapixel) or probabilities, for one detector of one search visit. In template
    visits the rates are multiplied by ``template_artefact_factor``.

    Notes
    -----
    The defaults resemble 30 s r-band exposures of the Simonyi Survey Telescope, with a field of moderate
    stellar density and with artefacts and transients much more frequent than on the sky, so that few images
    hold enough of each.
    """

    # What is observed, and when.
    seed: int = option(1, "Number from which everything random follows.")
    instrument: str = option("RealBogusCam", "Name of the instrument.")
    skymap: str = option("realbogus", "Name of the sky map.")
    ra: float = option(150.1, "Right ascension of the field's centre (degrees).", min=0.0, max=360.0)
    dec: float = option(2.2, "Declination of the field's centre (degrees).", min=-90.0, max=90.0)
    bands: tuple[str, ...] = option(("r",), "Bands.", fewest=1)
    n_template_visits: int = option(3, "Template visits in each band.", min=0)
    template_stack: float = option(
        1.0, "Exposures that are added up in each template visit, which makes it deeper.", min=1.0
    )
    n_search_visits: int = option(5, "Search visits in each band.", min=0)
    template_mjd: float = option(60350.0, "Date of the first template visit (MJD TAI).")
    search_mjd: float = option(61080.0, "Date of the first search visit (MJD TAI).")
    visit_interval: tuple[float, float] = option(
        (2.0, 5.0), "Days between two visits of a band.", above=0.0, ascending=True
    )
    exposure_time: float = option(30.0, "Exposure time (s).", above=0.0)

    # The camera.
    detector_grid: tuple[int, int] = option((2, 1), "Numbers of detectors along x and y.", min=1)
    detector_size: tuple[int, int] = option((1024, 1024), "Width and height of a detector (pixels).", min=64)
    detector_gap: int = option(24, "Pixels between detectors.", min=0)
    pixel_scale: float = option(0.2, "Width of a pixel (arcsec).", above=0.0)
    gain: tuple[float, float] = option(
        (1.45, 1.75),
        "Electrons per ADU, drawn for each amplifier; a detector has two, side by side along x.",
        above=0.0,
        ascending=True,
    )
    read_noise: float = option(8.0, "Read noise (electrons).", min=0.0)
    full_well: float = option(110_000.0, "Electrons from which a pixel is saturated.", above=0.0)
    photometric_slope: float = option(
        0.02, "Largest relative change of the photometric scaling over a detector."
    )

    # Sky and atmosphere.
    zero_point: float = option(
        32.1, "AB magnitude that gives one electron in an exposure, in photometric conditions."
    )
    extinction: tuple[float, float] = option(
        (0.0, 0.25), "Light lost to clouds, by search visit (mag).", min=0.0, ascending=True
    )
    template_extinction: tuple[float, float] = option(
        (0.0, 0.25), "Light lost to clouds, by template visit (mag).", min=0.0, ascending=True
    )
    cloud_patches: float = option(
        0.0,
        "Standard deviation of the clouds' transparency over a detector, for each magnitude of extinction.",
        min=0.0,
        max=1.0,
    )
    sky_brightness: tuple[float, float] = option(
        (20.6, 21.4), "Brightness of the sky (mag / arcsec^2).", ascending=True
    )
    seeing: tuple[float, float] = option(
        (0.70, 1.15), "FWHM of search visits (arcsec).", above=0.0, ascending=True
    )
    template_seeing: tuple[float, float] = option(
        (0.60, 0.75), "FWHM of template visits (arcsec).", above=0.0, ascending=True
    )
    moffat_beta: tuple[float, float] = option(
        (2.8, 4.2), "Slope of the wings of the PSF, a Moffat profile.", above=1.0, ascending=True
    )
    psf_ellipticity: float = option(
        0.03, "Standard deviation of each component of the mean PSF shear.", min=0.0
    )
    psf_size_variation: float = option(0.04, "Relative change of the PSF's size over the field.", min=0.0)
    psf_shear_variation: float = option(0.02, "Change of the PSF's shear over the field.", min=0.0)
    background_residual: float = option(
        0.15,
        "Standard deviation of each term of the residual background, in units of the sky noise.",
        min=0.0,
    )

    # Pointing and astrometry.
    dither: float = option(8.0, "Standard deviation of the pointing in each coordinate (arcsec).", min=0.0)
    rotation: tuple[float, float] = option((-1.5, 1.5), "Rotation of visits (degrees).", ascending=True)
    distortion: float = option(4.0, "Radial displacement at the corner of the field (pixels).")
    astrometric_error: float = option(
        0.015, "Standard deviation of a usual visit's WCS offset in each coordinate (arcsec).", min=0.0
    )

    # What is on the sky: numbers per square degree.
    star_density: float = option(30_000.0, "Stars in a square degree.", min=0.0)
    star_magnitudes: tuple[float, float] = option((14.5, 25.0), "Magnitudes of stars.", ascending=True)
    star_slope: float = option(0.20, "Slope of log10 N(<m) of stars.")
    galaxy_density: float = option(110_000.0, "Galaxies in a square degree.", min=0.0)
    galaxy_magnitudes: tuple[float, float] = option((17.5, 25.2), "Magnitudes of galaxies.", ascending=True)
    galaxy_slope: float = option(0.34, "Slope of log10 N(<m) of galaxies.")
    transient_density: float = option(4500.0, "Transients in a square degree.", min=0.0)
    transient_magnitudes: tuple[float, float] = option(
        (19.5, 24.3), "Peak magnitudes of transients.", ascending=True
    )
    transient_hosted_fraction: float = option(
        0.85, "Fraction of transients that lie in galaxies.", min=0.0, max=1.0
    )
    transient_nuclear_fraction: float = option(
        0.0, "Fraction of the hosted ones that lie in the nucleus.", min=0.0, max=1.0
    )
    transient_outskirts_fraction: float = option(
        0.0,
        "Fraction of the hosted ones that are uniform within three half-light radii; all others follow the "
        "light.",
        min=0.0,
        max=1.0,
    )
    transient_faded_fraction: float = option(
        0.0, "Fraction of transients that were at their peak when the template was made.", min=0.0, max=1.0
    )
    variable_fraction: float = option(
        0.04, "Fraction of stars, and of galaxies through their nuclei, that vary.", min=0.0, max=1.0
    )
    variable_amplitude: tuple[float, float] = option(
        (0.1, 0.8), "Peak-to-peak amplitude of variables (mag).", min=0.0, ascending=True
    )
    variable_amplitude_law: str = option(
        "uniform", "Distribution of that amplitude.", choices=("uniform", "log_uniform")
    )
    variable_shapes: tuple[float, float, float] = option(
        (1.0, 0.0, 0.0), "Shares of variables that are sines, pulsate, or eclipse.", min=0.0
    )
    agn_fraction: float = option(
        0.0, "Fraction of galaxies whose nucleus is active, a damped random walk.", min=0.0, max=1.0
    )
    agn_amplitude: tuple[float, float] = option(
        (0.1, 0.8), "Their structure function at infinity, log-uniform (mag).", above=0.0, ascending=True
    )
    agn_timescale: tuple[float, float] = option(
        (20.0, 1000.0), "Their damping time, log-uniform (days).", above=0.0, ascending=True
    )
    agn_nucleus: tuple[float, float] = option(
        (0.02, 1.0), "Share of the galaxy's light in the active nucleus, log-uniform.", above=0.0, max=1.0,
        ascending=True,
    )  # fmt: skip
    quasar_fraction: float = option(
        0.3, "Fraction of active nuclei that leave nothing of the galaxy to be seen.", min=0.0, max=1.0
    )
    asteroid_density: float = option(700.0, "Asteroids in a square degree.", min=0.0)
    asteroid_rate: tuple[float, float] = option(
        (0.05, 0.7), "Motion of asteroids (arcsec / minute).", min=0.0, ascending=True
    )
    fast_asteroid_fraction: float = option(0.0, "Fraction of asteroids that are fast.", min=0.0, max=1.0)
    fast_asteroid_rate: tuple[float, float] = option(
        (0.7, 6.0), "Motion of fast asteroids (arcsec / minute).", min=0.0, ascending=True
    )
    high_proper_motion_fraction: float = option(
        0.02, "Fraction of stars with a high proper motion.", min=0.0, max=1.0
    )
    high_proper_motion: tuple[float, float] = option(
        (0.1, 0.8), "High proper motions (arcsec / year).", min=0.0, ascending=True
    )
    proper_motion: float = option(
        0.006,
        "Standard deviation of the proper motion of all other stars in each coordinate (arcsec / year).",
        min=0.0,
    )

    # Artefacts.
    template_artefact_factor: float = option(
        0.25, "Rates of artefacts in template visits over those in search visits.", min=0.0
    )
    saturated_flagged_fraction: float = option(
        1.0, "Fraction of saturated stars whose full pixels are flagged.", min=0.0, max=1.0
    )
    cosmic_rays: float = option(14.0, "Cosmic rays in a megapixel.", min=0.0)
    cosmic_ray_found_fraction: float = option(
        0.4, "Fraction of cosmic rays that are found, interpolated and flagged.", min=0.0, max=1.0
    )
    bad_columns: float = option(2.5, "Bad columns of a detector, the same in all visits.", min=0.0)
    bad_column_flagged_fraction: float = option(
        0.6, "Fraction of bad columns that are flagged.", min=0.0, max=1.0
    )
    satellites: float = option(0.25, "Satellite trails.", min=0.0)
    ghosts: float = option(0.35, "Ghosts.", min=0.0)
    astrometric_jitter: float = option(
        0.15, "Probability of a visit whose WCS is off by more than the usual error.", min=0.0, max=1.0
    )
    astrometric_jitter_offset: tuple[float, float] = option(
        (0.03, 0.12), "That error (arcsec).", min=0.0, ascending=True
    )
    psf_changes: float = option(
        0.15, "Probability that the PSF model of a detector is not the PSF that was drawn.", min=0.0, max=1.0
    )
    psf_change_size: tuple[float, float] = option(
        (0.015, 0.05), "Relative error of the model's size.", min=0.0, ascending=True
    )
    edge_glows: float = option(0.3, "Probability of a glowing edge.", min=0.0, max=1.0)
    no_data_borders: float = option(0.3, "Probability of a border without data.", min=0.0, max=1.0)
    vignetted_corners: float = option(0.15, "Probability of vignetted corners.", min=0.0, max=1.0)
    soft_blobs: float = option(0.0, "Blobs of scattered light, wider than the PSF, in a megapixel.", min=0.0)
    ghost_disks: float = option(0.0, "Small out-of-focus ghosts in a megapixel.", min=0.0)
    glint_trails: float = option(0.0, "Lines of flashes in a megapixel.", min=0.0)
    aberrated_visits: float = option(
        0.0, "Probability of a search visit that is out of focus or alignment.", min=0.0, max=1.0
    )
    aberration_size: tuple[float, float] = option(
        (0.2, 1.4), "Root mean square radius of its spots, in units of the seeing.", min=0.0, ascending=True
    )
    aberration_in_model: tuple[float, float] = option(
        (0.4, 1.0), "Part of the aberration that the PSF model has.", min=0.0, ascending=True
    )
    core_defects: float = option(
        0.0, "Fraction of bright stars whose core is spoilt as near saturation.", min=0.0, max=1.0
    )
    charge_trails: float = option(
        0.0, "Probability of a detector that leaves charge behind sources.", min=0.0, max=1.0
    )
    charge_trail_fraction: tuple[float, float] = option(
        (0.005, 0.05), "Part of the charge that it leaves.", min=0.0, max=1.0, ascending=True
    )
    persistence: float = option(
        0.0, "Remnants in a megapixel of stars saturated in the exposure before.", min=0.0
    )
    streaks: float = option(0.0, "Short streaks along rows and columns in a megapixel.", min=0.0)
    cosmic_ray_hits: float = option(0.0, "Cosmic rays of one to three pixels in a megapixel.", min=0.0)
    hot_pixels: float = option(
        0.0, "Hot and cold pixels in a megapixel, the same in all visits, templates too.", min=0.0
    )
    crosstalk: float = option(
        0.0,
        "Copies in a megapixel of saturated stars of other detectors; unless it is 0, saturated stars have "
        "copies in the other amplifier, too.",
        min=0.0,
    )
    missing_blocks: float = option(0.0, "Rectangles without data in a megapixel.", min=0.0)
    airmass: tuple[float, float] = option(
        (1.0, 1.6), "Airmass of visits, for refraction.", min=1.0, ascending=True
    )
    refraction: float = option(
        0.0, "Differential chromatic refraction, in units of that of the real atmosphere.", min=0.0
    )
    brighter_fatter: float = option(
        0.0, "Relative growth of the PSF of a star that fills a pixel.", min=0.0, max=1.0
    )

    def check(self) -> None:
        """Check what the survey's numbers of images allow."""
        if self.n_detectors > MAX_DETECTORS:
            self.refuse("detector_grid", f"1 to {MAX_DETECTORS} detectors")
        if not sum(self.variable_shapes) > 0:
            self.refuse("variable_shapes", "shares of which one is above 0")
        if self.variable_amplitude_law == "log_uniform" and not self.variable_amplitude[0] > 0:
            self.refuse("variable_amplitude", "above 0 where its law is log_uniform")
        if self.transient_nuclear_fraction + self.transient_outskirts_fraction > 1:
            self.refuse("transient_outskirts_fraction", "at most 1 less transient_nuclear_fraction")
        if self.n_template_visits * len(self.bands) >= SEARCH_START:
            self.refuse("n_template_visits", f"below {SEARCH_START} in all bands together")

    @property
    def n_detectors(self) -> int:
        """Number of detectors."""
        return self.detector_grid[0] * self.detector_grid[1]


def load_config(path: Path, base: SurveyConfig) -> SurveyConfig:
    """Override numbers of a survey from a YAML file.

    Parameters
    ----------
    path
        File with a mapping from names of `SurveyConfig` to values.
    base
        Survey whose numbers are kept where the file says nothing.

    Returns
    -------
    SurveyConfig
        The survey.

    Raises
    ------
    InvalidInputError
        If the file is not such a mapping.
    """
    with reading(path, "YAML with numbers of a survey"):
        content = yaml.safe_load(path.read_text())
    if content is None:
        return base
    if not isinstance(content, dict):
        raise InvalidInputError(f"{path} must map names to values; got {type(content).__name__}")
    return base.replace(**content)
