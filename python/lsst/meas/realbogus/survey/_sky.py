"""What is on the sky: stars, galaxies, transients and asteroids, made cell by cell.

Every object belongs to a cell of the sky and depends on the survey's seed and that cell only, so detectors
and visits that overlap see the same objects.
"""

from __future__ import annotations

__all__ = ("SkyKind", "cells_of", "make_sky", "power_law")

import enum
import functools
from collections.abc import Iterable, Sequence
from typing import Any

import astropy.table
import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator, uniform

from ._config import SurveyConfig
from ._light_curves import Shape
from ._schedule import Visit

Floats = npt.NDArray[np.float64]
Columns = dict[str, npt.NDArray[Any]]

_ID_BITS = 14
_RA_BITS = 15
_ASTEROID_BITS = 11
_ASTEROID = 1 << 61
SERSIC_INDICES = (1.0, 1.5, 2.5, 4.0)
_SERSIC_WEIGHTS = (0.55, 0.2, 0.1, 0.15)
_COLUMNS = (
    "ra", "dec", "mag", "colour", "pm_ra", "pm_dec", "radius", "sersic", "g1", "g2",
    "amplitude", "period", "phase", "shape", "nucleus", "time", "rise", "decay", "rate", "angle",
)  # fmt: skip


class SkyKind(enum.IntEnum):
    """Kinds of objects; the name in lower case is what truth tables say."""

    STAR = 1
    GALAXY = 2
    TRANSIENT = 3
    VARIABLE = 4
    ASTEROID = 5
    HIGH_PROPER_MOTION = 6
    AGN = 7


def cells_of(ra: npt.ArrayLike, dec: npt.ArrayLike) -> list[tuple[int, int]]:
    """Return the cells, about an arcminute wide, that cover the range of some positions.

    Parameters
    ----------
    ra, dec
        Corners of a small area in degrees; it may cross right ascension 0.

    Returns
    -------
    list
        Row and column of every cell.
    """
    ra, dec = np.atleast_1d(np.asarray(ra, float)), np.atleast_1d(np.asarray(dec, float))
    middle = ra[0]
    offsets = (ra - middle + 180) % 360 - 180
    rows = np.floor((np.array([dec.min(), dec.max()]) + 90) * 60).astype(int)
    cells: list[tuple[int, int]] = []
    for row in range(max(rows[0], 0), min(rows[1], 180 * 60 - 1) + 1):
        count = _cells_in_row(row)
        low, high = (np.floor((middle + offset) / 360 * count) for offset in (offsets.min(), offsets.max()))
        cells.extend((row, int(column) % count) for column in range(int(low), int(high) + 1))
    return sorted(set(cells))


def _cells_in_row(row: int) -> int:
    return max(1, int(360 * 60 * np.cos(np.radians(row / 60 + 1 / 120 - 90))))


def _cell_area(row: int) -> float:
    """Area of a cell in square degrees."""
    edges = np.radians(np.array([row, row + 1]) / 60 - 90)
    steradians = 2 * np.pi / _cells_in_row(row) * (np.sin(edges[1]) - np.sin(edges[0]))
    return float(np.degrees(np.degrees(steradians)))


def power_law(rng: np.random.Generator, count: int, slope: float, limits: tuple[float, float]) -> Floats:
    """Draw magnitudes from counts ``log10 N(<m) = slope * m + constant`` between limits."""
    low, high = 10 ** (slope * np.asarray(limits))
    magnitudes: Floats = np.log10(low + (high - low) * rng.random(count)) / slope
    return magnitudes


def make_sky(
    config: SurveyConfig, cells: Iterable[tuple[int, int]], visits: Sequence[Visit] = ()
) -> astropy.table.Table:
    """Make all objects of some cells.

    Parameters
    ----------
    config
        The survey.
    cells
        Rows and columns, from `cells_of`.
    visits
        Visits whose asteroids are added.

    Returns
    -------
    astropy.table.Table
        One row an object. ``truth_id``, ``kind`` (`SkyKind`), ``host_id``, ``visit`` (of asteroids, else 0);
        ``ra``, ``dec`` [degrees] at the epoch of the template; ``mag`` (total, at peak for transients, r
        band), ``colour`` (g − r), ``pm_ra``, ``pm_dec`` [arcsec/yr]; ``radius`` (half-light, arcsec),
        ``sersic``, ``g1``, ``g2`` of galaxies; ``amplitude`` [mag], ``period`` [days], ``phase`` and
        ``shape`` of what varies, see `relative_flux`; ``nucleus``, the share of a galaxy's light that
        varies; ``time`` (MJD of the peak), ``rise``, ``decay`` [days] of transients; ``rate`` [arcsec/s] and
        ``angle`` [degrees] of asteroids.
    """
    parts: list[Columns] = []
    for row, column in cells:
        parts.extend(_fixed_sky(config, row, column))
        parts.extend(_asteroids(config, row, column, visit.id) for visit in visits)
    names = ("truth_id", "kind", "host_id", "visit", *_COLUMNS)
    return astropy.table.Table({name: np.concatenate([part[name] for part in parts]) for name in names})


@functools.lru_cache(maxsize=4096)
def _fixed_sky(config: SurveyConfig, row: int, column: int) -> tuple[Columns, ...]:
    galaxies = _galaxies(config, row, column)
    return _stars(config, row, column), galaxies, _transients(config, row, column, galaxies)


def _blank(count: int, kind: SkyKind, row: int, column: int) -> Columns:
    if count >= 1 << _ID_BITS:
        raise InvalidInputError(f"{count} objects of one kind in a square arcminute; lower the densities")
    cell = (row << _RA_BITS) | column
    part: Columns = {name: np.zeros(count) for name in _COLUMNS}
    part["truth_id"] = (((cell << 3) | int(kind)) << _ID_BITS) + np.arange(count, dtype=np.int64)
    part["kind"] = np.full(count, int(kind), np.int64)
    part["host_id"], part["visit"] = np.zeros(count, np.int64), np.zeros(count, np.int64)
    return part


def _place(part: Columns, rng: np.random.Generator, row: int, column: int) -> None:
    count = len(part["ra"])
    z = np.sin(np.radians(np.array([row, row + 1]) / 60 - 90))
    part["ra"] = (column + rng.random(count)) * 360 / _cells_in_row(row)
    part["dec"] = np.degrees(np.arcsin(z[0] + (z[1] - z[0]) * rng.random(count)))


def _vary(part: Columns, rng: np.random.Generator, config: SurveyConfig) -> npt.NDArray[np.bool_]:
    count = len(part["ra"])
    varies = rng.random(count) < config.variable_fraction
    if config.variable_amplitude_law == "uniform":
        amplitude = rng.uniform(*config.variable_amplitude, count)
    else:
        amplitude = _log_uniform(rng, count, config.variable_amplitude)
    part["amplitude"] = np.where(varies, amplitude, 0.0)
    part["period"] = 10 ** rng.uniform(-0.4, 2.0, count)
    part["phase"] = rng.random(count)
    shares = np.cumsum(config.variable_shapes) / np.sum(config.variable_shapes)
    part["shape"] = np.searchsorted(shares[:-1], uniform(config.seed, "sky-shapes", part["truth_id"])[:, 0])
    return varies


def _log_uniform(rng: np.random.Generator, count: int, limits: tuple[float, float]) -> Floats:
    low, high = limits
    draws: Floats = low * (high / low) ** rng.random(count)
    return draws


def _stars(config: SurveyConfig, row: int, column: int) -> Columns:
    rng = generator(config.seed, "sky-stars", row, column)
    count = int(rng.poisson(config.star_density * _cell_area(row)))
    part = _blank(count, SkyKind.STAR, row, column)
    _place(part, rng, row, column)
    part["mag"] = power_law(rng, count, config.star_slope, config.star_magnitudes)
    part["colour"] = rng.normal(0.8, 0.4, count)
    varies = _vary(part, rng, config)
    fast = (rng.random(count) < config.high_proper_motion_fraction) & ~varies
    speed, angle = rng.uniform(*config.high_proper_motion, count), rng.uniform(0, 2 * np.pi, count)
    usual = rng.normal(0, config.proper_motion, (2, count))
    part["pm_ra"] = np.where(fast, speed * np.cos(angle), usual[0])
    part["pm_dec"] = np.where(fast, speed * np.sin(angle), usual[1])
    part["kind"] = np.where(
        fast, int(SkyKind.HIGH_PROPER_MOTION), np.where(varies, int(SkyKind.VARIABLE), int(SkyKind.STAR))
    )
    return part


def _galaxies(config: SurveyConfig, row: int, column: int) -> Columns:
    rng = generator(config.seed, "sky-galaxies", row, column)
    count = int(rng.poisson(config.galaxy_density * _cell_area(row)))
    part = _blank(count, SkyKind.GALAXY, row, column)
    _place(part, rng, row, column)
    mag = power_law(rng, count, config.galaxy_slope, config.galaxy_magnitudes)
    part["mag"], part["colour"] = mag, rng.normal(0.6, 0.3, count)
    # Size against magnitude resembles that of galaxies in COSMOS (Leauthaud et al. 2007), by eye.
    part["radius"] = 0.45 * 10 ** (-0.1 * (mag - 22) + rng.normal(0, 0.15, count))
    part["sersic"] = rng.choice(SERSIC_INDICES, count, p=_SERSIC_WEIGHTS)
    shear, angle = np.minimum(rng.rayleigh(0.22, count), 0.65), rng.uniform(0, 2 * np.pi, count)
    part["g1"], part["g2"] = shear * np.cos(angle), shear * np.sin(angle)
    varies = _vary(part, rng, config)
    part["nucleus"] = np.where(varies, 0.1, 0.0)
    part["kind"] = np.where(varies, int(SkyKind.VARIABLE), part["kind"])
    _activate(part, generator(config.seed, "sky-agn", row, column), config)
    return part


def _activate(part: Columns, rng: np.random.Generator, config: SurveyConfig) -> None:
    """Give some galaxies an active nucleus, and let some of these be quasars."""
    count = len(part["ra"])
    active = rng.random(count) < config.agn_fraction
    quasar = active & (rng.random(count) < config.quasar_fraction)
    nucleus = np.where(quasar, 1.0, _log_uniform(rng, count, config.agn_nucleus))
    for name, values in (
        ("kind", np.full(count, int(SkyKind.AGN))),
        ("shape", np.full(count, float(Shape.WALK))),
        ("amplitude", _log_uniform(rng, count, config.agn_amplitude)),
        ("period", _log_uniform(rng, count, config.agn_timescale)),
        ("nucleus", nucleus),
    ):
        part[name] = np.where(active, values, part[name])
    part["colour"] = np.where(quasar, rng.normal(0.2, 0.2, count), part["colour"])


def _transients(config: SurveyConfig, row: int, column: int, galaxies: Columns) -> Columns:
    rng = generator(config.seed, "sky-transients", row, column)
    count = int(rng.poisson(config.transient_density * _cell_area(row)))
    part = _blank(count, SkyKind.TRANSIENT, row, column)
    _place(part, rng, row, column)
    part["mag"], part["colour"] = (
        rng.uniform(*config.transient_magnitudes, count),
        rng.normal(0.2, 0.3, count),
    )
    span = config.n_search_visits * max(config.visit_interval)
    part["rise"], part["decay"] = rng.uniform(4, 10, count), rng.uniform(15, 40, count)
    part["time"] = config.search_mjd + rng.uniform(-15, span, count)
    hosted = rng.random(count) < config.transient_hosted_fraction
    offsets = rng.normal(0, 1, (2, count))
    place, old, share, angle, moment = uniform(config.seed, "sky-transient-kinds", part["truth_id"], 5).T
    nuclear = place < config.transient_nuclear_fraction
    outskirts = ~nuclear & (place > 1 - config.transient_outskirts_fraction)
    offsets = np.where(nuclear, 0.0, offsets)
    offsets = np.where(outskirts, 3 * np.sqrt(share) * _directions(angle), offsets)
    faded = old < config.transient_faded_fraction
    span = config.n_template_visits * max(config.visit_interval)
    part["time"] = np.where(faded, config.template_mjd - 15 + moment * (15 + span), part["time"])
    if galaxies["ra"].size:
        weights = 10 ** (-0.2 * galaxies["mag"].astype(float))
        host = rng.choice(galaxies["ra"].size, count, p=weights / weights.sum())
        east, north = offsets * galaxies["radius"][host] / 3600
        dec = galaxies["dec"][host] + north
        part["ra"] = np.where(
            hosted, (galaxies["ra"][host] + east / np.cos(np.radians(dec))) % 360, part["ra"]
        )
        part["dec"] = np.where(hosted, dec, part["dec"])
        part["host_id"] = np.where(hosted, galaxies["truth_id"][host], 0)
    return part


def _directions(turn: Floats) -> Floats:
    """Return unit vectors, shape ``(2, n)``."""
    return np.array([np.cos(2 * np.pi * turn), np.sin(2 * np.pi * turn)])


def _asteroids(config: SurveyConfig, row: int, column: int, visit: int) -> Columns:
    rng = generator(config.seed, "sky-asteroids", visit, row, column)
    count = min(int(rng.poisson(config.asteroid_density * _cell_area(row))), (1 << _ASTEROID_BITS) - 1)
    part = _blank(count, SkyKind.ASTEROID, row, column)
    _place(part, rng, row, column)
    cell = (row << _RA_BITS) | column
    part["truth_id"] = (_ASTEROID | (((visit << 29) | cell) << _ASTEROID_BITS)) + np.arange(
        count, dtype=np.int64
    )
    part["mag"], part["colour"] = (
        rng.uniform(*config.transient_magnitudes, count),
        rng.normal(0.6, 0.1, count),
    )
    rate = rng.uniform(*config.asteroid_rate, count)
    part["angle"] = rng.uniform(0, 360, count)
    is_fast, fast = uniform(config.seed, "sky-fast-asteroids", part["truth_id"], 2).T
    low, high = config.fast_asteroid_rate
    rate = np.where(is_fast < config.fast_asteroid_fraction, low + (high - low) * fast, rate)
    part["rate"] = rate / 60
    part["visit"][:] = visit
    return part
