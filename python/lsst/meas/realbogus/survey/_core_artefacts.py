"""What goes wrong at the cores of bright stars, and where pixels are missing."""

from __future__ import annotations

__all__ = ("drop_blocks", "spoil_cores")

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from ._pixels import Floats, Pixels, interpolate_along_rows, window_around
from ._truth_rows import TruthRows

_FILLED = 0.3
"""Fraction of missing blocks that are interpolated."""
_RINGING = 0.6
"""Fraction of missing blocks with a pattern along one side."""
_ON_SOURCES = 0.25
"""Fraction of the blocks beside sources that lie on the source instead, as where one is saturated."""


def spoil_cores(
    pixels: Pixels, rng: np.random.Generator, x: Floats, y: Floats, fwhm: float, truth: TruthRows
) -> None:
    """Spoil the cores of stars as near saturation: plateaus, wrong peaks, bleeds to one side, lost cores.

    Parameters
    ----------
    pixels
        The image, changed in place.
    rng
        Random numbers.
    x, y
        Positions of the stars.
    fwhm
        FWHM of the image's PSF in pixels.
    truth
        Gets a row of kind ``core_defect`` for each.
    """
    for x_i, y_i in zip(x, y, strict=True):
        window, u, v = window_around(pixels.shape, x_i, y_i, 1.5 * fwhm)
        core = pixels.flux[window]
        if not np.isfinite(core).all() or core.max() < 20 * pixels.sky_noise:
            continue
        level = core.max() * rng.uniform(0.35, 0.85)
        over = core > level
        reach = 0.0
        kind = rng.choice(4, p=(0.35, 0.2, 0.2, 0.25))
        if kind == 0:
            _flatten(core, over, level, rng)
        elif kind == 1:  # The correction for non-linearity is wrong.
            core[over] += rng.choice((-1, 1)) * rng.uniform(0.1, 0.6) * (core[over] - level)
        elif kind == 2:
            pixels.flux[window] = np.where(over, np.nan, core)
            where = np.zeros(pixels.shape, bool)
            where[window] = over
            pixels.flag("NO_DATA", where)
        else:
            reach = _bleed_to_one_side(pixels, x_i, y_i, level, fwhm, rng)
        truth.add_artefact(
            "core_defect",
            x_i,
            y_i + reach / 2,
            length=abs(reach) + 3 * fwhm,
            width=3 * fwhm,
            angle=90.0,
        )


def _flatten(core: Floats, over: npt.NDArray[np.bool_], level: float, rng: np.random.Generator) -> None:
    """Cut a core to a plateau, and spill part of the rest into the pixels around it, more on one side."""
    excess = (core[over] - level).sum()
    core[over] = level
    ring = scipy.ndimage.binary_dilation(over, iterations=int(rng.integers(1, 3))) & ~over
    if ring.any():
        rows, columns = np.nonzero(ring)
        theta, slope = rng.uniform(0, 2 * np.pi), rng.uniform(0, 1)
        side = (columns - columns.mean()) * np.cos(theta) + (rows - rows.mean()) * np.sin(theta)
        share = 1 + slope * side / max(np.abs(side).max(), 1.0)
        core[ring] += rng.uniform(0, 0.6) * excess * share / share.sum()


def _bleed_to_one_side(
    pixels: Pixels, x: float, y: float, level: float, fwhm: float, rng: np.random.Generator
) -> float:
    """Add a trail that falls linearly along the column; return its length, negative downwards."""
    length = int(np.ceil(fwhm * rng.uniform(1.5, 8)))
    sign = int(rng.choice((-1, 1)))
    wide = max(1, round(fwhm * rng.uniform(0.15, 0.5)))
    rows = round(y) + sign * np.arange(length)
    rows = rows[(rows >= 0) & (rows < pixels.shape[0])]
    column = max(round(x) - wide // 2, 0)
    profile = level * rng.uniform(0.02, 0.3) * (1 - np.arange(len(rows)) / length)
    pixels.flux[rows, column : column + wide] += profile[:, None]
    return float(sign * length)


def drop_blocks(
    pixels: Pixels, rng: np.random.Generator, rate: float, x: Floats, y: Floats, fwhm: float, truth: TruthRows
) -> None:
    """Remove the data of rectangles, many beside sources, and leave at borders what resampling makes there.

    Some are filled from their neighbours in the row, as pipelines do where few pixels are bad.

    Parameters
    ----------
    pixels, rng, fwhm
        As for `spoil_cores`.
    rate
        Mean number of blocks.
    x, y
        Positions of the sources.
    truth
        Gets a row of kind ``missing_block`` for each, and one of kind ``ringing`` where it is.

    Notes
    -----
    An interpolating kernel with negative lobes (Lanczos) that meets replaced pixels leaves stripes along
    their border, or a checkerboard, which alternate from pixel to pixel and die out in a few.
    """
    height, width = pixels.shape
    lost, filled = np.zeros(pixels.shape, bool), np.zeros(pixels.shape, bool)
    for _ in range(rng.poisson(rate)):
        wide, tall = np.ceil(np.exp(rng.uniform(np.log(3), np.log(25), 2))).astype(int)
        left, bottom = rng.integers(-wide // 2, width), rng.integers(-tall // 2, height)
        if len(x) and rng.random() < 0.7:
            star, side = rng.integers(len(x)), rng.uniform(0, 2 * np.pi)
            gap = fwhm * rng.uniform(0.3, 2.5)
            if rng.random() < _ON_SOURCES:
                wide = tall = int(np.ceil(fwhm * rng.uniform(2, 6)))
                gap = -wide / 2
            left = round(x[star] + (gap + wide / 2) * np.cos(side) - wide / 2)
            bottom = round(y[star] + (gap + tall / 2) * np.sin(side) - tall / 2)
        rows = slice(max(bottom, 0), min(bottom + tall, height))
        columns = slice(max(left, 0), min(left + wide, width))
        if rows.stop <= rows.start or columns.stop <= columns.start:
            continue
        if rng.random() < _FILLED:
            bad = np.zeros((rows.stop - rows.start, width), bool)
            bad[:, columns] = True
            interpolate_along_rows(pixels.flux[rows], bad)
            filled[rows, columns] = True
        else:
            lost[rows, columns] = True
        if rng.random() < _RINGING:
            _ring(pixels, rng, rows, columns, truth)
        _record_block(truth, "missing_block", rows, columns)
    pixels.flux[lost] = np.nan
    pixels.flag("INTERPOLATED", filled)
    pixels.flag("NO_DATA", lost)


def _ring(pixels: Pixels, rng: np.random.Generator, rows: slice, columns: slice, truth: TruthRows) -> None:
    """Add an alternating pattern that decays from one side of a block."""
    height, width = pixels.shape
    depth = int(rng.integers(4, 12))
    side = int(rng.integers(4))
    if side == 0:
        columns = slice(columns.stop, min(columns.stop + depth, width))
    elif side == 1:
        columns = slice(max(columns.start - depth, 0), columns.start)
    elif side == 2:
        rows = slice(rows.stop, min(rows.stop + depth, height))
    else:
        rows = slice(max(rows.start - depth, 0), rows.start)
    if rows.stop <= rows.start or columns.stop <= columns.start:
        return
    v, u = np.mgrid[rows, columns]
    away, along = (u, v) if side < 2 else (v, u)
    distance = np.abs(away - (away[0, 0] if side in (0, 2) else away[-1, -1]))
    pattern = (-1.0) ** away
    if rng.random() < 0.5:
        pattern *= (-1.0) ** along
    pattern = (pattern + rng.uniform(-0.5, 0.5)) * np.exp(-distance / rng.uniform(1.5, 4))
    pixels.flux[rows, columns] += pixels.sky_noise * 10 ** rng.uniform(0.6, 1.4) * pattern
    _record_block(truth, "ringing", rows, columns)


def _record_block(truth: TruthRows, kind: str, rows: slice, columns: slice) -> None:
    tall, wide = rows.stop - rows.start, columns.stop - columns.start
    x, y = (columns.start + columns.stop - 1) / 2, (rows.start + rows.stop - 1) / 2
    long, short, angle = (tall, wide, 90.0) if tall > wide else (wide, tall, 0.0)
    # The line with round ends that holds the corners.
    width = short * 2**0.5
    truth.add_artefact(kind, x, y, length=long + width - short, width=width, angle=angle)
