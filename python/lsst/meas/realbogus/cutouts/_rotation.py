"""Stamps turned so that north is up and east to the left."""

from __future__ import annotations

__all__ = ("extract_north_up", "north_up_matrices")

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from lsst.images import Image, Mask, SkyProjection

from ..errors import InvalidInputError
from ._extraction import DEFAULT_BAD_PLANES, Stamps, extract, stamp_shape

type FloatArray = npt.NDArray[np.float64]

_MISSING_SHARE = 0.01


def north_up_matrices(projection: SkyProjection[Any], x: npt.ArrayLike, y: npt.ArrayLike) -> FloatArray:
    """Find how to turn (and mirror, if need be) stamps at some positions.

    Parameters
    ----------
    projection
        Sky projection of the image.
    x, y
        Positions, parent coordinates, shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        Orthogonal matrices that take a step ``(y, x)`` on the turned stamp to one on the image, shape
        ``(n, 2, 2)``; unity where the position or its place on the sky is not finite.

    Notes
    -----
    From the directions of north and east at each position, by finite differences over a pixel: the orthogonal
    matrix nearest to them (polar decomposition), so that pixels keep their scale.
    """
    x, y = np.atleast_1d(np.asarray(x, np.float64)), np.atleast_1d(np.asarray(y, np.float64))
    matrices = np.tile(np.eye(2), (len(x), 1, 1))
    usable = np.isfinite(x) & np.isfinite(y)
    if not usable.any():
        return matrices
    px, py = x[usable], y[usable]

    def sky(dx: float, dy: float) -> tuple[FloatArray, FloatArray]:
        place = projection.pixel_to_sky_transform.apply_forward(x=px + dx, y=py + dy)
        return np.asarray(place.x), np.asarray(place.y)

    steps = []
    for dx, dy in ((0.0, 0.5), (0.5, 0.0)):
        (ra1, dec1), (ra0, dec0) = sky(dx, dy), sky(-dx, -dy)
        turn = np.remainder(ra1 - ra0 + math.pi, 2 * math.pi) - math.pi
        steps.append((dec1 - dec0, -turn * np.cos((dec0 + dec1) / 2)))  # north is up, east to the left
    # Steps on the image to steps (north, west) on the sky, as columns; the inverse of its orthogonal part.
    jacobian = np.array(steps).transpose(2, 1, 0)
    good = np.isfinite(jacobian).all(axis=(1, 2))
    u, _, vt = np.linalg.svd(np.where(good[:, None, None], jacobian, np.eye(2)))
    matrices[usable] = (u @ vt).transpose(0, 2, 1)
    return matrices


def extract_north_up(
    image: Image | npt.NDArray[Any],
    mask: Mask | None,
    projection: SkyProjection[Any],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    size: int,
    *,
    bad_planes: Sequence[str] = DEFAULT_BAD_PLANES,
    order: int = 3,
) -> Stamps:
    """Cut stamps and turn them so that north is up and east to the left.

    Parameters
    ----------
    image, mask
        As for `extract`.
    projection
        Sky projection of the image.
    x, y
        As for `extract`.
    size
        Side of the stamps, odd, so that a pixel is their centre; that pixel's centre does not move.
    bad_planes
        As for `extract`.
    order
        Order of the interpolating spline; 0 takes the nearest pixel.

    Returns
    -------
    Stamps
        As from `extract`, with ``start`` that of the stamp before it was turned. A pixel is
        missing where a missing pixel has a part in it. Mask planes are those of all pixels looked at. The
        image's edge is no rectangle any more: ``extent`` is the whole stamp, whatever ``leaves_image`` says.

    Raises
    ------
    InvalidInputError
        If the size is even.
    """
    height, width = stamp_shape(size)
    if height % 2 == 0 or height != width:
        raise InvalidInputError(
            f"stamps that are turned must be square with an odd side; got {height}x{width}"
        )
    outer = 2 * math.ceil((size // 2) * math.sqrt(2) + order) + 1
    large = extract(image, x, y, outer, mask=mask, bad_planes=bad_planes)
    matrices = north_up_matrices(projection, x, y)
    half = size // 2
    grid = np.mgrid[-half : half + 1, -half : half + 1].reshape(2, -1).astype(np.float64)
    pixels = np.empty((len(large), size, size), np.float32)
    missing = np.empty((len(large), size, size), bool)
    for row, matrix in enumerate(matrices):
        place = matrix @ grid + outer // 2
        known = large.pixels[row][~large.missing[row]]
        filled = np.where(large.missing[row], np.median(known) if known.size else 0.0, large.pixels[row])
        turned = scipy.ndimage.map_coordinates(filled, place, order=order, mode="nearest", output=np.float32)
        share = scipy.ndimage.map_coordinates(large.missing[row].astype(np.float32), place, order=1)
        missing[row] = share.reshape(size, size) > _MISSING_SHARE
        pixels[row] = np.where(missing[row], np.float32(np.nan), turned.reshape(size, size))
    inner = extract(image, x, y, size, mask=mask, bad_planes=bad_planes)
    return Stamps(
        pixels,
        missing,
        missing.mean(axis=(1, 2)).astype(np.float32) if len(large) else inner.fraction_missing,
        inner.start,
        np.tile([[0, size], [0, size]], (len(large), 1, 1)),
        large.leaves_image,
        large.centered_on_image,
        large.mask_center,
        large.mask_any,
    )
