"""Detect and measure sources on a difference image."""

from __future__ import annotations

__all__ = ("DetectAndMeasureConfig", "DetectAndMeasureConnections", "DetectAndMeasureTask")

import typing

from lsst.daf.butler import DataCoordinate
from lsst.images import DifferenceImage, MaskedImage, VisitImage
from lsst.images.psfs import PointSpreadFunction
from lsst.pipe.base import (
    InputQuantizedConnection,
    Instrument,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..legacy import read_masked_image, read_psf
from ..measurement import DetectionOptions, measure_difference
from ._data_errors import RoomTask
from ._options import to_options, with_options

_ID_BITS = 63


class DetectAndMeasureConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Difference image and what it was made from in, DIA sources out."""

    science = connectionTypes.Input(
        doc="Science image.",
        name="injected_preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )
    matchedTemplate = connectionTypes.Input(
        doc="Template matched to the science image.",
        name="template_matched",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    difference = connectionTypes.Input(
        doc="Difference image, before detection.",
        name="difference_image_predetection",
        storageClass="DifferenceImage",
        dimensions=("instrument", "visit", "detector"),
    )
    diaSources = connectionTypes.Output(
        doc="DIA sources.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    subtractedMeasuredExposure = connectionTypes.Output(
        doc="Difference image with the planes of detections.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=("instrument", "visit", "detector"),
    )


@with_options(DetectionOptions)
class DetectAndMeasureConfig(PipelineTaskConfig, pipelineConnections=DetectAndMeasureConnections):
    """How to detect and measure: `~lsst.meas.realbogus.measurement.DetectionOptions`."""


class DetectAndMeasureTask(RoomTask):
    """Find sources of both signs on a difference image."""

    ConfigClass: typing.ClassVar = DetectAndMeasureConfig
    _DefaultName: typing.ClassVar = "detectAndMeasureDiaSource"
    config: DetectAndMeasureConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Make the identifiers of the sources from the data id, and read the template part by part.

        As ip_diffim matches it, it has no Detector.
        """
        inputs = butlerQC.get(inputRefs)
        handle = inputs.pop("matchedTemplate")
        inputs["matchedTemplate"], inputs["template_psf"] = read_masked_image(handle), read_psf(handle)
        inputs["id_base"] = _packed_id_base(outputRefs.diaSources.dataId)
        butlerQC.put(self.run(**inputs), outputRefs)

    @timeMethod
    def run(
        self,
        science: VisitImage,
        matchedTemplate: MaskedImage,
        difference: DifferenceImage,
        *,
        template_psf: PointSpreadFunction | None = None,
        id_base: int = 0,
    ) -> Struct:
        """Detect and measure.

        Parameters
        ----------
        science, matchedTemplate, difference
            Images of one box.
        template_psf
            PSF of the matched template, by default the one that it carries.
        id_base
            Added to the number of each source to make its identifier.

        Returns
        -------
        lsst.pipe.base.Struct
            ``diaSources``, an `astropy.table.Table` with the columns of
            `lsst.meas.realbogus.measurement.DIA_SOURCE`, and ``subtractedMeasuredExposure``, a
            `lsst.images.DifferenceImage`.
        """
        measured, catalog = measure_difference(
            difference,
            science,
            matchedTemplate,
            science_psf=science.psf,
            template_psf=template_psf,
            id_base=id_base,
            options=to_options(self.config, DetectionOptions),
        )
        sources = catalog.sources
        self.metadata["n_sources"] = len(sources)
        self.metadata["n_negative"] = int(sources["isNegative"].sum())
        self.metadata["n_dipoles"] = int(sources["isDipole"].sum())
        self.metadata["score_rms"] = catalog.score_rms
        for flag, count in catalog.removed.items():
            self.metadata[f"n_removed_{flag}"] = count
        self.log.info(
            "%d sources (%d negative, %d dipoles); left out %d with bad pixels; rms of the score %.3f.",
            len(sources),
            self.metadata["n_negative"],
            self.metadata["n_dipoles"],
            sum(catalog.removed.values()),
            catalog.score_rms,
        )
        return Struct(diaSources=sources, subtractedMeasuredExposure=measured)


def _packed_id_base(data_id: DataCoordinate) -> int:
    """Return the lowest identifier of a data id's sources.

    Parameters
    ----------
    data_id
        Expanded data id of a visit and detector.

    Returns
    -------
    int
        The packed data id, shifted so that all numbers fit a signed 64-bit integer.
    """
    packer = Instrument.make_default_dimension_packer(data_id, is_exposure=False)
    packed = typing.cast(int, packer.pack(data_id))
    return packed << (_ID_BITS - packer.maxBits)
