"""A template where stamps need it, and nowhere else."""

from __future__ import annotations

__all__ = ("CoaddPixels", "SparseTemplate", "sparse_template")

import dataclasses
import functools
import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from lsst.images import Box, Image, Mask, MaskedImage, MaskPlane, MaskSchema, SkyProjection

from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError

from ..imaging import ensure_planes
from ._pixel_map import GridMap
from ._warp import warp_pixels

type FloatArray = npt.NDArray[np.float64]
type BoolArray = npt.NDArray[np.bool_]

_TILE = 256
_OVERHEAD = 1200
"""What a window costs on top of its pixels, in pixels (0.2 ms)."""

_BLANK = MaskSchema([MaskPlane("NO_DATA", "No data was available for this pixel.")])


@dataclasses.dataclass(frozen=True)
class CoaddPixels:
    """What is needed of a coadd: where it lies, and its pixels and mask if they are; no variance and no PSF.

    Attributes
    ----------
    bbox
        Box of the coadd, or of the part of it that may be read.
    projection
        Sky projection of the coadd's pixel grid.
    read
        Reads image and mask of that box. Called at most once, and not for a coadd that no source needs.
    """

    bbox: Box
    projection: SkyProjection[Any]
    read: Callable[[Box], tuple[Image, Mask]]

    @classmethod
    def of(cls, coadd: MaskedImage) -> CoaddPixels:
        """Take a coadd that is in memory.

        Parameters
        ----------
        coadd
            The coadd.

        Raises
        ------
        ImageMismatchError
            If it has no sky projection.
        """
        if coadd.sky_projection is None:
            raise ImageMismatchError("a coadd without a sky projection cannot be warped")
        return cls(coadd.bbox, coadd.sky_projection, lambda box: (coadd.image[box], coadd.mask[box]))


@dataclasses.dataclass(frozen=True)
class SparseTemplate:
    """A template with pixels near sources only.

    Attributes
    ----------
    image, mask
        On the box that was asked for and its border; NaN and NO_DATA where nothing was warped or no coadd
        reaches.
    n_windows
        How many windows were warped.
    by_stamp
        Whether they were the stamps themselves, or tiles of the image under them.
    """

    image: Image
    mask: Mask
    n_windows: int
    by_stamp: bool


def sparse_template(
    coadds: Sequence[CoaddPixels],
    bbox: Box,
    projection: SkyProjection[Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int,
    *,
    border: int = 20,
    by_stamp: bool | None = None,
) -> SparseTemplate:
    """Warp coadds to the pixels that stamps need.

    Parameters
    ----------
    coadds
        Coadds of one band. A window is taken from the coadd that it lies deepest in, holes from the next.
    bbox, projection
        Pixel grid of the science image.
    x, y
        Positions of the sources, parent coordinates; those that are not finite need nothing.
    size
        Side of the stamps.
    border
        How far the template reaches beyond ``bbox`` on each side, as in `build_template`.
    by_stamp
        Warp stamp by stamp, or the tiles under the stamps (in a crowded field, all of them); by default
        whichever is cheaper.

    Returns
    -------
    SparseTemplate
        Within the stamps, the pixels that `build_template` makes, to the accuracy of the interpolation.

    Raises
    ------
    InvalidInputError
        If there is no coadd.
    ImageMismatchError
        If coadds that are used have pixels of different units.
    """
    if not coadds:
        raise InvalidInputError("a template needs at least one coadd; got none")
    outer = bbox.padded(border)
    stamps = _stamp_boxes(np.asarray(x, np.float64), np.asarray(y, np.float64), size, outer)
    tiles = _tiles(stamps, outer)
    if by_stamp is None:
        by_stamp = _cost(stamps) <= _cost(tiles)
    windows = stamps if by_stamp else tiles
    image = Image(np.full(outer.shape, np.nan, np.float32), bbox=outer)
    mask = _blank_mask(_BLANK, outer)
    sources = [s for coadd in coadds if (s := _Source.make(coadd, outer, projection)) is not None]
    depths = np.array([source.depths(windows) for source in sources])
    for number, window in enumerate(windows):
        # Half a window's diagonal away, a coadd has nothing for it.
        reach = -0.8 * max(window.shape)
        order = [k for k in np.argsort(-depths[:, number], kind="stable") if depths[k, number] > reach]
        mask = _fill_window(image, mask, window, [sources[k] for k in order])
    units = {str(source.unit): source.unit for source in sources if source.unit is not None}
    if len(units) > 1:
        raise ImageMismatchError(
            f"the coadds under the image have pixels in {' and in '.join(sorted(units))}; calibrate them to "
            "one unit"
        )
    unit = next(iter(units.values()), None)
    return SparseTemplate(Image(image.array, bbox=outer, unit=unit), mask, len(windows), by_stamp)


def _stamp_boxes(x: FloatArray, y: FloatArray, size: int, outer: Box) -> list[Box]:
    boxes = []
    for column, row in zip(x, y, strict=True):
        if math.isfinite(column) and math.isfinite(row):
            # A pixel more than the stamp, whichever way its centre is rounded.
            y0, x0 = math.floor(row - size / 2), math.floor(column - size / 2)
            y1, x1 = min(y0 + size + 2, outer.y.stop), min(x0 + size + 2, outer.x.stop)
            y0, x0 = max(y0, outer.y.start), max(x0, outer.x.start)
            if y0 < y1 and x0 < x1:
                boxes.append(Box.factory[y0:y1, x0:x1])
    return boxes


def _tiles(stamps: Iterable[Box], outer: Box) -> list[Box]:
    touched: set[tuple[int, int]] = set()
    for box in stamps:
        rows = range((box.y.start - outer.y.start) // _TILE, (box.y.stop - 1 - outer.y.start) // _TILE + 1)
        columns = range((box.x.start - outer.x.start) // _TILE, (box.x.stop - 1 - outer.x.start) // _TILE + 1)
        touched |= {(row, column) for row in rows for column in columns}
    return [
        Box.factory[
            outer.y.start + row * _TILE : min(outer.y.start + (row + 1) * _TILE, outer.y.stop),
            outer.x.start + column * _TILE : min(outer.x.start + (column + 1) * _TILE, outer.x.stop),
        ]
        for row, column in sorted(touched)
    ]


def _cost(windows: Iterable[Box]) -> int:
    return sum(_OVERHEAD + window.area for window in windows)


class _Source:
    """A coadd, with the place of the detector's pixels on it."""

    def __init__(self, coadd: CoaddPixels, grid: GridMap) -> None:
        self.bbox = coadd.bbox
        self.grid = grid
        self._coadd = coadd

    @classmethod
    def make(cls, coadd: CoaddPixels, outer: Box, projection: SkyProjection[Any]) -> _Source | None:
        """Place a coadd; `None` where the detector has no finite place on it."""
        grid = GridMap.make(projection, outer, coadd.projection)
        return None if grid is None else cls(coadd, grid)

    @functools.cached_property
    def pixels(self) -> tuple[Image, Mask]:
        """Pixels and mask; read now if they have not been."""
        return self._coadd.read(self.bbox)

    @property
    def unit(self) -> u.UnitBase | None:
        """Unit of the pixels, if they have been read."""
        return self.pixels[0].unit if "pixels" in self.__dict__ else None

    def depths(self, windows: Sequence[Box]) -> FloatArray:
        """How far the middle of each window lies within the coadd, in pixels; negative outside."""
        middle = np.array([(w.y.center, w.x.center) for w in windows]).reshape(-1, 2).T
        y, x = self.grid.y.ev(*middle), self.grid.x.ev(*middle)
        sides = [y - self.bbox.y.min, self.bbox.y.max - y, x - self.bbox.x.min, self.bbox.x.max - x]
        return np.asarray(np.min(sides, axis=0))


def _fill_window(image: Image, mask: Mask, window: Box, sources: Sequence[_Source]) -> Mask:
    """Warp the coadds to a window, the deepest first, until it has no hole; return the mask of the image."""
    values = image[window].array
    for source in sources:
        holes = mask[window].get("NO_DATA")
        if not holes.any():
            break
        found = warp_pixels(*source.pixels, source.grid.on(window))
        if found is None:
            continue
        new_values, new_mask = found.values, found.mask
        if mask.schema == _BLANK:
            mask = _blank_mask(new_mask.schema, mask.bbox)
        mask = ensure_planes(mask, new_mask.schema.names)
        use = holes & ~new_mask.get("NO_DATA")
        values[use] = new_values[use]
        _copy_mask(new_mask, mask[window], use)
    return mask


def _blank_mask(schema: MaskSchema, bbox: Box) -> Mask:
    mask = Mask(0, schema=schema, bbox=bbox)
    mask.set("NO_DATA")
    return mask


def _copy_mask(source: Mask, target: Mask, where: BoolArray) -> None:
    if source.schema == target.schema:
        target.array[where] = source.array[where]
        return
    target.clear(None, where)
    for name in source.schema.names:
        target.set(name, where & source.get(name))
