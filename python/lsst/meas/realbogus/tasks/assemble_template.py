"""Assemble template coadds from template visits."""

from __future__ import annotations

__all__ = ("AssembleTemplateConfig", "AssembleTemplateConnections", "AssembleTemplateTask")

import typing
from collections.abc import Iterable, Iterator, Mapping

from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import VisitImage
from lsst.pipe.base import (
    InputQuantizedConnection,
    NoWorkFound,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..templates import CoaddInput, CoaddOptions, Tract, assemble_coadd, needed_box, prepare_input
from ._data_errors import RoomTask
from ._options import to_options, with_options


class AssembleTemplateConnections(PipelineTaskConnections, dimensions=("skymap", "tract", "patch", "band")):
    """Template visits in, one patch of the template coadd out."""

    # A prerequisite: as an ordinary input it would have to share its visits with the images to be searched.
    visitImages = connectionTypes.PrerequisiteInput(
        doc="Calibrated images of template visits that overlap the patch.",
        name="template_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        multiple=True,
        deferLoad=True,
        minimum=0,
    )
    tractGeometry = connectionTypes.Input(
        doc="Pixel grid and patches of the tract.",
        name="tract_geometry",
        storageClass="StructuredDataDict",
        dimensions=("skymap", "tract"),
    )
    coadd = connectionTypes.Output(
        doc="Template coadd of the patch.",
        name="template_coadd",
        storageClass="CellCoadd",
        dimensions=("skymap", "tract", "patch", "band"),
    )


@with_options(CoaddOptions)
class AssembleTemplateConfig(PipelineTaskConfig, pipelineConnections=AssembleTemplateConnections):
    """How visits are combined: `~lsst.meas.realbogus.templates.CoaddOptions`."""


class AssembleTemplateTask(RoomTask):
    """Warp template visits to a patch and average them."""

    ConfigClass: typing.ClassVar = AssembleTemplateConfig
    _DefaultName: typing.ClassVar = "assembleTemplate"
    config: AssembleTemplateConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read of each visit image only what the patch needs."""
        inputs = butlerQC.get(inputRefs)
        tract = Tract.from_dict(inputs["tractGeometry"])
        data_id = outputRefs.coadd.dataId
        handles = sorted(inputs["visitImages"], key=lambda h: (h.dataId["visit"], h.dataId["detector"]))
        images = _read_overlaps(handles, tract, int(data_id["patch"]))
        butlerQC.put(self.run(images, tract, int(data_id["patch"]), str(data_id["band"])), outputRefs)

    @timeMethod
    def run(self, images: Iterable[VisitImage], tract: Tract, patch: int, band: str) -> Struct:
        """Assemble one patch.

        Parameters
        ----------
        images
            Template visits, or the parts of them that the patch needs.
        tract, patch
            Where.
        band
            Name of the band.

        Returns
        -------
        lsst.pipe.base.Struct
            ``coadd``, a `lsst.images.cells.CellCoadd`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If no image reaches the patch.
        """
        definition, options = tract.patch(patch), to_options(self.config, CoaddOptions)
        inputs: list[CoaddInput] = []
        n_images = 0
        for image in images:
            n_images += 1
            warped = prepare_input(image, tract, definition, options)
            if warped is not None:
                inputs.append(warped)
        self.metadata["n_inputs"] = len(inputs)
        self.metadata["n_without_overlap"] = n_images - len(inputs)
        if not inputs:
            raise NoWorkFound(f"No template visit reaches patch {patch} of tract {tract.id}.")
        coadd = assemble_coadd(inputs, tract, definition, band=band, options=options)
        self.metadata["fraction_no_data"] = float(coadd.mask.get("NO_DATA").mean())
        self.log.info("Averaged %d images for patch %d of tract %d.", len(inputs), patch, tract.id)
        return Struct(coadd=coadd)


def _read_overlaps(
    handles: Iterable[DeferredDatasetHandle], tract: Tract, patch: int
) -> Iterator[VisitImage]:
    bbox = tract.patch(patch).outer_bbox
    for handle in handles:
        parts: Mapping[str, typing.Any] = {
            name: handle.get(component=name) for name in ("bbox", "sky_projection")
        }
        box = needed_box(parts["sky_projection"], parts["bbox"], tract.projection, bbox)
        if box is not None:
            image: VisitImage = handle.get(parameters={"bbox": box})
            yield image if image.bbox == box else image[box]
