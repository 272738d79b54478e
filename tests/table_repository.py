"""Repositories of tables, without images."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, DatasetType
from lsst.sphgeom import Region

IMAGE = ("instrument", "visit", "detector")


@contextlib.contextmanager
def table_repository(
    root: Path,
    dataset_types: Iterable[str],
    visits: Iterable[int],
    *,
    instrument: str = "RealBogusCam",
    detectors: Iterable[int] = (0,),
    physical_filter: str = "r",
    band: str = "r",
    region: Region | None = None,
    run: str | None = None,
    **visit_record: Any,
) -> Iterator[Butler]:
    """Make a repository that knows images by visit and detector, and types of their tables.

    The Butler that is given writes to the run, if there is one. Other words go into the record of each visit.
    """
    Butler.makeRepo(root)
    with Butler.from_config(root, writeable=True, run=run) as butler:

        def insert(element: str, **record: Any) -> None:
            butler.registry.insertDimensionData(element, {"instrument": instrument, **record})

        butler.registry.insertDimensionData("instrument", {"name": instrument})
        insert("physical_filter", name=physical_filter, band=band)
        insert("day_obs", id=20260101)
        for detector in detectors:
            insert("detector", id=detector, full_name=str(detector))
        for visit in visits:
            of_visit = {"physical_filter": physical_filter, "day_obs": 20260101, **visit_record}
            insert("visit", id=visit, name=str(visit), **of_visit)
            for detector in detectors:
                insert("visit_detector_region", visit=visit, detector=detector, region=region)
        for name in dataset_types:
            kind = DatasetType(name, IMAGE, "ArrowAstropy", universe=butler.dimensions)
            butler.registry.registerDatasetType(kind)
        yield butler
