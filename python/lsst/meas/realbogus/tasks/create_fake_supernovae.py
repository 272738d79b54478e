"""A task that makes the fakes of one image."""

from __future__ import annotations

__all__ = ("CreateFakeSupernovaeConfig", "CreateFakeSupernovaeConnections", "CreateFakeSupernovaeTask")

from typing import Any

from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.pex.config import ConfigField, Field
from lsst.pipe.base import (
    InputQuantizedConnection,
    Instrument,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.utils.timer import timeMethod

from ..injection import CatalogOptions, Footprint, ImageId, make_catalog
from ._options import config_class, to_options


class CreateFakeSupernovaeConnections(
    PipelineTaskConnections, dimensions=("instrument", "visit", "detector")
):
    """Data sets of `CreateFakeSupernovaeTask`."""

    exposure = ct.Input(
        doc="Image the fakes are for: its box and projection are read, not its pixels.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    sources = ct.Input(
        doc="Sources measured on the image, among them the hosts.",
        name="source_detector",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    catalog = ct.Output(
        doc="The fakes: positions, magnitudes, hosts and parameters.",
        name="fake_supernova_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )


class CreateFakeSupernovaeConfig(PipelineTaskConfig, pipelineConnections=CreateFakeSupernovaeConnections):
    """Configuration of `CreateFakeSupernovaeTask`."""

    seed = Field[int](
        doc="Seed of the survey; everything random follows from it and the data id.", default=20
    )
    packer = Instrument.make_dimension_packer_config_field()
    options = ConfigField(doc="Which fakes, and how many.", dtype=config_class(CatalogOptions))


class CreateFakeSupernovaeTask(PipelineTask):
    """Choose hosts, positions and magnitudes of the fakes of one image."""

    ConfigClass = CreateFakeSupernovaeConfig
    config: CreateFakeSupernovaeConfig
    _DefaultName = "createFakeSupernovae"

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
            sources=inputs["sources"],
            footprint=_footprint(inputs["exposure"], data_id),
            image_id=ImageId(packed, bits),
        )
        butlerQC.put(outputs, outputRefs)

    @timeMethod
    def run(self, *, sources: Table, footprint: Footprint, image_id: ImageId) -> Struct:
        """Make the catalogue.

        Parameters
        ----------
        sources
            Sources measured on the image.
        footprint
            The image's pixels, projection, band and time.
        image_id
            Packed data id.

        Returns
        -------
        lsst.pipe.base.Struct
            ``catalog``: the fakes.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there are no sources at all.
        """
        if not len(sources):
            raise NoWorkFound(f"no sources on visit {footprint.visit}, detector {footprint.detector}")
        catalog = make_catalog(
            sources,
            footprint,
            to_options(self.config.options, CatalogOptions),
            seed=self.config.seed,
            image_id=image_id,
            name="source_detector",
        )
        self.metadata["n_sources"] = len(sources)
        self.metadata["n_fakes"] = len(catalog)
        self.log.info("Made %d fakes from %d sources.", len(catalog), len(sources))
        return Struct(catalog=catalog)


def _footprint(handle: DeferredDatasetHandle, data_id: Any) -> Footprint:
    """Read what the fakes need to know of an image."""
    begin, end = data_id.records["visit"].timespan.begin, data_id.records["visit"].timespan.end
    return Footprint(
        visit=data_id["visit"],
        detector=data_id["detector"],
        band=data_id["band"],
        mjd=0.5 * (begin.tai.mjd + end.tai.mjd),
        bbox=handle.get(component="bbox"),
        projection=handle.get(component="sky_projection"),
    )
