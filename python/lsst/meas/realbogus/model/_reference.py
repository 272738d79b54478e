"""The same networks in plain float64 numpy: slow, and the judge of every engine."""

from __future__ import annotations

__all__ = ("forward",)

import numpy as np
import numpy.typing as npt

from ._architecture import (
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
    Padding,
    SpatialDropout2D,
    Weights,
    ZeroPadding2D,
    window_padding,
)

Array = npt.NDArray[np.float64]


def forward(architecture: Architecture, weights: Weights, stamps: npt.NDArray[np.float32]) -> Array:
    """Return what a network makes of its inputs.

    Parameters
    ----------
    architecture, weights
        The network.
    stamps
        Normalised inputs, shape ``(n, rows, columns, channels)``.

    Returns
    -------
    numpy.ndarray
        Float64, shape ``(n, outputs)``.
    """
    values: Array = np.asarray(stamps, np.float64)
    for layer in architecture.layers:
        values = _apply(layer, values, weights)
    return values


def _apply(layer: Layer, x: Array, weights: Weights) -> Array:
    match layer:
        case Conv2D():
            windows = _windows(x, layer.kernel_size, layer.strides, layer.padding, 0.0)
            kernel = weights[f"{layer.name}/kernel"].astype(np.float64)
            return _activate(
                np.tensordot(windows, kernel, ((4, 5, 3), (0, 1, 2))) + _bias(layer, weights),
                layer.activation,
            )
        case DepthwiseConv2D():
            windows = _windows(x, layer.kernel_size, layer.strides, layer.padding, 0.0)
            kernel = weights[f"{layer.name}/kernel"][..., 0].astype(np.float64)
            return _activate(
                np.einsum("nrchij,ijh->nrch", windows, kernel) + _bias(layer, weights), layer.activation
            )
        case MaxPooling2D():
            return _windows(x, layer.pool_size, layer.strides, layer.padding, -np.inf).max(axis=(4, 5))
        case ZeroPadding2D():
            return np.pad(x, ((0, 0), *layer.padding, (0, 0)))
        case GlobalAveragePooling2D():
            return x.mean(axis=(1, 2))
        case GlobalMaxPooling2D():
            return x.max(axis=(1, 2))
        case AverageMaxCentre2D():
            rows, columns = layer.centre(x.shape[1:])
            centre = x[:, rows, columns].reshape(len(x), -1)
            return np.concatenate([x.mean(axis=(1, 2)), x.max(axis=(1, 2)), centre], axis=1)
        case Flatten():
            return x.reshape(len(x), -1)
        case Dense():
            return _activate(
                x @ weights[f"{layer.name}/kernel"].astype(np.float64) + _bias(layer, weights),
                layer.activation,
            )
        case BatchNormalization():
            gamma, beta, mean, variance = (
                weights[f"{layer.name}/{name}"].astype(np.float64)
                for name in ("gamma", "beta", "moving_mean", "moving_variance")
            )
            return (x - mean) / np.sqrt(variance + layer.epsilon) * gamma + beta
        case ActivationLayer():
            return _activate(x, layer.activation)
        case Dropout() | SpatialDropout2D():
            return x


def _bias(layer: Conv2D | DepthwiseConv2D | Dense, weights: Weights) -> Array | float:
    return weights[f"{layer.name}/bias"].astype(np.float64) if layer.use_bias else 0.0


def _windows(
    x: Array, window: tuple[int, int], strides: tuple[int, int], padding: Padding, fill: float
) -> Array:
    pads = [
        window_padding(size, width, stride, padding)
        for size, width, stride in zip(x.shape[1:3], window, strides, strict=True)
    ]
    x = np.pad(x, ((0, 0), *pads, (0, 0)), constant_values=fill)
    views = np.lib.stride_tricks.sliding_window_view(x, window, axis=(1, 2))
    return views[:, :: strides[0], :: strides[1]]


def _activate(x: Array, activation: Activation) -> Array:
    match activation:
        case "relu":
            return np.maximum(x, 0.0)
        case "sigmoid":
            return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))
        case "tanh":
            return np.tanh(x)
        case "softmax":
            powers = np.exp(x - x.max(axis=-1, keepdims=True))
            return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
        case "linear":
            return x
