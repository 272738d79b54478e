"""What runs a network: ONNX Runtime by default, TensorFlow where installed, plain numpy to check both."""

from __future__ import annotations

__all__ = ("DEVICES", "ENGINES", "Engine", "make_engine")

from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError, MissingDependencyError, ModelContractError, ModelFormatError
from ._architecture import Architecture, Weights
from ._reference import forward

ENGINES = ("onnxruntime", "tensorflow", "numpy")
_PROVIDERS = {"cpu": "CPUExecutionProvider", "cuda": "CUDAExecutionProvider"}
DEVICES = tuple(_PROVIDERS)


class Engine(Protocol):
    """Anything that turns normalised stamps into the network's outputs."""

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

    def __init__(self, graph: bytes, device: str = "cpu") -> None:
        import onnxruntime

        provider = _PROVIDERS.get(device)
        if provider is None:
            raise InvalidInputError(f"device must be one of {DEVICES}; got {device!r}")
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

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        from ._keras_model import build_keras

        model = build_keras(architecture, weights)
        import tensorflow as tf

        # One trace for every batch size.
        signature = tf.TensorSpec((None, *architecture.input_shape), tf.float32)
        self._call = tf.function(lambda x: model(x, training=False), input_signature=[signature])

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)``."""
        return np.asarray(self._call(stamps), np.float32)


class NumpyEngine:
    """Float64 numpy; see `reference`."""

    def __init__(self, architecture: Architecture, weights: Weights) -> None:
        self._architecture, self._weights = architecture, weights

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)``."""
        return forward(self._architecture, self._weights, stamps).astype(np.float32)


def make_engine(
    name: str, graph: bytes, architecture: Architecture | None, weights: Weights | None, device: str = "cpu"
) -> Engine:
    """Make an engine by name.

    Parameters
    ----------
    name
        One of `ENGINES`.
    graph, architecture, weights
        The network, as a graph and, where they are known, as layers and weights.
    device
        ``"cpu"``, or ``"cuda"`` for ONNX Runtime.

    Raises
    ------
    InvalidInputError
        Raised for an unknown engine or device, or an engine that needs layers where there is only a graph.
    MissingDependencyError
        Raised if the engine or the device's part of it is not installed.
    """
    if name == "onnxruntime":
        return OnnxEngine(graph, device)
    if name not in ENGINES:
        raise InvalidInputError(f"engine must be one of {ENGINES}; got {name!r}")
    if device != "cpu":
        raise InvalidInputError(f"engine {name!r} runs on the cpu; got device {device!r}")
    if architecture is None or weights is None:
        raise InvalidInputError(f"this model is an ONNX graph without layers: engine {name!r} cannot run it")
    return (TensorFlowEngine if name == "tensorflow" else NumpyEngine)(architecture, weights)


def _onnxruntime_errors() -> tuple[type[Exception], ...]:
    # ONNX Runtime derives its exceptions from Exception directly and does not export them.
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    names = (
        "EPFail EngineError Fail InvalidArgument InvalidGraph InvalidProtobuf ModelLoaded NoModel NoSuchFile "
        "NotImplemented RuntimeException"
    )
    own = (getattr(state, name, None) for name in names.split())
    return (RuntimeError, ValueError, *(error for error in own if error is not None))
