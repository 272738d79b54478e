"""Explain the scores of the DIA sources of any number of visits."""

from __future__ import annotations

__all__ = ("ExplainRbClassifierConfig", "ExplainRbClassifierConnections", "ExplainRbClassifierTask")

import dataclasses
import itertools
from collections.abc import Iterable

from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
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

from ..cutouts import StampBatch
from ..explanation import Explainer, ExplanationOptions, count_winners, explain_stamps, labelled_batch
from ..model import DATASET_TYPE, STORAGE_CLASS, Model, file_from_table, read_model, read_model_file
from ..report import contact_sheets, embedding_figure, segments_figure
from ..repository import handles_by_image, read_match
from ._butler_models import BUTLER_SCHEME, model_lookup
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class
from ._gathering import UsableImages
from ._matches import unmatched_is_bogus
from ._options import to_options, with_options

_IMAGE = ("instrument", "visit", "detector")


def _sheet(doc: str, name: str) -> connectionTypes.Output:
    return connectionTypes.Output(
        doc=f"{doc} Not written without any.",
        name=f"rb_explanation_{name}_plot",
        storageClass="Plot",
        dimensions=("instrument",),
    )


class ExplainRbClassifierConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Stamps and labels of all detectors and visits and a model in, tables and figures out."""

    cutouts = connectionTypes.Input(
        doc="Stamps of DIA sources.",
        name="dia_source_cutouts",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
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
    diaSources = connectionTypes.Input(
        doc="The sources, which are read where the labels are a match table of AP's.",
        name="dia_source_unstandardized",
        storageClass="AstropyTable",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    model = connectionTypes.PrerequisiteInput(
        doc="Model to explain, if it is in the Butler.",
        name=DATASET_TYPE,
        storageClass=STORAGE_CLASS,
        dimensions=(),
    )
    explanation = connectionTypes.Output(
        doc="What decided the score of each DIA source.",
        name="dia_source_explanation",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    winners = connectionTypes.Output(
        doc="How often each image decides, by outcome.",
        name="rb_explanation_winners",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    segmentsPlot = connectionTypes.Output(
        doc="Shares of the images in what decides, by outcome.",
        name="rb_explanation_segments_plot",
        storageClass="Plot",
        dimensions=("instrument",),
    )
    embeddingPlot = connectionTypes.Output(
        doc="Map of the last hidden layer.",
        name="rb_explanation_embedding_plot",
        storageClass="Plot",
        dimensions=("instrument",),
    )
    falsePositivesPlot = _sheet("Stamps of bogus sources with the highest scores.", "false_positives")
    falseNegativesPlot = _sheet("Stamps of real sources with the lowest scores.", "false_negatives")
    unsurePlot = _sheet("Stamps of sources with scores nearest to the threshold.", "unsure")

    def __init__(self, *, config: ExplainRbClassifierConfig) -> None:
        if config.model_uri.startswith(BUTLER_SCHEME):
            lookup = model_lookup(config.model_uri)
            self.model = dataclasses.replace(self.model, lookupFunction=lookup)
        else:
            del self.model
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(ExplanationOptions)
class ExplainRbClassifierConfig(PipelineTaskConfig, pipelineConnections=ExplainRbClassifierConnections):
    """What is worked out: `~lsst.meas.realbogus.explanation.ExplanationOptions`."""

    model_uri = Field[str](
        doc="Model: 'package:NAME', a path or URI of an .rbmodel file, 'butler:' or 'butler:NAME/VERSION'.",
        default="package:dia",
    )
    dia_sources_storage_class = dia_sources_storage_class()
    unmatched_is_bogus = unmatched_is_bogus()


class ExplainRbClassifierTask(RoomTask):
    """Say what decided the score of each DIA source, and draw it.

    The same options and stamps give the same tables as ``realbogus explain``.
    """

    ConfigClass = ExplainRbClassifierConfig
    _DefaultName = "explainRbClassifier"
    config: ExplainRbClassifierConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the stamps of one detector after the other; leave out those that do not fit."""
        inputs = butlerQC.get(inputRefs)
        uri = self.config.model_uri
        content = file_from_table(inputs["model"]) if "model" in inputs else read_model_file(uri)
        cutouts = handles_by_image(inputs["cutouts"])
        labels = _Labels(
            inputs.get("match", []), inputs.get("diaSources", []), self.config.unmatched_is_bogus
        )

        def read(image: tuple[int, int]) -> StampBatch:
            visit, detector = image
            return labelled_batch(cutouts[image].get(), labels.read(image), visit=visit, detector=detector)

        batches = UsableImages(self, cutouts, read)
        butlerQC.put(self.run(batches, read_model(content, uri)), outputRefs)
        batches.require_all()

    @timeMethod
    def run(self, batches: Iterable[StampBatch], model: Model) -> Struct:
        """Explain.

        Parameters
        ----------
        batches
            Stamps with what is known of their sources, as from
            `~lsst.meas.realbogus.explanation.labelled_batch`; they are gone through twice, the second time
            for the contact sheets, and one batch at a time is held.
        model
            The model.

        Returns
        -------
        lsst.pipe.base.Struct
            ``explanation`` and ``winners``, tables of the schemas
            `~lsst.meas.realbogus.explanation.EXPLANATION` and `~lsst.meas.realbogus.explanation.WINNERS`;
            ``segmentsPlot`` and ``embeddingPlot``, figures; ``falsePositivesPlot``, ``falseNegativesPlot``
            and ``unsurePlot``, contact sheets, `None` where there is nothing to show.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there is no source.
        InvalidInputError
            If the stamps lack an image that the model needs, or its layers are not known.
        """
        filled = (batch for batch in batches if len(batch))
        first = next(filled, None)
        if first is None:
            raise NoWorkFound("There is no DIA source whose score could be explained.")

        options = to_options(self.config, ExplanationOptions)
        table = explain_stamps(Explainer(model), itertools.chain([first], filled), options).table
        winners = count_winners(table)
        sheets = contact_sheets(table, batches, options.hardest, options.threshold)
        self._account(table, winners)
        return Struct(
            explanation=table,
            winners=winners,
            segmentsPlot=segments_figure(winners, table),
            embeddingPlot=embedding_figure(table),
            falsePositivesPlot=sheets.get("false_positives"),
            falseNegativesPlot=sheets.get("false_negatives"),
            unsurePlot=sheets.get("unsure"),
        )

    def _account(self, table: Table, winners: Table) -> None:
        self.metadata["model"] = table.meta["model"]
        self.metadata["model_sha256"] = table.meta["model_sha256"]
        self.metadata["embedding"] = table.meta["embedding"]
        self.metadata["n_sources"] = len(table)
        for row in winners:
            self.metadata[f"n_{row['outcome']}"] = int(row["n"])
        self.log.info(
            "%d sources explained with %s: %s.",
            len(table),
            table.meta["model"],
            ", ".join(f"{row['n']} {row['outcome']}" for row in winners if row["n"]),
        )


class _Labels:
    """Labels by image, of matchDiaSources or of AP's own matching."""

    def __init__(
        self,
        match: Iterable[DeferredDatasetHandle],
        sources: Iterable[DeferredDatasetHandle],
        unmatched_is_bogus: bool,
    ) -> None:
        self._match, self._sources = handles_by_image(match), handles_by_image(sources)
        self._unmatched_is_bogus = unmatched_is_bogus

    def read(self, image: tuple[int, int]) -> Table | None:
        """Read the labels of an image, `None` where there are none.

        Raises
        ------
        InvalidInputError
            If they are those of AP's matching, and its sources are not there.
        """
        known = self._match.get(image)
        if known is None:
            return None
        bogus = self._unmatched_is_bogus
        return read_match(known, self._sources.get(image), unmatched_is_bogus=bogus)[0]
