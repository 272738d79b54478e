"""Local scales of projections between pixels and the sky."""

from __future__ import annotations

__all__ = ("local_jacobian", "pixel_scale")

from typing import Any

import numpy as np
import numpy.typing as npt
from lsst.images import Box, SkyProjection

from ..tables import pixel_to_sky, separation

type Floats = npt.NDArray[np.float64]


def pixel_scale(projection: SkyProjection[Any], bbox: Box) -> float:
    """Return the size of the pixels in the middle of an image.

    Parameters
    ----------
    projection, bbox
        The image's projection and box.

    Returns
    -------
    float
        Square root of a pixel's area, in arcsec.
    """
    y, x = (start + size / 2 for start, size in zip(bbox.start, bbox.shape, strict=True))
    ra, dec = pixel_to_sky(projection, [x, x + 1, x], [y, y, y + 1])
    return float(np.sqrt(np.prod(separation(ra[0], dec[0], ra[1:], dec[1:]))))


def local_jacobian(projection: SkyProjection[Any], x: Floats, y: Floats) -> Floats:
    """Differentiate the projection.

    Parameters
    ----------
    projection
        From pixels to the sky.
    x, y
        Pixel positions, shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        Shape ``(n, 2, 2)``: derivatives of (east, north) in arcsec by (x, y) in pixels.
    """
    step = 0.5
    out = np.empty((len(x), 2, 2))
    if not len(x):
        return out
    for column, (dx, dy) in enumerate(((step, 0.0), (0.0, step))):
        after = projection.pixel_to_sky(x=x + dx, y=y + dy)
        before = projection.pixel_to_sky(x=x - dx, y=y - dy)
        turn = (after.ra.deg - before.ra.deg + 180.0) % 360.0 - 180.0
        middle = np.deg2rad(0.5 * (after.dec.deg + before.dec.deg))
        out[:, 0, column] = turn * np.cos(middle) * 3600.0
        out[:, 1, column] = (after.dec.deg - before.dec.deg) * 3600.0
    return out
