"""Between pixels and the sky: positions both ways, and local scales."""

from __future__ import annotations

__all__ = ("local_jacobian", "pixel_scale", "pixel_to_sky", "sky_to_pixel")

from typing import Any

import numpy as np
import numpy.typing as npt
from lsst.images import Box, SkyProjection

from ..tables import separation

type Floats = npt.NDArray[np.float64]


def pixel_to_sky(projection: SkyProjection[Any], x: npt.ArrayLike, y: npt.ArrayLike) -> tuple[Floats, Floats]:
    """Return the sky positions of pixels, of none too.

    Parameters
    ----------
    projection
        From pixels to the sky.
    x, y
        Parent coordinates in pixels, shape ``(n,)``.

    Returns
    -------
    ra, dec
        Degrees.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if not len(x):  # AST maps at least one point
        return np.empty(0), np.empty(0)
    sky = projection.pixel_to_sky(x=x, y=y)
    return np.asarray(sky.ra.deg), np.asarray(sky.dec.deg)


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


def sky_to_pixel(projection: SkyProjection[Any], ra: Floats, dec: Floats) -> tuple[Floats, Floats]:
    """Project positions to pixels, NaN where the projection does not come back to where it started.

    Parameters
    ----------
    projection
        From pixels to the sky.
    ra, dec
        Degrees, shape ``(n,)``.

    Returns
    -------
    x, y
        Pixel positions. Distorted projections are many-valued far from the image: a position on the other
        side of the sky may fall on the detector, so each is projected back and must agree within 1 arcsec.
    """
    ra, dec = np.asarray(ra, float), np.asarray(dec, float)
    if not len(ra):
        return np.empty(0), np.empty(0)
    good = np.isfinite(ra) & np.isfinite(dec)
    # Plain transforms, in radians: SkyCoord refuses what comes back from the far side of the sky.
    transform = projection.pixel_to_sky_transform
    start = np.deg2rad(np.where(good, ra, 0.0)), np.deg2rad(np.where(good, dec, 0.0))
    xy = transform.apply_inverse(x=start[0], y=start[1])
    x, y = np.asarray(xy.x, float), np.asarray(xy.y, float)
    good &= np.isfinite(x) & np.isfinite(y)
    back = transform.apply_forward(x=np.where(good, x, 0.0), y=np.where(good, y, 0.0))
    with np.errstate(invalid="ignore"):
        good &= separation(ra, dec, np.rad2deg(back.x), np.rad2deg(back.y)) < 1.0
    return np.where(good, x, np.nan), np.where(good, y, np.nan)
