"""Moving pixels from one projection to another."""

from __future__ import annotations

__all__ = ("PixelMap", "map_pixels", "warp_by_map", "warp_image", "warp_kernel")

import dataclasses
import math
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from lsst.images import Box, Image, Interval, Mask, MaskedImage, SkyProjection
from scipy.interpolate import RectBivariateSpline

from lsst.meas.realbogus.errors import ImageMismatchError

from ..imaging import dilate_bits, ensure_planes, fill_smoothly, missing_pixels

type FloatArray = npt.NDArray[np.floating[Any]]

_SPLINE_ORDER = 5
_SPLINE_REACH = 12
"""Pixels beyond which a value has no influence (below 1e-4) through the spline prefilter."""
_MASK_REACH = 2
"""How far a masked pixel spreads: beyond, interpolation gives less than 3 % of its value."""
_WHOLE_PIXEL = 1e-4
"""Shifts this close to whole pixels are copied, not interpolated."""


@dataclasses.dataclass(frozen=True)
class PixelMap:
    """Where the pixels of a box lie on another pixel grid.

    Parameters
    ----------
    bbox
        The box.
    x, y
        Parent coordinates on the other grid, shape of the box.
    area
        How many pixels of the other grid one pixel of the box covers, shape of the box.
    """

    bbox: Box
    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    area: npt.NDArray[np.float64]

    @property
    def source_bbox(self) -> Box:
        """Smallest box of the other grid that holds every pixel's place."""
        return Box(
            y=Interval(math.floor(self.y.min()), math.ceil(self.y.max()) + 1),
            x=Interval(math.floor(self.x.min()), math.ceil(self.x.max()) + 1),
        )

    @property
    def whole_shift(self) -> tuple[int, int] | None:
        """Shift in y and x where the map is nothing but a shift by whole pixels, else `None`."""
        dy = self.y - self.bbox.y.arange[:, np.newaxis]
        dx = self.x - self.bbox.x.arange[np.newaxis, :]
        shift = round(float(dy.flat[0])), round(float(dx.flat[0]))
        if np.abs(dy - shift[0]).max() < _WHOLE_PIXEL and np.abs(dx - shift[1]).max() < _WHOLE_PIXEL:
            return shift
        return None

    def jacobian(self, row: int, column: int) -> npt.NDArray[np.float64]:
        """Return the matrix that takes steps ``(y, x)`` of the box to the other grid, near a pixel."""
        row, column = (min(max(k, 1), n - 2) for k, n in zip((row, column), self.bbox.shape, strict=True))
        by_row = [0.5 * (a[row + 1, column] - a[row - 1, column]) for a in (self.y, self.x)]
        by_column = [0.5 * (a[row, column + 1] - a[row, column - 1]) for a in (self.y, self.x)]
        return np.array([by_row, by_column]).T


def map_pixels(
    target: SkyProjection[Any], bbox: Box, source: SkyProjection[Any], *, spacing: int = 64
) -> PixelMap | None:
    """Find where the pixels of a box lie on another projection.

    The projections are evaluated on a coarse grid and interpolated with bicubic splines.

    Parameters
    ----------
    target
        Projection of the box.
    bbox
        The box.
    source
        The other projection.
    spacing
        Distance of the nodes in pixels.

    Returns
    -------
    PixelMap or None
        `None` where the box has no finite place on the other projection (the far side of the sky).
    """
    y, x = _nodes(bbox.y, spacing), _nodes(bbox.x, spacing)
    grid_y, grid_x = np.meshgrid(y, x, indexing="ij")
    sky = target.pixel_to_sky_transform.apply_forward(x=grid_x.ravel(), y=grid_y.ravel())
    there = source.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
    if not (np.isfinite(there.x).all() and np.isfinite(there.y).all()):
        return None
    spline_x = RectBivariateSpline(y, x, np.reshape(there.x, grid_x.shape))
    spline_y = RectBivariateSpline(y, x, np.reshape(there.y, grid_x.shape))
    rows, columns = bbox.y.arange, bbox.x.arange
    area = np.abs(
        spline_x(rows, columns, dy=1) * spline_y(rows, columns, dx=1)
        - spline_x(rows, columns, dx=1) * spline_y(rows, columns, dy=1)
    )
    return PixelMap(bbox, spline_x(rows, columns), spline_y(rows, columns), area)


def _nodes(interval: Interval, spacing: int) -> npt.NDArray[np.float64]:
    count = max(4, -(-(interval.size - 1) // spacing) + 1)
    return np.linspace(interval.min - 1.0, interval.max + 1.0, count)


def warp_image(
    source: MaskedImage,
    target: SkyProjection[Any],
    bbox: Box,
    *,
    spacing: int = 64,
    projection: SkyProjection[Any] | None = None,
) -> MaskedImage | None:
    """Resample an image to another projection, conserving flux.

    Parameters
    ----------
    source
        Image in flux per pixel.
    target
        Projection to go to.
    bbox
        Which pixels to make.
    spacing
        Distance in pixels of the nodes at which the projections are evaluated.
    projection
        Projection of ``source`` where the image does not carry it.

    Returns
    -------
    MaskedImage or None
        Image with NO_DATA and NaN where the source has nothing; `None` where the two do not overlap at all.

    Raises
    ------
    ImageMismatchError
        If the source has no projection.

    Notes
    -----
    Splines of order 5 (`scipy.ndimage`), times the ratio of pixel areas. The variance keeps the noise
    power on the scale of the PSF: neighbouring pixels become correlated and their own scatter about 8 %
    smaller than its square root. Masks spread by two pixels. A shift by whole pixels is copied.
    """
    projection = source.sky_projection if projection is None else projection
    if projection is None:
        raise ImageMismatchError("the image to warp has no sky projection")
    pixels = map_pixels(target, bbox, projection, spacing=spacing)
    if pixels is None:
        return None
    return warp_by_map(source, pixels, target)


def warp_by_map(source: MaskedImage, pixels: PixelMap, target: SkyProjection[Any]) -> MaskedImage | None:
    """Resample an image by a known pixel map; see `warp_image`."""
    reach = pixels.source_bbox.padded(_SPLINE_REACH)
    if not _overlap(reach, source.bbox):
        return None
    source = source[reach.intersection(source.bbox)]
    origin = source.bbox.start
    y, x = pixels.y - origin.y, pixels.x - origin.x
    ny, nx = source.bbox.shape
    tolerance = _WHOLE_PIXEL
    inside = (y >= -tolerance) & (y <= ny - 1 + tolerance) & (x >= -tolerance) & (x <= nx - 1 + tolerance)
    if not inside.any():
        return None
    nearest = np.clip(np.rint(y), 0, ny - 1).astype(np.intp), np.clip(np.rint(x), 0, nx - 1).astype(np.intp)
    missing = missing_pixels(source)
    whole = pixels.whole_shift is not None
    values = fill_smoothly(np.asarray(source.image.array, dtype=np.float32), missing)
    variance = fill_smoothly(np.asarray(source.variance.array, dtype=np.float32), missing)
    bits = ensure_planes(source.mask, ["NO_DATA"]).copy()
    bits.set("NO_DATA", missing)
    packed = bits.array
    if whole:
        out, out_variance, area = values[nearest], variance[nearest], np.ones(1)
    else:
        place = np.stack([np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)])
        spline = scipy.ndimage.spline_filter(values, _SPLINE_ORDER, output=np.float32, mode="mirror")
        out = scipy.ndimage.map_coordinates(
            spline, place, order=_SPLINE_ORDER, mode="mirror", prefilter=False, output=np.float32
        )
        out_variance, area = variance[nearest], pixels.area
        packed = dilate_bits(packed, _MASK_REACH)
    mask = Mask(packed[nearest], schema=bits.schema, bbox=pixels.bbox)
    mask.set("NO_DATA", ~inside)
    nothing = mask.get("NO_DATA")
    image = np.where(nothing, np.float32(np.nan), out * area).astype(np.float32)
    noise = np.where(nothing, np.float32(np.nan), out_variance * area * np.maximum(area, 1.0))
    return MaskedImage(
        Image(image, bbox=pixels.bbox, unit=source.unit),
        mask=mask,
        variance=Image(
            noise.astype(np.float32), bbox=pixels.bbox, unit=None if source.unit is None else source.unit**2
        ),
        sky_projection=target,
    )


def warp_kernel(
    kernel: npt.NDArray[np.float64], jacobian: npt.NDArray[np.float64], radius: int
) -> npt.NDArray[np.float64]:
    """Resample a centred kernel as `warp_image` does the pixels around it.

    Parameters
    ----------
    kernel
        Kernel on the source grid, odd sizes.
    jacobian
        Matrix that takes steps ``(y, x)`` on the target grid to steps on the source grid.
    radius
        Half width of the result.

    Returns
    -------
    numpy.ndarray
        Kernel of unit sum on the target grid.
    """
    steps = np.arange(-radius, radius + 1.0)
    target = np.stack(np.meshgrid(steps, steps, indexing="ij"))
    place = np.tensordot(jacobian, target, axes=1)
    place += (np.array(kernel.shape) // 2).reshape(2, 1, 1)
    out = scipy.ndimage.map_coordinates(kernel, place, order=_SPLINE_ORDER, mode="grid-constant")
    unit: npt.NDArray[np.float64] = out / out.sum()
    return unit


def _overlap(a: Box, b: Box) -> bool:
    return a.x.start < b.x.stop and b.x.start < a.x.stop and a.y.start < b.y.stop and b.y.start < a.y.stop
