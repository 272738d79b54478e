"""Stamps as another camera, sky or cutout could have shown them: augmentation of raw pixels."""

from __future__ import annotations

__all__ = ("Augmentation", "Augmented", "augment")

import dataclasses
import functools
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from ..options import Options, option
from ..randomness import generator, uniform
from ._gaps import GAP_DRAWS, draw_gaps
from ._stamps import LabelledStamps
from ._views import View, draw_views, show

Pixels = npt.NDArray[np.float32]
Rows = npt.NDArray[np.int64]

_NOISE_LENGTH = 1 << 20
_DETECTION = 5.0
_SAMPLE_STEP = 3


@dataclasses.dataclass(frozen=True)
class Augmentation(Options):
    """What is done to raw stamps before each epoch, each at random, and each with a switch."""

    turn: bool = option(True, "Turn and mirror stamps: the eight elements of the dihedral group.")
    resampled: float = option(
        0.6, "Fraction of stamps that are zoomed and shifted; the others keep their pixels.", min=0.0, max=1.0
    )
    zoom: tuple[float, float] = option(
        (0.6, 1.6),
        "Limits of the zoom, even in its logarithm: sizes in pixels are multiplied; PSF and pixel scale "
        "follow.",
        min=0.125,
        max=8.0,
        ascending=True,
    )
    shift: float = option(0.5, "Largest shift on each axis (pixels).", min=0.0)
    noisy: float = option(0.3, "Fraction of stamps that noise is added to.", min=0.0, max=1.0)
    noise: float = option(
        1.0,
        "Largest noise added, in units of the noise that is there; less where the source would fall below an "
        "SNR of 5, none where its SNR is not known.",
        min=0.0,
    )
    gaps: float = option(
        0.15,
        "Fraction of stamps of which rows, columns or a block beside the source go missing.",
        min=0.0,
        max=1.0,
    )
    borders: float = option(0.1, "Fraction of stamps that lie at a border of the image.", min=0.0, max=1.0)
    smaller: float = option(0.3, "Fraction of stamps that are cut smaller.", min=0.0, max=1.0)
    smallest: int = option(21, "Side of the smallest of these (pixels).", min=1)
    sign: float = option(
        0.25,
        "Fraction of stamps of which science image and template change places, and the source its sign; "
        "without effect on models whose contract shows negative sources that way.",
        min=0.0,
        max=1.0,
    )
    without_psf: float = option(
        0.2, "Fraction of stamps of which the model is not told the PSF.", min=0.0, max=1.0
    )
    views: int = option(
        64, "Different pairs of zoom and shift in an epoch; every stamp is shown in one of them.", min=1
    )


@dataclasses.dataclass(frozen=True)
class Augmented:
    """Stamps as they are shown in one epoch.

    Parameters
    ----------
    pixels
        Image name to float32 stamps of shape ``(n, size, size)``, NaN where a pixel is missing.
    is_negative
        Whether the source is negative in the difference, bool of shape ``(n,)``.
    psf_fwhm
        FWHM of the PSF [pixel], float32 of shape ``(n,)``, NaN where it is not known or not told.
    pixel_scale
        Pixel scale [arcsec], float32 of shape ``(n,)``.
    """

    pixels: dict[str, Pixels]
    is_negative: npt.NDArray[np.bool_]
    psf_fwhm: Pixels
    pixel_scale: Pixels


def augment(
    stamps: LabelledStamps,
    key: Rows,
    size: int,
    augmentation: Augmentation,
    *,
    seed: int,
    epoch: int,
    roles: Iterable[str] | None = None,
) -> Augmented:
    """Change raw stamps at random.

    Parameters
    ----------
    stamps
        The stamps.
    key
        What names each stamp, int64 of shape ``(n,)``: a stamp of the same name is changed in the same way,
        whatever stamps are beside it.
    size
        Rows and columns of the stamps to make.
    augmentation
        What is done.
    seed, epoch
        What the draws depend on besides.
    roles
        Images to make; by default those that there are.

    Returns
    -------
    Augmented
        Stamps in the same order.
    """
    roles = list(stamps.pixels if roles is None else roles)
    draws = iter(uniform(seed, f"augmentation-{epoch}", key, 10 + GAP_DRAWS).T)
    plain, resampled = draw_views(augmentation, seed, epoch)
    views = plain + resampled
    kept, chosen = next(draws) >= augmentation.resampled, next(draws)
    view = np.where(kept, chosen * len(plain), len(plain) + chosen * len(resampled)).astype(np.int64)
    pixels = {role: _show_all(stamps.pixels[role], views, view, size) for role in roles}
    zoom = np.array([one.zoom for one in views], np.float32)[view]
    fwhm = _zoomed_fwhm(stamps.psf_fwhm, zoom)
    fwhm[next(draws) < augmentation.without_psf] = np.nan
    bank = _noise_bank(seed, epoch)
    _add_noise(pixels, stamps.snr, [next(draws) for _ in range(4)], augmentation, bank)
    small = np.flatnonzero(next(draws) < augmentation.smaller)
    sides = augmentation.smallest + next(draws) * (size + 1 - augmentation.smallest)
    _cut_smaller(pixels, small, sides[small].astype(np.int64), size)
    draw_gaps(pixels, draws, augmentation.gaps, augmentation.borders)
    is_negative = _change_sign(pixels, stamps.is_negative, next(draws) < augmentation.sign)
    return Augmented(pixels, is_negative, fwhm, stamps.pixel_scale / zoom)


def _show_all(stamps: npt.NDArray[Any], views: list[View], view: Rows, size: int) -> Pixels:
    out = np.empty((len(stamps), size, size), np.float32)
    order = np.argsort(view, kind="stable")
    for rows in np.split(order, np.flatnonzero(np.diff(view[order])) + 1):
        if rows.size:
            out[rows] = show(stamps[rows], views[view[rows[0]]], size)
    return out


def _zoomed_fwhm(fwhm: Pixels, zoom: Pixels) -> Pixels:
    """Width in new pixels; larger ones widen it by the variance of their area, less that of the old ones."""
    widened = np.float32(8 * np.log(2) / 12) * np.maximum(1 - np.square(zoom), 0)
    return np.asarray(np.sqrt(np.square(fwhm * zoom) + widened), np.float32)


@functools.lru_cache(maxsize=2)
def _noise_bank(seed: int, epoch: int) -> Pixels:
    """Normal numbers of which every stamp takes a stretch: to draw them anew costs more than all else."""
    rng = generator(seed, "augmentation-noise", epoch)
    return rng.standard_normal(_NOISE_LENGTH, dtype=np.float32)


def _add_noise(
    pixels: dict[str, Pixels],
    snr: npt.NDArray[np.float64],
    draws: list[npt.NDArray[np.float64]],
    augmentation: Augmentation,
    bank: Pixels,
) -> None:
    """Add noise to the science image or to the template, and to the difference what that makes of it."""
    chance, strength, which, place = draws
    with np.errstate(invalid="ignore"):
        room = np.sqrt(np.maximum(np.square(snr / _DETECTION) - 1, 0))
    amplitude = np.minimum(augmentation.noise * strength, np.nan_to_num(room, nan=0.0))
    noisy = (chance < augmentation.noisy) & (amplitude > 0)
    if not noisy.any():
        return
    for role, sign, chosen in (("science", 1, which < 0.5), ("template", -1, which >= 0.5)):
        rows = np.flatnonzero(noisy & chosen)
        if role not in pixels or not rows.size:
            continue
        side = pixels[role].shape[1]
        start = (place[rows] * (_NOISE_LENGTH - side * side)).astype(np.int64)
        noise = np.lib.stride_tricks.sliding_window_view(bank, side * side)[start].reshape(-1, side, side)
        noise *= (amplitude[rows].astype(np.float32) * _scatter(pixels[role][rows]))[:, None, None]
        pixels[role][rows] += noise
        if "difference" in pixels:
            pixels["difference"][rows] += sign * noise


def _scatter(stamps: Pixels) -> Pixels:
    """Half the range of the central 68 % of some of the pixels of each stamp, missing ones left out."""
    sample = np.sort(stamps[:, ::_SAMPLE_STEP, ::_SAMPLE_STEP].reshape(len(stamps), -1), axis=1)
    last = np.maximum(np.isfinite(sample).sum(axis=1) - 1, 0)
    low, high = (sample[np.arange(len(sample)), (part * last).astype(int)] for part in (0.1587, 0.8413))
    return np.asarray(np.nan_to_num((high - low) / 2), np.float32)


def _cut_smaller(pixels: dict[str, Pixels], rows: npt.NDArray[np.intp], sides: Rows, size: int) -> None:
    """Remove what lies outside of smaller stamps about the central pixel."""
    place = np.arange(size) - size // 2
    first = -(sides[:, None] // 2)
    out = (place < first) | (place >= first + sides[:, None])
    gone = out[:, :, None] | out[:, None, :]
    for stamps in pixels.values():
        stamps[rows] = np.where(gone, np.float32(np.nan), stamps[rows])


def _change_sign(
    pixels: dict[str, Pixels], is_negative: npt.NDArray[np.bool_], changed: npt.NDArray[np.bool_]
) -> npt.NDArray[np.bool_]:
    rows = np.flatnonzero(changed)
    if "difference" in pixels:
        pixels["difference"][rows] *= -1
    if "science" in pixels and "template" in pixels:
        science = pixels["science"][rows]
        pixels["science"][rows] = pixels["template"][rows]
        pixels["template"][rows] = science
    return np.asarray(is_negative ^ changed)
