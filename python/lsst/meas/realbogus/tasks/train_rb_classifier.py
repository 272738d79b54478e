"""Train a real/bogus classifier from the stamps and labels of any number of visits."""

from __future__ import annotations

__all__ = ("TrainRbClassifierConfig", "TrainRbClassifierConnections", "TrainRbClassifierTask")

import dataclasses
import itertools
import tempfile
from collections.abc import Iterable
from pathlib import Path

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
from lsst.utils.logging import LsstLogAdapter
from lsst.utils.timer import timeMethod

from ..legacy import get_table
from ..model import (
    DATASET_TYPE,
    STORAGE_CLASS,
    load_classifier,
    read_model,
    read_model_file,
    table_from_file,
)
from ..repository import handles_by_image, read_match
from ..training import EpochFigures, LabelledStamps, ModelOptions, StampSet, StampWriter, train_ordered_model
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class
from ._gathering import complete_images
from ._matches import unmatched_is_bogus
from ._options import to_options, with_options

_IMAGE = ("instrument", "visit", "detector")


class TrainRbClassifierConnections(PipelineTaskConnections, dimensions=("instrument",)):
    """Stamps, labels and measurements of all detectors and visits in, a model out."""

    cutouts = connectionTypes.Input(
        doc="Stamps of DIA sources.",
        name="dia_source_cutouts",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    match = connectionTypes.Input(
        doc="Labels of the same sources.",
        name="dia_source_match",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    diaSources = connectionTypes.Input(
        doc="Measurements of the same sources.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    model = connectionTypes.Output(
        doc="The trained model.",
        name=DATASET_TYPE,
        storageClass=STORAGE_CLASS,
        dimensions=(),
    )

    def __init__(self, *, config: TrainRbClassifierConfig) -> None:
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(ModelOptions)
class TrainRbClassifierConfig(PipelineTaskConfig, pipelineConnections=TrainRbClassifierConnections):
    """What to train and how: `~lsst.meas.realbogus.training.ModelOptions`."""

    dia_sources_storage_class = dia_sources_storage_class()
    unmatched_is_bogus = unmatched_is_bogus()
    start_uri = Field[str](
        doc="Model to go on from: 'package:NAME', or a path or URI of an .rbmodel file.",
        default=None,
        optional=True,
    )


class TrainRbClassifierTask(RoomTask):
    """Learn from the labels of fakes and known objects which DIA sources are real.

    The same options and stamps give the same model as ``realbogus train model``.
    """

    ConfigClass = TrainRbClassifierConfig
    _DefaultName = "trainRbClassifier"
    config: TrainRbClassifierConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the tables of one detector after the other."""
        inputs = butlerQC.get(inputRefs)
        by_image = [handles_by_image(inputs[name]) for name in ("cutouts", "match", "diaSources")]
        images = complete_images(self, *by_image)
        rule = {"unmatched_is_bogus": self.config.unmatched_is_bogus}
        stamps = (_read(*(handles[image] for handles in by_image), **rule) for image in images)
        butlerQC.put(self.run(stamps), outputRefs)

    @timeMethod
    def run(self, stamps: Iterable[LabelledStamps]) -> Struct:
        """Train.

        Parameters
        ----------
        stamps
            Labelled stamps, those of a detector at a time; they are kept on disk.

        Returns
        -------
        lsst.pipe.base.Struct
            ``model``, as the Butler keeps it, and ``card``, the training card.

        Raises
        ------
        lsst.pipe.base.NoWorkFound
            If there is no labelled source.
        InvalidInputError
            If the stamps cannot be split, or a side has not both classes.
        """
        options = to_options(self.config, ModelOptions)
        with tempfile.TemporaryDirectory() as folder:
            file, model = Path(folder) / "stamps.parquet", Path(folder) / "model.rbmodel"
            self._keep(stamps, file)
            uri = self.config.start_uri
            start = None if uri is None else read_model(read_model_file(uri), uri)
            card = train_ordered_model(
                options, StampSet(file), model, start=start, watchers=[_LoggedFigures(self.log)]
            )
            content = model.read_bytes()
        load_classifier(content, options.name)  # what was written gives its golden scores
        return Struct(model=table_from_file(content, options.name), card=card)

    def _keep(self, stamps: Iterable[LabelledStamps], file: Path) -> None:
        """Write the stamps to a file; where there are none, there is nothing to do."""
        parts = (part for part in stamps if len(part))
        first = next(parts, None)
        if first is None:
            raise NoWorkFound("There is no labelled source to learn from.")
        n_stamps = 0
        with StampWriter(file) as writer:
            for part in itertools.chain([first], parts):
                writer.write(part)
                n_stamps += len(part)
        self.log.info("Learning from %d labelled sources.", n_stamps)


class _LoggedFigures:
    """Logs the figures of each epoch; a `~lsst.meas.realbogus.training.Watcher`."""

    def __init__(self, log: LsstLogAdapter) -> None:
        self._log = log

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        pass

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        self._log.info(
            "Epoch %d: loss %.4f, area under ROC %.4f, TPR at 1 %% FPR %.3f.",
            epoch + 1,
            figures.loss,
            figures.auc,
            figures.tpr,
        )


def _read(
    cutouts: DeferredDatasetHandle,
    match: DeferredDatasetHandle,
    sources: DeferredDatasetHandle,
    *,
    unmatched_is_bogus: bool,
) -> LabelledStamps:
    """Read what is known of the sources of one detector."""
    data_id, table = cutouts.dataId, get_table(sources)
    labels, _ = read_match(match, table, unmatched_is_bogus=unmatched_is_bogus)
    return LabelledStamps.from_tables(
        get_table(cutouts),
        labels,
        table,
        visit=int(data_id["visit"]),
        band=str(data_id["band"]) if data_id.hasFull() else None,
    )
