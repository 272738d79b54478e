"""A Butler repository for a survey: dataset types, dimension records with regions, and the tract."""

from __future__ import annotations

__all__ = (
    "VisitRecord",
    "create_repository",
    "make_tract",
    "register_tract",
    "register_visit",
    "whole_or_nothing",
)

import contextlib
import dataclasses
import hashlib
import shutil
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import astropy.time
import astropy.units as u
import astropy.wcs
import numpy as np
from astropy.coordinates import SkyCoord
from lsst.daf.butler import Butler, Config, DatasetType, Timespan
from lsst.images import Box, DetectorFrame, SkyProjection, TractFrame
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lsst.meas.realbogus.errors import InvalidInputError

from ..templates import Tract
from ._astrometry import region_of
from .instrument import FlexibleInstrument

_CONFIGURATION = "resource://lsst.meas.realbogus/resources/config/butler/embedded.yaml"
_DETECTOR = ("instrument", "visit", "detector")
_DATASET_TYPES = (
    ("preliminary_visit_image", _DETECTOR, "VisitImage"),
    ("template_visit_image", _DETECTOR, "VisitImage"),
    ("source_detector", _DETECTOR, "ArrowAstropy"),
    ("visit_truth", _DETECTOR, "ArrowAstropy"),
    ("tract_geometry", ("skymap", "tract"), "StructuredDataDict"),
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class VisitRecord:
    """What a repository records of a visit."""

    id: int
    name: str
    physical_filter: str
    begin: astropy.time.Time
    exposure_time: float
    is_simulated: bool
    projections: Mapping[int, tuple[SkyProjection[DetectorFrame], Box]]
    """Projection and pixels of every detector."""


@contextlib.contextmanager
def whole_or_nothing(root: Path) -> Iterator[Path]:
    """Give a folder to work in that takes the place of a new repository only when all work is done.

    Parameters
    ----------
    root
        Folder of the repository. One that exists is worked in directly.

    Raises
    ------
    InvalidInputError
        If a new folder's name has a dot, which the Butler takes for a file's extension.
    """
    if root.exists():
        yield root
        return
    if root.suffix:
        raise InvalidInputError(f"a new repository's name must not have a dot; got {root}")
    unfinished = root.with_name(root.name + "-unfinished")  # The Butler takes a folder with a dot for a file
    if unfinished.exists():
        shutil.rmtree(unfinished)
    yield unfinished
    unfinished.rename(root)


def create_repository(root: Path, instrument: FlexibleInstrument) -> Butler:
    """Make a repository, or open one that exists, for the first images of an instrument.

    Parameters
    ----------
    root
        Folder of the repository; new, empty or a repository. A new one has an SQLite database and the
        configuration of ``config/butler/embedded.yaml``.
    instrument
        Whose images will be put.

    Returns
    -------
    lsst.daf.butler.Butler
        Writes to the instrument's `~FlexibleInstrument.input_run`.

    Raises
    ------
    InvalidInputError
        If the folder holds something else, or the instrument's run already has datasets.
    """
    if not (root / "butler.yaml").exists():
        if root.exists() and (not root.is_dir() or any(root.iterdir())):
            raise InvalidInputError(f"{root} exists and is not a Butler repository")
        Butler.makeRepo(root, config=Config(_CONFIGURATION))
    butler = Butler.from_config(root, writeable=True, run=instrument.input_run)
    instrument.register(butler.registry)
    if butler.registry.getCollectionSummary(instrument.input_run).dataset_types.names:
        raise InvalidInputError(f"{root} already has a survey in {instrument.input_run}")
    for name, dimensions, storage_class in _DATASET_TYPES:
        butler.registry.registerDatasetType(
            DatasetType(name, dimensions, storage_class, universe=butler.dimensions)
        )
    return butler


def register_visit(butler: Butler, instrument: FlexibleInstrument, visit: VisitRecord) -> None:
    """Insert the records of a visit, its exposure and its detectors' regions."""
    name, registry = instrument.getName(), butler.registry
    noon = astropy.time.Time(np.floor(visit.begin.tai.mjd - 0.5) + 0.5, format="mjd", scale="tai")
    day_obs = int(noon.strftime("%Y%m%d"))
    timespan = Timespan(visit.begin, visit.begin + visit.exposure_time * u.s)
    regions = {number: region_of(*parts) for number, parts in visit.projections.items()}
    whole = ConvexPolygon.convexHull([v for region in regions.values() for v in region.getVertices()])
    shared = {
        "instrument": name,
        "id": visit.id,
        "physical_filter": visit.physical_filter,
        "day_obs": day_obs,
        "exposure_time": visit.exposure_time,
        "observation_reason": "science",
        "science_program": "simulated" if visit.is_simulated else "ingested",
        "target_name": "",
        "timespan": timespan,
    }
    with butler.transaction():
        registry.syncDimensionData(
            "day_obs", {"instrument": name, "id": day_obs, "timespan": Timespan(noon, noon + 1 * u.day)}
        )
        registry.syncDimensionData("group", {"instrument": name, "name": str(visit.id)})
        registry.syncDimensionData(
            "exposure",
            shared
            | {
                "obs_id": visit.name,
                "group": str(visit.id),
                "observation_type": "science",
                "seq_num": visit.id,
                "has_simulated": visit.is_simulated,
                "can_see_sky": True,
            },
        )
        registry.syncDimensionData(
            "visit", shared | {"name": visit.name, "seq_num": visit.id, "region": whole}
        )
        registry.insertDimensionData(
            "visit_definition",
            {"instrument": name, "exposure": visit.id, "visit": visit.id},
            skip_existing=True,
        )
        registry.insertDimensionData(
            "visit_system_membership",
            {"instrument": name, "visit": visit.id, "visit_system": 0},
            skip_existing=True,
        )
        for number, region in regions.items():
            registry.syncDimensionData(
                "visit_detector_region",
                {"instrument": name, "visit": visit.id, "detector": number, "region": region},
            )


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
