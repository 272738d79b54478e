"""Positions on the sky: angular distances, cells, to pixels and back."""

from __future__ import annotations

__all__ = ("pixel_to_sky", "separation", "sky_cell", "sky_to_pixel")

from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from lsst.images import SkyProjection

type Floats = npt.NDArray[np.float64]

_RA_BITS = 22


def separation(
    ra: npt.ArrayLike, dec: npt.ArrayLike, other_ra: npt.ArrayLike, other_dec: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return angular distances.

    Parameters
    ----------
    ra, dec, other_ra, other_dec
        Positions in degrees, arrays that broadcast against each other; NaN is no position.

    Returns
    -------
    numpy.ndarray
        Float64 distances in arcsec along great circles (`astropy.coordinates.SkyCoord.separation`); NaN
        where a position is none.
    """
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    ra, dec, other_ra, other_dec = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (ra, dec, other_ra, other_dec))
    )
    known = np.isfinite(ra) & np.isfinite(other_ra) & (np.abs(dec) <= 90.0) & (np.abs(other_dec) <= 90.0)
    out = np.full(ra.shape, np.nan)
    first = SkyCoord(ra[known], dec[known], unit=u.deg)
    second = SkyCoord(other_ra[known], other_dec[known], unit=u.deg)
    out[known] = first.separation(second).to_value(u.arcsec)
    return out


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


def sky_cell(ra: npt.ArrayLike, dec: npt.ArrayLike, size: float) -> npt.NDArray[np.int64]:
    """Number the cells of a fixed grid on the sky.

    Parameters
    ----------
    ra, dec
        Positions in degrees.
    size
        Side of a cell in arcsec: rows of constant declination, each cut into equal steps of right ascension.

    Returns
    -------
    numpy.ndarray
        Non-negative int64 numbers below ``2**43``, one for each position.
    """
    step = size / 3600.0
    if not 0.5 <= size <= 3600.0:
        raise InvalidInputError(f"sky cells must be between 0.5 and 3600 arcsec; got {size}")
    row = np.floor((np.asarray(dec, dtype=np.float64) + 90.0) / step).astype(np.int64)
    middle = np.deg2rad(np.clip((row + 0.5) * step - 90.0, -90.0, 90.0))
    per_row = np.maximum(1, np.floor(360.0 * np.cos(middle) / step).astype(np.int64))
    column = np.floor(np.mod(ra, 360.0) / 360.0 * per_row).astype(np.int64)
    return np.atleast_1d((row << _RA_BITS) | np.minimum(column, per_row - 1))
