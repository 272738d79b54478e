"""Where the pixels of stamps come from: images in memory, or datasets read as far as they are needed."""

from __future__ import annotations

__all__ = ("Handle", "PixelInput", "PixelReader", "open_pixels")

import dataclasses
import math
from collections.abc import Sequence
from typing import Any, Protocol, cast, runtime_checkable

import astropy.units as u
import numpy as np
import numpy.typing as npt
from lsst.images import Box, Image, Mask, MaskedImage

from ..errors import InvalidInputError
from ..legacy import DeferredImage
from ._extraction import DEFAULT_BAD_PLANES, Stamps, extract, first_pixels, stamp_shape

READ_OVERHEAD = 450_000
"""What one read of a box costs on top of its pixels, in pixels: opening a file of `lsst.images` and reading
its headers takes as long (15 ms) as decoding so many pixels."""


@runtime_checkable
class Handle(Protocol):
    """A dataset that has not been read yet, as `lsst.daf.butler.DeferredDatasetHandle`."""

    def get(self, **kwargs: Any) -> Any:
        """Read the dataset or, with ``component=``, a part of it.

        Parameters
        ----------
        **kwargs
            ``component`` and ``parameters``, as the Butler's handles take them.
        """
        ...


type PixelInput = Image | MaskedImage | npt.NDArray[Any] | tuple[Image, Mask | None] | Handle


class PixelReader(Protocol):
    """Something that stamps can be cut from."""

    @property
    def box(self) -> Box:
        """The image's box, parent coordinates."""
        ...

    @property
    def unit(self) -> u.UnitBase | None:
        """Unit of the pixels; `None` if the image does not say, or nothing of it has been read yet."""
        ...

    def extract(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        size: int | tuple[int, int],
        *,
        bad_planes: Sequence[str] = ...,
    ) -> Stamps:
        """Cut stamps, padded where they leave the image; see `extraction.extract`.

        Parameters
        ----------
        x, y, size, bad_planes
            As for `extract`.
        """
        ...


def open_pixels(pixels: PixelInput, n_stamps: int, size: int | tuple[int, int]) -> PixelReader:
    """Choose how to get at the pixels of an image.

    Parameters
    ----------
    pixels
        An image, a masked image (`~lsst.images.VisitImage` and the like), an image and its mask, a plain
        array that starts at (0, 0), or the deferred handle of an image dataset.
    n_stamps
        How many stamps will be cut.
    size
        Their size.

    Returns
    -------
    PixelReader
        For a handle: a reader of single boxes where few stamps are wanted from a large image, otherwise the
        image and the mask, read once as components. An `~lsst.afw.image.Exposure` dataset ignores boxes and
        gives the whole image, which is noticed, kept and used from then on.

    Raises
    ------
    InvalidInputError
        If there are no pixels in what was given.
    """
    match pixels:
        case MaskedImage():
            return _InMemory(pixels.image, pixels.mask)
        case Image():
            return _InMemory(pixels, None)
        case np.ndarray():
            return _InMemory(Image(pixels), None)
        case (Image() as image, mask) if mask is None or isinstance(mask, Mask):
            return _InMemory(image, mask)
        case Handle():
            handle = pixels if isinstance(pixels, DeferredImage) else DeferredImage(cast(Any, pixels))
            box = handle.get(component="bbox")
            if n_stamps * (math.prod(stamp_shape(size)) + READ_OVERHEAD) < box.area:
                return _ByBox(handle, box)
            return _whole(handle)
        case _:
            raise InvalidInputError(f"no pixels can be read from a {type(pixels).__name__}")


@dataclasses.dataclass(frozen=True)
class _InMemory:
    image: Image
    mask: Mask | None

    @property
    def box(self) -> Box:
        return self.image.bbox

    @property
    def unit(self) -> u.UnitBase | None:
        return self.image.unit

    def extract(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        size: int | tuple[int, int],
        *,
        bad_planes: Sequence[str] = DEFAULT_BAD_PLANES,
    ) -> Stamps:
        return extract(self.image, x, y, size, mask=self.mask, bad_planes=bad_planes)


class _ByBox:
    """Reads the box of each stamp from the dataset, one after the other."""

    def __init__(self, handle: DeferredImage, box: Box) -> None:
        self.box = box
        self.unit: u.UnitBase | None = None
        self._handle = handle
        self._image: _InMemory | None = None

    def extract(
        self,
        x: npt.ArrayLike,
        y: npt.ArrayLike,
        size: int | tuple[int, int],
        *,
        bad_planes: Sequence[str] = DEFAULT_BAD_PLANES,
    ) -> Stamps:
        x, y = np.atleast_1d(np.asarray(x, float)), np.atleast_1d(np.asarray(y, float))
        shape = stamp_shape(size)
        start = first_pixels(x, y, shape)
        parts = [extract(np.zeros((1, 1)), x[:0], y[:0], shape)]
        for row, (y0, x0) in enumerate(start.tolist()):
            reader = self._read(Box.from_shape(shape, start=(y0, x0)))
            here = slice(row, row + 1)
            parts.append(reader.extract(x[here], y[here], shape, bad_planes=bad_planes))
        return Stamps.concatenate(parts)

    def _read(self, box: Box) -> _InMemory:
        if self._image is not None:
            return self._image
        y0, x0 = np.maximum(box.start, self.box.start).tolist()
        y1, x1 = np.minimum(box.stop, self.box.stop).tolist()
        if y1 <= y0 or x1 <= x0:
            return _InMemory(Image(np.full((1, 1), np.nan, np.float32), yx0=self.box.start), None)
        part = Box.factory[y0:y1, x0:x1]
        image = self._handle.get(component="image", parameters={"bbox": part})
        self.unit = image.unit
        if image.bbox != part:
            self._image = _whole(self._handle, image)
            return self._image
        mask = self._handle.get(component="mask", parameters={"bbox": part})
        return _InMemory(image, mask)


def _whole(handle: DeferredImage, image: Image | None = None) -> _InMemory:
    if image is None:
        image = handle.get(component="image")
    return _InMemory(image, handle.get(component="mask"))
