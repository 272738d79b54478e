"""What data can cause leaves a task as the middleware means it; other faults stay what they are."""

from __future__ import annotations

import importlib
import pickle
import pkgutil
import traceback
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from lsst.pipe.base import (
    AlgorithmError,
    AnnotatedPartialOutputsError,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
)
from threadpoolctl import threadpool_info, threadpool_limits

from lsst.meas.realbogus import tasks
from lsst.meas.realbogus.errors import (
    ImageMismatchError,
    InvalidCatalogError,
    ModelFormatError,
    RealBogusError,
    SubtractionError,
)
from lsst.meas.realbogus.model import (
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    write_model,
)
from lsst.meas.realbogus.tasks._data_errors import RoomTask
from lsst.meas.realbogus.tasks.rb_classifier import RbClassifierTask


class ToyConnections(PipelineTaskConnections, dimensions=("visit", "detector")):
    """No datasets."""


class ToyConfig(PipelineTaskConfig, pipelineConnections=ToyConnections):
    """Nothing to configure."""


class ToyTask(RoomTask):
    """A task with a way of its own to read its inputs."""

    ConfigClass, _DefaultName = ToyConfig, "toy"

    def run(self, **inputs: Any) -> Struct:
        return Struct()

    def runQuantum(self, butlerQC: Any, inputRefs: Any, outputRefs: Any) -> None:
        butlerQC.put(self.run(**butlerQC.get(inputRefs)), outputRefs)


class Context:
    """A quantum whose inputs are there and whose outputs are remembered."""

    def __init__(self, **inputs: Any) -> None:
        self.inputs, self.outputs = inputs, Struct()
        self.quantum = SimpleNamespace(dataId={"visit": 7, "detector": 3})

    def get(self, refs: Any) -> dict[str, Any]:
        return dict(self.inputs)

    def put(self, outputs: Struct, refs: Any) -> None:
        self.outputs = outputs


def test_defect_17_every_task_translates() -> None:
    modules = [
        importlib.import_module(f"{tasks.__name__}.{m.name}") for m in pkgutil.iter_modules(tasks.__path__)
    ]
    found = {
        value
        for module in modules
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, PipelineTask) and value.__module__ == module.__name__
    }
    assert len(found) > 10
    assert all(issubclass(task, RoomTask) for task in found)


@pytest.mark.parametrize(
    ("error", "facts"),
    [
        (SubtractionError("3 stamps", n_stamps=3, n_stamps_needed=6), {"n_stamps": 3, "n_stamps_needed": 6}),
        (ImageMismatchError("another box"), {}),
        (InvalidCatalogError("sources", ["no ra", "no dec"]), {"n_reasons": 2}),
    ],
)
def test_defect_17_data_errors_are_algorithm_errors_with_metadata(
    error: RealBogusError, facts: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(self: Any, **inputs: Any) -> Struct:
        raise error

    monkeypatch.setattr(ToyTask, "run", run)
    task = ToyTask(config=ToyTask.ConfigClass())
    with pytest.raises(AnnotatedPartialOutputsError) as caught:
        task.runQuantum(Context(science=1, template=2), None, None)
    cause = caught.value.__cause__
    assert isinstance(cause, AlgorithmError)
    assert "'visit': 7" in str(cause) and str(error) in str(cause)
    kind = f"lsst.meas.realbogus.errors.{type(error).__name__}"
    assert cause.metadata == {"error": kind, **facts}
    failure = task.metadata.to_dict()["failure"]
    assert failure["metadata"] == cause.metadata and failure["message"] == str(cause)
    frames = [frame.name for frame in traceback.extract_tb(cause.__traceback__)]
    assert frames[-1] == "run"  # which the log shows, as the executor drops what an error was caused by


@pytest.mark.parametrize("error", [ModelFormatError("no model"), ZeroDivisionError("a fault")])
def test_defect_17_other_faults_stay_what_they_are(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(self: Any, **inputs: Any) -> Struct:
        raise error

    monkeypatch.setattr(ToyTask, "run", run)
    task = ToyTask(config=ToyTask.ConfigClass())
    with pytest.raises(type(error)):
        task.runQuantum(Context(), None, None)


def test_quanta_are_worked_on_by_one_thread_and_leave_the_process_its_threads(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def threads() -> set[int]:
        return {pool["num_threads"] for pool in threadpool_info()}

    seen = []
    monkeypatch.setattr(ToyTask, "run", lambda self, **inputs: seen.append(threads()) or Struct())
    task = ToyTask(config=ToyTask.ConfigClass())
    with threadpool_limits(2):
        before = threads()
        task.runQuantum(Context(science=1, template=2), None, None)
        assert threads() == before == {2}
    assert seen == [{1}]


@pytest.mark.parametrize(("n", "n_scored"), [(8, 0), (8, 1), (2, 0)])
def test_defect_17_a_table_without_any_score_is_a_partial_output(
    n: int, n_scored: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = make_model(preset_contract("dia", "toy", "1"), initial_weights(named_architecture("dia"), 6))
    (tmp_path / "toy.rbmodel").write_bytes(write_model(model))
    config = RbClassifierTask.ConfigClass()
    config.model_uri = str(tmp_path / "toy.rbmodel")
    flags = {name: np.zeros(n, bool) for name in ("flag_edge", "flag_degenerate", "flag_no_template")}
    lost = np.arange(n) >= n_scored
    table = Table({"id": np.arange(n), **flags, "flag_nan": lost, "flag_unscorable": lost})
    table["fraction_missing"] = np.float32(0.5)
    monkeypatch.setattr(RbClassifierTask, "_read_sources", lambda self, *handles: None)
    monkeypatch.setattr(RbClassifierTask, "run", lambda self, **inputs: Struct(classifications=table))
    task, context = RbClassifierTask(config=config), Context(diaSources=1, science=2)
    if n_scored or n < 5:
        task.runQuantum(context, None, None)
    else:
        with pytest.raises(AnnotatedPartialOutputsError) as caught:
            task.runQuantum(context, None, None)
        cause = caught.value.__cause__
        assert isinstance(cause, AlgorithmError) and cause.metadata["flag_nan"] == n
        assert "none of 8 sources has a score: 8 sources" in str(cause)
        assert task.metadata["failure"]["message"] == str(cause)
    assert context.outputs.classifications is table


def test_errors_pass_between_processes() -> None:
    for error in (SubtractionError("few", n_stamps=3), InvalidCatalogError("t", ["a", "b"])):
        again = pickle.loads(pickle.dumps(error))
        assert (str(again), again.facts) == (str(error), error.facts)
