"""Cut stamps at the DIA sources of a detector and keep them."""

from __future__ import annotations

__all__ = ("ExtractCutoutsConfig", "ExtractCutoutsConnections", "ExtractCutoutsTask")

import dataclasses
import typing

import numpy as np
from astropy.table import Table
from lsst.pex.config import Field
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

from ..cutouts import (
    CutoutOptions,
    PixelInput,
    extract_triplets,
    psf_fwhm_at,
    read_dia_sources,
    stamp_table,
)
from ..imaging import Place, check_together, pixel_scale
from ..randomness import uniform
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class, read_placed
from ._options import to_options, with_options


class ExtractCutoutsConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Images and DIA sources of one detector and visit."""

    science = connectionTypes.Input(
        doc="Science image.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    template = connectionTypes.Input(
        doc="Template, warped to the science image and not PSF-matched.",
        name="template_detector",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    difference = connectionTypes.Input(
        doc="Difference image.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    diaSources = connectionTypes.Input(
        doc="DIA sources.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    cutouts = connectionTypes.Output(
        doc="Stamps of every DIA source from each image, with what is missing in them.",
        name="dia_source_cutouts",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )

    def __init__(self, *, config: ExtractCutoutsConfig) -> None:
        if not config.use_difference:
            del self.difference
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(CutoutOptions)
class ExtractCutoutsConfig(PipelineTaskConfig, pipelineConnections=ExtractCutoutsConnections):
    """Size and type of the stamps: `~lsst.meas.realbogus.cutouts.CutoutOptions`."""

    use_difference = Field[bool](
        doc="Cut stamps from the difference image too? Without, no subtraction is needed.", default=True
    )
    dia_sources_storage_class = dia_sources_storage_class()


class ExtractCutoutsTask(RoomTask):
    """Cut a triplet of stamps at every DIA source."""

    ConfigClass: typing.ClassVar = ExtractCutoutsConfig
    _DefaultName: typing.ClassVar = "extractCutouts"
    config: ExtractCutoutsConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the table; leave the images to the extractor, which reads as much of them as it needs."""
        inputs = butlerQC.get(inputRefs)
        sources = read_placed(read_dia_sources, inputs.pop("diaSources"), inputs["science"])
        butlerQC.put(self.run(sources=sources, **inputs), outputRefs)

    @timeMethod
    def run(
        self, sources: Table, science: PixelInput, template: PixelInput, difference: PixelInput | None = None
    ) -> Struct:
        """Cut the stamps.

        Parameters
        ----------
        sources
            DIA sources as from `~lsst.meas.realbogus.cutouts.read_dia_sources`.
        science, template, difference
            Images, or deferred handles of images.

        Returns
        -------
        lsst.pipe.base.Struct
            ``cutouts``, a table of the schema `~lsst.meas.realbogus.cutouts.stamp_table_schema`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there is no source.
        ImageMismatchError
            If the images do not belong together.
        """
        if not len(sources):
            raise NoWorkFound("There is no DIA source to cut stamps at.")
        images = {"science": science, "template": template, "difference": difference}
        places = {name: Place.of(image) for name, image in images.items() if image is not None}
        check_together(places)
        projection = places["science"].projection
        options = to_options(self.config, CutoutOptions)
        sources = self._choose(sources, options.max_sources)
        blocks = extract_triplets(
            science,
            template,
            difference,
            sources["x"],
            sources["y"],
            options.size,
            bad_planes=options.bad_planes,
            block_size=options.block_size,
        )
        table = stamp_table(
            sources,
            blocks,
            dtype=options.pixel_type,
            psf_fwhm=psf_fwhm_at(science, sources["x"], sources["y"]),
            pixel_scale=None if projection is None else pixel_scale(projection, places["science"].box),
        )
        self._account(table)
        return Struct(cutouts=table)

    def _choose(self, sources: Table, limit: int | None) -> Table:
        if limit is None or len(sources) <= limit:
            return sources
        draw = uniform(0, "stored-cutouts", np.abs(np.asarray(sources["id"])))[:, 0]
        self.log.info("Keeping the stamps of %d of %d sources.", limit, len(sources))
        return sources[np.sort(np.argsort(draw, kind="stable")[:limit])]

    def _account(self, table: Table) -> None:
        edge = int(np.sum(table["leaves_image"]))
        gaps = int(np.sum(table["fraction_missing"] > 0))
        self.metadata["n_sources"] = len(table)
        self.metadata["n_leaves_image"] = edge
        self.metadata["n_with_missing_pixels"] = gaps
        self.log.info("%d sources: %d at an edge, %d with missing pixels.", len(table), edge, gaps)
