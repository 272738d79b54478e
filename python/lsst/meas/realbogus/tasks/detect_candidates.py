"""Detect the sources of a science image, where it has no table of them."""

from __future__ import annotations

__all__ = ("DetectCandidatesConfig", "DetectCandidatesConnections", "DetectCandidatesTask")

import typing

from lsst.images import VisitImage
from lsst.pipe.base import (
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..measurement import SourceOptions, measure_sources
from ._data_errors import RoomTask
from ._options import to_options, with_options


class DetectCandidatesConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """A science image and the sources on it."""

    science = connectionTypes.Input(
        doc="Science image, calibrated and without background.",
        name="injected_preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )
    sources = connectionTypes.Output(
        doc="Sources of the image.",
        name="candidate_source_detector",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )


@with_options(SourceOptions)
class DetectCandidatesConfig(PipelineTaskConfig, pipelineConnections=DetectCandidatesConnections):
    """How faint: `~lsst.meas.realbogus.measurement.SourceOptions`."""


class DetectCandidatesTask(RoomTask):
    """Detect and measure the sources of a science image, as candidates for the path without DIA.

    Only images that changed after their source table was made, such as those with fakes, need it.
    """

    ConfigClass: typing.ClassVar = DetectCandidatesConfig
    _DefaultName: typing.ClassVar = "detectCandidates"
    config: DetectCandidatesConfig

    @timeMethod
    def run(self, science: VisitImage) -> Struct:
        """Detect and measure.

        Parameters
        ----------
        science
            The image.

        Returns
        -------
        lsst.pipe.base.Struct
            ``sources``, a table as ``source_detector``.
        """
        options = to_options(self.config, SourceOptions)
        sources = measure_sources(science, options)
        self.metadata["n_sources"] = len(sources)
        self.log.info("%d sources of signal to noise ratio %.1f or more.", len(sources), options.threshold)
        return Struct(sources=sources)
