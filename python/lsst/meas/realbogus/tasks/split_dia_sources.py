"""Take the DIA sources of each image from the tables of tracts in which releases keep them."""

from __future__ import annotations

__all__ = ("SplitDiaSourcesConfig", "SplitDiaSourcesConnections", "SplitDiaSourcesTask")

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from astropy.table import Table, vstack
from lsst.pex.config import ListField
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..errors import InvalidCatalogError
from ._data_errors import RoomTask

_PLACE = ("visit", "detector")


class SplitDiaSourcesConnections(PipelineTaskConnections, dimensions=("instrument", "visit")):
    """Tables that overlap a visit in, one table for each of its detectors out."""

    tables = connectionTypes.Input(
        doc="DIA source tables with columns visit and detector.",
        name="dia_source",
        storageClass="ArrowAstropy",
        dimensions=("skymap", "tract"),
        multiple=True,
        deferLoad=True,
    )
    images = connectionTypes.Input(
        doc="Images that the sources are of; not read, they say which detectors there are.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=("instrument", "visit", "detector"),
        multiple=True,
        deferLoad=True,
    )
    diaSources = connectionTypes.Output(
        doc="The sources of one image.",
        name="dia_source_of_image",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
        multiple=True,
    )

    def __init__(self, *, config: SplitDiaSourcesConfig) -> None:
        self.tables = dataclasses.replace(self.tables, dimensions=set(config.table_dimensions))


class SplitDiaSourcesConfig(PipelineTaskConfig, pipelineConnections=SplitDiaSourcesConnections):
    """Which tables."""

    table_dimensions = ListField[str](
        doc="Dimensions of the tables: skymap and tract, or instrument and visit.",
        default=["skymap", "tract"],
    )


class SplitDiaSourcesTask(RoomTask):
    """Write one table of DIA sources for each image, as `RbClassifierTask` reads them.

    Every row of the tables that is of the visit and of one of its images is in one of the tables, sorted by
    ``diaSourceId``; an image without sources has an empty table.
    """

    ConfigClass = SplitDiaSourcesConfig
    _DefaultName = "splitDiaSources"
    config: SplitDiaSourcesConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read one table after the other, and write the tables of all images of which they allow one."""
        data_id: Any = butlerQC.quantum.dataId
        refs = list(outputRefs.diaSources)
        outputs = self.run(
            tables=(handle.get() for handle in butlerQC.get(inputRefs)["tables"]),
            visit=int(data_id["visit"]),
            detectors=[int(ref.dataId["detector"]) for ref in refs],
        )
        for table, ref in zip(outputs.diaSources, refs, strict=True):
            if table is not None:
                butlerQC.put(table, ref)
        if outputs.problems:
            raise InvalidCatalogError("dia_source", outputs.problems)

    @timeMethod
    def run(self, *, tables: Iterable[Table], visit: int, detectors: Sequence[int]) -> Struct:
        """Select rows.

        Parameters
        ----------
        tables
            Tables with columns ``visit``, ``detector`` and ``diaSourceId``.
        visit
            The visit.
        detectors
            Its detectors.

        Returns
        -------
        lsst.pipe.base.Struct
            ``diaSources``: a table for each detector, in their order, `None` for one of which a source is in
            more than one row; ``problems``: what is wrong with those.

        Raises
        ------
        InvalidCatalogError
            If a table lacks a column.
        """
        parts = [_rows(table, visit) for table in tables]
        rows = vstack(parts, metadata_conflicts="silent") if len(parts) > 1 else parts[0]
        rows.sort("diaSourceId")
        ids, of = np.asarray(rows["diaSourceId"]), np.asarray(rows["detector"])
        unique, counts = np.unique(ids, return_counts=True)
        is_double = np.isin(ids, unique[counts > 1])
        first = {detector: ids[is_double & (of == detector)][:1] for detector in detectors}
        problems = {
            detector: f"diaSourceId {double[0]} of visit {visit}, detector {detector} is in more than one row"
            for detector, double in first.items()
            if double.size
        }
        left_out = int(np.sum(~np.isin(of, detectors)))
        self.metadata["n_sources"] = len(rows) - left_out
        self.metadata["n_of_other_detectors"] = left_out
        self.log.info(
            "%d DIA sources of visit %d on %d images; %d are of other detectors.",
            len(rows) - left_out,
            visit,
            len(detectors),
            left_out,
        )
        selected = [None if detector in problems else rows[of == detector] for detector in detectors]
        return Struct(diaSources=selected, problems=list(problems.values()))


def _rows(table: Table, visit: int) -> Table:
    missing = [name for name in (*_PLACE, "diaSourceId") if name not in table.colnames]
    if missing:
        raise InvalidCatalogError("dia_source", [f"column {name} is missing" for name in missing])
    return table[np.asarray(table["visit"]) == visit]
