"""The networks known by name: layers for inputs of any shape and any number of filters.

* ``dia`` and ``nodia``: Acero-Cuellar et al. (2023), https://doi.org/10.3847/1538-3881/ace9d8.
* ``braai``: Duev et al. (2019), https://doi.org/10.1093/mnras/stz2357.
* ``deepshadows`` and ``deepshadows-three``: Tanoglidis et al. (2021),
  https://doi.org/10.1016/j.ascom.2021.100469, with two classes and with three. Weight regularisation is an
  option of training.
* ``ml4transients``: the convolutional network of the ML4transients package, 64 filters in its first layer.
* ``compact``: of this package. Stamps stacked as channels; each stage pools before it normalises and
  activates, which costs a quarter of the other order and gives the same where the scale of a channel is
  positive. With four stages the last sees 38 pixels about each place, so that a source is judged by what is
  around it.
"""

from __future__ import annotations

__all__ = ("NETWORKS", "default_filters", "initial_weights", "named_architecture")

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from ..errors import InvalidInputError, ModelContractError
from ..randomness import generator
from ._architecture import (
    Activation,
    ActivationLayer,
    Architecture,
    AverageMaxCentre2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Layer,
    MaxPooling2D,
    Padding,
    Weights,
)

type Body = Callable[[Sequence[int]], tuple[Layer, ...]]


@dataclass(frozen=True)
class _Network:
    """Layers by their numbers of filters, with the numbers and the shape of the input as published."""

    input_shape: tuple[int, int, int]
    filters: tuple[int, ...]
    layers: Body


def _conv(name: str, filters: int, width: int, padding: Padding = "valid") -> Conv2D:
    return Conv2D(name=name, filters=filters, kernel_size=(width, width), activation="relu", padding=padding)


def _pool(name: str, width: int = 2) -> MaxPooling2D:
    return MaxPooling2D(name=name, pool_size=(width, width), strides=(width, width))


def _head(units: int, outputs: int, activation: Activation) -> tuple[Layer, ...]:
    return (
        Flatten(name="flatten"),
        Dense(name="dense", units=units, activation="relu"),
        Dense(name="dense_1", units=outputs, activation=activation),
    )


def _dia(filters: Sequence[int]) -> tuple[Layer, ...]:
    body = [
        layer
        for i, count in enumerate(filters)
        for layer in (_conv(f"conv2d_{i}", count, 5), _pool(f"pool_{i}"), _dropout(i, 0.4))
    ]
    return (*body, *_head(32, 2, "softmax"))


def _nodia(filters: Sequence[int]) -> tuple[Layer, ...]:
    first, *others = filters
    body: list[Layer] = [_conv("conv2d_0", first, 7), _pool("pool_0")]
    for i, count in enumerate(others, 1):
        body += [_conv(f"conv2d_{i}", count, 3), _pool(f"pool_{i}"), _dropout(i, 0.4)]
    return (*body, *_head(32, 2, "softmax"))


def _braai(filters: Sequence[int]) -> tuple[Layer, ...]:
    first, second = filters
    return (
        _conv("conv1", first, 3),
        _conv("conv2", first, 3),
        _pool("pool_0"),
        _dropout(0, 0.25),
        _conv("conv3", second, 3),
        _conv("conv4", second, 3),
        _pool("pool_1", 4),
        _dropout(1, 0.25),
        Flatten(name="flatten"),
        Dense(name="fc_1", units=256, activation="relu"),
        _dropout(2, 0.5),
        Dense(name="fc_out", units=1, activation="sigmoid"),
    )


def _deepshadows(outputs: int) -> Body:
    def layers(filters: Sequence[int]) -> tuple[Layer, ...]:
        body: list[Layer] = []
        for i, count in enumerate(filters):
            body += [
                _conv(f"conv2d_{i}", count, 3, "same"),
                BatchNormalization(name=f"scale_{i}"),
                _pool(f"pool_{i}"),
                _dropout(i, 0.4),
            ]
        return (*body, *_head(1024, outputs, "sigmoid" if outputs == 1 else "softmax"))

    return layers


def _ml4transients(filters: Sequence[int]) -> tuple[Layer, ...]:
    body: list[Layer] = []
    for i, count in enumerate(filters):
        body += [_conv(f"conv2d_{i}", count, 3, "same"), _pool(f"pool_{i}"), _dropout(i, 0.125)]
    flatten, hidden, last = _head(64, 1, "sigmoid")
    return (*body, flatten, hidden, _dropout(len(filters), 0.25), last)


def _compact(filters: Sequence[int]) -> tuple[Layer, ...]:
    body: list[Layer] = []
    for i, count in enumerate(filters):
        body.append(
            Conv2D(name=f"conv2d_{i}", filters=count, kernel_size=(3, 3), padding="same", use_bias=False)
        )
        if i < len(filters) - 1:
            body.append(_pool(f"pool_{i}"))
        body += [
            BatchNormalization(name=f"scale_{i}", momentum=0.95),
            ActivationLayer(name=f"relu_{i}", activation="relu"),
        ]
    _, hidden, last = _head(32, 1, "sigmoid")
    return (*body, AverageMaxCentre2D(name="average_max_centre"), _dropout(0, 0.4), hidden, last)


def _dropout(number: int, rate: float) -> Dropout:
    return Dropout(name=f"dropout_{number}", rate=rate)


NETWORKS: Mapping[str, _Network] = {
    "braai": _Network((63, 63, 3), (16, 32), _braai),
    "compact": _Network((31, 31, 5), (16, 64, 96, 128), _compact),
    "deepshadows": _Network((64, 64, 3), (16, 32, 64), _deepshadows(1)),
    "deepshadows-three": _Network((64, 64, 3), (16, 32, 64), _deepshadows(3)),
    "dia": _Network((51, 153, 1), (16, 32, 64), _dia),
    "ml4transients": _Network((30, 30, 2), (64, 128, 256), _ml4transients),
    "nodia": _Network((51, 102, 1), (1, 16, 32), _nodia),
}


def default_filters(name: str) -> tuple[int, ...]:
    """Return the filters of each stage of a network as published.

    Parameters
    ----------
    name
        A key of `NETWORKS`.

    Returns
    -------
    tuple of int
        Their numbers.

    Raises
    ------
    InvalidInputError
        Raised if there is no such network.
    """
    return _find(name).filters


def _find(name: str) -> _Network:
    if name not in NETWORKS:
        raise InvalidInputError(f"no network is called {name!r}; there are {sorted(NETWORKS)}")
    return NETWORKS[name]


def named_architecture(
    name: str,
    input_shape: tuple[int, int, int] | None = None,
    filters: Sequence[int] | None = None,
) -> Architecture:
    """Return a network known by name.

    Parameters
    ----------
    name
        A key of `NETWORKS`: ``"dia"`` (difference, science, template side by side), ``"nodia"`` (science,
        template), ``"braai"``, ``"deepshadows"``, ``"deepshadows-three"``, ``"ml4transients"`` or
        ``"compact"``.
    input_shape
        Rows, columns and channels of the input; by default as published.
    filters
        Filters of each stage; by default as published.

    Returns
    -------
    Architecture
        The network.

    Raises
    ------
    InvalidInputError
        Raised if there is no such network, if it has another number of stages, or if the input is too small
        for it.

    Examples
    --------
    >>> named_architecture("dia").n_parameters, named_architecture("nodia").n_parameters
    (126050, 45908)
    >>> named_architecture("compact", (21, 21, 5), filters=(8, 16, 16)).output_shape
    (1,)
    """
    network = _find(name)
    filters = tuple(filters or network.filters)
    if name in ("braai", "nodia") and len(filters) != len(network.filters):
        raise InvalidInputError(f"{name!r} has {len(network.filters)} stages; got filters {filters}")
    shape = input_shape or network.input_shape
    try:
        return Architecture(name=name, input_shape=shape, layers=network.layers(filters))
    except (ValidationError, ModelContractError) as error:
        raise InvalidInputError(
            f"{name!r} cannot be made for inputs of shape {shape} with filters {filters}: {error}"
        ) from error


def initial_weights(architecture: Architecture, seed: int = 0) -> Weights:
    """Return untrained weights: Glorot uniform kernels (Glorot & Bengio 2010), neutral everything else.

    Parameters
    ----------
    architecture
        The network.
    seed
        Seed of the draws.

    Returns
    -------
    dict
        Float32 arrays by ``layer/variable``.

    Examples
    --------
    >>> weights = initial_weights(named_architecture("nodia"))
    >>> weights["conv2d_0/kernel"].shape
    (7, 7, 1, 1)
    """
    weights = {}
    for key, shape in architecture.weight_shapes().items():
        variable = key.rpartition("/")[2]
        if variable == "kernel":
            field = int(np.prod(shape[:-2]))
            limit = np.sqrt(6.0 / (field * (shape[-2] + shape[-1])))
            values = generator(seed, "initial-weights", key).uniform(-limit, limit, shape)
        else:
            values = np.full(shape, 1.0 if variable in ("gamma", "moving_variance") else 0.0)
        weights[key] = values.astype(np.float32)
    return weights
