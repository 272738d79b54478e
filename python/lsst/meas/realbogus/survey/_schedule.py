"""Which visits a survey makes, and in what conditions."""

from __future__ import annotations

__all__ = ("Visit", "make_schedule")

import dataclasses
import math
from collections.abc import Iterator

import astropy.time
import astropy.units as u
import numpy as np

from lsst.meas.realbogus.randomness import generator

from ._config import SEARCH_START, SurveyConfig


@dataclasses.dataclass(frozen=True, kw_only=True)
class Visit:
    """One visit and its conditions.

    Attributes
    ----------
    id, band, physical_filter
        The visit.
    is_template
        Whether it goes into templates, not into the search.
    mjd
        Midpoint of the exposure (TAI).
    exposure_time
        Seconds.
    ra, dec, rotation
        Pointing [degrees].
    seeing, moffat_beta
        FWHM [arcsec] and index of the effective PSF.
    sky_brightness
        Magnitudes per square arcsecond.
    zero_point
        AB magnitude that gives one electron.
    extinction
        Light lost to clouds [mag].
    full_well
        Electrons from which a pixel is saturated.
    wcs_offset
        By how much the visit's WCS is wrong, along the pixel axes [arcsec].
    is_jittered
        Whether that is more than the usual error.
    airmass
        Secant of the zenith distance.
    parallactic_angle
        Direction of the zenith, from north through east [degrees].
    """

    id: int
    band: str
    physical_filter: str
    is_template: bool
    mjd: float
    exposure_time: float
    ra: float
    dec: float
    rotation: float
    seeing: float
    moffat_beta: float
    sky_brightness: float
    zero_point: float
    extinction: float
    full_well: float
    wcs_offset: tuple[float, float]
    is_jittered: bool
    airmass: float
    parallactic_angle: float

    @property
    def midpoint(self) -> astropy.time.Time:
        """Middle of the exposure."""
        return astropy.time.Time(self.mjd, format="mjd", scale="tai")

    @property
    def begin(self) -> astropy.time.Time:
        """Start of the exposure."""
        return self.midpoint - 0.5 * self.exposure_time * u.s

    @property
    def end(self) -> astropy.time.Time:
        """End of the exposure."""
        return self.midpoint + 0.5 * self.exposure_time * u.s


def make_schedule(config: SurveyConfig) -> list[Visit]:
    """Plan all visits of a survey, templates first.

    Parameters
    ----------
    config
        The survey.

    Returns
    -------
    list of Visit
        All visits.
    """
    return [*_epoch(config, is_template=True), *_epoch(config, is_template=False)]


def _epoch(config: SurveyConfig, *, is_template: bool) -> Iterator[Visit]:
    count = config.n_template_visits if is_template else config.n_search_visits
    first = 1 if is_template else SEARCH_START
    nights = {band: config.template_mjd if is_template else config.search_mjd for band in config.bands}
    for number in range(count * len(config.bands)):
        band = config.bands[number % len(config.bands)]
        visit = first + number
        rng = generator(config.seed, "survey-visit", visit)
        if number >= len(config.bands):
            nights[band] += rng.uniform(*config.visit_interval)
        yield _visit(config, visit, band, nights[band], rng, is_template=is_template)


def _visit(
    config: SurveyConfig, visit: int, band: str, mjd: float, rng: np.random.Generator, *, is_template: bool
) -> Visit:
    dither = rng.normal(0.0, config.dither / 3600, 2)
    is_jittered = bool(rng.random() < config.astrometric_jitter * _rate(config, is_template))
    size, angle = rng.uniform(*config.astrometric_jitter_offset), rng.uniform(0, 2 * np.pi)
    error = rng.normal(0.0, config.astrometric_error, 2)
    if is_jittered:
        error = size * np.array([np.cos(angle), np.sin(angle)])
    stack = config.template_stack if is_template else 1.0
    clouds = config.template_extinction if is_template else config.extinction
    rotation = float(rng.uniform(*config.rotation))
    seeing = float(rng.uniform(*(config.template_seeing if is_template else config.seeing)))
    moffat_beta = float(rng.uniform(*config.moffat_beta))
    sky_brightness = float(rng.uniform(*config.sky_brightness))
    extinction = float(rng.uniform(*clouds))
    air = generator(config.seed, "survey-airmass", visit)
    return Visit(
        id=visit,
        band=band,
        physical_filter=f"{band}_sim",
        is_template=is_template,
        mjd=mjd,
        exposure_time=config.exposure_time,
        ra=float((config.ra + dither[0] / np.cos(np.radians(config.dec))) % 360),
        dec=float(np.clip(config.dec + dither[1], -90, 90)),
        rotation=rotation,
        seeing=seeing,
        moffat_beta=moffat_beta,
        sky_brightness=sky_brightness,
        zero_point=float(config.zero_point - extinction + 2.5 * math.log10(stack)),
        extinction=extinction,
        full_well=config.full_well * stack,
        wcs_offset=(float(error[0]), float(error[1])),
        is_jittered=is_jittered,
        airmass=float(air.uniform(*config.airmass)),
        parallactic_angle=float(air.uniform(0, 360)),
    )


def _rate(config: SurveyConfig, is_template: bool) -> float:
    return config.template_artefact_factor if is_template else 1.0
