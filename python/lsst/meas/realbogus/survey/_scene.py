"""The sky as one detector of one visit sees it: positions, fluxes and shapes in pixels."""

from __future__ import annotations

__all__ = ("Scene", "make_scene")

import dataclasses
from collections.abc import Sequence

import astropy.table
import numpy as np
import numpy.typing as npt
from lsst.images import Box, DetectorFrame, SkyProjection

from ..tables import magnitude_to_njy, sky_to_pixel
from ._config import SurveyConfig
from ._drawing import Canvas
from ._light_curves import relative_flux
from ._schedule import Visit
from ._sky import SkyKind, cells_of, make_sky
from ._truth_rows import TruthRows

Floats = npt.NDArray[np.float64]

_CLIPPED = 3
"""From so many visits on, a template leaves out what only one of them shows."""
_MARGIN = 100
"""Pixels around the detector within which objects are drawn."""
_COLOUR_TERMS = {"u": 2.2, "g": 1.0, "r": 0.0, "i": -0.4, "z": -0.6, "y": -0.7}
"""Magnitude in a band minus that in r, in units of the colour g − r."""


@dataclasses.dataclass(frozen=True)
class Scene:
    """Objects near a detector.

    Parameters
    ----------
    objects
        Rows of `make_sky`.
    x, y
        Positions in pixels.
    flux, template_flux
        Fluxes in the visit, and their mean over the template visits [nJy].
    extended_flux
        The part of ``flux`` that is extended.
    jacobian
        Pixels per arcsecond towards east and north, shape ``(n, 2, 2)``: ``[:, 0]`` is along x.
    """

    objects: astropy.table.Table
    x: Floats
    y: Floats
    flux: Floats
    template_flux: Floats
    extended_flux: Floats
    jacobian: Floats

    def direction(self, angle: Floats) -> Floats:
        """Return directions in pixels, in degrees from +x, of directions on the sky, from east to north."""
        theta = np.radians(angle)
        step = np.einsum("nij,jn->in", self.jacobian, np.array([np.cos(theta), np.sin(theta)]))
        direction: Floats = np.degrees(np.arctan2(step[1], step[0]))
        return direction

    @property
    def scale(self) -> Floats:
        """Pixels per arcsecond."""
        scale: Floats = np.sqrt(np.abs(np.linalg.det(self.jacobian)))
        return scale

    def trail_length(self, exposure_time: float) -> Floats:
        """Pixels by which objects move in an exposure."""
        return np.asarray(self.objects["rate"], float) * exposure_time * self.scale

    def draw(self, canvas: Canvas, exposure_time: float) -> None:
        """Draw every object."""
        point = self.flux - self.extended_flux
        moving = np.asarray(self.objects["rate"]) > 0
        canvas.stars(self.x[~moving], self.y[~moving], point[~moving])
        angle, length = self.direction(np.asarray(self.objects["angle"])), self.trail_length(exposure_time)
        canvas.trails(self.x[moving], self.y[moving], point[moving], length[moving], angle[moving])
        wide = self.extended_flux > 0
        g1, g2 = np.asarray(self.objects["g1"]), np.asarray(self.objects["g2"])
        shear = np.hypot(g1, g2)
        twice = 2 * np.radians(self.direction(np.degrees(0.5 * np.arctan2(g2, g1))))
        canvas.galaxies(
            self.x[wide],
            self.y[wide],
            self.extended_flux[wide],
            (np.asarray(self.objects["radius"]) * self.scale)[wide],
            np.asarray(self.objects["sersic"])[wide],
            (shear * np.cos(twice))[wide],
            (shear * np.sin(twice))[wide],
        )

    def record(self, truth: TruthRows, bbox: Box, exposure_time: float) -> None:
        """Add the objects within a box to a truth table."""
        inside = bbox.contains(x=np.round(self.x).astype(int), y=np.round(self.y).astype(int))
        names = np.array([SkyKind(kind).name.lower() for kind in self.objects["kind"]])
        truth.add_objects(
            np.asarray(self.objects["truth_id"])[inside],
            names[inside],
            self.x[inside],
            self.y[inside],
            self.flux[inside],
            self.template_flux[inside],
            length=self.trail_length(exposure_time)[inside],
            angle=self.direction(np.asarray(self.objects["angle"]))[inside],
            host_id=np.asarray(self.objects["host_id"])[inside],
        )


def make_scene(
    config: SurveyConfig,
    visit: Visit,
    templates: Sequence[Visit],
    projection: SkyProjection[DetectorFrame],
    bbox: Box,
) -> Scene:
    """Find what a detector of a visit sees.

    Parameters
    ----------
    config
        The survey.
    visit
        The visit.
    templates
        The template visits of the band.
    projection
        The true mapping from the detector's pixels to the sky.
    bbox
        The detector's pixels.
    """
    outer = bbox.padded(_MARGIN)
    x0, x1, y0, y1 = outer.x.start, outer.x.stop, outer.y.start, outer.y.stop
    corners = projection.pixel_to_sky(
        x=np.array([x0, x1, x1, x0], float), y=np.array([y0, y0, y1, y1], float)
    )
    seen_before = templates if len(templates) < _CLIPPED and not visit.is_template else ()
    objects = make_sky(config, cells_of(corners.ra.deg, corners.dec.deg), (*seen_before, visit))
    years = (visit.mjd - config.template_mjd) / 365.25
    dec = np.asarray(objects["dec"]) + np.asarray(objects["pm_dec"]) * years / 3600
    ra = np.asarray(objects["ra"]) + np.asarray(objects["pm_ra"]) * years / 3600 / np.cos(np.radians(dec))
    x, y = sky_to_pixel(projection, ra, dec)
    near = (x > x0) & (x < x1) & (y > y0) & (y < y1)
    objects, ra, dec, x, y = objects[near], ra[near], dec[near], x[near], y[near]
    step = 1 / 3600
    east = np.subtract(sky_to_pixel(projection, ra + step / np.cos(np.radians(dec)), dec), (x, y))
    north = np.subtract(sky_to_pixel(projection, ra, dec + step), (x, y))
    flux, extended = _fluxes(config, objects, visit)
    before = [_fluxes(config, objects, earlier)[0] for earlier in templates]
    if visit.is_template:
        before = [np.where(objects["visit"] == 0, light, 0.0) for light in before]
    template = np.mean(before, axis=0) if before else np.zeros(len(objects))
    return Scene(
        objects, x, y, flux, template, extended, np.moveaxis(np.array([east, north]), 2, 0).swapaxes(1, 2)
    )


def _fluxes(config: SurveyConfig, objects: astropy.table.Table, visit: Visit) -> tuple[Floats, Floats]:
    """Return total and extended fluxes [nJy] of objects in a visit."""
    kind, colour = np.asarray(objects["kind"]), np.asarray(objects["colour"])
    mag = np.asarray(objects["mag"]) + _COLOUR_TERMS.get(visit.band, 0.0) * colour
    flux = magnitude_to_njy(mag)
    age = visit.mjd - np.asarray(objects["time"])
    slow = np.where(age < 0, np.asarray(objects["rise"]), np.asarray(objects["decay"]))
    light = np.exp(-np.minimum(np.abs(age) / np.maximum(slow, 0.1), 50.0))
    light[light < 1e-4] = 0.0
    # A galaxy varies through its nucleus.
    galaxy = np.asarray(objects["radius"]) > 0
    nucleus = np.asarray(objects["nucleus"]) * flux
    extended = np.where(galaxy, flux - nucleus, 0.0)
    wave = relative_flux(config.seed, objects, visit.mjd)
    point = np.select([galaxy, kind == SkyKind.TRANSIENT], [nucleus * wave, flux * light], flux * wave)
    here = np.isin(objects["visit"], (0, visit.id))
    return np.where(here, extended + point, 0.0), extended
