"""Judge the scores of any number of visits."""

from __future__ import annotations

__all__ = ("EvaluateRbClassifierConfig", "EvaluateRbClassifierConnections", "EvaluateRbClassifierTask")

import dataclasses
import itertools
from collections.abc import Iterable
from typing import Any

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

from ..evaluation import EvaluationOptions, ScoredTables, evaluate, sample_image, stack_images
from ..legacy import get_table
from ..report import evaluation_plots
from ..repository import handles_by_image, read_match
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class
from ._gathering import UsableImages, complete_images
from ._matches import unmatched_is_bogus
from ._options import to_options, with_options

_IMAGE = ("instrument", "visit", "detector")
_OPTIONAL = ("fates", "injected", "injectedTemplate", "truth")


def _input(
    doc: str, name: str, *, optional: bool = False, storage: str = "ArrowAstropy"
) -> connectionTypes.Input:
    return connectionTypes.Input(
        doc=doc,
        name=name,
        storageClass=storage,
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0 if optional else 1,
        deferGraphConstraint=optional,
    )


def _output(doc: str, name: str, storage: str = "ArrowAstropy") -> connectionTypes.Output:
    return connectionTypes.Output(
        doc=doc, name=f"rb_evaluation_{name}", storageClass=storage, dimensions=("instrument",)
    )


class EvaluateRbClassifierConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Scores, labels, sources and fates of all detectors and visits in; tables, numbers and plots out."""

    diaSources = _input("DIA sources.", "dia_source_unstandardized")
    match = _input("Labels of the same sources.", "dia_source_match")
    reliability = _input("Scores of the same sources.", "dia_source_reliability", storage="AstropyTable")
    fates = _input("What became of every injected source.", "injected_supernova_fate", optional=True)
    injected = _input(
        "Catalogues of injected sources, for their hosts.",
        "injected_preliminary_visit_image_catalog",
        optional=True,
    )
    injectedTemplate = _input(
        "Catalogues of what was injected into templates.", "injected_template_detector_catalog", optional=True
    )
    truth = _input("What is on the sky, where that is known.", "visit_truth", optional=True)
    sources = _output("Sources with labels and scores, and real changes that were not detected.", "sources")
    figures = _output("Every figure in every part of the sample, with intervals.", "figures")
    curves = _output("Completeness, purity and false positives against threshold.", "curves")
    requirement = _output("Whether a threshold meets OSS-REQ-0353, by band.", "requirement")
    efficiency = _output("Fits of the detection efficiency, with m50.", "efficiency")
    efficiencyBins = _output("Detection efficiency in bins of magnitude.", "efficiency_bins")
    calibration = _output("Fraction of reals in bins of the score.", "reliability")
    comparison = _output("Differences between models, with tests.", "comparison")
    metrics = _output("Numbers by name.", "metrics", "StructuredDataDict")
    curvesPlot = _output("ROC, purity and completeness, DET.", "curves_plot", "Plot")
    partsPlot = _output(
        "Purity and completeness to limits of magnitude, above cuts of SNR, by band.", "parts_plot", "Plot"
    )
    confusionPlot = _output("Confusion matrices.", "confusion_plot", "Plot")
    thresholdsPlot = _output("Rates against threshold.", "thresholds_plot", "Plot")
    binsPlot = _output("Completeness and purity in bins.", "bins_plot", "Plot")
    efficiencyPlot = _output("Detection efficiency against magnitude.", "efficiency_plot", "Plot")
    calibrationPlot = _output("Reliability diagram.", "reliability_plot", "Plot")

    def __init__(self, *, config: EvaluateRbClassifierConfig) -> None:
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)
        if not config.plots:
            for name in [name for name in self.outputs if name.endswith("Plot")]:
                delattr(self, name)


@with_options(EvaluationOptions)
class EvaluateRbClassifierConfig(PipelineTaskConfig, pipelineConnections=EvaluateRbClassifierConnections):
    """What is measured: `~lsst.meas.realbogus.evaluation.EvaluationOptions`."""

    dia_sources_storage_class = dia_sources_storage_class()
    unmatched_is_bogus = unmatched_is_bogus()
    plots = Field[bool](doc="Draw plots?", default=True)


class EvaluateRbClassifierTask(RoomTask):
    """Say how good scores are: of what was detected, and end to end against what is real."""

    ConfigClass = EvaluateRbClassifierConfig
    _DefaultName = "evaluateRbClassifier"
    config: EvaluateRbClassifierConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the tables of one detector after the other, and leave out those that do not fit."""
        inputs = butlerQC.get(inputRefs)
        by_image = {name: handles_by_image(inputs[name]) for name in inputs}
        required = (handles for name, handles in by_image.items() if name not in _OPTIONAL)
        bogus = self.config.unmatched_is_bogus
        samples = UsableImages(
            self,
            complete_images(self, *required),
            lambda image: sample_image(_read(by_image, image, bogus)),
        )
        butlerQC.put(self.run(samples), outputRefs)
        samples.require_all()

    @timeMethod
    def run(self, images: Iterable[Table]) -> Struct:
        """Judge.

        Parameters
        ----------
        images
            What is known of the sources of one detector and visit at a time, as
            `~lsst.meas.realbogus.evaluation.sample_image` puts it together.

        Returns
        -------
        lsst.pipe.base.Struct
            ``sources``, the sample; the tables, numbers and plots of
            `~lsst.meas.realbogus.evaluation.Evaluation`.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there is no source with a label and a score.
        """
        first = next(parts := iter(images), None)
        if first is None:
            raise NoWorkFound("There is no image with sources, labels and scores.")
        sample = stack_images(itertools.chain([first], parts))
        if not sample.models or not (sample.labels >= 0).any():
            raise NoWorkFound("No source has both a label and a score.")
        evaluation = evaluate(sample, to_options(self.config, EvaluationOptions))
        tables = evaluation.tables
        plots = evaluation_plots(evaluation) if self.config.plots else {}
        self.metadata["n_sources"] = int(evaluation.metrics["numAllDiaSources"])
        for row in evaluation.requirement:
            self.log.info(
                "%s, %s, band %s, real fraction %s: OSS-REQ-0353 %s.",
                *(row[name] for name in ("model", "scope", "band", "real_fraction", "verdict")),
            )
        return Struct(
            sources=sample.table,
            efficiencyBins=tables.pop("efficiency_bins"),
            calibration=tables.pop("reliability"),
            **tables,
            metrics=dict(evaluation.metrics),
            **{f"{name}Plot": figure for name, figure in plots.items()},
        )


def _read(
    by_image: dict[str, dict[tuple[int, int], Any]], image: tuple[int, int], unmatched_is_bogus: bool
) -> ScoredTables:
    handle = by_image["diaSources"][image]
    band, sources = str(handle.dataId["band"]), get_table(handle)
    handles = {
        name: others.get(image) for name, others in by_image.items() if name not in ("diaSources", "match")
    }
    table = {name: None if handle is None else get_table(handle) for name, handle in handles.items()}
    injected = (table["injected"], table["injectedTemplate"])
    match, fates = read_match(by_image["match"][image], sources, unmatched_is_bogus=unmatched_is_bogus)
    return ScoredTables(
        visit=image[0],
        detector=image[1],
        band=band,
        sources=sources,
        match=match,
        reliability=table["reliability"],
        fates=table["fates"] if fates is None else fates,
        injected=tuple(part for part in injected if part is not None),
        truth=table["truth"],
    )
