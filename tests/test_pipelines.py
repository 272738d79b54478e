"""The pipelines: they build with and without the EUPS variable, and wire the main job."""

from __future__ import annotations

from pathlib import Path

import pytest
from lsst.daf.butler import DatasetType, DimensionUniverse
from lsst.pipe.base import Pipeline
from lsst.pipe.base.pipeline_graph import PipelineGraph, TaskNode

ROOT = Path(__file__).parents[1]
MAIN = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
LABELS = {
    "createFakeSupernovae",
    "injectVisit",
    "assembleTemplate",
    "buildTemplate",
    "injectTemplate",
    "subtractImages",
    "detectAndMeasureDiaSource",
    "matchDiaSources",
    "extractCutouts",
    "rbClassifier",
}


@pytest.fixture(params=["eups", "resources"])
def location(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Set or remove the variable that EUPS sets."""
    if request.param == "eups":
        monkeypatch.setenv("MEAS_REALBOGUS_DIR", str(ROOT))
    else:
        monkeypatch.delenv("MEAS_REALBOGUS_DIR", raising=False)


def _graph(pipeline: Pipeline) -> PipelineGraph:
    """Resolve a pipeline as in a repository in which the first half of the job has run."""
    graph, universe = pipeline.to_graph(), DimensionUniverse()
    dimensions = universe.conform(("instrument", "visit", "detector"))
    sources = DatasetType("dia_source_unstandardized", dimensions, "ArrowAstropy")
    graph.resolve(dimensions=universe, dataset_types={sources.name: sources})
    return graph


def _inputs(task: TaskNode) -> dict[str, str]:
    return {name: edge.parent_dataset_type_name for name, edge in task.inputs.items()}


@pytest.mark.usefixtures("location")
def test_the_main_job_builds_and_its_contracts_hold() -> None:
    graph = _graph(Pipeline.from_uri(MAIN))
    assert set(graph.tasks) == LABELS


def test_everything_after_the_injection_looks_at_the_image_with_fakes() -> None:
    tasks = _graph(Pipeline.from_uri(MAIN)).tasks
    for label in ("subtractImages", "detectAndMeasureDiaSource", "extractCutouts", "rbClassifier"):
        assert _inputs(tasks[label])["science"] == "injected_preliminary_visit_image", label
    for label in ("extractCutouts", "rbClassifier"):
        assert _inputs(tasks[label])["template"] == "template_detector", label
        assert _inputs(tasks[label])["difference"] == "difference_image", label
    for label in ("matchDiaSources", "extractCutouts", "rbClassifier"):
        assert _inputs(tasks[label])["diaSources"] == "dia_source_unstandardized", label


def test_what_the_job_writes_and_needs() -> None:
    graph = _graph(Pipeline.from_uri(MAIN))
    needed = {name for name, _ in graph.iter_overall_inputs()}
    assert needed == {
        "preliminary_visit_image",
        "template_visit_image",
        "source_detector",
        "visit_truth",
        "tract_geometry",
    }
    written = set(graph.dataset_types) - needed
    assert {
        "fake_supernova_catalog",
        "injected_preliminary_visit_image",
        "injected_preliminary_visit_image_catalog",
        "template_coadd",
        "template_detector",
        "template_matched",
        "difference_image_predetection",
        "difference_image",
        "dia_source_unstandardized",
        "dia_source_match",
        "injected_supernova_fate",
        "dia_source_cutouts",
        "dia_source_reliability",
    } <= written


@pytest.mark.parametrize(
    ("subset", "labels"),
    [
        ("injection", {"createFakeSupernovae", "injectVisit"}),
        ("template", {"assembleTemplate", "buildTemplate"}),
        (
            "differencing",
            {
                "assembleTemplate",
                "buildTemplate",
                "injectTemplate",
                "subtractImages",
                "detectAndMeasureDiaSource",
            },
        ),
        ("labelling", {"matchDiaSources", "extractCutouts"}),
        ("scoring", {"rbClassifier"}),
    ],
)
def test_subsets_run_alone(subset: str, labels: set[str]) -> None:
    assert set(_graph(Pipeline.from_uri(f"{MAIN}#{subset}")).tasks) == labels


def test_parameters_reach_the_tasks() -> None:
    pipeline = Pipeline.from_uri(MAIN)
    for name, value in {"fakeFraction": 0.2, "seed": 7, "model": "package:dia-9", "nodiaModel": ""}.items():
        pipeline.addConfigOverride("parameters", name, value)
    graph = pipeline.to_graph()
    create, classifier = (graph.tasks[label].config for label in ("createFakeSupernovae", "rbClassifier"))
    assert create.options.hosted.fraction == 0.2
    assert create.seed == graph.tasks["injectVisit"].config.seed == 7
    assert (classifier.model_uri, classifier.nodia_model_uri) == ("package:dia-9", "")


@pytest.mark.usefixtures("location")
@pytest.mark.parametrize("share", [0.0, 0.2, "0.2"])
def test_defect_07_one_parameter_puts_fakes_into_templates(share: float | str) -> None:
    """Everything that looks at the template then looks at the one with fakes, and nothing does otherwise."""
    pipeline = Pipeline.from_uri(MAIN)
    pipeline.addConfigOverride("parameters", "templateFakes", share)
    pipeline.addConfigOverride("parameters", "seed", 7)
    tasks = _graph(pipeline).tasks
    on = float(share) > 0
    template = "injected_template_detector" if on else "template_detector"
    for label in ("subtractImages", "extractCutouts", "rbClassifier"):
        assert _inputs(tasks[label])["template"] == template, label
    inject, create = tasks["injectTemplate"], tasks["createFakeSupernovae"].config.options
    assert (create.variable.fraction > 0, create.template.density > 0) == (on, on)
    inputs = {"exposure": "template_detector", "catalog": "fake_supernova_catalog"}
    assert _inputs(inject) == (inputs if on else {})
    assert (inject.config.seed, inject.config.options.target) == (7, "template")
    catalog = _inputs(tasks["matchDiaSources"]).get("injectedTemplate")
    assert catalog == ("injected_template_detector_catalog" if on else None)


def test_package_resources_are_the_top_level_folders() -> None:
    resources = ROOT / "python" / "lsst" / "meas" / "realbogus" / "resources"
    for name in ("pipelines", "config"):
        link = resources / name
        assert link.is_symlink() and not link.readlink().is_absolute()
        assert link.resolve() == ROOT / name
