"""A task that makes the fakes of one image."""

from __future__ import annotations

__all__ = ("CreateFakeSupernovaeConfig", "CreateFakeSupernovaeConnections", "CreateFakeSupernovaeTask")

from collections.abc import Sequence
from typing import Any

from astropy.table import Table, vstack
from lsst.daf.butler import DeferredDatasetHandle
from lsst.pex.config import ConfigField, Field
from lsst.pipe.base import (
    InputQuantizedConnection,
    Instrument,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.utils.timer import timeMethod

from ..injection import (
    CatalogOptions,
    Footprint,
    ImageId,
    make_catalog,
    to_visit_detector_fakes,
)
from ..legacy import calibrate_catalog, get_table, read_projection
from ..tables import read_table_file
from ..truth import read_dc2_truth
from ._data_errors import RoomTask
from ._named_tables import read_named_table
from ._options import config_class, to_options

_IMAGE = ("instrument", "visit", "detector")


class CreateFakeSupernovaeConnections(PipelineTaskConnections, dimensions=_IMAGE):
    """Data sets of `CreateFakeSupernovaeTask`."""

    exposure = ct.Input(
        doc="Image the fakes are for: its box and projection are read, not its pixels.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=_IMAGE,
        deferLoad=True,
    )
    sources = ct.Input(
        doc="Sources measured on the image, among them the hosts: a parquet table or an afw catalogue.",
        name="source_detector",
        storageClass="AstropyTable",
        dimensions=_IMAGE,
        deferLoad=True,
    )
    hosts = ct.Input(
        doc="Hosts common to all images, from MergeHostsTask.",
        name="host_catalog",
        storageClass="ArrowAstropy",
        dimensions=("htm7",),
        multiple=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    catalog = ct.Output(
        doc="The fakes: positions, magnitudes, hosts and parameters.",
        name="fake_supernova_catalog",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
    )
    ap_catalog = ct.Output(
        doc="The same rows with the columns that AP's matching reads.",
        name="VisitDetectorFakeSourceCat",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
    )

    def __init__(self, *, config: CreateFakeSupernovaeConfig) -> None:
        if not config.use_host_catalog:
            del self.hosts
        if not config.write_ap_catalog:
            del self.ap_catalog


class CreateFakeSupernovaeConfig(PipelineTaskConfig, pipelineConnections=CreateFakeSupernovaeConnections):
    """Configuration of `CreateFakeSupernovaeTask`."""

    seed = Field[int](
        doc="Seed of the survey; everything random follows from it and the data ID.", default=20
    )
    packer: Any = Instrument.make_dimension_packer_config_field()
    options: Any = ConfigField(doc="Which fakes, and how many.", dtype=config_class(CatalogOptions))
    use_host_catalog = Field[bool](
        doc="Take the hosts of supernovae from a table common to all images, so that their positions agree "
        "exactly; otherwise from each image's own sources.",
        default=False,
    )
    user_table = Field[str](
        doc="Path or URI of a table of fakes (csv, ecsv, parquet, fits) whose rows are added; '' for none.",
        default="",
    )
    dc2_truth = Field[str](
        doc="Path or URI of a truth table of DC2 supernovae that are added; '' for none.", default=""
    )
    write_ap_catalog = Field[bool](
        doc="Write VisitDetectorFakeSourceCat as well, for AP's own matching task.", default=False
    )


class CreateFakeSupernovaeTask(RoomTask):
    """Choose hosts, positions and magnitudes of the fakes of one image."""

    ConfigClass = CreateFakeSupernovaeConfig
    _DefaultName = "createFakeSupernovae"
    config: CreateFakeSupernovaeConfig

    def runQuantum(  # noqa: D102
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        inputs = butlerQC.get(inputRefs)
        data_id = butlerQC.quantum.dataId
        packed, bits = self.config.packer.apply(data_id, is_exposure=False).pack(data_id, returnMaxBits=True)
        outputs = self.run(
            sources=calibrate_catalog(get_table(inputs["sources"]), inputs["exposure"]),
            footprint=_footprint(inputs["exposure"], data_id),
            image_id=ImageId(packed, bits),
            hosts=inputs.get("hosts", []),
        )
        butlerQC.put(outputs, outputRefs)

    @timeMethod
    def run(
        self, *, sources: Table, footprint: Footprint, image_id: ImageId, hosts: Sequence[Table] = ()
    ) -> Struct:
        """Make the catalogue.

        Parameters
        ----------
        sources
            Sources measured on the image.
        footprint
            The image's pixels, projection, band and time.
        image_id
            Packed data ID.
        hosts
            Tables of hosts common to all images.

        Returns
        -------
        lsst.pipe.base.Struct
            ``catalog``: the fakes; ``ap_catalog``: the same for AP, where configured.

        Notes
        -----
        An image without sources, or with too few for a fake, has an empty catalogue with all columns, so that
        its own sources are found and scored like those of the others.
        """
        named = {
            field: read_named_table(self, field, reader)
            for field, reader in (("user_table", read_table_file), ("dc2_truth", read_dc2_truth))
        }
        tables = {field: None if found is None else found.table for field, found in named.items()}
        catalog = make_catalog(
            sources,
            footprint,
            to_options(self.config.options, CatalogOptions),
            seed=self.config.seed,
            image_id=image_id,
            host_table=vstack(hosts, metadata_conflicts="silent") if hosts else None,
            user_table=tables["user_table"],
            truth=tables["dc2_truth"],
            name="source_detector",
        )
        for field, found in named.items():
            if found is not None:
                catalog.meta[field], catalog.meta[f"{field}_sha256"] = found.uri, found.sha256
        self.metadata["n_sources"] = len(sources)
        self.metadata["n_fakes"] = len(catalog)
        self.log.info("Made %d fakes from %d sources.", len(catalog), len(sources))
        result = Struct(catalog=catalog)
        if self.config.write_ap_catalog:
            result.ap_catalog = to_visit_detector_fakes(catalog, *footprint.pixels(catalog))
        return result


def _footprint(handle: DeferredDatasetHandle, data_id: Any) -> Footprint:
    """Read what the fakes need to know of an image."""
    timespan = data_id.records["visit"].timespan
    return Footprint(
        visit=data_id["visit"],
        detector=data_id["detector"],
        band=data_id["band"],
        mjd=0.5 * (timespan.begin.tai.mjd + timespan.end.tai.mjd),
        bbox=handle.get(component="bbox"),
        projection=read_projection(handle),
    )
