"""Artefacts made of light: satellite trails, ghosts, glowing edges, residual background, vignetting.

They are added to the expected flux, so they bring their photon noise.
"""

from __future__ import annotations

__all__ = ("add_background", "add_edge_glow", "add_ghosts", "add_satellites", "vignette_corner")

import numpy as np

from ._config import SurveyConfig
from ._pixels import Floats, Pixels
from ._truth_rows import TruthRows


def add_background(pixels: Pixels, rng: np.random.Generator, config: SurveyConfig) -> None:
    """Add what background subtraction has left: a plane and a bowl of random signs."""
    height, width = pixels.shape
    v, u = np.linspace(-1, 1, height)[:, None], np.linspace(-1, 1, width)[None, :]
    a, b, c = rng.normal(0, config.background_residual * pixels.sky_noise, 3)
    pixels.flux += a * u + b * v + c * (u * u + v * v - 2 / 3) / 2


def add_satellites(
    pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, truth: TruthRows
) -> None:
    """Add straight trails across the image, as wide as the PSF."""
    height, width = pixels.shape
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        theta = rng.uniform(0, np.pi)
        peak = pixels.sky_noise * 10 ** rng.uniform(0.2, 1.3)
        sigma = fwhm / 2.355 * rng.uniform(1.0, 1.6)
        v, u = np.mgrid[0:height, 0:width]
        across = (v - y) * np.cos(theta) - (u - x) * np.sin(theta)
        near = np.abs(across) < 5 * sigma
        profile = peak * np.exp(-0.5 * (across[near] / sigma) ** 2)
        if rng.random() < 0.3:  # A tumbling satellite flashes.
            along = (u[near] - x) * np.cos(theta) + (v[near] - y) * np.sin(theta)
            profile *= 0.5 * (1 + np.cos(2 * np.pi * along / rng.uniform(80, 300)))
        pixels.flux[near] += profile
        start, stop = _chord(x, y, theta, width, height)
        truth.add_artefact(
            "satellite",
            x + 0.5 * (start + stop) * np.cos(theta),
            y + 0.5 * (start + stop) * np.sin(theta),
            length=stop - start + 12 * sigma,
            width=6 * sigma,
            angle=float(np.degrees(theta)),
            flux=float(profile.sum()),
        )


def _chord(x: float, y: float, theta: float, width: int, height: int) -> tuple[float, float]:
    """Return where a line through (x, y) enters and leaves the image, as distances along it."""
    low, high = -np.inf, np.inf
    for position, step, size in ((x, np.cos(theta), width), (y, np.sin(theta), height)):
        if abs(step) > 1e-12:
            ends = sorted((-position / step, (size - 1 - position) / step))
            low, high = max(low, ends[0]), min(high, ends[1])
    return float(low), float(high)


def add_ghosts(pixels: Pixels, rng: np.random.Generator, rate: float, truth: TruthRows) -> None:
    """Add out-of-focus images of the pupil: faint rings with rather sharp edges."""
    height, width = pixels.shape
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, width), rng.uniform(0, height)
        outer = rng.uniform(0.06, 0.22) * min(width, height) + 15
        inner = outer * rng.uniform(0.3, 0.6)
        level = pixels.sky_noise * 10 ** rng.uniform(-0.9, -0.05)
        v, u = np.mgrid[0:height, 0:width]
        radius = np.hypot(u - x, v - y)
        hole = np.hypot(u - x - rng.normal(0, 0.1) * outer, v - y - rng.normal(0, 0.1) * outer)
        edge = rng.uniform(0.8, 3.0)
        ring = _step((outer - radius) / edge) * _step((hole - inner) / edge)
        pixels.flux += level * ring
        truth.add_artefact("ghost", x, y, width=2 * (outer + edge), flux=float(level * ring.sum()))


def _step(t: Floats) -> Floats:
    """Rise smoothly from 0 to 1 over a few units around 0."""
    rise: Floats = 0.5 * (1 + np.tanh(t))
    return rise


def add_edge_glow(pixels: Pixels, rng: np.random.Generator, truth: TruthRows) -> None:
    """Add light that rises towards one edge of the detector."""
    height, width = pixels.shape
    side, depth = int(rng.integers(4)), rng.uniform(4, 18)
    level = pixels.sky_noise * rng.uniform(2, 8)
    v, u = np.arange(height)[:, None], np.arange(width)[None, :]
    distance = (u, width - 1 - u, v, height - 1 - v)[side]
    along, size = (v, height) if side < 2 else (u, width)
    wave = 1 + 0.4 * np.cos(2 * np.pi * (along / size * rng.uniform(0.5, 3) + rng.random()))
    pixels.flux += level * np.exp(-distance / depth) * wave
    reach = depth * np.log(level / (0.3 * pixels.sky_noise))
    _edge_row(truth, side, reach, width, height)


def vignette_corner(pixels: Pixels, rng: np.random.Generator, truth: TruthRows) -> None:
    """Let one corner receive less light, and flatten it slightly wrong."""
    height, width = pixels.shape
    right, top = bool(rng.integers(2)), bool(rng.integers(2))
    reach = rng.uniform(0.15, 0.4) * min(width, height)
    v, u = np.mgrid[0:height, 0:width]
    depth = reach - np.hypot((width - 1 - u if right else u), (height - 1 - v if top else v))
    lost = np.clip(depth / reach, 0, 1) * rng.uniform(0.3, 0.7)
    error = rng.normal(0, 0.01)
    # Flat-fielding keeps fluxes and raises the noise: fewer electrons for the same nJy.
    sky_flux = pixels.sky / pixels.electrons_per_flux
    pixels.electrons_per_flux *= 1 - lost
    pixels.sky *= 1 - lost
    pixels.flux += error * lost * sky_flux
    pixels.flag("PARTLY_VIGNETTED", lost > 0.05)
    truth.add_artefact("edge", float(right * (width - 1)), float(top * (height - 1)), width=2 * reach)


def _edge_row(truth: TruthRows, side: int, depth: float, width: int, height: int) -> None:
    centre = 0.5 * depth
    if side < 2:
        x = centre if side == 0 else width - 1 - centre
        truth.add_artefact("edge", x, (height - 1) / 2, length=height + depth, width=depth, angle=90.0)
    else:
        y = centre if side == 2 else height - 1 - centre
        truth.add_artefact("edge", (width - 1) / 2, y, length=width + depth, width=depth)
