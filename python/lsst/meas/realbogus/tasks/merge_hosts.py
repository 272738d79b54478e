"""A task that merges the sources of many images into one table of hosts."""

from __future__ import annotations

__all__ = ("MergeHostsConfig", "MergeHostsConnections", "MergeHostsTask")

from typing import Any

import numpy as np
from lsst.pex.config import ConfigField
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

from ..injection import HostOptions, Hosts, MergeOptions, merge_hosts, select_hosts, trixels
from ..legacy import calibrate_catalog, get_table, read_projection
from ..repository import handles_by_image
from ._data_errors import RoomTask
from ._gathering import UsableImages, complete_images
from ._options import config_class, to_options, with_options

_IMAGE = ("instrument", "visit", "detector")


class MergeHostsConnections(PipelineTaskConnections, dimensions=("htm7",)):
    """Data sets of `MergeHostsTask`."""

    exposures = ct.Input(
        doc="Images the sources are of: their projections are read.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    sources = ct.Input(
        doc="Sources of the images that overlap the trixel: parquet tables or afw catalogues.",
        name="source_detector",
        storageClass="AstropyTable",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    hosts = ct.Output(
        doc="Galaxies in the trixel, each once.",
        name="host_catalog",
        storageClass="ArrowAstropy",
        dimensions=("htm7",),
    )


@with_options(MergeOptions)
class MergeHostsConfig(PipelineTaskConfig, pipelineConnections=MergeHostsConnections):
    """Configuration of `MergeHostsTask`."""

    host: Any = ConfigField(doc="Which sources are hosts.", dtype=config_class(HostOptions))


class MergeHostsTask(RoomTask):
    """Make one table of hosts, so that supernovae are at the same positions in every image."""

    ConfigClass = MergeHostsConfig
    _DefaultName = "mergeHosts"
    config: MergeHostsConfig

    def runQuantum(  # noqa: D102
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        inputs = butlerQC.get(inputRefs)
        exposures, tables = (handles_by_image(inputs[name]) for name in ("exposures", "sources"))
        options = to_options(self.config.host, HostOptions)

        def read(image: tuple[int, int]) -> Hosts:
            sources = calibrate_catalog(get_table(tables[image]), exposures[image])
            return select_hosts(sources, read_projection(exposures[image]), options, name="source_detector")

        seen = UsableImages(self, complete_images(self, exposures, tables), read)
        data_id: Any = butlerQC.quantum.dataId
        butlerQC.put(self.run(seen=list(seen), trixel=data_id["htm7"]), outputRefs)
        seen.require_all()

    @timeMethod
    def run(self, *, seen: list[Hosts], trixel: int) -> Struct:
        """Merge hosts.

        Parameters
        ----------
        seen
            Hosts of each image.
        trixel
            HTM index at level 7 of the region whose hosts are kept.

        Returns
        -------
        lsst.pipe.base.Struct
            ``hosts``: the table.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there are none.
        """
        merged = merge_hosts(seen, to_options(self.config, MergeOptions).radius)
        hosts = merged[trixels(np.asarray(merged["ra"]), np.asarray(merged["dec"])) == trixel]
        if not len(hosts):
            raise NoWorkFound(f"no hosts in trixel {trixel}")
        self.log.info("Merged %d detections into %d hosts.", sum(len(h) for h in seen), len(hosts))
        return Struct(hosts=hosts)
