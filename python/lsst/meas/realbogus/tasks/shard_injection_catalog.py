"""A task that turns catalogues of fakes by image into injection catalogues by region and band."""

from __future__ import annotations

__all__ = (
    "ShardInjectionCatalogConfig",
    "ShardInjectionCatalogConnections",
    "ShardInjectionCatalogTask",
)

from collections.abc import Sequence
from typing import Any

from astropy.table import Table
from lsst.pipe.base import (
    InputQuantizedConnection,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.utils.timer import timeMethod

from ..injection import SELECTION, ShardOptions, shard
from ._data_errors import RoomTask
from ._options import to_options, with_options


class ShardInjectionCatalogConnections(
    PipelineTaskConnections,
    dimensions=("htm7", "band"),
    defaultTemplates={"injection_prefix": "injection_"},
):
    """Data sets of `ShardInjectionCatalogTask`."""

    catalogs = ct.Input(
        doc="Fakes of the images of the band that overlap the trixel.",
        name="fake_supernova_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
        multiple=True,
    )
    injection_catalog = ct.Output(
        doc="Fakes in the trixel, as lsst.source_injection reads them.",
        name="{injection_prefix}catalog",
        storageClass="ArrowAstropy",
        dimensions=("htm7", "band"),
    )


@with_options(ShardOptions)
class ShardInjectionCatalogConfig(PipelineTaskConfig, pipelineConnections=ShardInjectionCatalogConnections):
    """Configuration of `ShardInjectionCatalogTask`."""


class ShardInjectionCatalogTask(RoomTask):
    """Write ``injection_catalog`` for lsst.source_injection, in one step with making the fakes."""

    ConfigClass = ShardInjectionCatalogConfig
    _DefaultName = "shardInjectionCatalog"
    config: ShardInjectionCatalogConfig

    def runQuantum(  # noqa: D102
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        inputs = butlerQC.get(inputRefs)
        data_id: Any = butlerQC.quantum.dataId
        outputs = self.run(catalogs=inputs["catalogs"], trixel=data_id["htm7"], band=data_id["band"])
        butlerQC.put(outputs, outputRefs)

    @timeMethod
    def run(self, *, catalogs: Sequence[Table], trixel: int, band: str) -> Struct:
        """Collect the rows of a trixel.

        Parameters
        ----------
        catalogs
            Catalogues of images.
        trixel
            HTM index at level 7.
        band
            Band.

        Returns
        -------
        lsst.pipe.base.Struct
            ``injection_catalog``: the table.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If no fake lies in the trixel.
        """
        target = to_options(self.config, ShardOptions).target
        table = shard(catalogs, trixel, band, target)
        if not len(table):
            raise NoWorkFound(f"no fakes for {target} images in trixel {trixel}, band {band}")
        self.metadata["n_rows"] = len(table)
        self.log.info(
            "Wrote %d rows for trixel %d, band %s. Each visit takes its own where lsst.source_injection has "
            'selection: "%s"',
            len(table),
            trixel,
            band,
            SELECTION,
        )
        return Struct(injection_catalog=table)
