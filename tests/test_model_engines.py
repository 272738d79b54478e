"""Which engine runs a model, where some of them are not installed."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError, MissingDependencyError, ModelContractError
from lsst.meas.realbogus.model import (
    Architecture,
    Model,
    Weights,
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    read_model,
    write_model,
)
from lsst.meas.realbogus.model import _engines as engines
from lsst.meas.realbogus.model._engines import NumpyEngine, make_engine


class StandIn(NumpyEngine):
    """Goes by the name of PyTorch, for machines that do not have it."""

    name = "torch"

    def __init__(self, architecture: Architecture, weights: Weights, device: str) -> None:
        super().__init__(architecture, weights)
        self.device = device


def hide(monkeypatch: pytest.MonkeyPatch, *modules: str) -> None:
    for module in modules:
        monkeypatch.setitem(sys.modules, module, None)


def make(engine: str = "auto", device: str = "cpu") -> engines.Engine:
    network = named_architecture("nodia")
    return make_engine(engine, None, network, initial_weights(network), device)


def nodia() -> Model:
    return make_model(preset_contract("nodia", "nodia", "0"), initial_weights(named_architecture("nodia")))


def test_auto_takes_onnx_runtime() -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    engine = make()
    assert (engine.name, engine.version, engine.device) == ("onnxruntime", onnxruntime.__version__, "cpu")


@pytest.mark.parametrize("absent", ["onnxruntime", "onnx"])
def test_auto_takes_pytorch_without_onnx_runtime_or_onnx(
    monkeypatch: pytest.MonkeyPatch, absent: str
) -> None:
    hide(monkeypatch, absent)
    monkeypatch.setattr(engines, "TorchEngine", StandIn)
    assert make().name == "torch"
    assert make(device="auto").device == "cuda"


def test_auto_takes_numpy_last_and_says_that_it_is_slow(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    hide(monkeypatch, "onnxruntime", "torch")
    with caplog.at_level(logging.WARNING):
        assert make(device="auto").name == "numpy"
    assert "slow" in caplog.text and "install onnxruntime" in caplog.text and "install torch" in caplog.text


@pytest.mark.parametrize(
    ("engine", "module"), [("onnxruntime", "onnxruntime"), ("onnxruntime", "onnx"), ("torch", "torch")]
)
def test_engines_asked_for_by_name_say_what_to_install(
    monkeypatch: pytest.MonkeyPatch, engine: str, module: str
) -> None:
    if module == "onnx":
        pytest.importorskip("onnxruntime", reason="ONNX Runtime is not installed")
    hide(monkeypatch, module)
    with pytest.raises(MissingDependencyError, match=f"install {module}"):
        make(engine)


def test_a_pytorch_that_cannot_be_imported_counts_as_absent(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "torch.py").write_text("raise OSError('libcublas.so.12 is not there')")
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingDependencyError, match=r"cannot be imported \(libcublas"):
        make("torch")
    hide(monkeypatch, "onnxruntime")
    assert make().name == "numpy"


def test_devices_that_an_engine_does_not_know_are_refused() -> None:
    with pytest.raises(InvalidInputError, match="'numpy' runs on the cpu; got device 'cuda'"):
        make("numpy", "cuda")
    with pytest.raises(InvalidInputError, match="device must be one of .*; got 'tpu'"):
        make("auto", "tpu")


def test_graphs_without_layers_need_onnx_runtime(monkeypatch: pytest.MonkeyPatch) -> None:
    hide(monkeypatch, "onnxruntime")
    with pytest.raises(MissingDependencyError, match="install onnxruntime"):
        make_engine("auto", b"graph", None, None)


def test_models_made_without_onnx_hold_no_graph_and_score_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="ONNX is not installed")
    whole = nodia()
    with monkeypatch.context() as patch:
        hide(patch, "onnx")
        bare = nodia()
        content = write_model(bare)
        assert bare.graph is None and set(bare.contract.members) == {"golden.npz", "weights.h5"}
        with pytest.raises(MissingDependencyError, match="install onnx"):
            bare.onnx_graph()
    again = read_model(content)
    assert again.graph is None and again.onnx_graph() == whole.graph
    stamps, is_negative = whole.golden.stamps, whole.golden.is_negative
    scores = [m.classifier().score(stamps, is_negative=is_negative).score for m in (whole, again)]
    np.testing.assert_array_equal(*scores)


def test_a_graph_that_cannot_be_checked_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnx", reason="ONNX is not installed")
    content = write_model(nodia())
    hide(monkeypatch, "onnx")
    model = read_model(content)
    assert model.graph is None and model.weights is not None
    with pytest.raises(ModelContractError, match=r"graph.onnx of model .* is not held"):
        write_model(model)
