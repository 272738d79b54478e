"""Data that cannot be used stop the work on their own image, and not that on others."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from lsst.daf.butler import Butler
from lsst.pipe.base import (
    AnnotatedPartialOutputsError,
    NoWorkFound,
    Pipeline,
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
    TaskMetadata,
    connectionTypes,
)
from lsst.pipe.base.mp_graph_executor import MPGraphExecutorError
from lsst.pipe.base.separable_pipeline_executor import SeparablePipelineExecutor
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.cutouts import extract_triplets, read_dia_sources, stamp_table
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError, SubtractionError
from lsst.meas.realbogus.tasks import merge_hosts
from lsst.meas.realbogus.tasks._data_errors import RoomTask
from lsst.meas.realbogus.tasks._gathering import UsableImages, complete_images
from lsst.meas.realbogus.tasks.associate_light_curves import AssociateLightCurvesTask
from lsst.meas.realbogus.tasks.evaluate_rb_classifier import EvaluateRbClassifierTask
from lsst.meas.realbogus.tasks.explain_rb_classifier import ExplainRbClassifierTask
from lsst.meas.realbogus.tasks.merge_hosts import MergeHostsTask
from lsst.meas.realbogus.tasks.split_dia_sources import SplitDiaSourcesTask
from table_repository import IMAGE
from test_association import make_sources
from test_association_task import make_repo
from test_evaluation_sample import make_tables

DATA_ID = {"instrument": "RealBogusCam", "detector": 0}
TABLE = {"storageClass": "ArrowAstropy", "dimensions": IMAGE}


class StepConnections(
    PipelineTaskConnections, dimensions=IMAGE, defaultTemplates={"before": "dia_source_unstandardized"}
):
    """A table of an image in and out."""

    table = connectionTypes.Input(doc="Table.", name="{before}", **TABLE)
    result = connectionTypes.Output(doc="The same.", name="{before}_again", **TABLE)


class StepConfig(PipelineTaskConfig, pipelineConnections=StepConnections):
    """Nothing to configure."""


class StepTask(RoomTask):
    """Copies a table."""

    ConfigClass, _DefaultName = StepConfig, "step"

    def run(self, table: Table) -> Struct:
        return Struct(result=table)


class SubtractTask(StepTask):
    """Copies a table, but that of visit 3."""

    ConfigClass, _DefaultName = StepConfig, "subtract"

    def run(self, table: Table) -> Struct:
        if (table["visit"] == 3).any():
            raise SubtractionError("2 stamps, 6 are needed", n_stamps=2)
        return Struct(result=table)


def run(repo: Path, pipeline: Pipeline, *, raise_on_partial_outputs: bool) -> Butler:
    """Run as ``pipetask run`` does, with or without ``--raise-on-partial-outputs``."""
    name = f"u/partial/{raise_on_partial_outputs}"
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=["scores"], output=name)
    executor = SeparablePipelineExecutor(butler, raise_on_partial_outputs=raise_on_partial_outputs)
    graph = executor.build_quantum_graph(pipeline, where="instrument = 'RealBogusCam'")
    executor.pre_execute_qgraph(graph, register_dataset_types=True, save_versions=False)
    if raise_on_partial_outputs:
        with pytest.raises(MPGraphExecutorError):
            executor.run_pipeline(graph)
    else:
        executor.run_pipeline(graph)
    return butler


def visits(butler: Butler, dataset_type: str) -> list[int]:
    try:
        refs = butler.registry.queryDatasets(dataset_type, collections=butler.run)
        return sorted(ref.dataId.get("visit", -1) for ref in refs if butler.stored(ref))
    except LookupError:
        return []


def failure_of(metadata: TaskMetadata) -> dict[str, Any]:
    (task,) = (part for name, part in metadata.to_dict().items() if name != "quantum")
    return task["failure"]


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    make_repo(tmp_path / "repo", make_sources())
    return tmp_path / "repo"


def test_an_image_that_cannot_be_subtracted_blocks_the_others_only_where_this_is_asked_for(
    repo: Path,
) -> None:
    pipeline = Pipeline("partial")
    for task, label in ((SubtractTask, "subtract"), (StepTask, "detect"), (AssociateLightCurvesTask, "join")):
        pipeline.addTask(task, label)
    again = "dia_source_unstandardized_again"
    pipeline.addConfigOverride("detect", "connections.before", again)
    pipeline.addConfigOverride("join", "connections.diaSources", f"{again}_again")

    butler = run(repo, pipeline, raise_on_partial_outputs=True)
    assert visits(butler, f"{again}_again") == [0, 1, 2, 4, 5]
    assert visits(butler, "subtract_metadata") == [0, 1, 2, 4, 5]  # a failure has none
    assert visits(butler, "dia_source_association") == []  # blocked

    butler = run(repo, pipeline, raise_on_partial_outputs=False)
    assert visits(butler, f"{again}_again") == visits(butler, again) == [0, 1, 2, 4, 5]
    failure = failure_of(butler.get("subtract_metadata", visit=3, **DATA_ID))
    assert failure["metadata"] == {
        "error": "lsst.meas.realbogus.errors.SubtractionError",
        "n_stamps": 2,
    }
    assert "visit: 3" in failure["message"] and "2 stamps, 6 are needed" in failure["message"]
    found = butler.get("dia_source_association", instrument="RealBogusCam")
    assert set(butler.get("dia_object_light_curve", instrument="RealBogusCam")["visit"]) == {0, 1, 2, 4, 5}
    assert len(found) == (make_sources()["visit"] != 3).sum()


def test_light_curves_leave_out_an_image_whose_tables_do_not_fit_and_say_so(repo: Path) -> None:
    with Butler.from_config(repo, writeable=True, run="scores") as butler:
        ref = butler.find_dataset("dia_source_reliability", visit=3, **DATA_ID)
        scores = butler.get(ref)
        butler.pruneDatasets([ref], purge=True, unstore=True, disassociate=True)
        butler.put(scores[::-1], "dia_source_reliability", visit=3, **DATA_ID)
    pipeline = Pipeline("partial")
    pipeline.addTask(AssociateLightCurvesTask, "join")
    butler = run(repo, pipeline, raise_on_partial_outputs=False)
    assert set(butler.get("dia_object_light_curve", instrument="RealBogusCam")["visit"]) == {0, 1, 2, 4, 5}
    failure = failure_of(butler.get("join_metadata", instrument="RealBogusCam"))
    assert (failure["metadata"]["n_left_out"], failure["metadata"]["n_images"]) == (1, 6)
    assert "left out 1 of 6 images" in failure["message"]
    assert "visit 3, detector 0: dia_source_unstandardized: scores are of other" in failure["message"]


class Context:
    """A quantum whose inputs are there and whose outputs are remembered."""

    def __init__(self, inputs: dict[str, Any], **data_id: Any) -> None:
        self.inputs, self.outputs = inputs, {}
        self.quantum = SimpleNamespace(dataId=data_id)

    def get(self, refs: Any) -> dict[str, Any]:
        return dict(self.inputs)

    def put(self, outputs: Any, refs: Any) -> None:
        self.outputs |= vars(outputs) if isinstance(outputs, Struct) else {refs.dataId["detector"]: outputs}


class Handle:
    """What a Butler would read."""

    def __init__(self, table: Table, visit: int, name: str = "table") -> None:
        self.table, self.dataId = table, {"visit": visit, "detector": 2, "band": "r"}
        self.ref = SimpleNamespace(datasetType=SimpleNamespace(name=name))

    def get(self, **words: Any) -> Table:
        return self.table.copy()


def test_detectors_whose_sources_stand_twice_get_no_table_and_the_others_do() -> None:
    tables = [
        Table({"diaSourceId": [1, 2, 3], "visit": [7, 7, 7], "detector": [0, 0, 1]}),
        Table({"diaSourceId": [2, 4], "visit": [7, 7], "detector": [0, 3]}),
    ]
    refs = [SimpleNamespace(dataId={"detector": detector}) for detector in (0, 1, 3)]
    context = Context({"tables": [Handle(table, 7) for table in tables]}, visit=7)
    with pytest.raises(AnnotatedPartialOutputsError) as caught:
        SplitDiaSourcesTask().runQuantum(context, None, SimpleNamespace(diaSources=refs))
    assert {key: list(table["diaSourceId"]) for key, table in context.outputs.items()} == {1: [3], 3: [4]}
    assert "diaSourceId 2 of visit 7, detector 0 is in more than one row" in str(caught.value.__cause__)


def evaluation(wrong: tuple[int, ...]) -> Context:
    """The tables of four images, the labels of some of which are of other sources."""
    inputs: dict[str, list[Handle]] = {"diaSources": [], "match": [], "reliability": []}
    for visit in range(4):
        tables = make_tables(visit=visit)
        match = tables.match[::-1] if visit in wrong else tables.match
        for name, table in zip(inputs, (tables.sources, match, tables.reliability), strict=True):
            inputs[name].append(Handle(table, visit))
    optional = ("fates", "injected", "injectedTemplate", "truth")
    return Context(inputs | {name: [] for name in optional}, instrument="RealBogusCam")


def evaluation_task() -> EvaluateRbClassifierTask:
    config = EvaluateRbClassifierTask.ConfigClass()
    config.plots, config.n_resamples = False, 5
    return EvaluateRbClassifierTask(config=config)


def test_the_evaluation_judges_the_images_whose_tables_fit() -> None:
    context, task = evaluation((1, 2)), evaluation_task()
    context.inputs["reliability"].pop()  # nor are there scores of visit 3
    with pytest.raises(AnnotatedPartialOutputsError) as caught:
        task.runQuantum(context, None, None)
    assert set(context.outputs["sources"]["visit"]) == {0}
    told = str(caught.value.__cause__)
    assert "left out 2 of 3 images" in told and "labels of visit 1, detector 2 are not of the same" in told
    assert task.metadata["n_images"] == 3 and task.metadata["n_incomplete_images"] == 1
    whole = evaluation(())
    evaluation_task().runQuantum(whole, None, None)
    assert set(whole.outputs["sources"]["visit"]) == {0, 1, 2, 3}


def test_where_no_image_can_be_used_there_is_no_output_and_an_error() -> None:
    context = evaluation((0, 1, 2, 3))
    with pytest.raises(AnnotatedPartialOutputsError) as caught:
        evaluation_task().runQuantum(context, None, None)
    assert not context.outputs and "labels of visit 0" in str(caught.value.__cause__)


def test_the_explanation_leaves_out_stamps_whose_labels_cannot_be_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    x = np.array([20.0, 30.0, 40.0])
    sources = read_dia_sources({"diaSourceId": [1, 2, 3], "x": x, "y": x, "psfFlux": x, "psfFluxErr": x})
    blocks = extract_triplets(*np.zeros((3, 60, 60), np.float32), x, x, 31)
    cutouts = stamp_table(sources, blocks)
    wrong = Table({"diaSourceId": [1, 2, 3], "injected": [1, 2, 3]})  # of AP's, without sources
    inputs = {"cutouts": [Handle(cutouts, visit) for visit in (0, 1)], "match": [Handle(wrong, 1)]}
    seen: list[int] = []

    def explain(self: Any, batches: Any, model: Any) -> Struct:
        for _ in range(2):  # as it goes through them, the second time for the contact sheets
            seen.extend(len(batch) for batch in batches)
        return Struct(explanation=Table({"n": seen}))

    monkeypatch.setattr(ExplainRbClassifierTask, "run", explain)
    context = Context(inputs, instrument="RealBogusCam")
    with pytest.raises(AnnotatedPartialOutputsError, match="partial outputs") as caught:
        ExplainRbClassifierTask(config=ExplainRbClassifierTask.ConfigClass()).runQuantum(context, None, None)
    assert seen == [3, 3] and list(context.outputs) == ["explanation"]
    assert "left out 1 of 2 images" in str(caught.value.__cause__)


def test_hosts_are_merged_from_the_images_whose_sources_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    def select(sources: Table, projection: Any, options: Any, *, name: str) -> Table:
        if "ra" not in sources.colnames:
            raise InvalidCatalogError(name, ["column ra is missing"])
        return sources

    monkeypatch.setattr(merge_hosts, "select_hosts", select)
    monkeypatch.setattr(merge_hosts, "calibrate_catalog", lambda sources, image: sources)
    monkeypatch.setattr(merge_hosts, "read_projection", lambda image: None)
    monkeypatch.setattr(MergeHostsTask, "run", lambda self, seen, trixel: Struct(hosts=(seen, trixel)))
    good, bad = Table({"ra": [1.0]}), Table({"x": [1.0]})
    inputs = {
        "exposures": [Handle(good, visit) for visit in (4, 2, 9)],
        "sources": [Handle(table, visit) for table, visit in ((good, 9), (bad, 4), (good, 2), (good, 5))],
    }
    context = Context(inputs, htm7=17)
    with pytest.raises(AnnotatedPartialOutputsError) as caught:
        (task := MergeHostsTask()).runQuantum(context, None, None)
    hosts, trixel = context.outputs["hosts"]
    assert len(hosts) == 2 and trixel == 17
    assert "left out 1 of 3 images" in str(caught.value.__cause__)
    assert "visit 4, detector 2: source_detector: column ra is missing" in str(caught.value.__cause__)
    assert task.metadata["n_incomplete_images"] == 1  # of visit 5 there is no image


def test_many_images_left_out_are_counted_and_some_named() -> None:
    def read(image: tuple[int, int]) -> int:
        if image[0] % 2:
            raise InvalidInputError(f"no {image[0]}")
        return image[0]

    task = StepTask(config=StepConfig())
    images = UsableImages(task, [(visit, 0) for visit in range(11)], read)
    assert list(images) == list(images) == [0, 2, 4, 6, 8, 10]
    with pytest.raises(InvalidInputError, match=r"5 of 11 .*no 1; .*no 3; .*no 5; 2 more, see the log$"):
        images.require_all()
    sound = UsableImages(task, [(0, 0), (2, 0)], read)
    assert list(sound) == [0, 2]
    sound.require_all()
    assert list(UsableImages(task, [], read)) == []
    assert complete_images(task, [(2, 0), (1, 0)], [(1, 0), (2, 0), (3, 0)]) == [(1, 0), (2, 0)]


def test_nothing_to_do_is_no_failure() -> None:
    context = evaluation(())
    context.inputs["match"] = []
    with pytest.raises(NoWorkFound):
        evaluation_task().runQuantum(context, None, None)
