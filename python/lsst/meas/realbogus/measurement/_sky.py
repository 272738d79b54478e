"""Sky coordinates, their errors, and directions at pixel positions."""

from __future__ import annotations

__all__ = ("separation_and_angle", "sky_positions")

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from lsst.images import SkyProjection

type FloatArray = npt.NDArray[np.float64]


def sky_positions(
    projection: SkyProjection[Any], x: FloatArray, y: FloatArray, covariance: FloatArray
) -> dict[str, FloatArray]:
    """Transform positions and their errors.

    Parameters
    ----------
    projection
        Projection of the pixels.
    x, y
        Parent coordinates.
    covariance
        Covariance of x and y, shape ``(n, 2, 2)``.

    Returns
    -------
    dict
        ``ra, dec, raErr, decErr`` in degrees, ``raErr`` along a great circle.
    """
    if len(x) == 0:
        return {name: np.zeros(0) for name in ("ra", "dec", "raErr", "decErr")}
    sky = projection.pixel_to_sky(x=x, y=y)
    slopes = np.stack(
        [
            _offsets(projection.pixel_to_sky(x=x - dx, y=y - dy), projection.pixel_to_sky(x=x + dx, y=y + dy))
            for dx, dy in ((0.5, 0.0), (0.0, 0.5))
        ],
        axis=-1,
    )
    errors = slopes @ covariance @ slopes.transpose(0, 2, 1)
    with np.errstate(invalid="ignore"):
        ra_error, dec_error = np.sqrt(errors[:, 0, 0]), np.sqrt(errors[:, 1, 1])
    return {"ra": sky.ra.deg, "dec": sky.dec.deg, "raErr": ra_error, "decErr": dec_error}


def _offsets(start: SkyCoord, stop: SkyCoord) -> FloatArray:
    east, north = start.spherical_offsets_to(stop)
    return np.stack([east.deg, north.deg], axis=-1)


def separation_and_angle(
    projection: SkyProjection[Any], x: FloatArray, y: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return distance [arcsec] and position angle [deg] from second to first positions, shape ``(n, 2)``."""
    if len(x) == 0:
        return np.zeros(0), np.zeros(0)
    first = projection.pixel_to_sky(x=x[:, 0], y=y[:, 0])
    second = projection.pixel_to_sky(x=x[:, 1], y=y[:, 1])
    angle = second.position_angle(first).to_value(u.deg)
    return second.separation(first).to_value(u.arcsec), np.asarray(angle)
