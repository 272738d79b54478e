"""The networks known by name: those of Acero-Cuellar et al. (2023) and braai (Duev et al. 2019)."""

from __future__ import annotations

__all__ = ("NETWORKS", "named_architecture")

from collections.abc import Callable, Mapping

import numpy as np

from ..errors import InvalidInputError
from ..randomness import generator
from ._architecture import Architecture, Conv2D, Dense, Dropout, Flatten, Layer, MaxPooling2D, Weights


def _conv(name: str, filters: int, width: int) -> Conv2D:
    return Conv2D(name=name, filters=filters, kernel_size=(width, width), activation="relu")


def _pool(name: str, width: int = 2) -> MaxPooling2D:
    return MaxPooling2D(name=name, pool_size=(width, width), strides=(width, width))


def _head(units: int) -> tuple[Layer, ...]:
    return (
        Flatten(name="flatten"),
        Dense(name="dense", units=units, activation="relu"),
        Dense(name="dense_1", units=2, activation="softmax"),
    )


def _dia() -> Architecture:
    body = [
        layer
        for i, filters in enumerate((16, 32, 64))
        for layer in (
            _conv(f"conv2d_{i}", filters, 5),
            _pool(f"pool_{i}"),
            Dropout(name=f"dropout_{i}", rate=0.4),
        )
    ]
    return Architecture(name="dia", input_shape=(51, 153, 1), layers=(*body, *_head(32)))


def _nodia() -> Architecture:
    body: list[Layer] = [_conv("conv2d_0", 1, 7), _pool("pool_0")]
    for i, filters in ((1, 16), (2, 32)):
        body += [
            _conv(f"conv2d_{i}", filters, 3),
            _pool(f"pool_{i}"),
            Dropout(name=f"dropout_{i}", rate=0.4),
        ]
    return Architecture(name="nodia", input_shape=(51, 102, 1), layers=(*body, *_head(32)))


def _braai() -> Architecture:
    return Architecture(
        name="braai",
        input_shape=(63, 63, 3),
        layers=(
            _conv("conv1", 16, 3),
            _conv("conv2", 16, 3),
            _pool("pool_0"),
            Dropout(name="dropout_0", rate=0.25),
            _conv("conv3", 32, 3),
            _conv("conv4", 32, 3),
            _pool("pool_1", 4),
            Dropout(name="dropout_1", rate=0.25),
            Flatten(name="flatten"),
            Dense(name="fc_1", units=256, activation="relu"),
            Dropout(name="dropout_2", rate=0.5),
            Dense(name="fc_out", units=1, activation="sigmoid"),
        ),
    )


NETWORKS: Mapping[str, Callable[[], Architecture]] = {"braai": _braai, "dia": _dia, "nodia": _nodia}


def named_architecture(name: str) -> Architecture:
    """Return a network known by name.

    Parameters
    ----------
    name
        ``"dia"`` (difference, science, template side by side), ``"nodia"`` (science, template), or
        ``"braai"``.

    Returns
    -------
    Architecture
        The network.

    Raises
    ------
    InvalidInputError
        Raised if there is no such network.

    Examples
    --------
    >>> named_architecture("dia").n_parameters, named_architecture("nodia").n_parameters
    (126050, 45908)
    """
    if name not in NETWORKS:
        raise InvalidInputError(f"no network is called {name!r}; there are {sorted(NETWORKS)}")
    return NETWORKS[name]()


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
