"""Compare the scores of a night with those of a reference."""

from __future__ import annotations

__all__ = ("CompareNightConfig", "CompareNightConnections", "CompareNightTask")

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.pex.config import Field
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.utils.timer import timeMethod

from ..evaluation import NightOptions, compare_night
from ..report import night_plots
from ..repository import corners_of_detectors, count_score_tables
from ._data_errors import RoomTask
from ._options import to_options, with_options

_IMAGE = ("instrument", "visit", "detector")


def _output(doc: str, name: str, storage: str) -> ct.Output:
    return ct.Output(doc=doc, name=f"rb_night_{name}", storageClass=storage, dimensions=("instrument",))


class CompareNightConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Scores of all visits and detectors in; counts, comparisons, numbers and plots out."""

    reliability = ct.Input(
        doc="Scores of DIA sources.",
        name="dia_source_reliability",
        storageClass="AstropyTable",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    reference = ct.PrerequisiteInput(
        doc="Counts of what to compare with, if there are any: ``counts`` of another run.",
        name="rb_night_reference",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
        minimum=0,
    )
    images = ct.Input(
        doc="Images; one of each detector tells where it lies in the focal plane.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    counts = _output("Sources, scores and their distribution, image by image.", "counts", "ArrowAstropy")
    drift = _output("Every comparison, what drifted first.", "drift", "ArrowAstropy")
    metrics = _output("Numbers by name.", "metrics", "StructuredDataDict")
    focalPlanePlot = _output("Rates of each detector; none of a single one.", "focal_plane_plot", "Plot")
    visitsPlot = _output("Rates of each visit; none of a single one.", "visits_plot", "Plot")
    scoresPlot = _output("Distributions of the scores.", "scores_plot", "Plot")

    def __init__(self, *, config: CompareNightConfig) -> None:
        if config.connections.counts == config.connections.reference:  # these counts are the reference
            del self.reference


@with_options(NightOptions)
class CompareNightConfig(PipelineTaskConfig, pipelineConnections=CompareNightConnections):
    """What counts as drift: `~lsst.meas.realbogus.evaluation.NightOptions`."""

    score = Field[str](doc="Column of scores: score, score_dia or score_nodia.", default="score")


class CompareNightTask(RoomTask):
    """Say which collections, visits and detectors have other rates and scores than a reference.

    The same options and scores give the same comparisons as ``realbogus night``.
    """

    ConfigClass = CompareNightConfig
    _DefaultName = "compareNight"
    config: CompareNightConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Count the scores of some images at a time, and write the plots that there are."""
        inputs = butlerQC.get(inputRefs)
        counts = count_score_tables(
            inputs["reliability"], score=self.config.score, options=to_options(self.config, NightOptions)
        )
        corners = corners_of_detectors(inputs.get("images", []))
        butlerQC.put(self.run(counts, inputs.get("reference"), corners), outputRefs)

    @timeMethod
    def run(
        self,
        counts: Table,
        reference: Table | None = None,
        corners: Mapping[int, npt.NDArray[np.float64]] | None = None,
    ) -> Struct:
        """Compare.

        Parameters
        ----------
        counts
            What `~lsst.meas.realbogus.evaluation.count_scores` makes of the night.
        reference
            The same of the reference; by default each group is compared with the rest of the night.
        corners
            Corners of each detector in the focal plane, if known.

        Returns
        -------
        lsst.pipe.base.Struct
            ``counts``; ``drift``, table of schema `~lsst.meas.realbogus.evaluation.DRIFT`; ``metrics``, a
            dictionary; ``focalPlanePlot``, ``visitsPlot`` and ``scoresPlot``, figures of matplotlib, `None`
            where nothing was compared.

        Raises
        ------
        InvalidInputError
            If there are no images, or the reference was counted in other bins.
        """
        night = compare_night(counts, reference, to_options(self.config, NightOptions))
        plots = night_plots(night, corners)
        self.log.info(
            "%d of %d comparisons of %d images with %s have drifted.",
            len(night.drifted),
            len(night.drift),
            len(counts),
            "the rest of the night" if reference is None else "the reference",
        )
        return Struct(
            counts=night.counts,
            drift=night.drift,
            metrics=night.metrics,
            focalPlanePlot=plots.get("focal_plane"),
            visitsPlot=plots.get("visits"),
            scoresPlot=plots.get("scores"),
        )
