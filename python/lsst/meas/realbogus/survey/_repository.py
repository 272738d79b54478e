"""A Butler repository for a survey: dataset types, dimension records with regions."""

from __future__ import annotations

__all__ = (
    "VisitRecord",
    "create_repository",
    "open_survey",
    "register_visit",
    "skymap_of",
    "whole_or_nothing",
)

import contextlib
import dataclasses
import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path

import astropy.time
import astropy.units as u
import astropy.wcs
import numpy as np
from lsst.daf.butler import Butler, Config, DatasetType, Timespan
from lsst.images import Box, DetectorFrame, SkyProjection
from lsst.sphgeom import ConvexPolygon

from lsst.meas.realbogus.errors import InvalidInputError

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


def open_survey(root: Path, instrument: FlexibleInstrument) -> Butler:
    """Open a repository with science images of an instrument, to add to them.

    Parameters
    ----------
    root
        Folder of the repository.
    instrument
        Whose images are there.

    Returns
    -------
    lsst.daf.butler.Butler
        Writes to the instrument's `~FlexibleInstrument.input_run`.

    Raises
    ------
    InvalidInputError
        If there is no such repository, or no science image of the instrument in it.
    """
    if not (root / "butler.yaml").exists():
        raise InvalidInputError(f"{root} is not a Butler repository: give science images to make one")
    butler = Butler.from_config(root, writeable=True, run=instrument.input_run)
    summary = butler.registry.getCollectionSummary(instrument.input_run)
    if "preliminary_visit_image" not in summary.dataset_types.names:
        raise InvalidInputError(f"{root} has no science images in {instrument.input_run}: give them as well")
    return butler


def skymap_of(root: Path, run: str) -> str:
    """Return the name of the sky map of a survey.

    Parameters
    ----------
    root
        Folder of the repository.
    run
        Collection of the survey.

    Returns
    -------
    str
        The name.
    """
    with Butler.from_config(root) as butler:
        (ref,) = butler.query_datasets("tract_geometry", run)
    return str(ref.dataId["skymap"])


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
