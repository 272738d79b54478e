"""Cut stamps out of one image, all at once."""

from __future__ import annotations

__all__ = (
    "DEFAULT_BAD_PLANES",
    "NOWHERE",
    "Mode",
    "Stamps",
    "TrimmedStamp",
    "extract",
    "first_pixels",
    "stamp_shape",
)

import dataclasses
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, overload

import numpy as np
import numpy.typing as npt
from lsst.images import Box, Image, Mask, MaskedImage

from ..errors import ImageMismatchError, InvalidInputError
from ._gather import gather, gather_mask, union
from ._planes import translate

type Mode = Literal["trim", "partial", "strict"]
type FloatArray = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]
type IntArray = npt.NDArray[np.int64]

NOWHERE = -(2**40)
"""First pixel of a stamp whose position is not a number: off any image."""

DEFAULT_BAD_PLANES: tuple[str, ...] = ("NO_DATA",)
"""Planes whose pixels count as missing. Saturated or interpolated pixels do hold a measurement."""


@dataclass(frozen=True)
class Stamps:
    """Stamps of many sources from one image.

    Attributes
    ----------
    pixels
        Float32, shape ``(n, height, width)``, y first. NaN (or the fill value) exactly where ``missing``.
    missing
        Bool, same shape: off the image, not finite, or in a plane that counts as missing.
    fraction_missing
        Float32, shape ``(n,)``.
    start
        Parent coordinates (y, x) of the first pixel of each stamp, int64, shape ``(n, 2)``.
    extent
        Rows and columns of each stamp that lie on the image, first and last plus one, in pixels of the stamp,
        int64, shape ``(n, 2, 2)``; empty where none does.
    leaves_image
        Bool, shape ``(n,)``: part of the stamp is off the image.
    centered_on_image
        Bool, shape ``(n,)``: the position is finite and its pixel is on the image.
    mask_center, mask_any
        Mask planes of the central pixel and of the whole stamp, uint32 words as in `planes.PLANES`; 0 without
        a mask.
    """

    pixels: FloatArray
    missing: BoolArray
    fraction_missing: FloatArray
    start: IntArray
    extent: IntArray
    leaves_image: BoolArray
    centered_on_image: BoolArray
    mask_center: npt.NDArray[np.uint32]
    mask_any: npt.NDArray[np.uint32]

    def __len__(self) -> int:
        return len(self.pixels)

    @property
    def outside(self) -> BoolArray:
        """Which pixels lie off the image, shape of ``pixels``."""
        found = np.zeros(self.missing.shape, bool)
        for row in np.flatnonzero(self.leaves_image):
            (y0, y1), (x0, x1) = self.extent[row].tolist()
            found[row] = True
            found[row, y0:y1, x0:x1] = False
        return found

    @classmethod
    def concatenate(cls, parts: Sequence[Stamps]) -> Stamps:
        """Join stamps of one size.

        Parameters
        ----------
        parts
            At least one.

        Returns
        -------
        Stamps
            All rows, in order.
        """
        names = (field.name for field in dataclasses.fields(cls))
        return cls(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in names})


@dataclass(frozen=True)
class TrimmedStamp:
    """The part of one stamp that lies on the image, with its box (`None` if nothing does).

    Parameters
    ----------
    pixels, missing
        Pixels and which of them are missing.
    box
        Where they lie on the image.
    """

    pixels: FloatArray
    missing: BoolArray
    box: Box | None


def first_pixels(x: npt.ArrayLike, y: npt.ArrayLike, shape: tuple[int, int]) -> IntArray:
    """Find the first pixel of the stamp around each position.

    A stamp covers the pixels ``first … first + size - 1`` with ``first = ceil(position - size / 2)`` on each
    axis: the box whose centre is nearest to the position, as in `photutils` and `astropy.nddata.Cutout2D`.
    An odd stamp is centred on the pixel that holds the position; midway between two, on the lower one.

    Parameters
    ----------
    x, y
        Positions, parent coordinates; a pixel's centre is an integer. Shape ``(n,)``.
    shape
        Height and width of a stamp.

    Returns
    -------
    numpy.ndarray
        First row and column, int64, shape ``(n, 2)``; `NOWHERE` where the position is not finite.

    Examples
    --------
    >>> first_pixels([10.4], [20.0], (51, 50))
    array([[ -5, -14]])
    """
    try:
        rows, columns = np.asarray(y, np.float64), np.asarray(x, np.float64)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"positions must be numbers: {error}") from error
    if rows.shape != columns.shape:
        raise InvalidInputError(
            f"x and y must be lists of one length; got shapes {columns.shape} and {rows.shape}"
        )
    position = np.stack([rows, columns], axis=-1).reshape(-1, 2)
    usable = (np.abs(position) < 2.0**31).all(axis=1)  # False for NaN too
    start = np.ceil(np.where(usable[:, None], position, 0.0) - np.asarray(shape) / 2).astype(np.int64)
    return np.where(usable[:, None], start, NOWHERE)


@overload
def extract(
    image: Image | MaskedImage | npt.NDArray[Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int | tuple[int, int],
    *,
    mask: Mask | None = ...,
    mode: Literal["partial", "strict"] = ...,
    bad_planes: Sequence[str] = ...,
    box: Box | None = ...,
    fill_value: float = ...,
) -> Stamps: ...


@overload
def extract(
    image: Image | MaskedImage | npt.NDArray[Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int | tuple[int, int],
    *,
    mask: Mask | None = ...,
    mode: Literal["trim"],
    bad_planes: Sequence[str] = ...,
    box: Box | None = ...,
    fill_value: float = ...,
) -> list[TrimmedStamp]: ...


def extract(
    image: Image | MaskedImage | npt.NDArray[Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int | tuple[int, int],
    *,
    mask: Mask | None = None,
    mode: Mode = "partial",
    bad_planes: Sequence[str] = DEFAULT_BAD_PLANES,
    box: Box | None = None,
    fill_value: float = np.nan,
) -> Stamps | list[TrimmedStamp]:
    """Cut a stamp around each position out of one image.

    Every position gives one stamp, in order. A stamp that leaves the image is padded; a position that is not
    finite, or far off the image, gives a stamp of missing pixels only.

    Parameters
    ----------
    image
        The pixels: an `lsst.images.Image`, which knows its box, a masked image (`~lsst.images.VisitImage` and
        the like), or a plain array.
    x, y
        Positions, parent coordinates (those of the box, not array indices). Shape ``(n,)``.
    size
        Side of the square stamp, or its height and width, in pixels; odd or even (see `first_pixels`).
    mask
        The mask on the same box, or on a larger one; by default that of a masked image.
    mode
        What to do with a stamp that leaves the image, as in `photutils`: ``"partial"`` pads it, ``"strict"``
        raises, ``"trim"`` returns the part on the image only, as a list.
    bad_planes
        Mask planes whose pixels count as missing. Planes that the mask does not have are passed over.
    box
        Box of a plain array; by default it starts at (0, 0).
    fill_value
        Value of missing pixels.

    Returns
    -------
    Stamps or list of TrimmedStamp
        The stamps; a list in mode ``"trim"``.

    Raises
    ------
    InvalidInputError
        If positions or size cannot be used, or a stamp leaves the image in mode ``"strict"``.
    ImageMismatchError
        If the mask does not cover the image.

    Examples
    --------
    >>> import numpy as np
    >>> stamps = extract(np.arange(12.0).reshape(3, 4), x=[1, 3], y=[1, 1], size=3)
    >>> stamps.pixels[1]
    array([[ 2.,  3., nan],
           [ 6.,  7., nan],
           [10., 11., nan]], dtype=float32)
    >>> stamps.leaves_image
    array([False,  True])
    """
    shape = stamp_shape(size)
    if isinstance(image, MaskedImage):
        mask = image.mask if mask is None else mask
        image = image.image
    image = _as_image(image, box)
    if mask is not None and mask.bbox != image.bbox:
        if not mask.bbox.contains(image.bbox):
            raise ImageMismatchError(f"the mask on {mask.bbox} does not cover the image on {image.bbox}")
        mask = mask[image.bbox]
    start = first_pixels(x, y, shape)
    leaves = ((start < image.bbox.start) | (start + shape > np.asarray(image.bbox.stop))).any(axis=1)
    if mode == "strict" and leaves.any():
        rows = np.flatnonzero(leaves)
        raise InvalidInputError(
            f"{rows.size} of {len(leaves)} stamps of {shape[0]}x{shape[1]} leave the image on {image.bbox}: "
            f"rows {', '.join(map(str, rows[:10]))}{', …' if rows.size > 10 else ''}"
        )
    stamps = _cut(image, mask, start, leaves, shape, tuple(bad_planes), fill_value)
    if mode == "trim":
        return [_trimmed(stamps, row, image.bbox) for row in range(len(stamps))]
    if mode not in ("partial", "strict"):
        raise InvalidInputError(f"mode must be 'trim', 'partial' or 'strict'; got {mode!r}")
    return stamps


def stamp_shape(size: int | tuple[int, int]) -> tuple[int, int]:
    """Height and width of stamps from their size.

    Parameters
    ----------
    size
        Side of square stamps, or height and width.

    Returns
    -------
    tuple of int
        Height and width.

    Raises
    ------
    InvalidInputError
        If that leaves no pixel.

    Examples
    --------
    >>> stamp_shape(51)
    (51, 51)
    """
    try:
        given: Any = (size, size) if np.ndim(size) == 0 else size
        height, width = map(operator.index, given)
    except (TypeError, ValueError) as error:
        raise InvalidInputError(f"the size of stamps is one whole number or two; got {size!r}") from error
    if height < 1 or width < 1:
        raise InvalidInputError(f"a stamp needs at least one pixel; got size {height}x{width}")
    return height, width


def _as_image(image: Image | npt.NDArray[Any], box: Box | None) -> Image:
    if isinstance(image, Image):
        return image
    if image.ndim != 2:
        raise InvalidInputError(f"an image has two dimensions; got an array of shape {image.shape}")
    if image.dtype.kind not in "fiub":
        raise InvalidInputError(f"an image is of numbers; got {image.dtype}")
    if box is not None and tuple(box.shape) != image.shape:
        raise ImageMismatchError(f"an array of shape {image.shape} does not fill its box {box}")
    return Image(image, bbox=box)


def _cut(
    image: Image,
    mask: Mask | None,
    start: IntArray,
    leaves: BoolArray,
    shape: tuple[int, int],
    bad_planes: tuple[str, ...],
    fill_value: float,
) -> Stamps:
    local = start - np.asarray(image.bbox.start)
    sides = np.asarray(image.bbox.shape)
    extent = np.stack([np.clip(-local, 0, shape), np.clip(sides - local, 0, shape)], axis=-1)
    center = local + np.asarray(shape) // 2
    on_image = ((center >= 0) & (center < sides)).all(axis=1)
    pixels = gather(image.array, local, leaves, shape, np.nan)
    with np.errstate(over="ignore", invalid="ignore"):
        # A finite sum proves every pixel of a stamp finite, in one pass that writes nothing.
        suspect = ~np.isfinite(np.add.reduce(pixels, axis=(1, 2)))
    missing = np.zeros(pixels.shape, bool)
    missing[suspect] = ~np.isfinite(pixels[suspect])
    mask_center, mask_any = np.zeros(len(start), np.uint32), np.zeros(len(start), np.uint32)
    if mask is not None:
        planes = gather_mask(mask.array, local, leaves, shape)
        anywhere = union(planes)
        mask_any = translate(anywhere, mask.schema)
        mask_center = translate(planes[:, shape[0] // 2, shape[1] // 2], mask.schema)
        bad = mask.schema.bitmask(*(plane for plane in bad_planes if plane in mask.schema))
        for element in np.flatnonzero(bad):
            touched = np.flatnonzero(anywhere[:, element] & bad[element])
            missing[touched] |= (planes[touched, :, :, element] & bad[element]) != 0
            suspect[touched] = True
    gaps = np.flatnonzero(suspect)
    fraction = np.zeros(len(start), np.float32)
    fraction[gaps] = [np.count_nonzero(missing[row]) / missing[row].size for row in gaps]
    for row in gaps:
        np.copyto(pixels[row], fill_value, where=missing[row])
    return Stamps(pixels, missing, fraction, start, extent, leaves, on_image, mask_center, mask_any)


def _trimmed(stamps: Stamps, row: int, box: Box) -> TrimmedStamp:
    start = stamps.start[row]
    y0, x0 = np.maximum(start, box.start).tolist()
    y1, x1 = np.minimum(start + stamps.pixels.shape[1:], box.stop).tolist()
    if y1 <= y0 or x1 <= x0:
        return TrimmedStamp(np.zeros((0, 0), np.float32), np.zeros((0, 0), bool), None)
    part = (row, slice(y0 - start[0], y1 - start[0]), slice(x0 - start[1], x1 - start[1]))
    return TrimmedStamp(stamps.pixels[part], stamps.missing[part], Box.factory[y0:y1, x0:x1])
