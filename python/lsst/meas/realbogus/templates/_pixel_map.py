"""Where the pixels of one grid lie on another."""

from __future__ import annotations

__all__ = ("SPLINE_REACH", "WHOLE_PIXEL", "GridMap", "PixelMap", "map_pixels", "needed_box")

import dataclasses
import math
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from lsst.images import Box, Interval, SkyProjection
from scipy.interpolate import RectBivariateSpline

from ..imaging import overlap

SPLINE_REACH = 12
"""Pixels beyond which a value has no influence (below 1e-4) through the spline prefilter of warping."""
WHOLE_PIXEL = 1e-4
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
        if np.abs(dy - shift[0]).max() < WHOLE_PIXEL and np.abs(dx - shift[1]).max() < WHOLE_PIXEL:
            return shift
        return None

    def jacobian(self, row: int, column: int) -> npt.NDArray[np.float64]:
        """Return the matrix that takes steps ``(y, x)`` of the box to the other grid, near a pixel."""
        row, column = (min(max(k, 1), n - 2) for k, n in zip((row, column), self.bbox.shape, strict=True))
        by_row = [0.5 * (a[row + 1, column] - a[row - 1, column]) for a in (self.y, self.x)]
        by_column = [0.5 * (a[row, column + 1] - a[row, column - 1]) for a in (self.y, self.x)]
        return np.array([by_row, by_column]).T


@dataclasses.dataclass(frozen=True)
class GridMap:
    """Where a pixel grid lies on another, as splines over coarse nodes.

    Parameters
    ----------
    y, x
        Parent coordinates on the other grid as functions of those of the grid.
    area
        How many pixels of the other grid one pixel covers.
    """

    y: RectBivariateSpline
    x: RectBivariateSpline
    area: RectBivariateSpline

    @classmethod
    def make(
        cls, target: SkyProjection[Any], bbox: Box, source: SkyProjection[Any], *, spacing: int = 64
    ) -> Self | None:
        """Evaluate the projections at nodes over a box.

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
        GridMap or None
            `None` where the box has no finite place on the other projection (the far side of the sky).
        """
        nodes = _nodes(bbox.y, spacing), _nodes(bbox.x, spacing)
        grid_y, grid_x = np.meshgrid(*nodes, indexing="ij")
        sky = target.pixel_to_sky_transform.apply_forward(x=grid_x.ravel(), y=grid_y.ravel())
        there = source.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
        if not (np.isfinite(there.x).all() and np.isfinite(there.y).all()):
            return None
        y, x = (RectBivariateSpline(*nodes, np.reshape(place, grid_x.shape)) for place in (there.y, there.x))
        area = y(*nodes, dx=1) * x(*nodes, dy=1) - x(*nodes, dx=1) * y(*nodes, dy=1)
        return cls(y, x, RectBivariateSpline(*nodes, np.abs(area)))

    def on(self, bbox: Box) -> PixelMap:
        """Return the map of the pixels of a box."""
        rows, columns = bbox.y.arange, bbox.x.arange
        return PixelMap(bbox, self.x(rows, columns), self.y(rows, columns), self.area(rows, columns))


def map_pixels(
    target: SkyProjection[Any], bbox: Box, source: SkyProjection[Any], *, spacing: int = 64
) -> PixelMap | None:
    """Find where the pixels of a box lie on another projection; see `GridMap.make`."""
    grid = GridMap.make(target, bbox, source, spacing=spacing)
    return None if grid is None else grid.on(bbox)


def _nodes(interval: Interval, spacing: int) -> npt.NDArray[np.float64]:
    count = max(4, -(-(interval.size - 1) // spacing) + 1)
    return np.linspace(interval.min - 1.0, interval.max + 1.0, count)


def needed_box(
    source: SkyProjection[Any],
    source_bbox: Box,
    projection: SkyProjection[Any],
    bbox: Box,
) -> Box | None:
    """Return which part of an image is needed to warp it to a box, or `None`.

    Parameters
    ----------
    source, source_bbox
        Projection and box of the image.
    projection, bbox
        Those to warp to.

    Returns
    -------
    lsst.images.Box or None
        Part of ``source_bbox``; `None` where nothing of it is needed.
    """
    nodes = (np.linspace(side.min, side.max, 17) for side in (bbox.y, bbox.x))
    y, x = (grid.ravel() for grid in np.meshgrid(*nodes, indexing="ij"))
    sky = projection.pixel_to_sky_transform.apply_forward(x=x, y=y)
    there = source.sky_to_pixel_transform.apply_forward(x=sky.x, y=sky.y)
    if not (np.isfinite(there.x).all() and np.isfinite(there.y).all()):
        return None
    reach = 2 * SPLINE_REACH
    y0, x0 = (math.floor(place.min()) - reach for place in (there.y, there.x))
    y1, x1 = (math.ceil(place.max()) + reach + 1 for place in (there.y, there.x))
    return overlap(Box.factory[y0:y1, x0:x1], source_bbox)
