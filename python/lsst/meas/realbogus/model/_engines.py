"""What runs a network: ONNX Runtime, else PyTorch, else plain numpy; TensorFlow where it is asked for."""

from __future__ import annotations

__all__ = ("DEVICES", "ENGINES", "Engine", "make_engine")

import logging
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError, MissingDependencyError, ModelContractError, ModelFormatError
from ._architecture import Architecture, Weights
from ._graph import to_onnx
from ._reference import forward
from ._torch_network import TorchEngine

_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
_DEVICES = {
    "onnxruntime": ("cpu", "cuda"),
    "torch": ("cpu", "cuda"),
    "tensorflow": ("cpu",),
    "numpy": ("cpu",),
}
_IN_ORDER = ("onnxruntime", "torch", "numpy")
ENGINES = ("auto", *_DEVICES)
DEVICES = ("cpu", "cuda", "auto")

_LOG = logging.getLogger(__name__)


class Engine(Protocol):
    """Anything that turns normalised stamps into the network's outputs.

    Attributes
    ----------
    name, version, device
        One of `ENGINES`, the version of the package that runs it, and ``"cpu"`` or ``"cuda"``.
    """

    name: str
    version: str
    device: str

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)`` for inputs ``(n, rows, columns, channels)``, row by row."""
        ...


class OnnxEngine:
    """ONNX Runtime on one thread, so that a process takes one core and a result does not depend on others.

    Parameters
    ----------
    graph
        Serialised graph, already checked.
    device
        ``"cpu"`` or ``"cuda"`` (needs an ONNX Runtime built with it).
    """

    name = "onnxruntime"

    def __init__(self, graph: bytes, device: str = "cpu") -> None:
        onnxruntime = _import_onnxruntime()
        provider = _PROVIDERS[device]
        self.version, self.device = str(onnxruntime.__version__), device
        if provider not in onnxruntime.get_available_providers():
            raise MissingDependencyError(
                f"the installed ONNX Runtime has no {provider}; it has "
                f"{onnxruntime.get_available_providers()}"
            )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.execution_mode = onnxruntime.ExecutionMode.ORT_SEQUENTIAL
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                graph, options, providers=[provider], enable_fallback=0
            )
        except _onnxruntime_errors() as error:
            raise ModelFormatError(f"ONNX Runtime refuses graph.onnx: {error}") from error
        if provider not in self._session.get_providers():
            raise MissingDependencyError(f"ONNX Runtime {self.version} has {provider} and finds no GPU")
        self._input = self._session.get_inputs()[0].name

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)``."""
        try:
            outputs = self._session.run(None, {self._input: stamps})
        except _onnxruntime_errors() as error:
            raise ModelContractError(f"ONNX Runtime cannot run graph.onnx: {error}") from error
        return np.asarray(outputs[0], np.float32)


class TensorFlowEngine:
    """The network rebuilt in Keras; for machines that have TensorFlow loaded anyway."""

    name = "tensorflow"
    device = "cpu"

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        from ._keras_model import build_keras

        model = build_keras(architecture, weights)
        import tensorflow as tf

        self.version = str(tf.__version__)
        # One trace for every batch size.
        signature = tf.TensorSpec((None, *architecture.input_shape), tf.float32)
        self._call = tf.function(lambda x: model(x, training=False), input_signature=[signature])

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)``."""
        return np.asarray(self._call(stamps), np.float32)


class NumpyEngine:
    """Float64 numpy; see `reference`."""

    name = "numpy"
    version = np.__version__
    device = "cpu"

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        self._architecture, self._weights = architecture, weights

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)``."""
        return forward(self._architecture, self._weights, stamps).astype(np.float32)


def make_engine(
    name: str,
    graph: bytes | None,
    architecture: Architecture | None,
    weights: Weights | None,
    device: str = "cpu",
) -> Engine:
    """Make an engine by name.

    Parameters
    ----------
    name
        One of `ENGINES`. ``"auto"`` is the first that is installed of ONNX Runtime, PyTorch and numpy.
    graph, architecture, weights
        The network: as layers and weights, and as a checked graph, either of which may be absent.
    device
        ``"cpu"``; ``"cuda"``, for ONNX Runtime and PyTorch; or ``"auto"``, a GPU if an engine can use one,
        else the cpu.

    Raises
    ------
    InvalidInputError
        Raised for an unknown engine or device, or an engine that needs layers where there is only a graph.
    MissingDependencyError
        Raised if the engine or the device's part of it is not installed.
    """
    if name not in ENGINES:
        raise InvalidInputError(f"engine must be one of {ENGINES}; got {name!r}")
    if device not in DEVICES:
        raise InvalidInputError(f"device must be one of {DEVICES}; got {device!r}")
    if architecture is None or weights is None:
        if name not in ("auto", "onnxruntime"):
            raise InvalidInputError(
                f"this model is an ONNX graph without layers: engine {name!r} cannot run it"
            )
        name = "onnxruntime"
    names = _IN_ORDER if name == "auto" else (name,)
    places = [
        (place, each)
        for place in (("cuda", "cpu") if device == "auto" else (device,))
        for each in names
        if place in _DEVICES[each]
    ]
    if not places:
        raise InvalidInputError(f"engine {name!r} runs on the cpu; got device {device!r}")
    missing = []
    for place, each in places:
        try:
            engine = _make(each, graph, architecture, weights, place)
        except MissingDependencyError as error:
            missing.append(error)
            continue
        if each == "numpy" and name == "auto":
            _LOG.warning("The network runs in numpy, which is slow: %s.", "; ".join(map(str, missing)))
        return engine
    raise MissingDependencyError("; ".join(map(str, missing))) from missing[0]


def _make(
    name: str, graph: bytes | None, architecture: Architecture | None, weights: Weights | None, device: str
) -> Engine:
    if name == "onnxruntime":
        if graph is None:
            _import_onnxruntime()  # what is missing is better said before the graph is written
            assert architecture is not None and weights is not None
            graph = to_onnx(architecture, weights)
        return OnnxEngine(graph, device)
    assert architecture is not None and weights is not None
    if name == "torch":
        return TorchEngine(architecture, weights, device)
    return (TensorFlowEngine if name == "tensorflow" else NumpyEngine)(architecture, weights)


def _import_onnxruntime() -> Any:
    try:
        import onnxruntime
    except ImportError as error:
        raise MissingDependencyError("ONNX Runtime is not installed; install onnxruntime and onnx") from error
    return onnxruntime


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    # ONNX Runtime derives its exceptions from Exception directly and does not export them.
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "EPFail EngineError Fail InvalidArgument InvalidGraph InvalidProtobuf ModelLoaded NoModel NoSuchFile "
        "NotImplemented RuntimeException"
    )
    own = (getattr(state, name, None) for name in names.split())
    return (RuntimeError, ValueError, *(error for error in own if error is not None))
