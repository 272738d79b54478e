"""Rubin's pipelines with this package's tasks put in: they build, keep contracts and subsets, and run.

Here Rubin's pipelines are stand-ins with the real tasks' connections (``stand_ins.pipelines``);
``test_pipelines_real`` takes its own files.
"""

from __future__ import annotations

import contextlib
import functools
import re
from pathlib import Path

import pytest
from lsst.daf.butler import DimensionUniverse
from lsst.pipe.base import Pipeline, PipelineGraph
from lsst.pipe.base.pipeline_graph import IncompatibleDatasetTypeError
from lsst.pipe.base.pipelineIR import ContractError

from stand_ins.pipelines import run_mocked, stand_in_stack  # noqa: F401

ROOT = Path(__file__).parents[1] / "pipelines"
CAMERAS = ("HSC", "LSSTCam-imSim", "DECam", "LSSTComCam", "LSSTCam")
OURS = "lsst.meas.realbogus.tasks."
RUBIN = sorted(
    str(path.relative_to(ROOT))
    for path in ROOT.rglob("*.yaml")
    if path.parent.name not in ("Embedded", "_ingredients")
)
# DRP's steps are graphs of their own. Of AP, cameras other than HSC differ in the first two tasks only.
_DIFFERENT = "isr,calibrateImage,subtractImages,computeReliability"
PARTS = {
    "LSSTCam/DRP.yaml": ["step4a-measure-variability-visits", "step4c-measure-variability-tracts"],
    "LSSTComCam/DRP.yaml": ["step4a-measure-variability-visits"],
    **{f"{camera}/ApPipe.yaml": [_DIFFERENT] for camera in CAMERAS if camera != "HSC"},
    **{
        f"{camera}/ApPipeWithFakes.yaml": [f"{_DIFFERENT},injectVisit"]
        for camera in CAMERAS
        if camera != "HSC"
    },
}


def load(name: str) -> Pipeline:
    return Pipeline.from_uri(f"$MEAS_REALBOGUS_DIR/pipelines/{name}")


@functools.cache
def theirs(name: str) -> Pipeline:
    """Load the pipeline that one of ours imports first."""
    (first, *_) = re.findall(r"location: (\$(?:AP|DRP)_PIPE_DIR/\S+)", (ROOT / name).read_text())
    return Pipeline.from_uri(first)


@functools.cache
def graph_of(name: str) -> PipelineGraph:
    return load(name).to_graph()


def reads(graph: PipelineGraph, label: str) -> dict[str, str]:
    return {name: edge.parent_dataset_type_name for name, edge in graph.tasks[label].inputs.items()}


def writes(graph: PipelineGraph, label: str) -> dict[str, str]:
    return {name: edge.parent_dataset_type_name for name, edge in graph.tasks[label].outputs.items()}


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("name", RUBIN)
def test_it_builds_and_runs_on_mock_data(name: str) -> None:
    for part in PARTS.get(name, [""]):
        graph = graph_of(f"{name}#{part}" if part else name)
        assert run_mocked(graph).keys() == set(graph.tasks)


CHANGED = {
    **{f"{camera}/ApPipe.yaml": {"computeReliability"} for camera in CAMERAS},
    **{f"{camera}/DRP.yaml": {"rbClassify"} for camera in ("HSC", "LSSTCam-imSim", "DECam")},
    **{f"{camera}/DRP.yaml": {"computeReliability"} for camera in ("LSSTComCam", "LSSTCam")},
    "LSSTComCam/DRP-v1.yaml": {"rbClassify"},
}
ADDED = {"matchDiaSources", "extractCutouts", "evaluateRbClassifier"}


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("name", sorted(CHANGED))
def test_one_task_is_another_and_the_rest_is_theirs(name: str) -> None:
    ours, original = load(name), theirs(name)
    assert set(ours.task_labels) == set(original.task_labels)
    assert ours.subsets == original.subsets
    assert ours.getInstrument() == original.getInstrument()
    assert _contracts(ours) == _contracts(original)
    before, after = original.to_graph(), graph_of(name)
    differ = {
        label for label, task in after.tasks.items() if task.task_class is not before.tasks[label].task_class
    }
    assert differ == CHANGED[name]
    for label, task in after.tasks.items():
        for read in (reads, writes):
            mine = read(after, label)
            assert mine == {key: value for key, value in read(before, label).items() if key in mine}, label
        if label in differ:
            assert task.task_class_name.startswith(OURS)
            assert set(reads(after, label)) == {"science", "template", "difference", "diaSources"}


def _contracts(pipeline: Pipeline) -> set[str]:
    return {contract.contract for contract in pipeline._pipelineIR.contracts}


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("camera", CAMERAS)
def test_fakes_go_from_catalogues_through_their_tasks_to_the_evaluation(camera: str) -> None:
    first = graph_of(f"{camera}/InjectionCatalogs.yaml")
    assert writes(first, "shardInjectionCatalog")["injection_catalog"] == "injection_catalog"
    assert (
        reads(first, "createFakeSupernovae")["sources"]
        in writes(first, "singleFrameDetectAndMeasure").values()
    )
    graph = graph_of(f"{camera}/ApPipeWithFakes.yaml")
    inject, classify = graph.tasks["injectVisit"], reads(graph, "computeReliability")
    assert inject.prerequisite_inputs["injection_catalogs"].dataset_type_name == "injection_catalog"
    template = graph.tasks["injectTemplate"].prerequisite_inputs["injection_catalogs"].dataset_type_name
    assert template == writes(first, "shardTemplateCatalog")["injection_catalog"]
    for label in ("injectVisit", "injectTemplate"):
        assert graph.tasks[label].config.selection == "np.isin(injection_catalog['visit'], {visit})"
    assert (
        classify["science"]
        == writes(graph, "injectVisit")["output_exposure"]
        == "fakes_preliminary_visit_image"
    )
    for label in ("subtractImages", "detectAndMeasureDiaSource", "extractCutouts"):
        assert reads(graph, label)["science"] == classify["science"], label
    for label in ("subtractImages", "extractCutouts"):
        assert reads(graph, label)["template"] == classify["template"], label
    assert reads(graph, "matchDiaSources")["injected"] == writes(graph, "injectVisit")["output_catalog"]
    assert (
        reads(graph, "injectedMatchDiaSrc")["injectionCat"] in writes(first, "createFakeSupernovae").values()
    )
    assert (
        reads(graph, "evaluateRbClassifier")["reliability"]
        == writes(graph, "computeReliability")["classifications"]
    )
    original = theirs(f"{camera}/ApPipeWithFakes.yaml")
    ours = load(f"{camera}/ApPipeWithFakes.yaml")
    assert set(ours.task_labels) == set(original.task_labels) | ADDED
    assert original.subsets.items() <= ours.subsets.items()
    assert _contracts(original) < _contracts(ours)


@pytest.mark.usefixtures("stand_in_stack")
def test_fakes_in_templates_are_matched_where_they_are_asked_for() -> None:
    pipeline = load("HSC/ApPipeWithFakes.yaml")
    assert "injectedTemplate" not in reads(pipeline.to_graph(), "matchDiaSources")
    pipeline.addConfigOverride("parameters", "templateFakes", 0.1)
    graph = pipeline.to_graph()
    catalog = writes(graph, "injectTemplate")["output_catalog"]
    assert reads(graph, "matchDiaSources")["injectedTemplate"] == catalog


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("subset", ["realbogus-step3-injection", "realbogus-step4-association"])
def test_steps_of_the_rc2_subset_run_one_after_the_other(subset: str) -> None:
    done = run_mocked(graph_of(f"HSC/RC2-subset.yaml#{subset}"))
    assert ("rbClassify" in done, "drpAssociation" in done) == (
        "injection" in subset,
        "association" in subset,
    )


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("subset", ["dc2-difference", "dc2-evaluation"])
def test_the_truth_of_dc2_labels_without_fakes(subset: str) -> None:
    graph = graph_of(f"LSSTCam-imSim/DC2-truth.yaml#{subset}")
    assert run_mocked(graph).keys() == set(graph.tasks)
    if "matchDiaSources" in graph.tasks:
        inputs = reads(graph, "matchDiaSources")
        assert "injected" not in inputs and inputs["truth"] == "visit_truth"


# What a replacement of computeReliability may declare, as tried with the real tasks:
# science and template, difference, DIA sources, scores.
@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("name", ["HSC/ApPipe.yaml#prompt", "LSSTCam/ApPipeWithFakes.yaml#prompt"])
@pytest.mark.parametrize(
    ("sources", "scores", "fits"),
    [
        ("AstropyTable", "Catalog", True),
        ("AstropyTable", "ArrowAstropy", False),
        ("ArrowAstropy", "Catalog", False),
        ("AstropyTable", "AstropyTable", False),
    ],
)
def test_stand_ins_refuse_what_the_stack_refuses(name: str, sources: str, scores: str, fits: bool) -> None:
    pipeline = load(name)
    pipeline.addConfigOverride("computeReliability", "dia_sources_storage_class", sources)
    pipeline.addConfigOverride("computeReliability", "classifications_storage_class", scores)
    graph = pipeline.to_graph()
    with contextlib.nullcontext() if fits else pytest.raises(IncompatibleDatasetTypeError):
        graph.resolve(dimensions=DimensionUniverse())


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize(
    ("connection", "dataset"),
    [("difference", "difference_image_predetection"), ("diaSources", "dia_source_unfiltered")],
)
def test_their_contracts_notice_a_wrong_dataset(connection: str, dataset: str) -> None:
    pipeline = load("HSC/ApPipe.yaml")
    pipeline.addConfigOverride("computeReliability", f"connections.{connection}", dataset)
    with pytest.raises(ContractError):
        pipeline.to_graph()


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("camera", CAMERAS)
def test_every_camera_has_its_own_configuration(camera: str) -> None:
    """The files of ``config/`` say something about the camera, and the pipelines take it."""
    graph = graph_of(f"{camera}/ApPipeWithFakes.yaml")
    catalogs = graph_of(f"{camera}/InjectionCatalogs.yaml")
    stamps, scores = (graph.tasks[label].config for label in ("extractCutouts", "computeReliability"))
    scale = {"HSC": 0.168, "DECam": 0.263}.get(camera, 0.2)
    assert stamps.size >= 51 and stamps.size * scale > 10
    assert list(stamps.bad_planes) == list(scores.bad_planes)
    depth = catalogs.tasks["createFakeSupernovae"].config.options
    assert depth.hosted.mag_max == depth.hostless.mag_max == {"HSC": 26.5, "DECam": 25.0}.get(camera, 25.5)
