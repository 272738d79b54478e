"""The pixels of a visit image while they are being simulated."""

from __future__ import annotations

__all__ = ("MASK_SCHEMA", "Pixels", "interpolate_along_rows", "window_around")

import dataclasses

import numpy as np
import numpy.typing as npt
from lsst.images import Box, Mask, MaskSchema, get_legacy_visit_image_mask_planes

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

MASK_SCHEMA = MaskSchema(list(get_legacy_visit_image_mask_planes().values()), dtype=np.uint8)
"""Mask planes of visit images, those of the Science Pipelines."""


@dataclasses.dataclass
class Pixels:
    """Arrays of one image, indexed ``[y, x]``, and what changes fluxes to electrons.

    Parameters
    ----------
    flux
        Expected flux without sky [nJy per pixel]; later, what is observed.
    electrons_per_flux
        Electrons per nJy, shape of ``flux``.
    sky
        Electrons of sky per pixel, shape of ``flux``.
    sky_noise
        Typical standard deviation of blank sky [nJy].
    read_noise
        Electrons.
    """

    flux: Floats
    electrons_per_flux: Floats
    sky: Floats
    sky_noise: float
    read_noise: float
    planes: dict[str, Bools] = dataclasses.field(default_factory=dict)

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width."""
        height, width = self.flux.shape
        return height, width

    def flag(self, plane: str, where: Bools) -> None:
        """Set a mask plane where an array is true."""
        self.planes[plane] = self.planes[plane] | where if plane in self.planes else where.copy()

    def expected_variance(self) -> Floats:
        """Variance of the pixels' values [nJy^2]: photons of sources and sky, and read noise."""
        electrons = np.maximum(self.flux * self.electrons_per_flux, 0) + self.sky + self.read_noise**2
        return electrons / self.electrons_per_flux**2

    def mask(self, bbox: Box) -> Mask:
        """Return the mask planes as a mask."""
        mask = Mask(0, schema=MASK_SCHEMA, bbox=bbox)
        for plane, where in self.planes.items():
            mask.set(plane, where)
        return mask


def interpolate_along_rows(array: Floats, bad: Bools) -> None:
    """Replace bad pixels, in place, by straight lines between their neighbours in the row."""
    for row in np.flatnonzero(bad.any(axis=1)):
        good = ~bad[row]
        if good.any():
            columns = np.arange(array.shape[1])
            array[row, bad[row]] = np.interp(columns[bad[row]], columns[good], array[row, good])


def window_around(
    shape: tuple[int, int], x: float, y: float, reach: float
) -> tuple[tuple[slice, slice], Floats, Floats]:
    """Cut a square around a position to an image.

    Parameters
    ----------
    shape
        Height and width of the image.
    x, y
        Position within the image.
    reach
        Half the width of the square in pixels.

    Returns
    -------
    window
        Slices of rows and columns; not empty, if the position is in the image.
    u, v
        Columns and rows of its pixels less the position, shapes ``(1, nx)`` and ``(ny, 1)``.
    """
    height, width = shape
    n = int(np.ceil(reach))
    rows = slice(max(round(y) - n, 0), max(min(round(y) + n + 1, height), 0))
    columns = slice(max(round(x) - n, 0), max(min(round(x) + n + 1, width), 0))
    u: Floats = np.arange(columns.start, columns.stop, dtype=float)[None, :] - x
    v: Floats = np.arange(rows.start, rows.stop, dtype=float)[:, None] - y
    return (rows, columns), u, v
