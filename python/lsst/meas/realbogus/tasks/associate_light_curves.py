"""Associate the DIA sources of all visits, and make light curves of objects."""

from __future__ import annotations

__all__ = ("AssociateLightCurvesConfig", "AssociateLightCurvesConnections", "AssociateLightCurvesTask")

import collections
import dataclasses
from collections.abc import Iterable

from astropy.table import Table, vstack
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

from ..association import Confirmation, LightCurveOptions, SkyImage, make_light_curves, read_epochs
from ..legacy import get_table
from ..repository import handles_by_image, read_match, sky_image
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class
from ._gathering import UsableImages
from ._matches import unmatched_is_bogus
from ._options import to_options, with_options

_IMAGE = ("instrument", "visit", "detector")


class AssociateLightCurvesConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Sources, scores and labels of all detectors and visits in; objects and light curves out.

    The dimension is the instrument, not the tract: an object at the edge of a tract is one object, its name
    is the same whatever tracts there are, and no sky map is needed. A query such as ``tract = 9813`` selects
    the images of a part of the sky.
    """

    diaSources = connectionTypes.Input(
        doc="DIA sources.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    reliability = connectionTypes.Input(
        doc="Scores of the same sources.",
        name="dia_source_reliability",
        storageClass="AstropyTable",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    match = connectionTypes.Input(
        doc="Labels of the same sources, where there are any.",
        name="dia_source_match",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    association = connectionTypes.Output(
        doc="Object of every DIA source.",
        name="dia_source_association",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    objects = connectionTypes.Output(
        doc="Objects: positions, scores, fluxes in each band, and whether their light curves confirm them.",
        name="dia_object_reliability",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    epochs = connectionTypes.Output(
        doc="Light curves, one row an epoch.",
        name="dia_object_light_curve",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )

    def __init__(self, *, config: AssociateLightCurvesConfig) -> None:
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(LightCurveOptions)
class AssociateLightCurvesConfig(PipelineTaskConfig, pipelineConnections=AssociateLightCurvesConnections):
    """Radius, and what confirms an object: `~lsst.meas.realbogus.association.LightCurveOptions`."""

    dia_sources_storage_class = dia_sources_storage_class()
    unmatched_is_bogus = unmatched_is_bogus()


class AssociateLightCurvesTask(RoomTask):
    """Put the DIA sources of all visits together to objects, and say which their light curves confirm."""

    ConfigClass = AssociateLightCurvesConfig
    _DefaultName = "associateLightCurves"
    config: AssociateLightCurvesConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the tables of one detector after the other, of each the columns that are needed.

        An image whose tables do not fit is left out, as if there were none.
        """
        inputs = butlerQC.get(inputRefs)
        names = ("diaSources", "reliability", "match")
        sources, scores, labels = (handles_by_image(inputs[name]) for name in names)

        def read(where: tuple[int, int]) -> tuple[Table, SkyImage]:
            image, table = sky_image(sources[where].dataId), get_table(sources[where])
            found = get_table(scores[where]) if where in scores else None
            match = None
            if where in labels:
                bogus = self.config.unmatched_is_bogus
                match, _ = read_match(labels[where], table, unmatched_is_bogus=bogus)
            name = str(sources[where].ref.datasetType.name)
            return read_epochs(table, found, match, image=image, name=name), image

        read_images = UsableImages(self, sources, read)
        parts, images = zip(*read_images, strict=True)
        butlerQC.put(self.run(parts, images), outputRefs)
        read_images.require_all()

    @timeMethod
    def run(self, sources: Iterable[Table], images: Iterable[SkyImage] = ()) -> Struct:
        """Associate.

        Parameters
        ----------
        sources
            Sources with scores and labels, those of a detector at a time, as
            `~lsst.meas.realbogus.association.read_epochs` reads them.
        images
            The images they are of.

        Returns
        -------
        lsst.pipe.base.Struct
            ``association``, ``objects``, ``epochs``: see `~lsst.meas.realbogus.association.LightCurves`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there is no source.
        """
        parts = list(sources)
        if not any(len(part) for part in parts):
            raise NoWorkFound("There is no DIA source to associate.")
        table = vstack(parts, metadata_conflicts="silent")
        curves = make_light_curves(table, images, to_options(self.config, LightCurveOptions))
        words = collections.Counter(map(str, curves.objects["confirmation"]))
        self.metadata["n_sources"], self.metadata["n_objects"] = len(table), len(curves.objects)
        self.metadata["n_crowded"] = int(curves.association["isCrowded"].sum())
        for word in Confirmation:
            self.metadata[f"n_{word}"] = words[word]
        self.log.info(
            "%d DIA sources of %d objects, %d of them confirmed.",
            len(table),
            len(curves.objects),
            words[Confirmation.CONFIRMED],
        )
        return Struct(association=curves.association, objects=curves.objects, epochs=curves.epochs)
