"""Stamps as text inside a page: grey levels that ``templates/stamps.js`` unpacks and draws.

A picture file for every source costs too much: noise does not compress, and a page of 10 000 triplets of
51 pixels was 280 MB. Here a pixel is one of 24 grey levels of an asinh stretch, which is four to a standard
deviation of the noise, and takes four bits.
"""

from __future__ import annotations

__all__ = ("LEVELS", "FakeStretch", "pack_panels", "stretch_fake", "stretch_triplet")

import base64
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.floating]

#: Grey levels of a pixel, black and white included.
LEVELS = 24

_MAD = 1.4826  # standard deviation over median absolute deviation, of a normal distribution


def pack_panels(panels: Sequence[Floats]) -> str:
    """Pack the pictures of one source.

    Parameters
    ----------
    panels
        Pictures of one shape ``(h, w)``, first row at the bottom, 0 (black) to 1 (white), NaN where a pixel
        is missing.

    Returns
    -------
    str
        Number of panels, height, width, `LEVELS` and data, with spaces between. The data are one byte a
        pixel, row by row from the top, 1 (black) to `LEVELS` (white) and 0 for missing, compressed
        (raw deflate) and in base64.
    """
    grey = np.stack(panels)[:, ::-1]
    missing = np.isnan(grey)
    levels = 1 + np.rint(np.clip(np.where(missing, 0, grey), 0, 1) * (LEVELS - 1))
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS, 9, zlib.Z_FILTERED)
    data = packer.compress(np.where(missing, 0, levels).astype(np.uint8).tobytes()) + packer.flush()
    return " ".join([*map(str, (*grey.shape, LEVELS)), base64.b64encode(data).decode()])


def stretch_triplet(stamps: Mapping[str, Floats]) -> list[Floats]:
    """Stretch the stamps of one source, each on its own scale.

    The stretch is asinh of twice the noise, which keeps noise and the cores of stars visible at once
    (Lupton et al. 2004).

    Parameters
    ----------
    stamps
        Stamps by role, NaN where missing; the difference is scaled symmetrically about 0, the others from
        their background upwards.

    Returns
    -------
    list of numpy.ndarray
        What `pack_panels` takes.
    """
    return [
        _stretch_one(np.asarray(pixels, float), symmetric=role == "difference")
        for role, pixels in stamps.items()
    ]


def _stretch_one(pixels: Floats, *, symmetric: bool) -> Floats:
    good = pixels[np.isfinite(pixels)]
    if not good.size:
        return np.full(pixels.shape, np.nan)
    median = float(np.median(good))
    noise = _MAD * float(np.median(np.abs(good - median))) or 1.0
    finite = np.where(np.isfinite(pixels), pixels, np.nan)
    stretched = np.arcsinh((finite - (0.0 if symmetric else median)) / (2 * noise))
    top = max(float(np.nanquantile(np.abs(stretched), 0.995)), 1.5)
    low = -top if symmetric else -1.0
    return np.asarray((stretched - low) / (top - low))


@dataclass(frozen=True)
class FakeStretch:
    """The one scale on which a fake is shown before, after and by itself.

    Parameters
    ----------
    panels
        Before, after and their difference, as `pack_panels` takes them.
    noise
        Standard deviation of the noise in the image before, in its unit.
    white
        What is white, above the background, in units of ``noise``; black is at -2.
    """

    panels: tuple[Floats, Floats, Floats]
    noise: float
    white: float


def stretch_fake(before: Floats, after: Floats) -> FakeStretch:
    """Stretch an image before and after a fake was added, and their difference, on one scale.

    The stretch is asinh of twice the noise, from 2 sigma below the background to the brightest pixel of the
    fake, or to 3 sigma where the fake is fainter: a faint fake shows, and a brighter host saturates.

    Parameters
    ----------
    before, after
        The image without and with the fake, shape ``(h, w)``, NaN where missing.

    Returns
    -------
    FakeStretch
        The three pictures and their scale.
    """
    before, after = (np.where(np.isfinite(part), part, np.nan).astype(float) for part in (before, after))
    difference = after - before
    background = float(np.nanmedian(before)) if np.isfinite(before).any() else 0.0
    peak = float(np.nanmax(np.abs(difference), initial=0.0))
    noise = _pixel_noise(before) or peak / 5 or 1.0
    white = max(peak / noise, 3.0)
    low, high = np.arcsinh(-1.0), np.arcsinh(white / 2)
    parts = (before - background, after - background, difference)
    first, second, third = ((np.arcsinh(part / (2 * noise)) - low) / (high - low) for part in parts)
    return FakeStretch((first, second, third), noise, white)


def _pixel_noise(pixels: Floats) -> float:
    """Measure noise from second differences, so that a host that fills the stamp does not count as noise."""
    bends = np.diff(pixels, n=2, axis=1)
    good = bends[np.isfinite(bends)]
    return _MAD * float(np.median(np.abs(good))) / np.sqrt(6) if good.size else 0.0
