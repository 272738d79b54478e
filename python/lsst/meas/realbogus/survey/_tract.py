"""The tract of a survey: the pixel grid of its templates, and the records of its patches."""

from __future__ import annotations

__all__ = ("make_tract", "register_tract")

import hashlib
from collections.abc import Iterable

import astropy.wcs
import numpy as np
from astropy.coordinates import SkyCoord
from lsst.daf.butler import Butler
from lsst.images import Box, DetectorFrame, SkyProjection, TractFrame
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lsst.meas.realbogus.errors import InvalidInputError

from ..templates import Tract


def make_tract(
    skymap: str,
    wcs: astropy.wcs.WCS,
    projections: Iterable[tuple[SkyProjection[DetectorFrame], Box]],
    *,
    patch_size: int = 1000,
    cell_size: int = 50,
    padding: int = 20,
) -> Tract:
    """Make a tract that covers images.

    Parameters
    ----------
    skymap
        Name of the sky map.
    wcs
        Grid of the tract.
    projections
        Projections and pixels of the images.
    patch_size, cell_size
        Pixels.
    padding
        Pixels by which the tract is larger on all sides.

    Notes
    -----
    The tract begins at a whole cell of the grid, so pixels of the tract are pixels of the WCS.
    """
    frame = TractFrame(skymap=skymap, tract=0, bbox=Box.factory[0:1, 0:1])
    grid = SkyProjection.from_fits_wcs(wcs, frame)
    xs, ys = [], []
    for projection, bbox in projections:
        x = np.array([bbox.x.start, bbox.x.stop - 1, bbox.x.stop - 1, bbox.x.start], float)
        y = np.array([bbox.y.start, bbox.y.start, bbox.y.stop - 1, bbox.y.stop - 1], float)
        sky = projection.pixel_to_sky(x=x, y=y)
        pixels = grid.sky_to_pixel(SkyCoord(sky.ra, sky.dec))
        xs.append(np.asarray(pixels.x))
        ys.append(np.asarray(pixels.y))
    if not xs:
        raise InvalidInputError("a tract needs images to cover")
    low = [int(np.floor((np.min(v) + 0.001 - padding) / cell_size)) * cell_size for v in (xs, ys)]
    high = [int(np.ceil(np.max(v) - 0.001 + padding)) + 1 for v in (xs, ys)]
    return Tract.from_wcs(
        skymap, 0, wcs, Box.factory[low[1] : high[1], low[0] : high[0]], patch_size, cell_size
    )


def register_tract(butler: Butler, tract: Tract) -> None:
    """Insert the records of a tract and its patches, and put its `tract_geometry`.

    Raises
    ------
    InvalidInputError
        If the repository has another tract in a sky map of that name.
    """
    registry, ny, nx = butler.registry, *tract.grid_shape
    code = _tract_hash(tract)
    known = butler.query_dimension_records("skymap", skymap=tract.skymap, explain=False)
    if any(record.hash != code for record in known):
        raise InvalidInputError(
            f"the repository has another grid in the sky map {tract.skymap}; choose another name"
        )
    with butler.transaction():
        registry.syncDimensionData(
            "skymap",
            {
                "name": tract.skymap,
                "hash": code,
                "tract_max": 1,
                "patch_nx_max": nx,
                "patch_ny_max": ny,
            },
        )
        registry.syncDimensionData(
            "tract", {"skymap": tract.skymap, "id": tract.id, "region": _polygon(tract.tract_vertices())}
        )
        for patch in tract.patches:
            registry.syncDimensionData(
                "patch",
                {
                    "skymap": tract.skymap,
                    "tract": tract.id,
                    "id": patch.id,
                    "cell_x": patch.index.x,
                    "cell_y": patch.index.y,
                    "region": _polygon(tract.patch_vertices(patch.id)),
                },
            )
    butler.put(tract.to_dict(), "tract_geometry", skymap=tract.skymap, tract=tract.id)


def _tract_hash(tract: Tract) -> bytes:
    return hashlib.sha1(repr(sorted(tract.to_dict().items())).encode(), usedforsecurity=False).digest()


def _polygon(vertices: Iterable[tuple[float, float]]) -> ConvexPolygon:
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(ra, dec)) for ra, dec in vertices])
