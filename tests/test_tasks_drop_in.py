"""Replacing the class of RBTransiNetTask in Rubin's pipelines is enough, in place or by import."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from lsst.pipe.base import Pipeline, connectionTypes
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.tasks.rb_classifier import RbClassifierConfig, RbClassifierTask
from lsst.meas.realbogus.tasks.reliability import (
    ApReliabilityTask,
    DrpReliabilityTask,
    LegacyDrpReliabilityTask,
)

IN_PLACE = "lsst.meas.realbogus.tasks.rb_classifier.RbClassifierTask"
BY_IMPORT = "lsst.meas.realbogus.tasks.reliability"
# The entries of ap_pipe and drp_pipe, with what their configurations say.
AP = {
    "connections.coaddName": "goodSeeing",
    "connections.science": "preliminary_visit_image",
    "connections.template": "template_detector",
    "connections.difference": "difference_image",
    "connections.diaSources": "dia_source_unstandardized",
    "connections.classifications": "dia_source_reliability",
    "modelPackageStorageMode": "butler",
}
DRP = {
    "modelPackageStorageMode": "butler",
    "connections.science": "visit_image",
    "connections.template": "template_detector",
    "connections.difference": "difference_image_predetection",
    "connections.diaSources": "dia_source_unstandardized",
    "connections.classifications": "dia_source_reliability",
}
LEGACY_DRP = {
    "modelPackageStorageMode": "butler",
    "connections.science": "pvi",
    "connections.coaddName": "goodSeeing",
    "connections.template": "goodSeeingDiff_templateExp",
    "connections.difference": "goodSeeingDiff_differenceTempExp",
    "connections.diaSources": "goodSeeingDiff_candidateDiaSrc",
    "connections.classifications": "goodSeeingRealBogusSources",
}
GENERATIONS = {
    "ApReliabilityTask": ("computeReliability", AP),
    "DrpReliabilityTask": ("computeReliability", DRP),
    "LegacyDrpReliabilityTask": ("rbClassify", LEGACY_DRP),
}


def pipeline_yaml(label: str, task: str, config: dict[str, Any]) -> str:
    lines = [f"      {name}: {value}" for name, value in config.items()]
    return "\n".join(
        ["description: theirs", "tasks:", f"  {label}:", f"    class: {task}", "    config:", *lines]
    )


def datasets(pipeline: Pipeline, label: str) -> dict[str, tuple[str, str]]:
    (node,) = (node for node in pipeline.to_graph().tasks.values() if node.label == label)
    edges = [*node.inputs.values(), *node.outputs.values(), *node.prerequisite_inputs.values()]
    return {edge.connection_name: (edge.parent_dataset_type_name, edge.storage_class_name) for edge in edges}


def expected(config: dict[str, Any]) -> dict[str, tuple[str, str]]:
    classes = {
        "science": "VisitImage",
        "template": "VisitImage",
        "difference": "DifferenceImage",
        "diaSources": "AstropyTable",
        "classifications": "Catalog",
    }
    return {name: (config[f"connections.{name}"], kind) for name, kind in classes.items()}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_class_is_replaced_in_place(generation: str) -> None:
    """All of the old configuration stays, and the filter behind gets what it reads."""
    label, config = GENERATIONS[generation]
    pipeline = Pipeline.fromString(pipeline_yaml(label, IN_PLACE, config))
    assert datasets(pipeline, label) == expected(config)


@pytest.mark.parametrize("generation", GENERATIONS)
def test_the_class_is_replaced_by_import(generation: str, tmp_path: Path) -> None:
    """The old configuration is lost then, so the class knows the names."""
    label, config = GENERATIONS[generation]
    theirs, ours = tmp_path / "theirs.yaml", tmp_path / "ours.yaml"
    theirs.write_text(pipeline_yaml(label, "lsst.meas.transiNet.RBTransiNetTask", config))
    ours.write_text(
        f"description: ours\nimports:\n  - location: {theirs}\ntasks:\n  {label}: {BY_IMPORT}.{generation}\n"
    )
    pipeline = Pipeline.from_uri(str(ours))
    assert datasets(pipeline, label) == expected(config)


def test_templates_of_names_are_those_of_the_old_task() -> None:
    config = LegacyDrpReliabilityTask.ConfigClass()
    config.connections.coaddName, config.connections.fakesType = "deep", "fakes_"
    connections = config.connections.ConnectionsClass(config=config)
    assert connections.template.name == "fakes_deepDiff_templateExp"
    assert connections.classifications.name == "fakes_deepRealBogusSources"
    assert not config.ignored()


@pytest.mark.parametrize(
    "task", [RbClassifierTask, ApReliabilityTask, DrpReliabilityTask, LegacyDrpReliabilityTask]
)
def test_connections_are_sound(task: Any) -> None:
    lintConnections(task.ConfigClass.ConnectionsClass)


def test_what_has_no_meaning_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    config = RbClassifierConfig()
    config.modelPackageStorageMode, config.modelPackageName, config.cutoutSize = "local", "rbResnet", 61
    config.connections.coaddName = config.connections.fakesType = "some"
    config.connections.pretrainedModel = "another_model_package"
    config.validate()
    names = {
        connection.name
        for connection in config.connections.ConnectionsClass(config=config).allConnections.values()
    }
    assert "another_model_package" not in names
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            RbClassifierTask(config=config, name="told_once")
    (said,) = [record.getMessage() for record in caplog.records if "RBTransiNetTask" in record.getMessage()]
    for word in ("'rbResnet'", "'local'", "61", "connections.coaddName", "fakesType", "package:dia"):
        assert word in said


def test_a_configuration_of_ours_stays_ours(caplog: pytest.LogCaptureFixture) -> None:
    config = RbClassifierConfig()
    assert config.written_as() == "ArrowAstropy" and not config.ignored()
    with caplog.at_level(logging.WARNING):
        RbClassifierTask(config=config)
    assert not caplog.records
    config.modelPackageStorageMode = "butler"
    assert config.written_as() == "Catalog"
    config.classifications_storage_class = "AstropyTable"
    assert config.written_as() == "AstropyTable"


def test_the_model_is_left_out_by_the_word_of_the_command_line() -> None:
    """pipetask refuses an empty value; None is what it can say."""
    pipeline = Pipeline.fromString(f"description: d\ntasks:\n  rbClassifier: {IN_PLACE}\n")
    pipeline.addConfigOverride("rbClassifier", "model_uri", "None")
    pipeline.addConfigOverride("rbClassifier", "nodia_model_uri", "package:nodia")
    (node,) = pipeline.to_graph().tasks.values()
    assert node.config.uris() == ["package:nodia"]
    assert "difference" not in node.inputs
    assert isinstance(RbClassifierConfig.ConnectionsClass.difference, connectionTypes.Input)
