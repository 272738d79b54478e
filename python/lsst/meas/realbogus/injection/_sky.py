"""Small geometry between pixels and the sky: what an exposure covers, offsets, local scales."""

from __future__ import annotations

__all__ = ("Footprint", "offset_position")

import dataclasses
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.images import Box, SkyProjection, VisitImage

from ..errors import InvalidInputError
from ..imaging import local_jacobian
from ..tables import pixel_to_sky, sky_to_pixel

type Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Footprint:
    """What one detector saw in one visit.

    Parameters
    ----------
    visit, detector, band
        The image.
    mjd
        Middle of the exposure, TAI.
    bbox
        Pixels of the image.
    projection
        From pixels to the sky.
    """

    visit: int
    detector: int
    band: str
    mjd: float
    bbox: Box
    projection: SkyProjection[Any]

    @classmethod
    def of(cls, image: VisitImage, *, name: str = "the image") -> Self:
        """Read the footprint of an image from what it says of itself.

        Parameters
        ----------
        image
            The image.
        name
            What it is called in messages.

        Returns
        -------
        Footprint
            Its footprint.

        Raises
        ------
        InvalidInputError
            If the image does not say which visit it is of, or when and how long it was exposed.
        """
        info = image.obs_info
        if info.visit_id is None or info.datetime_begin is None or info.exposure_time is None:
            raise InvalidInputError(
                f"{name} does not say which visit it is of, or when and how long it was exposed: give a "
                "Footprint instead"
            )
        return cls(
            visit=info.visit_id,
            detector=image.detector.id,
            band=image.band,
            mjd=float(info.datetime_begin.tai.mjd + info.exposure_time.to_value("day") / 2),
            bbox=image.bbox,
            projection=image.sky_projection,
        )

    def positions(self, fractions: Floats) -> tuple[Floats, Floats]:
        """Map numbers in the unit square to sky positions over the image.

        Parameters
        ----------
        fractions
            Shape ``(n, 2)``, along x and y.

        Returns
        -------
        ra, dec
            Degrees.
        """
        x = self.bbox.x.start - 0.5 + fractions[:, 0] * self.bbox.x.size
        y = self.bbox.y.start - 0.5 + fractions[:, 1] * self.bbox.y.size
        return pixel_to_sky(self.projection, x, y)

    def pixels(self, table: Table) -> tuple[Floats, Floats]:
        """Return the pixel positions of the rows of a table with ra and dec in degrees.

        Parameters
        ----------
        table
            Columns ``ra``, ``dec`` in degrees.

        Returns
        -------
        tuple of numpy.ndarray
            Parent coordinates x and y; NaN where the projection has no such place.
        """
        return sky_to_pixel(self.projection, np.asarray(table["ra"], float), np.asarray(table["dec"], float))

    def contains(self, ra: Floats, dec: Floats, padding: int = 0) -> npt.NDArray[np.bool_]:
        """Tell which sky positions fall on the image or within some pixels of it.

        Parameters
        ----------
        ra, dec
            Degrees, shape ``(n,)``.
        padding
            Pixels outside the image that still count.

        Returns
        -------
        numpy.ndarray
            Bool, shape ``(n,)``.
        """
        x, y = sky_to_pixel(self.projection, ra, dec)
        box = self.bbox.padded(padding)
        inside = (x >= box.x.start - 0.5) & (x < box.x.stop - 0.5)
        return np.asarray(inside & (y >= box.y.start - 0.5) & (y < box.y.stop - 0.5))

    @property
    def area(self) -> float:
        """Area in square degrees, from the pixel scale at the middle."""
        y, x = (self.bbox.y.center, self.bbox.x.center)
        pixel = abs(np.linalg.det(local_jacobian(self.projection, np.array([x]), np.array([y])))[0])
        return float(self.bbox.area * pixel / 3600.0**2)


def offset_position(ra: Floats, dec: Floats, east: Floats, north: Floats) -> tuple[Floats, Floats]:
    """Move positions by small offsets on the tangent plane.

    Parameters
    ----------
    ra, dec
        Start in degrees.
    east, north
        Offsets in arcsec.

    Returns
    -------
    ra, dec
        Degrees, right ascension in [0, 360). Inverse gnomonic projection (Calabretta & Greisen 2002, A&A
        395, 1077).
    """
    xi, eta = np.deg2rad(np.asarray(east) / 3600.0), np.deg2rad(np.asarray(north) / 3600.0)
    ra0, dec0 = np.deg2rad(ra), np.deg2rad(dec)
    down = np.cos(dec0) - eta * np.sin(dec0)
    new_ra = ra0 + np.arctan2(xi, down)
    new_dec = np.arctan2(np.sin(dec0) + eta * np.cos(dec0), np.hypot(xi, down))
    return np.rad2deg(new_ra) % 360.0, np.rad2deg(new_dec)
