"""Charge that is where no light fell: hits and hot pixels, streaks, persistence, deferred charge, crosstalk.

None of it went through the optics, so its edges are sharper than the PSF. How bright it is follows the noise
of the PSF's area, so that each is found as often on undersampled images as on others.
"""

from __future__ import annotations

__all__ = (
    "add_crosstalk",
    "add_hits",
    "add_hot_pixels",
    "add_persistence",
    "add_streaks",
    "defer_charge",
)

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.signal

from ._pixels import Floats, Pixels, window_around
from ._soft_light import surface_brightness
from ._truth_rows import TruthRows

_HITS = ([(0, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 0)], [(0, 0), (1, 1)], [(0, 0), (1, 0), (0, 1)])
"""Pixels of small cosmic rays."""


def add_hits(pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, truth: TruthRows) -> None:
    """Add cosmic rays of one to three pixels, which undersampled stars hide from those who look for them.

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
        Gets a row of kind ``cosmic_ray_hit`` for each.
    """
    height, width = pixels.shape
    for _ in range(rng.poisson(rate)):
        x, y = int(rng.integers(1, width - 2)), int(rng.integers(1, height - 2))
        shape = np.array(_HITS[rng.choice(len(_HITS), p=(0.4, 0.15, 0.15, 0.15, 0.15))])
        charge = _pixel_charge(pixels.sky_noise, rng.uniform(np.log(6), np.log(150)), fwhm)
        share = rng.dirichlet(np.full(len(shape), 3.0))
        flip = rng.choice((-1, 1), 2)
        columns, rows = x + flip[0] * shape[:, 0], y + flip[1] * shape[:, 1]
        pixels.flux[rows, columns] += charge * share
        centre = float(share @ columns), float(share @ rows)
        truth.add_artefact("cosmic_ray_hit", *centre, width=len(shape), flux=charge)


def add_hot_pixels(
    pixels: Pixels, places: np.random.Generator, rate: float, fwhm: float, truth: TruthRows
) -> None:
    """Add hot pixels, some at the end of a faint streak along their column, and pixels that see too little.

    Parameters
    ----------
    pixels, rate, fwhm, truth
        As for `add_hits`; the kind is ``hot_pixel`` or ``cold_pixel``.
    places
        Random numbers that are the same in all visits.
    """
    height, width = pixels.shape
    for _ in range(places.poisson(rate)):
        x, y = int(places.integers(width)), int(places.integers(height))
        level = _pixel_charge(pixels.sky_noise, places.uniform(np.log(6), np.log(100)), fwhm)
        length = int(fwhm * places.uniform(3, 25)) if places.random() < 0.4 else 0
        streak = pixels.sky_noise * 10 ** places.uniform(-0.3, 0.5)
        start, stop = (y, min(y + length, height)) if places.random() < 0.5 else (max(y - length, 0), y)
        kind = "hot_pixel"
        if places.random() < 0.35:  # It collects too little of the sky's light; there is no streak.
            kind, length = "cold_pixel", 0
            level = -min(level, 0.9 * float(pixels.sky[y, x] / pixels.electrons_per_flux[y, x]))
        pixels.flux[y, x] += level
        pixels.flux[start:stop, x] += streak
        centre = (start + max(stop - 1, start)) / 2 if stop > start else float(y)
        truth.add_artefact(
            kind, x, centre, length=float(max(stop - start, 1)), width=1.0, angle=90.0, flux=level
        )


def add_streaks(pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, truth: TruthRows) -> None:
    """Add short streaks, a pixel wide, along rows or columns: charge that fell during the readout.

    Parameters
    ----------
    pixels, rng, rate, fwhm, truth
        As for `add_hits`; the kind is ``streak``.
    """
    for _ in range(rng.poisson(rate)):
        along_rows = rng.random() < 0.7
        flux = pixels.flux if along_rows else pixels.flux.T
        row, start = int(rng.integers(flux.shape[0])), int(rng.integers(flux.shape[1]))
        length = max(4, round(fwhm * rng.uniform(1.2, 5)))
        level = 0.7 * surface_brightness(pixels.sky_noise, rng.uniform(np.log(10), np.log(80)), fwhm)
        profile = np.full(length, level)
        if rng.random() < 0.4:  # One end is bright and the rest trails behind it.
            profile *= 1.6 * np.exp(-np.arange(length) / (0.4 * length))
            profile = profile[:: rng.choice((-1, 1))]
        if rng.random() < 0.3:  # The same again after a gap.
            profile = np.concatenate([profile, np.zeros(length // 2 + 1), rng.uniform(0.5, 1) * profile])
        stop = min(start + len(profile), flux.shape[1])
        flux[row, start:stop] += profile[: stop - start]
        middle, angle = (start + stop - 1) / 2, 0.0 if along_rows else 90.0
        x, y = (middle, float(row)) if along_rows else (float(row), middle)
        truth.add_artefact(
            "streak", x, y, length=float(stop - start), width=1.0, angle=angle, flux=float(profile.sum())
        )


def add_persistence(
    pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, truth: TruthRows
) -> None:
    """Add what stars saturated in the exposure before have left: plateaus with sharp edges, and their bleeds.

    Parameters
    ----------
    pixels, rng, rate, fwhm, truth
        As for `add_hits`; the kind is ``persistence``.
    """
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, pixels.shape[1] - 1), rng.uniform(0, pixels.shape[0] - 1)
        radius, bleed = fwhm * rng.uniform(1.1, 2.5), fwhm * rng.uniform(1, 12)
        half_width = 0.0 if rng.random() < 0.3 else max(0.6, fwhm * rng.uniform(0.1, 0.5))
        if half_width and rng.random() < 0.4:
            radius = 0.0  # The streak alone.
        level = surface_brightness(pixels.sky_noise, rng.uniform(np.log(6), np.log(40)), fwhm)
        window, u, v = window_around(pixels.shape, x, y, max(radius, radius + bleed))
        shape = _saturated(u, v, radius, half_width, bleed) * np.exp(-0.3 * np.abs(v) / (radius + bleed))
        pixels.flux[window] += level * shape
        tall = half_width > 0
        truth.add_artefact(
            "persistence",
            x,
            y,
            length=2 * (radius + bleed) if tall else 0.0,
            width=2 * max(radius, half_width),
            angle=90.0,
            flux=float(level * shape.sum()),
        )


def add_crosstalk(
    pixels: Pixels, rng: np.random.Generator, rate: float, fwhm: float, full_well: float, truth: TruthRows
) -> None:
    """Add faint copies of saturated stars: of the image's own in the mirrored amplifier, and of others.

    Parameters
    ----------
    pixels, rng, fwhm, truth
        As for `add_hits`; the kind is ``crosstalk``.
    rate
        Mean number of copies of stars in other detectors.
    full_well
        Electrons from which pixels are saturated.

    Notes
    -----
    Crosstalk is linear, so unsaturated stars have copies too, ten thousand times fainter than themselves:
    in the noise. Saturated ones show as plateaus and bleeds without the wings of a PSF. Copies smaller
    than twice the FWHM are left out, since they could pass for stars.
    """
    height, width = pixels.shape
    electrons = pixels.flux * pixels.electrons_per_flux + pixels.sky
    full = electrons > 0.95 * full_well

    def level() -> float:
        sign = -1 if rng.random() < 0.3 else 1
        return sign * surface_brightness(pixels.sky_noise, rng.uniform(np.log(6), np.log(60)), fwhm)

    labels, _ = scipy.ndimage.label(full, structure=np.ones((3, 3)))
    for number, (rows, columns) in enumerate(scipy.ndimage.find_objects(labels), 1):
        tall, wide = rows.stop - rows.start, columns.stop - columns.start
        if max(tall, wide) < 2 * fwhm:
            continue
        copy = (labels[rows, columns] == number)[:, ::-1]
        here = slice(width - columns.stop, width - columns.start)
        pixels.flux[rows, here] += (value := level()) * copy
        _record_copy(
            truth, (here.start + here.stop - 1) / 2, (rows.start + rows.stop - 1) / 2, tall, wide, value
        )
    for _ in range(rng.poisson(rate)):
        x, y = rng.uniform(0, width - 1), rng.uniform(0, height - 1)
        radius, bleed = fwhm * rng.uniform(1.1, 2.5), fwhm * rng.uniform(0, 8)
        window, u, v = window_around(pixels.shape, x, y, radius + bleed)
        copy = _saturated(u, v, radius, 0.5 * radius * rng.random() + 0.5, bleed)
        pixels.flux[window] += (value := level()) * copy
        _record_copy(truth, x, y, 2 * (radius + bleed), 2 * radius, value)


def _record_copy(truth: TruthRows, x: float, y: float, tall: float, wide: float, level: float) -> None:
    length, width, angle = (tall, wide, 90.0) if tall > wide else (wide, tall, 0.0)
    truth.add_artefact("crosstalk", x, y, length=length, width=width, angle=angle, flux=level)


def _saturated(u: Floats, v: Floats, radius: float, half_width: float, bleed: float) -> npt.NDArray[np.bool_]:
    """Return the pixels of a disk with a bleed along its column."""
    disk: npt.NDArray[np.bool_] = np.hypot(u, v) <= radius
    return disk | ((np.abs(u) <= half_width) & (np.abs(v) <= radius + bleed))


def defer_charge(
    pixels: Pixels, rng: np.random.Generator, fraction: float, length: float
) -> tuple[float, float]:
    """Leave some charge of every source behind, in a tail on one side along rows or columns.

    Parameters
    ----------
    pixels
        The image, changed in place.
    rng
        Random numbers, which choose the direction.
    fraction
        Part of the charge that comes later.
    length
        Pixels over which the tail falls by a factor e.

    Returns
    -------
    dx, dy
        Direction of the tail, a unit vector along an axis.

    Notes
    -----
    Charge is conserved. What is below three times the sky noise fills no traps.
    """
    axis, backwards = int(rng.random() < 0.6), bool(rng.integers(2))
    source = np.where(pixels.flux > 3 * pixels.sky_noise, pixels.flux, 0.0)
    source *= fraction
    kept = np.exp(-1 / length)
    if backwards:
        source = np.flip(source, axis)
    tail = scipy.signal.lfilter([0.0, 1 - kept], [1.0, -kept], source, axis=axis) - source
    pixels.flux += np.flip(tail, axis) if backwards else tail
    sign = -1.0 if backwards else 1.0
    return (sign, 0.0) if axis == 1 else (0.0, sign)


def _pixel_charge(noise: float, log_snr: float, fwhm: float) -> float:
    """Return the charge in one pixel that a PSF filter finds at a signal-to-noise ratio."""
    return float(np.exp(log_snr) * noise * max(fwhm / 1.33, 1.0))
