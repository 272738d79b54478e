"""Stamps of the same sources from the science, template and difference image."""

from __future__ import annotations

__all__ = ("MISSING_BITS", "OUTSIDE_BITS", "ROLES", "StampBlock", "concatenate", "extract_triplets")

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import astropy.units as u
import numpy as np
import numpy.typing as npt

from ..errors import ImageMismatchError, InvalidInputError
from ._extraction import DEFAULT_BAD_PLANES, Stamps
from ._readers import PixelInput, open_pixels

ROLES: tuple[str, ...] = ("science", "template", "difference")
"""The images of a source, in the order in which everything here lists them."""

MISSING_BITS: Mapping[str, int] = {role: 1 << bit for bit, role in enumerate(ROLES)}
"""Bit of each image in `StampBlock.missing_bits`."""

OUTSIDE_BITS: Mapping[str, int] = {role: 1 << bit + len(ROLES) for bit, role in enumerate(ROLES)}
"""Bits there that say that the missing pixel lies off the image."""


@dataclass(frozen=True)
class StampBlock:
    """The stamps of consecutive sources from one or more images.

    Attributes
    ----------
    rows
        Which rows of the catalogue these are.
    stamps
        `~extraction.Stamps` by role, in the order of `ROLES`.
    units
        Units of the pixels by role, `None` where an image does not say.
    """

    rows: slice
    stamps: Mapping[str, Stamps]
    units: Mapping[str, u.UnitBase | None] = field(default_factory=dict)

    def __len__(self) -> int:
        return int(self.rows.stop - self.rows.start)

    def __getitem__(self, role: str) -> Stamps:
        return self.stamps[role]

    @property
    def roles(self) -> tuple[str, ...]:
        """The images there are."""
        return tuple(self.stamps)

    @property
    def fraction_missing(self) -> npt.NDArray[np.float32]:
        """Largest fraction of missing pixels among the images, shape ``(n,)``."""
        return np.max([stamps.fraction_missing for stamps in self.stamps.values()], axis=0).astype(np.float32)

    @property
    def missing_bits(self) -> npt.NDArray[np.uint8]:
        """Images in which a pixel is missing, or off the image too, by `MISSING_BITS` and `OUTSIDE_BITS`."""
        first = next(iter(self.stamps.values()))
        bits = np.zeros(first.missing.shape, np.uint8)
        for role, stamps in self.stamps.items():
            bits |= stamps.missing.view(np.uint8) * np.uint8(MISSING_BITS[role])
            if stamps.leaves_image.any():
                bits |= stamps.outside.view(np.uint8) * np.uint8(OUTSIDE_BITS[role])
        return bits


def extract_triplets(
    science: PixelInput | None,
    template: PixelInput | None,
    difference: PixelInput | None,
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int | tuple[int, int],
    *,
    bad_planes: Sequence[str] = DEFAULT_BAD_PLANES,
    block_size: int = 320,
) -> Iterator[StampBlock]:
    """Cut the stamps of many sources, a block of sources at a time.

    Parameters
    ----------
    science, template, difference
        The images, in any form that `readers.open_pixels` takes; `None` for one that there is not.
    x, y
        Positions, parent coordinates, shape ``(n,)``.
    size
        Side of the stamps, or height and width.
    bad_planes
        Mask planes whose pixels count as missing.
    block_size
        Sources in a block. Memory is bounded by the images and one block.

    Yields
    ------
    StampBlock
        Blocks in order; every source is in exactly one.

    Raises
    ------
    InvalidInputError
        If there is no image.
    ImageMismatchError
        If two of the images have no pixel in common.

    Examples
    --------
    >>> import numpy as np
    >>> flat = np.ones((100, 100))
    >>> [len(block) for block in extract_triplets(flat, flat, None, [50, 2, 9], [50, 2, 9], 21, block_size=2)]
    [2, 1]
    """
    x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
    if x.shape != y.shape or x.ndim != 1:
        raise InvalidInputError(f"x and y must be lists of one length; got shapes {x.shape} and {y.shape}")
    given = {role: p for role, p in zip(ROLES, (science, template, difference), strict=True) if p is not None}
    if not given:
        raise InvalidInputError("stamps need at least one image")
    readers = {role: open_pixels(pixels, len(x), size) for role, pixels in given.items()}
    boxes = {role: reader.box for role, reader in readers.items()}
    (first, box), *others = boxes.items()
    for role, other in others:
        if (np.maximum(box.start, other.start) >= np.minimum(box.stop, other.stop)).any():
            raise ImageMismatchError(f"{role} on {other} has no pixel in common with {first} on {box}")
    for begin in range(0, len(x), block_size):
        rows = slice(begin, min(begin + block_size, len(x)))
        stamps = {
            role: reader.extract(x[rows], y[rows], size, bad_planes=bad_planes)
            for role, reader in readers.items()
        }
        yield StampBlock(rows, stamps, {role: reader.unit for role, reader in readers.items()})


def concatenate(blocks: Iterable[StampBlock]) -> StampBlock:
    """Join consecutive blocks to one.

    Parameters
    ----------
    blocks
        At least one block, in order.

    Returns
    -------
    StampBlock
        All their rows.

    Raises
    ------
    InvalidInputError
        If there is no block.
    """
    blocks = list(blocks)
    if not blocks:
        raise InvalidInputError("there is no block of stamps to join")
    stamps = {role: Stamps.concatenate([block[role] for block in blocks]) for role in blocks[0].roles}
    units = {role: next((b.units[role] for b in blocks if b.units.get(role)), None) for role in stamps}
    return StampBlock(slice(blocks[0].rows.start, blocks[-1].rows.stop), stamps, units)
