"""A task that puts the light of fakes into an image."""

from __future__ import annotations

__all__ = ("InjectSupernovaeConfig", "InjectSupernovaeConnections", "InjectSupernovaeTask")

from typing import Any

from astropy.table import Table
from lsst.images import VisitImage
from lsst.pex.config import ConfigField, Field
from lsst.pipe.base import (
    InputQuantizedConnection,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantaAdjuster,
    QuantumContext,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.utils.timer import timeMethod

from ..injection import InjectionOptions, inject
from ._data_errors import RoomTask
from ._options import config_class, to_options


class InjectSupernovaeConnections(
    PipelineTaskConnections,
    dimensions=("instrument", "visit", "detector"),
    defaultTemplates={"image": "preliminary_visit_image", "prefix": "injected_"},
):
    """Data sets of `InjectSupernovaeTask`; templates as in lsst.source_injection."""

    config: InjectSupernovaeConfig

    exposure = ct.Input(
        doc="Image to put fakes into.",
        name="{image}",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )
    catalog = ct.Input(
        doc="The fakes.",
        name="fake_supernova_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    injected_exposure = ct.Output(
        doc="The image with fakes.",
        name="{prefix}{image}",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )
    injected_catalog = ct.Output(
        doc="The fakes on or near the image, with pixel positions, fluxes and flags.",
        name="{prefix}{image}_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )

    def __init__(self, *, config: InjectSupernovaeConfig) -> None:
        if not config.enabled:  # nor may inputs that nobody reads narrow the graph
            del self.exposure, self.catalog

    def adjust_all_quanta(self, adjuster: QuantaAdjuster) -> None:  # noqa: D102
        if not self.config.enabled:
            for data_id in list(adjuster.iter_data_ids()):
                adjuster.remove_quantum(data_id)


class InjectSupernovaeConfig(PipelineTaskConfig, pipelineConnections=InjectSupernovaeConnections):
    """Configuration of `InjectSupernovaeTask`."""

    seed = Field[int](
        doc="Seed of the noise, which is keyed by it, visit, detector and injection_id.", default=20
    )
    enabled = Field[bool](
        doc="Inject at all? If not, the task has no quanta: for pipelines that decide by a parameter.",
        default=True,
    )
    process_all_data_ids = Field[bool](
        doc="Write an untouched copy of an image that no fake falls on, and an empty catalogue. Without it "
        "the image is no work, and nothing that follows is done for it.",
        default=True,
    )
    options: Any = ConfigField(doc="How light is drawn.", dtype=config_class(InjectionOptions))


class InjectSupernovaeTask(RoomTask):
    """Draw point sources through an image's PSF, with noise, variance and mask planes."""

    ConfigClass = InjectSupernovaeConfig
    config: InjectSupernovaeConfig
    _DefaultName = "injectVisit"

    def runQuantum(  # noqa: D102
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        inputs = butlerQC.get(inputRefs)
        outputs = self.run(**inputs, dataset_type=inputRefs.exposure.datasetType.name)
        butlerQC.put(outputs, outputRefs)

    @timeMethod
    def run(
        self, *, exposure: VisitImage, catalog: Table, dataset_type: str = "preliminary_visit_image"
    ) -> Struct:
        """Inject the fakes.

        Parameters
        ----------
        exposure
            The image, left as it is.
        catalog
            The fakes.
        dataset_type
            What the image is called, for the metadata of the result.

        Returns
        -------
        lsst.pipe.base.Struct
            ``injected_exposure`` and ``injected_catalog``.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If no fake touches the image and ``process_all_data_ids`` is false.
        """
        result = inject(
            exposure,
            catalog,
            to_options(self.config.options, InjectionOptions),
            seed=self.config.seed,
            name="fake_supernova_catalog",
            dataset_type=dataset_type,
        )
        self.metadata["n_injected"] = result.n_drawn
        self.metadata["n_flagged"] = len(result.catalog) - result.n_drawn
        self.metadata["n_dropped"] = result.n_dropped
        self.log.info(
            "Injected %d fakes; %d flagged, %d off the padded image.",
            result.n_drawn,
            len(result.catalog) - result.n_drawn,
            result.n_dropped,
        )
        if not result.n_drawn:
            reason = f"none of {len(catalog)} fakes falls on the image"
            if not self.config.process_all_data_ids:
                raise NoWorkFound(f"{reason} (process_all_data_ids writes a copy)")
            self.log.info("The image goes on unchanged: %s.", reason)
        return Struct(injected_exposure=result.image, injected_catalog=result.catalog)
