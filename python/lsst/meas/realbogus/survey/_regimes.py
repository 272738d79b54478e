"""Cameras and conditions that differ in what matters to a classifier: pixels, PSF, noise and depth."""

from __future__ import annotations

__all__ = ("CAMERAS", "limiting_magnitude", "populate", "suited_pipeline")

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from ._config import SurveyConfig

_POPULATIONS = {
    "star": (-9.0, 0.8),
    "galaxy": (-7.0, 0.9),
    "transient": (-4.5, 0.1),
}
"""Brightest and faintest magnitudes, relative to the limiting magnitude of a visit."""
_FAKE_VARIABLES = 25.0
"""At most so many stars in a megapixel get a companion that varies."""


def limiting_magnitude(config: SurveyConfig) -> float:
    """Return the magnitude at which a point source has an SNR of 5 in a visit of middling conditions.

    Parameters
    ----------
    config
        The survey; the middles of its ranges of seeing, sky brightness and extinction are used.

    Returns
    -------
    float
        Its AB magnitude.

    Notes
    -----
    The noise is that of sky and read-out in the effective area of a Gaussian PSF, 2.27 FWHM^2 (King 1983).
    """
    zero_point = config.zero_point - float(np.mean(config.extinction))
    sky = 10 ** (0.4 * (zero_point - float(np.mean(config.sky_brightness)))) * config.pixel_scale**2
    area = 2.27 * (float(np.mean(config.seeing)) / config.pixel_scale) ** 2
    return zero_point - 2.5 * float(np.log10(5 * np.sqrt(area * (sky + config.read_noise**2))))


def populate(config: SurveyConfig, numbers: Mapping[str, float]) -> SurveyConfig:
    """Fill a survey's images rather than its sky: so many objects in a megapixel, and as deep as it sees.

    Parameters
    ----------
    config
        The survey.
    numbers
        How many of ``star``, ``galaxy``, ``transient`` and ``asteroid`` there are in 1024 x 1024 pixels.

    Returns
    -------
    SurveyConfig
        The survey with densities and magnitudes that follow its pixel scale and limiting magnitude. What is
        given as an angle (dithers, errors of the WCS, refraction, motions) keeps its size in pixels, or in
        widths of the PSF, of the default survey.
    """
    depth = limiting_magnitude(config)
    clear = limiting_magnitude(config.replace(extinction=config.template_extinction))
    area = (1024 * config.pixel_scale / 3600) ** 2
    pixel = config.pixel_scale / 0.2
    width = float(np.mean(config.seeing))
    blur = width / 0.9
    overrides: dict[str, object] = {f"{kind}_density": number / area for kind, number in numbers.items()}
    for kind, (bright, faint) in _POPULATIONS.items():
        # Stars that clouds hide from the search still fill the pixels of the template.
        brightest = (clear if kind == "star" else depth) + bright
        overrides[f"{kind}_magnitudes"] = (round(brightest, 2), round(depth + faint, 2))
    return config.replace(
        dither=8.0 * pixel,
        astrometric_error=0.015 * blur,
        astrometric_jitter_offset=(0.03 * blur, 0.12 * blur),
        high_proper_motion=(0.1 * blur, 0.8 * blur),
        asteroid_rate=(0.0, 0.7 * width * 60 / config.exposure_time),
        fast_asteroid_rate=(0.7 * width * 60 / config.exposure_time, 4.0 * width * 60 / config.exposure_time),
        refraction=config.refraction * blur,
        **overrides,
    )


def suited_pipeline(config: SurveyConfig, *, fake_fraction: float = 0.12) -> dict[str, str]:
    """Return overrides of ``Embedded/RealBogus.yaml`` that suit the pixels and the depth of a survey.

    Parameters
    ----------
    config
        The survey.
    fake_fraction
        Share of the galaxies that get a fake.

    Returns
    -------
    dict
        Values by ``label:field``, as ``pipetask run -c`` takes them: magnitudes of fakes about the limiting
        magnitude, with variables and fakes that are in the template alone, and radii of the matching in
        proportion to the PSF.
    """
    depth = limiting_magnitude(config)
    blur = max(1.0, float(np.mean(config.seeing)) / 0.9)
    megapixels_per_square_degree = (3600 / (1024 * config.pixel_scale)) ** 2
    variables = min(0.06, _FAKE_VARIABLES * megapixels_per_square_degree / max(config.star_density, 1.0))
    fakes = {
        "hosted.fraction": fake_fraction,
        "hosted.mag_min": depth - 5.0,
        "hosted.mag_max": depth + 0.3,
        "hostless.fraction": 0.3,
        "hostless.mag_min": depth - 4.0,
        "hostless.mag_max": depth + 0.2,
        "template.mag_min": depth - 4.0,
        "template.mag_max": depth + 0.2,
        "variable.star_mag_min": depth - 6.0,
        "variable.star_mag_max": depth + 0.2,
    }
    radii = {"radius": 0.5, "max_radius": 1.0, "near_radius": 1.5, "static_radius": 1.5}
    return {
        "parameters:templateFakes": f"{variables:.4g}",
        "parameters:templateDensity": f"{12 * megapixels_per_square_degree:.6g}",
        **{f"createFakeSupernovae:options.{name}": f"{value:.4g}" for name, value in fakes.items()},
        **{f"matchDiaSources:{name}": f"{value * blur:.3g}" for name, value in radii.items()},
    }


def _camera(**numbers: object) -> SurveyConfig:
    populations = {"star": 100.0, "galaxy": 350.0, "transient": 20.0, "asteroid": 4.0}
    return populate(SurveyConfig().replace(**numbers), populations)


CAMERAS: Mapping[str, SurveyConfig] = MappingProxyType(
    {
        "lsstcam": _camera(
            pixel_scale=0.2,
            seeing=(0.65, 1.3),
            template_seeing=(0.6, 0.85),
            n_template_visits=4,
        ),
        "decam": _camera(
            pixel_scale=0.263,
            exposure_time=90.0,
            zero_point=31.5,
            sky_brightness=(20.2, 21.1),
            seeing=(0.85, 1.7),
            template_seeing=(0.8, 1.15),
            gain=(3.9, 4.5),
            read_noise=7.0,
            full_well=150_000.0,
        ),
        "hsc": _camera(
            pixel_scale=0.168,
            exposure_time=60.0,
            zero_point=33.1,
            sky_brightness=(20.3, 21.2),
            seeing=(0.5, 1.0),
            template_seeing=(0.5, 0.75),
            gain=(2.8, 3.6),
            read_noise=4.5,
            full_well=150_000.0,
        ),
        "ztf": _camera(
            pixel_scale=1.01,
            zero_point=28.3,
            sky_brightness=(19.4, 20.8),
            seeing=(1.7, 3.1),
            template_seeing=(1.7, 2.2),
            gain=(5.8, 6.3),
            read_noise=10.0,
            full_well=300_000.0,
            n_template_visits=6,
        ),
    }
)
"""Surveys like those of four cameras: pixel scale, seeing, sky, zero point of one exposure, full well."""
