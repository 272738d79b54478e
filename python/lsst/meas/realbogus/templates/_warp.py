"""Moving pixels from one projection to another."""

from __future__ import annotations

__all__ = ("WarpedPixels", "warp_by_map", "warp_image", "warp_kernel", "warp_pixels")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from lsst.images import Box, Image, Mask, MaskedImage, SkyProjection

from lsst.meas.realbogus.errors import ImageMismatchError

from ..imaging import dilate_bits, ensure_planes, fill_smoothly, overlap
from ._pixel_map import SPLINE_REACH, WHOLE_PIXEL, PixelMap, map_pixels

type Pixels = npt.NDArray[np.float32]

_SPLINE_ORDER = 5
_MASK_REACH = 2
"""How far a masked pixel spreads: beyond, interpolation gives less than 3 % of its value."""


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
    warped = warp_pixels(source.image, source.mask, pixels, variance=source.variance)
    if warped is None or warped.variance is None:
        return None
    unit = source.unit
    return MaskedImage(
        Image(warped.values, bbox=pixels.bbox, unit=unit),
        mask=warped.mask,
        variance=Image(warped.variance, bbox=pixels.bbox, unit=None if unit is None else unit**2),
        sky_projection=target,
    )


@dataclasses.dataclass(frozen=True)
class WarpedPixels:
    """Pixels, mask and perhaps variance of the box of a `PixelMap`; NaN where NO_DATA is set."""

    values: Pixels
    mask: Mask
    variance: Pixels | None


def warp_pixels(
    image: Image, mask: Mask, pixels: PixelMap, *, variance: Image | None = None
) -> WarpedPixels | None:
    """Resample pixels and mask, and the variance where it is given; see `warp_image`.

    Parameters
    ----------
    image, mask, variance
        Planes of one box of the other grid, in flux per pixel.
    pixels
        Where the wanted pixels lie on it.

    Returns
    -------
    WarpedPixels or None
        `None` where the image has none of the pixels.
    """
    reach = pixels.source_bbox.padded(SPLINE_REACH)
    box = overlap(reach, image.bbox)
    if box is None:
        return None
    y, x = pixels.y - box.y.start, pixels.x - box.x.start
    ny, nx = box.shape
    tolerance = WHOLE_PIXEL
    inside = (y >= -tolerance) & (y <= ny - 1 + tolerance) & (x >= -tolerance) & (x <= nx - 1 + tolerance)
    if not inside.any():
        return None
    nearest = np.clip(np.rint(y), 0, ny - 1).astype(np.intp), np.clip(np.rint(x), 0, nx - 1).astype(np.intp)
    array = np.asarray(image[box].array, dtype=np.float32)
    noise = None if variance is None else np.asarray(variance[box].array, dtype=np.float32)
    bits = ensure_planes(mask[box], ["NO_DATA"]).copy()
    missing = bits.get("NO_DATA") | ~np.isfinite(array)
    if noise is not None:
        missing |= ~(np.isfinite(noise) & (noise > 0))
    bits.set("NO_DATA", missing)
    packed, values = bits.array, fill_smoothly(array, missing)
    if pixels.whole_shift is not None:
        out, area = values[nearest], np.ones(1)
    else:
        place = np.stack([np.clip(y, 0, ny - 1), np.clip(x, 0, nx - 1)])
        spline = scipy.ndimage.spline_filter(values, _SPLINE_ORDER, output=np.float32, mode="mirror")
        out = scipy.ndimage.map_coordinates(
            spline, place, order=_SPLINE_ORDER, mode="mirror", prefilter=False, output=np.float32
        )
        area = pixels.area
        packed = dilate_bits(packed, _MASK_REACH) if packed.any() else packed
    warped = Mask(packed[nearest], schema=bits.schema, bbox=pixels.bbox)
    warped.set("NO_DATA", ~inside)
    nothing = warped.get("NO_DATA")
    if noise is not None:
        noise = fill_smoothly(noise, missing)[nearest] * area * np.maximum(area, 1.0)
        noise = np.where(nothing, np.float32(np.nan), noise).astype(np.float32)
    return WarpedPixels(np.where(nothing, np.float32(np.nan), out * area).astype(np.float32), warped, noise)


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
