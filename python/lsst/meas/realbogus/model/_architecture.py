"""A convolutional network as data: a chain of layers that becomes an ONNX graph or a Keras model."""

from __future__ import annotations

__all__ = (
    "Activation",
    "ActivationLayer",
    "Architecture",
    "AverageMaxCentre2D",
    "BatchNormalization",
    "Conv2D",
    "Dense",
    "DepthwiseConv2D",
    "Dropout",
    "Flatten",
    "GlobalAveragePooling2D",
    "GlobalMaxPooling2D",
    "Layer",
    "MaxPooling2D",
    "Padding",
    "Shape",
    "SpatialDropout2D",
    "Weights",
    "ZeroPadding2D",
)

import math
from collections.abc import Mapping
from typing import Annotated, Literal, override

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, model_validator

from ..errors import ModelContractError

Activation = Literal["linear", "relu", "sigmoid", "softmax", "tanh"]
Padding = Literal["valid", "same"]
Pair = tuple[PositiveInt, PositiveInt]
Shape = tuple[int, ...]

MAX_VALUES = 1 << 24
"""Most values of one stamp between two layers."""
MAX_PARAMETERS = 1 << 26
"""Most values of all variables, 256 MB: more than a model file may hold."""

Weights = Mapping[str, npt.NDArray[np.float32]]
"""Arrays by ``layer/variable``, laid out as Keras does (kernels height, width, in, out)."""


class _Layer(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$")]

    def output_shape(self, shape: Shape) -> Shape:
        """Return the shape (without the batch) that this layer makes of ``shape``."""
        return shape

    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        """Return the shapes of this layer's variables for an input of ``shape``."""
        return {}


class Conv2D(_Layer):
    """Convolution over rows and columns, channels last."""

    kind: Literal["Conv2D"] = "Conv2D"
    filters: PositiveInt
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"
    activation: Activation = "linear"
    use_bias: bool = True

    @override
    def output_shape(self, shape: Shape) -> Shape:
        return (*_windows(shape, self.kernel_size, self.strides, self.padding), self.filters)

    @override
    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": (*self.kernel_size, shape[-1], self.filters)}
        return kernel | ({"bias": (self.filters,)} if self.use_bias else {})


class DepthwiseConv2D(_Layer):
    """Convolution of each channel by itself; with a 1×1 `Conv2D` behind it, a separable convolution."""

    kind: Literal["DepthwiseConv2D"] = "DepthwiseConv2D"
    kernel_size: Pair
    strides: Pair = (1, 1)
    padding: Padding = "valid"
    activation: Activation = "linear"
    use_bias: bool = True

    @override
    def output_shape(self, shape: Shape) -> Shape:
        return (*_windows(shape, self.kernel_size, self.strides, self.padding), shape[-1])

    @override
    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        kernel = {"kernel": (*self.kernel_size, shape[-1], 1)}
        return kernel | ({"bias": (shape[-1],)} if self.use_bias else {})


class MaxPooling2D(_Layer):
    """Largest value of each window."""

    kind: Literal["MaxPooling2D"] = "MaxPooling2D"
    pool_size: Pair
    strides: Pair
    padding: Padding = "valid"

    @override
    def output_shape(self, shape: Shape) -> Shape:
        return (*_windows(shape, self.pool_size, self.strides, self.padding), shape[-1])


class ZeroPadding2D(_Layer):
    """Rows and columns of zeros: ((top, bottom), (left, right))."""

    kind: Literal["ZeroPadding2D"] = "ZeroPadding2D"
    padding: tuple[tuple[int, int], tuple[int, int]]

    @override
    def output_shape(self, shape: Shape) -> Shape:
        rows, columns, channels = shape
        return (rows + sum(self.padding[0]), columns + sum(self.padding[1]), channels)


class _GlobalPooling(_Layer):
    @override
    def output_shape(self, shape: Shape) -> Shape:
        return (shape[-1],)


class GlobalAveragePooling2D(_GlobalPooling):
    """Mean of each channel."""

    kind: Literal["GlobalAveragePooling2D"] = "GlobalAveragePooling2D"


class GlobalMaxPooling2D(_GlobalPooling):
    """Largest value of each channel."""

    kind: Literal["GlobalMaxPooling2D"] = "GlobalMaxPooling2D"


class AverageMaxCentre2D(_Layer):
    """Mean of each channel, largest value of each, then the pixels about the central one: a vector.

    The mean and the maximum say what is in the stamp, the centre says what is where the source is. The pixels
    are the ``size × size`` about ``(h // 2, w // 2)``, rows slowest, channels fastest.
    """

    kind: Literal["AverageMaxCentre2D"] = "AverageMaxCentre2D"
    size: PositiveInt = 3

    @override
    def output_shape(self, shape: Shape) -> Shape:
        self.centre(shape)
        return ((2 + self.size**2) * shape[-1],)

    def centre(self, shape: Shape) -> tuple[slice, slice]:
        """Return the central rows and columns."""
        starts = [length // 2 - self.size // 2 for length in shape[:2]]
        if (
            len(shape) != 3
            or min(starts) < 0
            or any(start + self.size > length for start, length in zip(starts, shape, strict=False))
        ):
            raise ModelContractError(
                f"layer {self.name!r} takes the central {self.size} x {self.size} pixels; got shape {shape}"
            )
        rows, columns = (slice(start, start + self.size) for start in starts)
        return rows, columns


class Dropout(_Layer):
    """Drop a fraction of the values in training; nothing when scoring."""

    kind: Literal["Dropout"] = "Dropout"
    rate: Annotated[float, Field(ge=0, lt=1)]


class SpatialDropout2D(_Layer):
    """Drop a fraction of the channels in training; nothing when scoring."""

    kind: Literal["SpatialDropout2D"] = "SpatialDropout2D"
    rate: Annotated[float, Field(ge=0, lt=1)]


class Flatten(_Layer):
    """Make a vector: rows slowest, channels fastest."""

    kind: Literal["Flatten"] = "Flatten"

    @override
    def output_shape(self, shape: Shape) -> Shape:
        return (math.prod(shape),)


class Dense(_Layer):
    """Fully connected layer on a vector."""

    kind: Literal["Dense"] = "Dense"
    units: PositiveInt
    activation: Activation = "linear"
    use_bias: bool = True

    @override
    def output_shape(self, shape: Shape) -> Shape:
        return (self.units,)

    @override
    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        if len(shape) != 1:
            raise ModelContractError(f"Dense layer {self.name!r} needs a vector; got shape {shape}")
        return {"kernel": (shape[0], self.units)} | ({"bias": (self.units,)} if self.use_bias else {})


class BatchNormalization(_Layer):
    """Scale and shift each channel by its training mean and variance."""

    kind: Literal["BatchNormalization"] = "BatchNormalization"
    epsilon: Annotated[float, Field(gt=0)] = 1e-3
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.99

    @override
    def weight_shapes(self, shape: Shape) -> dict[str, Shape]:
        return dict.fromkeys(("gamma", "beta", "moving_mean", "moving_variance"), (shape[-1],))


class ActivationLayer(_Layer):
    """An activation function as a layer of its own."""

    kind: Literal["Activation"] = "Activation"
    activation: Activation


Layer = Annotated[
    Conv2D
    | DepthwiseConv2D
    | MaxPooling2D
    | ZeroPadding2D
    | GlobalAveragePooling2D
    | GlobalMaxPooling2D
    | AverageMaxCentre2D
    | Dropout
    | SpatialDropout2D
    | Flatten
    | Dense
    | BatchNormalization
    | ActivationLayer,
    Field(discriminator="kind"),
]


class Architecture(BaseModel):
    """A chain of layers with the shape of its input.

    Parameters
    ----------
    name
        What the network is called, such as ``"dia"``.
    input_shape
        Rows, columns and channels of one input.
    layers
        The layers in order, each with a name of its own.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    input_shape: tuple[PositiveInt, PositiveInt, PositiveInt]
    layers: tuple[Layer, ...]

    @model_validator(mode="after")
    def _check(self) -> Architecture:
        names = [layer.name for layer in self.layers]
        if len(set(names)) != len(names):
            raise ValueError(f"layers of {self.name!r} share names: {names}")
        self.shapes()
        if self.n_parameters > MAX_PARAMETERS:
            raise ValueError(f"{self.name!r} has {self.n_parameters} parameters; at most {MAX_PARAMETERS}")
        return self

    def shapes(self) -> tuple[Shape, ...]:
        """Return the shape that enters each layer, then the shape that leaves the last.

        Returns
        -------
        tuple
            Shapes without the number of stamps.
        """
        shapes: list[Shape] = [self.input_shape]
        for layer in self.layers:
            shape = layer.output_shape(shapes[-1])
            if min(shape, default=0) < 1:
                raise ModelContractError(f"layer {layer.name!r} of {self.name!r} leaves shape {shape}")
            if math.prod(shape) > MAX_VALUES:
                raise ModelContractError(
                    f"layer {layer.name!r} of {self.name!r} makes {math.prod(shape)} values of a stamp; "
                    f"at most {MAX_VALUES}"
                )
            shapes.append(shape)
        return tuple(shapes)

    @property
    def output_shape(self) -> Shape:
        """Shape of one output."""
        return self.shapes()[-1]

    def weight_shapes(self) -> dict[str, Shape]:
        """Return the shape of every variable by ``layer/variable``, in order.

        Returns
        -------
        dict
            Shape by ``layer/variable``.
        """
        return {
            f"{layer.name}/{variable}": size
            for layer, shape in zip(self.layers, self.shapes(), strict=False)
            for variable, size in layer.weight_shapes(shape).items()
        }

    @property
    def n_parameters(self) -> int:
        """Number of values in all variables."""
        return sum(math.prod(shape) for shape in self.weight_shapes().values())

    def check_weights(self, weights: Weights) -> None:
        """Raise `ModelContractError` unless ``weights`` holds exactly this network's variables.

        Parameters
        ----------
        weights
            Weights by layer and variable.
        """
        expected = self.weight_shapes()
        if set(expected) != set(weights):
            raise ModelContractError(
                f"weights do not belong to {self.name!r}: missing {sorted(set(expected) - set(weights))}, "
                f"unknown {sorted(set(weights) - set(expected))}"
            )
        for key, shape in expected.items():
            if weights[key].shape != shape:
                raise ModelContractError(
                    f"weights {key!r} of {self.name!r} must have shape {shape}; got {weights[key].shape}"
                )


def window_padding(size: int, window: int, stride: int, padding: Padding) -> tuple[int, int]:
    """Return how many zeros Keras puts before and after an axis of ``size`` pixels."""
    if padding == "valid":
        return (0, 0)
    total = max((-(-size // stride) - 1) * stride + window - size, 0)
    return (total // 2, total - total // 2)


def _windows(shape: Shape, window: Pair, strides: Pair, padding: Padding) -> Shape:
    if len(shape) != 3:
        raise ModelContractError(f"a layer over rows and columns needs three axes; got shape {shape}")
    return tuple(
        (size + sum(window_padding(size, width, stride, padding)) - width) // stride + 1
        for size, width, stride in zip(shape[:2], window, strides, strict=True)
    )
