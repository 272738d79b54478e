"""Networks as Keras models, for training and gradients."""

from __future__ import annotations

__all__ = ("architecture_from_keras", "build_keras", "ending_in_logits", "weights_from_keras")

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter, ValidationError

from ..errors import InvalidInputError, MissingDependencyError, ModelContractError, ModelFormatError
from ._architecture import Architecture, Layer, Weights
from ._architecture import AverageMaxCentre2D as _AverageMaxCentre2D

_LAYER: TypeAdapter[Layer] = TypeAdapter(Layer)
# The parts of a Keras layer's configuration that decide what it computes, by layer. Other parts
# (initialisers, regularisers) matter in training only; those of _FIXED must have the value given there.
_FIELDS: Mapping[str, tuple[str, ...]] = {
    "Conv2D": ("filters", "kernel_size", "strides", "padding", "activation", "use_bias"),
    "DepthwiseConv2D": ("kernel_size", "strides", "padding", "activation", "use_bias"),
    "MaxPooling2D": ("pool_size", "strides", "padding"),
    "ZeroPadding2D": ("padding",),
    "GlobalAveragePooling2D": (),
    "GlobalMaxPooling2D": (),
    "AverageMaxCentre2D": ("size",),
    "Dropout": ("rate",),
    "SpatialDropout2D": ("rate",),
    "Flatten": (),
    "Dense": ("units", "activation", "use_bias"),
    "BatchNormalization": ("epsilon", "momentum"),
    "Activation": ("activation",),
}
_FIXED: Mapping[str, tuple[Any, ...]] = {
    "data_format": ("channels_last", None),
    "dilation_rate": ([1, 1], (1, 1), 1, None),
    "groups": (1, None),
    "axis": (-1, [-1], [3], 3, None),
    "center": (True, None),
    "scale": (True, None),
    "keepdims": (False, None),
    "depth_multiplier": (1, None),
}


def architecture_from_keras(config: Mapping[str, Any], name: str | None = None) -> Architecture:
    """Read a network from the configuration of a Keras `Sequential` model.

    Parameters
    ----------
    config
        What Keras writes as ``model_config``, ``config.json`` or ``model.to_json()``, Keras 2 or 3.
    name
        What to call the network; default: its name in the configuration.

    Returns
    -------
    Architecture
        The network.

    Raises
    ------
    ModelFormatError
        Raised for other kinds of models, unknown layers or options that this package does not know.
    """
    if config.get("class_name") != "Sequential":
        raise ModelFormatError(f"only Sequential Keras models can be read; got {config.get('class_name')!r}")
    try:
        label, shape, layers = _read_config(config["config"])
        return Architecture(name=name or label, input_shape=tuple(shape[1:]), layers=tuple(layers))
    except (ValidationError, ModelContractError) as error:
        raise ModelFormatError(f"the Keras layers do not make a network: {error}") from error
    except (AttributeError, LookupError, TypeError) as error:
        raise ModelFormatError(f"the Keras configuration is not that of a model: {error!r}") from error


def _read_config(body: Any) -> tuple[str, Sequence[Any], list[Layer]]:
    """Return name, shape of the input (with the batch) and layers."""
    items: Sequence[Mapping[str, Any]] = body["layers"] if isinstance(body, Mapping) else body
    shape = None
    layers: list[Layer] = []
    for item in items:
        options = item["config"]
        shape = shape or options.get("batch_input_shape") or options.get("batch_shape")
        if item["class_name"] != "InputLayer":
            kind = str(item["class_name"]).rpartition(">")[2]  # registered layers have a package before
            layers.append(_layer_from_keras(kind, options))
    if shape is None and isinstance(body, Mapping):
        shape = body.get("build_input_shape")
    if shape is None:
        raise ModelFormatError("the Keras configuration does not say the shape of the input")
    return str(body.get("name", "network")) if isinstance(body, Mapping) else "network", shape, layers


def _layer_from_keras(kind: str, options: Mapping[str, Any]) -> Layer:
    if kind not in _FIELDS:
        raise ModelFormatError(f"Keras layer {kind!r} is not known; known are {sorted(_FIELDS)}")
    for key, accepted in _FIXED.items():
        if options.get(key) not in accepted and kind in (
            "Conv2D",
            "DepthwiseConv2D",
            "MaxPooling2D",
            "BatchNormalization",
            "Flatten",
        ):
            raise ModelFormatError(
                f"{kind} {options.get('name')!r}: {key} = {options[key]!r} is not supported"
            )
    fields = {key: options[key] for key in _FIELDS[kind] if options.get(key) is not None}
    try:
        return _LAYER.validate_python({"kind": kind, "name": options["name"], **fields})
    except ValidationError as error:
        raise ModelFormatError(f"Keras layer {kind} {options.get('name')!r}: {error}") from error


def build_keras(
    architecture: Architecture, weights: Weights | None = None, *, dtype: str | None = None
) -> Any:
    """Build a network as a `keras.Sequential`.

    Parameters
    ----------
    architecture
        The layers.
    weights
        Its variables; default: Keras initialises them.
    dtype
        Precision of all layers but the last, such as ``"mixed_bfloat16"``; default: float32.

    Returns
    -------
    keras.Sequential
        The network, with the weights if they are given.

    Raises
    ------
    MissingDependencyError
        Raised if TensorFlow is not installed.
    """
    try:
        import keras
        import tensorflow  # noqa: F401
    except ImportError as error:
        raise MissingDependencyError("TensorFlow is needed; install the extra 'train'") from error
    model = keras.Sequential([keras.Input(architecture.input_shape)], name=architecture.name)
    for layer in architecture.layers:
        options = layer.model_dump(exclude={"kind"})
        options["dtype"] = "float32" if layer is architecture.layers[-1] else dtype or "float32"
        if isinstance(layer, _AverageMaxCentre2D):
            model.add(_average_max_centre()(**options))
        else:
            model.add(getattr(keras.layers, layer.kind)(**options))
    if weights is not None:
        architecture.check_weights(weights)
        for layer in architecture.layers:
            values = [
                weights[key] for key in architecture.weight_shapes() if key.startswith(f"{layer.name}/")
            ]
            if values:
                model.get_layer(layer.name).set_weights(values)
    return model


def ending_in_logits(architecture: Architecture) -> Architecture:
    """Return the network without the softmax or sigmoid at its end, for losses and gradients.

    Parameters
    ----------
    architecture
        The layers.

    Returns
    -------
    Architecture
        The same layers with the same weights; the last one gives logits.

    Raises
    ------
    InvalidInputError
        Raised if the network ends in anything else.
    """
    *layers, last = architecture.layers
    if getattr(last, "activation", "linear") not in ("sigmoid", "softmax", "linear"):
        raise InvalidInputError(
            f"a network must end in a sigmoid, a softmax or logits; {architecture.name!r} ends in {last!r}"
        )
    if hasattr(last, "activation"):
        last = last.model_copy(update={"activation": "linear"})
    return architecture.model_copy(update={"layers": (*layers, last)})


@functools.cache
def _average_max_centre() -> Any:
    """Return `AverageMaxCentre2D` as a Keras layer."""
    import keras

    @keras.saving.register_keras_serializable(package="meas_realbogus")
    class AverageMaxCentre2D(keras.layers.Layer):  # type: ignore[misc]
        def __init__(self, size: int = 3, **options: Any) -> None:
            super().__init__(**options)
            self.size = size

        def call(self, inputs: Any) -> Any:
            rows, columns = _AverageMaxCentre2D(name="centre", size=self.size).centre(inputs.shape[1:])
            length = self.size**2 * inputs.shape[-1]
            centre = keras.ops.reshape(inputs[:, rows, columns], (-1, length))
            return keras.ops.concatenate(
                [keras.ops.mean(inputs, axis=(1, 2)), keras.ops.max(inputs, axis=(1, 2)), centre], axis=1
            )

        def get_config(self) -> dict[str, Any]:
            return {**super().get_config(), "size": self.size}

    return AverageMaxCentre2D


def weights_from_keras(model: Any, architecture: Architecture) -> dict[str, npt.NDArray[np.float32]]:
    """Take the weights out of a Keras model that `build_keras` built.

    Parameters
    ----------
    model
        The Keras model.
    architecture
        What it was built from.

    Returns
    -------
    dict
        Float32 arrays by ``layer/variable``.
    """
    keys = list(architecture.weight_shapes())
    weights = {}
    for layer in architecture.layers:
        mine = [key for key in keys if key.startswith(f"{layer.name}/")]
        for key, value in zip(mine, model.get_layer(layer.name).get_weights() if mine else (), strict=True):
            weights[key] = np.asarray(value, np.float32)
    architecture.check_weights(weights)
    return weights
