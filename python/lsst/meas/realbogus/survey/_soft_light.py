"""Light that is wider than the PSF, or flashes on a line: scattered light, small ghosts, glints."""

from __future__ import annotations

__all__ = ("add_ghost_disks", "add_glints", "add_soft_blobs", "surface_brightness")

import numpy as np

from ._drawing import Canvas
from ._pixels import Floats, Pixels, window_around
from ._truth_rows import TruthRows

_LOG_SNR = (np.log(5), np.log(60))
"""Range of the SNR of blobs and disks: many are found at the very limit, as on the sky."""
_NEAR = 13.0
"""Pixels between flashes of which a stamp of 30 pixels shows at least two."""
_FAR = 24.0
"""The same of a stamp of 51 pixels."""
_JOINED = 0.4
"""Share of the lines whose flashes are joined by a faint trail."""


def add_soft_blobs(
    pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, truth: TruthRows
) -> None:
    """Add blobs of light, or shadows of dust, two to four times as wide as the PSF.

    Parameters
    ----------
    pixels
        The image, changed in place.
    rng
        Random numbers.
    rate
        Mean number.
    fwhm
        FWHM of the image's PSF in pixels.
    truth
        Gets a row of kind ``soft_blob`` for each.
    """
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, pixels.shape[1]), rng.uniform(0, pixels.shape[0])
        size = fwhm * rng.uniform(2.3, 4.5)
        ratio, theta = rng.uniform(max(0.6, 1.8 * fwhm / size), 1.0), rng.uniform(0, np.pi)
        level = surface_brightness(pixels.sky_noise, rng.uniform(*_LOG_SNR), fwhm)
        level *= -1 if rng.random() < 0.2 else 1
        offset = size * rng.normal(0, 0.25, 2)  # A second component makes it lopsided.
        share = rng.uniform(0, 0.5)
        window, u, v = window_around(pixels.shape, x, y, 1.8 * size)
        blob = (1 - share) * _gaussian(u, v, size, ratio, theta)
        blob += share * _gaussian(u - offset[0], v - offset[1], size, 1.0, 0.0)
        pixels.flux[window] += level * blob
        truth.add_artefact("soft_blob", x, y, width=2 * size, flux=float(level * blob.sum()))


def add_ghost_disks(
    pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, truth: TruthRows
) -> None:
    """Add small out-of-focus ghosts: disks and rings from three to twelve times as wide as the PSF.

    Parameters
    ----------
    pixels, rng, rate, fwhm, truth
        As for `add_soft_blobs`; the kind is ``ghost_disk``.
    """
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, pixels.shape[1]), rng.uniform(0, pixels.shape[0])
        outer = fwhm * np.exp(rng.uniform(np.log(1.5), np.log(6)))
        inner = outer * rng.uniform(0.3, 0.62) * (rng.random() < 0.7)
        edge = 0.5 * fwhm * rng.uniform(0.8, 1.5)
        level = surface_brightness(pixels.sky_noise, rng.uniform(*_LOG_SNR), fwhm)
        window, u, v = window_around(pixels.shape, x, y, outer + 4 * edge)
        # The obscuration is off centre in ghosts from off-axis stars, and part of the pupil is vignetted.
        shift = 0.15 * outer * rng.normal(size=2)
        hole = np.tanh((np.hypot(u - shift[0], v - shift[1]) - inner) / edge) if inner else 1.0
        disk = 0.25 * (1 + np.tanh((outer - np.hypot(u, v)) / edge)) * (1 + hole)
        if rng.random() < 0.3:
            theta = rng.uniform(0, 2 * np.pi)
            across = u * np.cos(theta) + v * np.sin(theta)
            disk = disk * 0.5 * (1 + np.tanh((rng.uniform(-0.3, 0.7) * outer - across) / edge))
        pixels.flux[window] += level * disk
        truth.add_artefact("ghost_disk", x, y, width=2 * (outer + edge), flux=float(level * disk.sum()))


def add_glints(
    canvas: Canvas, rng: np.random.Generator, rate: float, noise: float, fwhm: float, truth: TruthRows
) -> None:
    """Add flashes of tumbling satellites and debris: three and more at equal steps along a line.

    Parameters
    ----------
    canvas
        The light of the sky, onto which they are drawn through its PSF.
    rng
        Random numbers.
    rate
        Mean number of lines.
    noise
        Standard deviation of blank sky [nJy].
    fwhm
        FWHM of the PSF in pixels.
    truth
        Gets a row of kind ``glint`` for each line.

    Notes
    -----
    Flashes are so near each other that a stamp shows more than one, and half of them, all where the PSF is
    wide, are drawn out along the line. One flash alone is not drawn: nothing tells it from an asteroid.
    """
    height, width = canvas.array.shape
    for _ in range(rng.poisson(rate)):
        x, y, theta = rng.uniform(0, width), rng.uniform(0, height), rng.uniform(0, np.pi)
        snr = np.exp(rng.uniform(np.log(6), np.log(60)))
        stretched = rng.random() < 0.5 or 2.2 * fwhm > _NEAR
        length = fwhm * rng.uniform(0.8, 2.0) if stretched else 0.0
        least = length + 0.9 * fwhm if stretched else 2.2 * fwhm
        low, high = (least, _NEAR) if rng.random() < 0.5 else (max(least, _NEAR), _FAR)
        step = rng.uniform(low, max(low + 0.5 * fwhm, high))
        count = int(rng.integers(3 if stretched else 4, 12))
        middle = (np.arange(count) - (count - 1) / 2) * step
        flux = 1.5 * snr * noise * fwhm * np.exp(rng.normal(0, 0.3, count))
        if rng.random() < 0.3:  # Every second flash is another face.
            flux[::2] *= rng.uniform(0.2, 0.7)
        ones = np.ones(count)
        angle = float(np.degrees(theta))
        canvas.trails(
            x + middle * np.cos(theta), y + middle * np.sin(theta), flux, length * ones, angle * ones
        )
        total = float(flux.sum())
        if rng.random() < _JOINED:  # It shines a little between its flashes.
            trail = (count - 1) * step
            between = flux.mean() * trail / step * rng.uniform(0.05, 0.4)
            canvas.trails(*(np.array([value]) for value in (x, y, between, trail, angle)))
            total += float(between)
        extent = (count - 1) * step + length + 2 * fwhm
        truth.add_artefact("glint", x, y, length=extent, width=2 * fwhm, angle=angle, flux=total)


def surface_brightness(noise: float, log_snr: float, fwhm: float) -> float:
    """Return the surface brightness of something wide that a PSF filter finds at a signal-to-noise ratio."""
    return float(np.exp(log_snr) * noise / (1.5 * fwhm))


def _gaussian(u: Floats, v: Floats, size: float, ratio: float, theta: float) -> Floats:
    along = u * np.cos(theta) + v * np.sin(theta)
    across = v * np.cos(theta) - u * np.sin(theta)
    profile: Floats = np.exp(-4 * np.log(2) * ((along / size) ** 2 + (across / (ratio * size)) ** 2))
    return profile
