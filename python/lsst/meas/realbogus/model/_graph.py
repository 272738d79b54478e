"""Networks as ONNX graphs: written from a layer description, checked before they are run."""

from __future__ import annotations

__all__ = ("check_graph", "graph_shapes", "has_onnx", "to_onnx")

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from ..errors import MissingDependencyError, ModelContractError, ModelFormatError
from ._architecture import (
    MAX_VALUES,
    Activation,
    ActivationLayer,
    Architecture,
    AverageMaxCentre2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    GlobalAveragePooling2D,
    GlobalMaxPooling2D,
    Layer,
    MaxPooling2D,
    Shape,
    SpatialDropout2D,
    Weights,
    ZeroPadding2D,
    window_padding,
)

OPSET = 17
IR_VERSION = 8
_ACTIVATIONS: dict[Activation, str] = {
    "relu": "Relu",
    "sigmoid": "Sigmoid",
    "softmax": "Softmax",
    "tanh": "Tanh",
}
# What a feed-forward image classifier is made of. No control flow, nothing that makes large tensors from
# small ones, nothing that reaches out of the graph.
_ALLOWED_OPERATORS = frozenset(
    "Add AveragePool BatchNormalization Cast Clip Concat Constant Conv Div Dropout Elu Flatten Gather Gemm "
    "GlobalAveragePool GlobalMaxPool HardSigmoid Identity LeakyRelu LogSoftmax MatMul MaxPool Mul Pad "
    "PRelu ReduceMax ReduceMean Relu Reshape Selu Shape Sigmoid Slice Softmax Softplus Squeeze Sub Tanh "
    "Transpose Unsqueeze".split()
)


def to_onnx(architecture: Architecture, weights: Weights) -> bytes:
    """Write a network as a serialised ONNX graph.

    Parameters
    ----------
    architecture
        The layers. The graph takes ``stamps``, float32 ``(n, rows, columns, channels)``, and gives
        ``scores``, float32 ``(n, outputs)``.
    weights
        Its variables.

    Returns
    -------
    bytes
        The same bytes for the same arguments.

    Raises
    ------
    MissingDependencyError
        Raised if ONNX is not installed.
    """
    _require_onnx()
    from onnx import TensorProto, helper

    architecture.check_weights(weights)
    writer = _Writer()
    writer.node("Transpose", perm=[0, 3, 1, 2])
    for layer, shape in zip(architecture.layers, architecture.shapes(), strict=False):
        _write_layer(writer, layer, shape, weights)
    writer.node("Identity", output="scores")
    rows, columns, channels = architecture.input_shape
    graph = helper.make_graph(
        writer.nodes,
        architecture.name,
        [helper.make_tensor_value_info("stamps", TensorProto.FLOAT, ["n", rows, columns, channels])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", *architecture.output_shape])],
        writer.initializers,
    )
    model = helper.make_model(
        graph,
        producer_name="meas_realbogus",
        ir_version=IR_VERSION,
        opset_imports=[helper.make_opsetid("", OPSET)],
    )
    return bytes(model.SerializeToString(deterministic=True))


def has_onnx() -> bool:
    """Tell whether graphs can be written and checked here."""
    try:
        import onnx  # noqa: F401
    except ImportError:
        return False
    return True


def _require_onnx() -> None:
    if not has_onnx():
        raise MissingDependencyError("ONNX is not installed, which writes and checks graphs; install onnx")


class _Writer:
    """Collects the nodes of a chain; remembers the name of the last value."""

    def __init__(self) -> None:
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self.last = "stamps"

    def node(self, operator: str, *constants: str, output: str | None = None, **attributes: Any) -> None:
        from onnx import helper

        result = output or f"v{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, [self.last, *constants], [result], **attributes))
        self.last = result

    def constant(self, name: str, array: np.ndarray) -> str:
        from onnx import numpy_helper

        self.initializers.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def activation(self, name: Activation) -> None:
        if name == "softmax":
            self.node("Softmax", axis=1)
        elif name != "linear":
            self.node(_ACTIVATIONS[name])


def _write_layer(writer: _Writer, layer: Layer, shape: Shape, weights: Weights) -> None:
    match layer:
        case Conv2D() | DepthwiseConv2D():
            each = isinstance(layer, DepthwiseConv2D)
            kernel = writer.constant(
                f"{layer.name}/kernel",
                weights[f"{layer.name}/kernel"].transpose((2, 3, 0, 1) if each else (3, 2, 0, 1)),
            )
            writer.node(
                "Conv",
                kernel,
                *_bias(writer, layer, weights),
                kernel_shape=list(layer.kernel_size),
                strides=list(layer.strides),
                pads=_pads(shape, layer.kernel_size, layer),
                group=shape[-1] if each else 1,
            )
            writer.activation(layer.activation)
        case MaxPooling2D():
            writer.node(
                "MaxPool",
                kernel_shape=list(layer.pool_size),
                strides=list(layer.strides),
                pads=_pads(shape, layer.pool_size, layer),
            )
        case ZeroPadding2D():
            (top, bottom), (left, right) = layer.padding
            pads = np.array([0, 0, top, left, 0, 0, bottom, right], np.int64)
            writer.node("Pad", writer.constant(f"{layer.name}/pads", pads))
        case GlobalAveragePooling2D() | GlobalMaxPooling2D():
            writer.node("GlobalMaxPool" if isinstance(layer, GlobalMaxPooling2D) else "GlobalAveragePool")
            writer.node("Flatten", axis=1)
        case AverageMaxCentre2D():
            _write_average_max_centre(writer, layer, shape)
        case Flatten():
            if len(shape) == 3:
                writer.node("Transpose", perm=[0, 2, 3, 1])
            writer.node("Flatten", axis=1)
        case Dense():
            kernel = writer.constant(f"{layer.name}/kernel", weights[f"{layer.name}/kernel"])
            writer.node("Gemm", kernel, *_bias(writer, layer, weights))
            writer.activation(layer.activation)
        case BatchNormalization():
            variables = ("gamma", "beta", "moving_mean", "moving_variance")
            names = [writer.constant(f"{layer.name}/{v}", weights[f"{layer.name}/{v}"]) for v in variables]
            writer.node("BatchNormalization", *names, epsilon=layer.epsilon)
        case ActivationLayer():
            writer.activation(layer.activation)
        case Dropout() | SpatialDropout2D():
            pass


def _write_average_max_centre(writer: _Writer, layer: AverageMaxCentre2D, shape: Shape) -> None:
    before, parts = writer.last, []
    for operator in ("GlobalAveragePool", "GlobalMaxPool", "Slice"):
        writer.last = before
        if operator == "Slice":
            central = layer.centre(shape)
            ends = {"starts": [part.start for part in central], "ends": [part.stop for part in central]}
            constants = [
                writer.constant(f"{layer.name}/{name}", np.array(values, np.int64))
                for name, values in (*ends.items(), ("axes", [2, 3]))
            ]
            writer.node(operator, *constants)
            writer.node("Transpose", perm=[0, 2, 3, 1])
        else:
            writer.node(operator)
        writer.node("Flatten", axis=1)
        parts.append(writer.last)
    writer.last = parts[0]
    writer.node("Concat", *parts[1:], axis=1)


def _bias(writer: _Writer, layer: Conv2D | DepthwiseConv2D | Dense, weights: Weights) -> list[str]:
    if not layer.use_bias:
        return []
    return [writer.constant(f"{layer.name}/bias", weights[f"{layer.name}/bias"])]


def _pads(shape: Shape, window: tuple[int, int], layer: Conv2D | DepthwiseConv2D | MaxPooling2D) -> list[int]:
    rows = window_padding(shape[0], window[0], layer.strides[0], layer.padding)
    columns = window_padding(shape[1], window[1], layer.strides[1], layer.padding)
    return [rows[0], columns[0], rows[1], columns[1]]


def check_graph(content: bytes) -> None:
    """Refuse an ONNX graph that could do more than arithmetic on what it is given.

    Raises
    ------
    ModelFormatError
        Raised for bytes that are no ONNX model, data kept outside the file, operators of other domains,
        functions, or operators that no image classifier needs.
    MissingDependencyError
        Raised if ONNX is not installed.
    """
    _require_onnx()
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    try:
        model = onnx.load_model_from_string(content)
    except DecodeError as error:
        raise ModelFormatError(f"graph.onnx is not an ONNX model: {error}") from error
    if model.functions or model.training_info:
        raise ModelFormatError("graph.onnx defines functions or training steps, which models must not")
    for tensor in _tensors(model.graph):
        if tensor.external_data or tensor.data_location == onnx.TensorProto.EXTERNAL:
            raise ModelFormatError(f"graph.onnx keeps the tensor {tensor.name!r} in another file")
    for node in model.graph.node:
        if node.domain not in ("", "ai.onnx") or node.op_type not in _ALLOWED_OPERATORS:
            raise ModelFormatError(
                f"graph.onnx uses the operator {node.domain + ':' if node.domain else ''}{node.op_type}, "
                "which image classifiers do not need"
            )
    _check_sizes(model)


def _check_sizes(model: Any) -> None:
    """Refuse a graph that makes more values of one stamp than layers may, where that can be told."""
    import onnx

    one = onnx.ModelProto()
    one.CopyFrom(model)
    for value in one.graph.input:
        for axis in value.type.tensor_type.shape.dim:
            if not axis.HasField("dim_value"):
                axis.dim_value = 1
    try:
        inferred = onnx.shape_inference.infer_shapes(one, data_prop=True)
    except (onnx.shape_inference.InferenceError, RuntimeError, ValueError) as error:
        raise ModelFormatError(f"graph.onnx cannot be followed: {error}") from error
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        axes = [axis.dim_value for axis in value.type.tensor_type.shape.dim if axis.HasField("dim_value")]
        if math.prod(axes) > MAX_VALUES or min(axes, default=0) < 0:
            raise ModelFormatError(
                f"graph.onnx makes {' x '.join(map(str, axes))} values of one stamp in {value.name!r}; "
                f"at most {MAX_VALUES}"
            )


def _tensors(graph: Any) -> Iterator[Any]:
    yield from graph.initializer
    for sparse in graph.sparse_initializer:
        yield from (sparse.values, sparse.indices)
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.HasField("g") or attribute.graphs:
                raise ModelFormatError(
                    f"graph.onnx hides a graph inside the node {node.name or node.op_type!r}"
                )
            if attribute.HasField("t"):
                yield attribute.t
            yield from attribute.tensors


def graph_shapes(content: bytes) -> tuple[Shape, int]:
    """Return the shape of one input and the number of outputs of a checked graph.

    Raises
    ------
    ModelContractError
        Raised unless there is one float32 input ``(n, rows, columns, channels)`` and one output ``(n, k)``.
    """
    import onnx

    graph = onnx.load_model_from_string(content).graph
    constants = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise ModelContractError(
            f"graph.onnx must have one input and one output; got {len(inputs)} and {len(graph.output)}"
        )
    shapes = []
    for value in (inputs[0], graph.output[0]):
        tensor = value.type.tensor_type
        if tensor.elem_type != onnx.TensorProto.FLOAT:
            raise ModelContractError(f"graph.onnx must work in float32; {value.name!r} does not")
        shapes.append(tuple(int(axis.dim_value) for axis in tensor.shape.dim))
    stamp, output = shapes
    if len(stamp) != 4 or min(stamp[1:]) < 1 or len(output) != 2:
        raise ModelContractError(
            f"graph.onnx must take (n, rows, columns, channels) and give (n, k); got {stamp} and {output}"
        )
    return stamp[1:], output[1]
