"""The family of surveys that models learn from: one for every number, spread evenly over the regimes."""

from __future__ import annotations

__all__ = ("REGIMES", "Regime", "training_regime", "training_role", "training_survey")

import dataclasses
import functools
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

import numpy as np
from scipy.stats import qmc

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import derive_key

from ._artefact_rates import TRAINING_ARTEFACTS
from ._config import SurveyConfig
from ._regimes import populate

_SEED = 20_000
_MAX_NUMBER = 100_000
_VARIABLE_AMONG = 800.0
"""Stars in a megapixel of which the full fraction varies."""
_SHARPEST = 1.61
"""Least FWHM of a PSF [pixels]."""
_CYCLE = (
    "lsstcam", "ztf", "between", "decam", "hsc", "between", "ztf", "lsstcam", "between", "decam",
    "ztf", "between", "hsc", "between", "ztf", "lsstcam", "between", "decam", "ztf", "between",
)  # fmt: skip
_ROLES = ("learn", "learn", "learn", "learn", "learn", "choose", "judge")


@dataclasses.dataclass(frozen=True)
class Regime:
    """Pixels and PSFs of a family of cameras.

    Parameters
    ----------
    pixel_scale
        Range of pixel scales [arcsec].
    fwhm
        Range of the FWHM of PSFs [pixels].
    """

    pixel_scale: tuple[float, float]
    fwhm: tuple[float, float]


REGIMES: Mapping[str, Regime] = MappingProxyType(
    {
        "lsstcam": Regime((0.19, 0.21), (3.0, 10.5)),
        "decam": Regime((0.25, 0.28), (2.8, 7.0)),
        "hsc": Regime((0.16, 0.18), (2.8, 6.5)),
        "ztf": Regime((0.9, 1.1), (1.6, 3.2)),
        "between": Regime((0.28, 0.9), (1.8, 5.5)),
    }
)
"""Regimes of the training surveys by name."""

# Ranges of numbers of a survey, linear and logarithmic, and of numbers of objects in a megapixel.
_LINEAR = {
    "moffat_beta": (2.3, 4.4),
    "psf_ellipticity": (0.01, 0.12),
    "psf_size_variation": (0.01, 0.08),
    "read_noise": (4.0, 12.0),
    "background_residual": (0.05, 0.4),
    "star_slope": (0.1, 0.25),
    "galaxy_slope": (0.2, 0.34),
    "variable_fraction": (0.45, 0.75),
    "agn_fraction": (0.3, 0.6),
    "quasar_fraction": (0.4, 0.7),
    "transient_hosted_fraction": (0.5, 0.95),
    "transient_nuclear_fraction": (0.05, 0.3),
    "transient_outskirts_fraction": (0.1, 0.4),
    "transient_faded_fraction": (0.15, 0.35),
    "fast_asteroid_fraction": (0.2, 0.6),
    "high_proper_motion_fraction": (0.01, 0.05),
    "astrometric_jitter": (0.1, 0.45),
    "psf_changes": (0.1, 0.45),
    "template_artefact_factor": (0.05, 0.3),
    "saturated_flagged_fraction": (0.0, 1.0),
}
_LOGARITHMIC = {
    "full_well": (60_000.0, 300_000.0),
    "cosmic_rays": (20.0, 50.0),
    "bad_columns": (0.3, 1.5),
    "satellites": (0.2, 0.8),
    "ghosts": (0.3, 1.2),
    **{
        name: (0.2 * rate, 0.8 * rate) for name, rate in TRAINING_ARTEFACTS.items() if name != "cloud_patches"
    },
    "soft_blobs": (5.0, 15.0),
    "glint_trails": (1.6, 4.8),
}
_NUMBERS = {
    "star": (200.0, 2500.0),
    "galaxy": (250.0, 450.0),
    "transient": (30.0, 60.0),
    "asteroid": (11.0, 18.0),
}
_OTHERS = ("fwhm", "pixel_scale", "spread", "sky", "template", "n_template", "stack", "clouds")
_NAMES = (*_OTHERS, *_LINEAR, *_LOGARITHMIC, *_NUMBERS)


def training_regime(number: int) -> str:
    """Return the regime, of `REGIMES`, of a training survey.

    Parameters
    ----------
    number
        Number of the survey, from 0.

    Returns
    -------
    str
        Of 20 surveys in a row, eight are like those of the Rubin, DECam and HSC cameras, five like ZTF, and
        seven lie between.
    """
    if not 0 <= number < _MAX_NUMBER:
        raise InvalidInputError(f"training surveys are numbered from 0 to {_MAX_NUMBER - 1}; got {number}")
    return _CYCLE[number % len(_CYCLE)]


def training_role(number: int) -> Literal["learn", "choose", "judge"]:
    """Return what a training survey is for, so that every model keeps the same ones apart.

    Parameters
    ----------
    number
        Number of the survey, from 0.

    Returns
    -------
    str
        ``"learn"`` for five of seven, ``"choose"`` (the epoch, the design) and ``"judge"`` for one each. The
        period has no factor in common with that of `training_regime`, so each role gets every regime.
    """
    training_regime(number)
    return _ROLES[number % len(_ROLES)]  # type: ignore[return-value]


def training_survey(number: int) -> SurveyConfig:
    """Make the numbers of a training survey.

    Parameters
    ----------
    number
        Number of the survey, from 0.

    Returns
    -------
    SurveyConfig
        A small survey with about as many sources in its difference images as have room. The numbers of the
        surveys of one regime are points of a Sobol sequence, so that any run of them covers its ranges.

    Raises
    ------
    InvalidInputError
        If the number is negative, or too large to be one.
    """
    name = training_regime(number)
    regime, draw = REGIMES[name], _draws(name, number)
    scale = _between(draw["pixel_scale"], regime.pixel_scale, log=True)
    fwhm = _between(draw["fwhm"], regime.fwhm)
    spread = 1.05 + 0.25 * draw["spread"]
    # A template is as sharp as its visits; two in three surveys have one that is better.
    template = fwhm * (0.65 + 0.6 * draw["template"])
    # Electrons of the sky in a pixel: from read-out noise that counts to sky that is all.
    sky = _between(draw["sky"], (60.0, 6000.0), log=True)
    brightness = 20.5
    zero_point = brightness + 2.5 * float(np.log10(sky / scale**2))
    beta = _between(draw["moffat_beta"], _LINEAR["moffat_beta"])
    config = SurveyConfig(
        seed=_SEED + number,
        ra=(10.0 + 17.0 * number) % 360,
        dec=-60.0 + (37.0 * number) % 90,
        detector_grid=(1, 1),
        detector_size=(1024, 1024),
        n_search_visits=7,
        n_template_visits=_n_template_visits(draw["n_template"]),
        template_stack=round(_template_stack(draw["stack"]), 2),
        extinction=(0.0, _worst_clouds(draw["clouds"])),
        template_extinction=(0.0, 0.3),
        cloud_patches=TRAINING_ARTEFACTS["cloud_patches"] if _worst_clouds(draw["clouds"]) > 1 else 0.0,
        pixel_scale=round(scale, 4),
        seeing=_widths(fwhm, spread, scale, regime),
        template_seeing=_widths(template, 1.08, scale, regime),
        sky_brightness=(brightness - 0.5, brightness + 0.5),
        zero_point=round(zero_point, 3),
        moffat_beta=(round(beta, 2), round(beta + 0.8, 2)),
        variable_amplitude=(0.05, 1.5),
        variable_amplitude_law="log_uniform",
        variable_shapes=(0.4, 0.45, 0.15),
        agn_amplitude=(0.1, 1.0),
    )
    numbers = {
        key: _between(draw[key], limits) for key, limits in _LINEAR.items() if key != "moffat_beta"
    } | {key: _between(draw[key], limits, log=True) for key, limits in _LOGARITHMIC.items()}
    objects = {key: _between(draw[key], limits, log=True) for key, limits in _NUMBERS.items()}
    # In crowded fields a smaller share varies, so that all fields have about as many variables.
    numbers["variable_fraction"] *= min(1.0, _VARIABLE_AMONG / objects["star"])
    return populate(config.replace(**numbers), objects)


def _n_template_visits(draw: float) -> int:
    """Return 1 in three surveys of ten, where everything in the template shows, or 2 to 6."""
    return 1 if draw < 0.3 else 2 + int((draw - 0.3) / 0.7 * 5)


def _worst_clouds(draw: float) -> float:
    """Return 0.3 mag in half of the surveys, else 2 or 4."""
    return 0.3 if draw < 0.5 else 2.0 if draw < 0.75 else 4.0


def _template_stack(draw: float) -> float:
    """Return 1 in two surveys of five; else up to 30, the depth of templates after years of a survey."""
    return 1.0 if draw < 0.4 else float(30 ** ((draw - 0.4) / 0.6))


def _widths(fwhm: float, spread: float, scale: float, regime: Regime) -> tuple[float, float]:
    """Return a range of FWHM [arcsec] about a width in pixels, within those of the regime."""
    low, high = np.clip([fwhm / spread, fwhm * spread], max(0.9 * regime.fwhm[0], _SHARPEST), regime.fwhm[1])
    return round(float(low * scale), 3), round(float(high * scale), 3)


def _between(draw: float, limits: tuple[float, float], *, log: bool = False) -> float:
    low, high = limits
    return float(low * (high / low) ** draw if log else low + (high - low) * draw)


@functools.lru_cache(maxsize=64)
def _draws(name: str, number: int) -> Mapping[str, float]:
    """Return a point of the regime's Sobol sequence (Sobol 1967, scrambled by Owen's method)."""
    place = sum(_CYCLE[earlier % len(_CYCLE)] == name for earlier in range(number))
    sequence = qmc.Sobol(len(_NAMES), scramble=True, rng=derive_key(_SEED, "training-surveys", name))
    if place:
        sequence.fast_forward(place)
    return MappingProxyType(dict(zip(_NAMES, sequence.random(1)[0].tolist(), strict=True)))
