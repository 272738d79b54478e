"""Differential chromatic refraction: stars displaced towards the zenith by their colour and the airmass."""

from __future__ import annotations

__all__ = ("chromatic_shift", "refract")

import dataclasses
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ._config import SurveyConfig
from ._scene import Scene
from ._schedule import Visit

Floats = npt.NDArray[np.float64]

_SPREAD = {"u": 0.11, "g": 0.045, "r": 0.012, "i": 0.006, "z": 0.003, "y": 0.002}
"""Displacement of a star in arcsec per magnitude of g − r, where the tangent of the zenith distance is 1."""
_OTHER_BAND = 0.02
_MEAN_COLOUR = 0.75
"""Colour of the stars on which the WCS rests."""


def chromatic_shift(config: SurveyConfig, visit: Visit) -> Floats:
    """Return the displacement on the sky of redder objects, towards east and north [arcsec / mag].

    Parameters
    ----------
    config
        The survey, whose ``refraction`` multiplies that of a site at 2700 m.
    visit
        The visit.
    """
    tangent = np.sqrt(visit.airmass**2 - 1)
    size = -config.refraction * _SPREAD.get(visit.band, _OTHER_BAND) * tangent
    angle = np.radians(visit.parallactic_angle)
    return np.array([size * np.sin(angle), size * np.cos(angle)])


def refract(
    scene: Scene, config: SurveyConfig, visit: Visit, template_visits: Sequence[Visit]
) -> tuple[Scene, Floats]:
    """Displace objects by their colours.

    Parameters
    ----------
    scene
        What the detector sees without dispersion.
    config, visit
        The survey and the visit.
    template_visits
        Those of the same band.

    Returns
    -------
    Scene
        The same with other positions.
    displacement
        By how many pixels each object lies from its place in the template, shape ``(n,)``.

    Notes
    -----
    Refraction bends blue light more, towards the zenith; the mean effect is in the WCS. The spread by band is
    the order of magnitude of Kaczmarczik et al. (2009) and Plazas & Bernstein (2012).
    """
    colour = np.asarray(scene.objects["colour"], float) - _MEAN_COLOUR
    here = chromatic_shift(config, visit)
    there = np.mean([chromatic_shift(config, other) for other in template_visits] or [0 * here], axis=0)
    dx, dy = np.einsum("nij,j->in", scene.jacobian, here) * colour
    apart = np.hypot(*(np.einsum("nij,j->in", scene.jacobian, here - there) * colour))
    return dataclasses.replace(scene, x=scene.x + dx, y=scene.y + dy), apart
