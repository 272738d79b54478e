"""How stamps are cut and stored."""

from __future__ import annotations

__all__ = ("CutoutOptions", "PixelOptions")

import dataclasses

from ..options import Options, option
from ._extraction import DEFAULT_BAD_PLANES


@dataclasses.dataclass(frozen=True)
class PixelOptions(Options):
    """Which pixels of an image are used."""

    bad_planes: tuple[str, ...] = option(DEFAULT_BAD_PLANES, "Mask planes whose pixels count as missing.")


@dataclasses.dataclass(frozen=True)
class CutoutOptions(PixelOptions):
    """Size and type of stored stamps, and how many."""

    size: int = option(51, "Side of the stamps (pixels), odd or even.", min=1)
    pixel_type: str = option(
        "float32",
        "Type of the stored pixels: 'float32', as in the images; 'float16', half the size: each stamp is "
        "scaled to fit and keeps 11 bits of each pixel.",
        choices=("float32", "float16"),
    )
    max_sources: int | None = option(
        None,
        "Keep the stamps of at most this many sources, chosen at random by their ids; none keeps all.",
        min=1,
    )
    block_size: int = option(256, "Sources cut at a time.", min=1)
