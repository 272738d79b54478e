"""Build the template of a detector from template coadds."""

from __future__ import annotations

__all__ = ("BuildTemplateConfig", "BuildTemplateConnections", "BuildTemplateTask")

import dataclasses
import typing
from collections.abc import Sequence

from astro_metadata_translator import ObservationInfo
from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import Box, DetectorFrame, SkyProjection
from lsst.images.cameras import Detector
from lsst.images.cells import CellCoadd
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

from ..legacy import read_parts
from ..templates import PatchCoadd, TemplateOptions, build_template, needed_box
from ._coadds import StoredCoadd, coadds_storage_class, declared_as, in_order
from ._data_errors import RoomTask
from ._options import to_options, with_options

_COMPONENTS = ("bbox", "sky_projection", "detector", "obs_info")


class BuildTemplateConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Template coadds and the science image's pixel grid in, template out."""

    science = connectionTypes.Input(
        doc="Science image, of which only the pixel grid and the observation are read.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    coadds = connectionTypes.Input(
        doc="Template coadds that overlap the detector.",
        name="template_coadd",
        storageClass="CellCoadd",
        dimensions=("skymap", "tract", "patch", "band"),
        multiple=True,
        deferLoad=True,
    )
    template = connectionTypes.Output(
        doc="Template on the pixel grid of the science image, larger on every side.",
        name="template_detector",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )

    def __init__(self, *, config: BuildTemplateConfig) -> None:
        stored = declared_as(config.coadds_storage_class)
        self.coadds = dataclasses.replace(self.coadds, storageClass=stored)


@with_options(TemplateOptions)
class BuildTemplateConfig(PipelineTaskConfig, pipelineConnections=BuildTemplateConnections):
    """How coadds are warped: `~lsst.meas.realbogus.templates.TemplateOptions`."""

    coadds_storage_class = coadds_storage_class()


class BuildTemplateTask(RoomTask):
    """Warp template coadds to a detector."""

    ConfigClass: typing.ClassVar = BuildTemplateConfig
    _DefaultName: typing.ClassVar = "buildTemplate"
    config: BuildTemplateConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the coadds, and of the science image no pixels."""
        inputs = butlerQC.get(inputRefs)
        grid = read_parts(inputs["science"], _COMPONENTS)
        coadds = [
            coadd
            for handle in in_order(inputs["coadds"])
            if (coadd := self._read_needed(handle, grid["bbox"], grid["sky_projection"])) is not None
        ]
        struct = self.run(
            coadds,
            grid["bbox"],
            grid["sky_projection"],
            detector=grid["detector"],
            obs_info=grid["obs_info"],
            band=str(outputRefs.template.dataId["band"]),
        )
        butlerQC.put(struct, outputRefs)

    def _read_needed(
        self, handle: DeferredDatasetHandle, bbox: Box, projection: SkyProjection[DetectorFrame]
    ) -> CellCoadd | PatchCoadd | None:
        """Read the part of a coadd that lies under the detector, `None` where none does."""
        coadd, border = StoredCoadd.of(handle), to_options(self.config, TemplateOptions).border
        part = needed_box(coadd.projection, coadd.box, projection, bbox.padded(border))
        return None if part is None else coadd.patch(part)

    @timeMethod
    def run(
        self,
        coadds: Sequence[CellCoadd | PatchCoadd],
        bbox: Box,
        projection: SkyProjection[DetectorFrame],
        *,
        detector: Detector,
        obs_info: ObservationInfo,
        band: str,
    ) -> Struct:
        """Build the template.

        Parameters
        ----------
        coadds
            Coadds near the detector.
        bbox, projection, detector, obs_info, band
            Of the science image.

        Returns
        -------
        lsst.pipe.base.Struct
            ``template``, a `lsst.images.VisitImage`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If no coadd reaches the detector.
        """
        if not coadds:
            raise NoWorkFound("No coadd lies under the detector.")
        template = build_template(
            coadds,
            bbox,
            projection,
            detector=detector,
            obs_info=obs_info,
            band=band,
            options=to_options(self.config, TemplateOptions),
        )
        if template is None:
            raise NoWorkFound(f"None of {len(coadds)} coadds reaches the detector.")
        fraction = float(template.mask[bbox].get("NO_DATA").mean())
        self.metadata["n_coadds"] = len(coadds)
        self.metadata["fraction_no_data"] = fraction
        self.log.info("Built the template from %d coadds; %.1f %% has no data.", len(coadds), 100 * fraction)
        return Struct(template=template)
