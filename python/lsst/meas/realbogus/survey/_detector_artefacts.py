"""Artefacts of detectors: saturation with bleeds, cosmic rays, bad columns, borders without data."""

from __future__ import annotations

__all__ = ("add_cosmic_rays", "add_noise", "drop_border", "saturate", "spoil_columns")

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from lsst.meas.realbogus.randomness import generator

from ._config import SurveyConfig
from ._pixels import Pixels, interpolate_along_rows
from ._truth_rows import TruthRows

Floats = npt.NDArray[np.float64]


def add_noise(pixels: Pixels, rng: np.random.Generator) -> Floats:
    """Add photon and read noise; return the variance [nJy^2].

    Notes
    -----
    Photon noise is drawn from the normal distribution that Poisson's approaches: with sky in every pixel
    there are hundreds of electrons everywhere.
    """
    variance = pixels.expected_variance()
    pixels.flux += np.sqrt(variance) * rng.standard_normal(pixels.shape, dtype=np.float32)
    return variance


def saturate(
    pixels: Pixels, full_well: float, rng: np.random.Generator, flagged_fraction: float, truth: TruthRows
) -> None:
    """Move charge above the full well up and down its column, and flag what is full, or a part of it."""
    electrons = pixels.flux * pixels.electrons_per_flux + pixels.sky
    over = electrons > full_well
    if not over.any():
        return
    full = np.zeros_like(over)
    for column in np.flatnonzero(over.any(axis=0)):
        full[:, column] = _bleed(electrons[:, column], full_well)
    pixels.flux = np.where(full, (full_well - pixels.sky) / pixels.electrons_per_flux, pixels.flux)
    labels, count = scipy.ndimage.label(full, structure=np.ones((3, 3)))
    flagged = np.concatenate([[False], rng.random(count) < flagged_fraction])
    pixels.flag("SATURATED", scipy.ndimage.binary_dilation(flagged[labels]))
    for rows, columns in scipy.ndimage.find_objects(labels):
        height, width = rows.stop - rows.start, columns.stop - columns.start
        truth.add_artefact(
            "saturation",
            (columns.start + columns.stop - 1) / 2,
            (rows.start + rows.stop - 1) / 2,
            length=height if height > width else 0.0,
            width=min(width, height) if height > width else max(width, height),
            angle=90.0,
        )


def _bleed(column: Floats, full_well: float) -> npt.NDArray[np.bool_]:
    """Spread the charge above the full well along one column; return which pixels are full."""
    full = column > full_well
    edges = np.flatnonzero(np.diff(np.concatenate([[False], full, [False]]).astype(int)))
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        excess = (column[start:stop] - full_well).sum()
        for direction in (1, -1):
            left = excess / 2
            y = stop if direction > 0 else start - 1
            while left > 0 and 0 <= y < len(column):
                left -= max(full_well - column[y], 0.0)
                full[y] |= left > 0
                y += direction
    return full


def add_cosmic_rays(
    pixels: Pixels, rng: np.random.Generator, rate: float, config: SurveyConfig, truth: TruthRows
) -> None:
    """Add straight tracks of charge; some are found, interpolated and flagged."""
    height, width = pixels.shape
    found = np.zeros(pixels.shape, bool)
    for _ in range(rng.poisson(rate * width * height / 1024**2)):
        x, y = rng.uniform(0, width - 1), rng.uniform(0, height - 1)
        length, theta = 1 + rng.exponential(25.0 if rng.random() < 0.15 else 5.0), rng.uniform(0, np.pi)
        density = 10 ** rng.uniform(2.4, 3.8)
        window, share = _track(pixels.shape, x, y, length, theta)
        charge = density * share / pixels.electrons_per_flux[window]
        pixels.flux[window] += charge
        if rng.random() < config.cosmic_ray_found_fraction:
            found[window] |= share > 0
        truth.add_artefact(
            "cosmic_ray",
            x,
            y,
            length=length,
            width=2.0,
            angle=float(np.degrees(theta)),
            flux=float(charge.sum()),
        )
    if found.any():
        interpolate_along_rows(pixels.flux, found)
        pixels.flag("COSMIC_RAY", found)
        pixels.flag("INTERPOLATED", found)


def _track(
    shape: tuple[int, int], x: float, y: float, length: float, theta: float
) -> tuple[tuple[slice, slice], Floats]:
    """Return a window and the share of its pixels in a straight track, one unit per pixel of length."""
    reach = int(np.ceil(length / 2)) + 2
    x0, y0 = max(int(x) - reach, 0), max(int(y) - reach, 0)
    window = slice(y0, min(int(y) + reach + 1, shape[0])), slice(x0, min(int(x) + reach + 1, shape[1]))
    count = int(np.ceil(8 * length))
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    u, v = x + along * np.cos(theta) - x0, y + along * np.sin(theta) - y0
    ny, nx = window[0].stop - y0, window[1].stop - x0
    # Bilinear shares: each point of the track lies between four pixel centres.
    share: Floats = np.zeros((ny, nx))
    columns, rows = np.floor(u).astype(int), np.floor(v).astype(int)
    for dx in (0, 1):
        for dy in (0, 1):
            weight = np.abs(1 - dx - (u - columns)) * np.abs(1 - dy - (v - rows))
            inside = (rows + dy >= 0) & (rows + dy < ny) & (columns + dx >= 0) & (columns + dx < nx)
            np.add.at(share, (rows[inside] + dy, columns[inside] + dx), weight[inside] * length / count)
    share[share < 0.02] = 0.0
    return window, share


def spoil_columns(pixels: Pixels, detector: int, config: SurveyConfig, truth: TruthRows) -> None:
    """Spoil the bad columns of a detector, which are the same in all visits; some are flagged."""
    height, width = pixels.shape
    rng = generator(config.seed, "survey-bad-columns", detector)
    flagged = np.zeros(pixels.shape, bool)
    for _ in range(rng.poisson(config.bad_columns)):
        x, start = int(rng.integers(2, width - 2)), int(rng.integers(height))
        stop = height if rng.random() < 0.6 else min(height, start + int(rng.integers(20, height)))
        columns = slice(x, x + (2 if rng.random() < 0.2 else 1))
        if rng.random() < 0.5:
            pixels.flux[start:stop, columns] += pixels.sky_noise * 10 ** rng.uniform(0.3, 1.3)
        else:
            pixels.flux[start:stop, columns] *= rng.uniform(0.3, 0.9)
            pixels.flux[start:stop, columns] -= pixels.sky_noise * 10 ** rng.uniform(0.3, 1.0)
        if rng.random() < config.bad_column_flagged_fraction:
            flagged[start:stop, columns] = True
        truth.add_artefact(
            "bad_column",
            x + (columns.stop - x - 1) / 2,
            (start + stop - 1) / 2,
            length=stop - start,
            width=columns.stop - x,
            angle=90.0,
        )
    if flagged.any():
        interpolate_along_rows(pixels.flux, flagged)
        pixels.flag("BAD", flagged)
        pixels.flag("INTERPOLATED", flagged)


def drop_border(pixels: Pixels, rng: np.random.Generator, truth: TruthRows) -> None:
    """Remove the data of a strip along one side."""
    height, width = pixels.shape
    side, depth = int(rng.integers(4)), int(rng.integers(2, 16))
    where = np.zeros(pixels.shape, bool)
    where[(np.s_[:, :depth], np.s_[:, width - depth :], np.s_[:depth], np.s_[height - depth :])[side]] = True
    pixels.flux[where] = np.nan
    pixels.flag("NO_DATA", where)
    near = 0.5 * (depth - 1)
    x = (near, width - 1 - near, (width - 1) / 2, (width - 1) / 2)[side]
    y = ((height - 1) / 2, (height - 1) / 2, near, height - 1 - near)[side]
    length = (height if side < 2 else width) + depth
    truth.add_artefact("edge", x, y, length=length, width=depth, angle=90.0 if side < 2 else 0.0)
