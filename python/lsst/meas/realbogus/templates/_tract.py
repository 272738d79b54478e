"""A tract: the pixel grid on which templates are assembled, and its patches, without ``lsst.skymap``."""

from __future__ import annotations

__all__ = ("Tract",)

import dataclasses
from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import Any, Self

import astropy.io.fits
import astropy.wcs
import numpy as np
from lsst.images import YX, Box, SkyProjection, TractFrame
from lsst.images.cells import CellGrid, PatchDefinition

from lsst.meas.realbogus.errors import InvalidInputError


@dataclasses.dataclass(frozen=True)
class Tract:
    """A pixel grid on the sky, divided into patches of cells.

    Make one with `from_wcs` or `from_dict`.

    Parameters
    ----------
    skymap
        Name of the sky map.
    id
        Number of the tract in its sky map.
    wcs_header
        FITS header text of the WCS; astropy's 0-based pixel (0, 0) is the tract's pixel (0, 0).
    bbox
        All pixels of the tract, a whole number of cells.
    patch_size
        Width of a patch's inner box in pixels, a whole number of cells.
    cell_size
        Width of a cell in pixels.
    border_cells
        How many cells a patch reaches beyond its inner box, where the tract has pixels there.

    Examples
    --------
    >>> import astropy.wcs
    >>> from lsst.images import Box
    >>> wcs = astropy.wcs.WCS(naxis=2)
    >>> wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    >>> wcs.wcs.crval = [150.0, 2.0]
    >>> wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    >>> tract = Tract.from_wcs("toy", 0, wcs, Box.factory[0:1000, 0:700], patch_size=500, cell_size=50)
    >>> [(p.id, p.index.y, p.index.x) for p in tract.patches]
    [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
    """

    skymap: str
    id: int
    wcs_header: str
    bbox: Box
    patch_size: int
    cell_size: int
    border_cells: int = 0

    def __post_init__(self) -> None:
        if self.cell_size < 1 or self.patch_size < 1 or self.patch_size % self.cell_size:
            raise InvalidInputError(
                f"patch_size must be a multiple of cell_size; got {self.patch_size} and {self.cell_size}"
            )
        if self.border_cells < 0:
            raise InvalidInputError(f"border_cells must not be negative; got {self.border_cells}")
        if any(size % self.cell_size for size in self.bbox.shape):
            raise InvalidInputError(f"bbox must be whole cells of {self.cell_size} pixels; got {self.bbox}")

    @classmethod
    def from_wcs(
        cls,
        skymap: str,
        tract: int,
        wcs: astropy.wcs.WCS,
        bbox: Box,
        patch_size: int,
        cell_size: int,
        *,
        border_cells: int = 0,
    ) -> Self:
        """Make a tract that covers a box of a FITS WCS.

        Parameters
        ----------
        skymap, tract
            As the attributes of the class.
        wcs
            Celestial WCS whose 0-based pixel coordinates are those of ``bbox``.
        bbox
            What must be covered; grown on its upper sides to whole cells.
        patch_size, cell_size, border_cells
            As the attributes of the class.

        Raises
        ------
        InvalidInputError
            If the sizes do not fit each other.
        """
        if cell_size < 1:
            raise InvalidInputError(f"cell_size must be positive; got {cell_size}")
        shape = [-(-size // cell_size) * cell_size for size in bbox.shape]
        header = wcs.to_header_string(relax=True)
        whole = Box.from_shape(shape, start=bbox.start)
        return cls(skymap, int(tract), header, whole, int(patch_size), int(cell_size), border_cells)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """Make a tract from what `to_dict` returned.

        Parameters
        ----------
        data
            What `to_dict` returned.
        """
        y0, y1, x0, x1 = data["bbox"]
        return cls(
            skymap=data["skymap"],
            id=data["tract"],
            wcs_header=data["wcs"],
            bbox=Box.factory[y0:y1, x0:x1],
            patch_size=data["patch_size"],
            cell_size=data["cell_size"],
            border_cells=data["border_cells"],
        )

    def to_dict(self) -> dict[str, Any]:
        """Return everything as strings, integers and lists, for JSON or YAML.

        Returns
        -------
        dict
            The tract.
        """
        y, x = self.bbox.y, self.bbox.x
        return {
            "skymap": self.skymap,
            "tract": self.id,
            "wcs": self.wcs_header,
            "bbox": [y.start, y.stop, x.start, x.stop],
            "patch_size": self.patch_size,
            "cell_size": self.cell_size,
            "border_cells": self.border_cells,
        }

    @cached_property
    def projection(self) -> SkyProjection[TractFrame]:
        """Mapping from tract pixels to the sky."""
        wcs = astropy.wcs.WCS(astropy.io.fits.Header.fromstring(self.wcs_header))
        frame = TractFrame(skymap=self.skymap, tract=self.id, bbox=self.bbox)
        return SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=self.bbox)

    @cached_property
    def grid_shape(self) -> YX[int]:
        """Numbers of patches along y and x."""
        return YX(y=-(-self.bbox.y.size // self.patch_size), x=-(-self.bbox.x.size // self.patch_size))

    @cached_property
    def patches(self) -> tuple[PatchDefinition, ...]:
        """All patches, row by row; a patch's ``id`` is its place in the tuple."""
        return tuple(self._make_patches())

    def _make_patches(self) -> Iterator[PatchDefinition]:
        ny, nx = self.grid_shape
        for j in range(ny):
            for i in range(nx):
                corner = YX(
                    y=self.bbox.y.start + j * self.patch_size,
                    x=self.bbox.x.start + i * self.patch_size,
                )
                inner = Box.from_shape((self.patch_size, self.patch_size), start=corner).intersection(
                    self.bbox
                )
                outer = inner.padded(self.border_cells * self.cell_size).intersection(self.bbox)
                yield PatchDefinition(
                    id=j * nx + i,
                    index=YX(y=j, x=i),
                    inner_bbox=inner,
                    cells=CellGrid(bbox=outer, cell_shape=YX(y=self.cell_size, x=self.cell_size)),
                )

    def patch(self, patch_id: int) -> PatchDefinition:
        """Return one patch by its id.

        Parameters
        ----------
        patch_id
            Sequential number of the patch.

        Returns
        -------
        lsst.images.cells.PatchDefinition
            The patch.

        Raises
        ------
        InvalidInputError
            If the tract has no such patch.
        """
        if not 0 <= patch_id < len(self.patches):
            raise InvalidInputError(
                f"tract {self.id} has patches 0 to {len(self.patches) - 1}; got {patch_id}"
            )
        return self.patches[patch_id]

    def patch_vertices(self, patch_id: int) -> list[tuple[float, float]]:
        """Return the corners of a patch's outer box as (ra, dec) in degrees.

        Parameters
        ----------
        patch_id
            Sequential number of the patch.

        Returns
        -------
        list of tuple
            Four pairs of degrees.
        """
        return self._vertices(self.patch(patch_id).outer_bbox)

    def tract_vertices(self) -> list[tuple[float, float]]:
        """Return the corners of the tract as (ra, dec) in degrees.

        Returns
        -------
        list of tuple
            Four pairs of degrees.
        """
        return self._vertices(self.bbox)

    def _vertices(self, box: Box) -> list[tuple[float, float]]:
        x0, x1 = box.x.start - 0.5, box.x.stop - 0.5
        y0, y1 = box.y.start - 0.5, box.y.stop - 0.5
        sky = self.projection.pixel_to_sky(x=np.array([x0, x1, x1, x0]), y=np.array([y0, y0, y1, y1]))
        return [(float(ra), float(dec)) for ra, dec in zip(sky.ra.deg, sky.dec.deg, strict=True)]
