"""The same networks in PyTorch, for environments that have it, as rubin-env does, and no ONNX Runtime."""

from __future__ import annotations

__all__ = ("TorchEngine",)

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import MissingDependencyError
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
    Shape,
    SpatialDropout2D,
    Weights,
    ZeroPadding2D,
    window_padding,
)

type Tensor = Any
"""`torch.Tensor`: images are (n, channels, rows, columns), stored channels last as stamps are."""


class TorchEngine:
    """PyTorch, on one thread or on a GPU, in float32 throughout and with deterministic algorithms.

    Parameters
    ----------
    architecture, weights
        The network.
    device
        ``"cpu"`` or ``"cuda"``.
    """

    name = "torch"

    def __init__(self, architecture: Architecture, weights: Weights, device: str = "cpu") -> None:
        torch = _import_torch()
        self.version, self.device = str(torch.__version__), device
        if device == "cuda" and not torch.cuda.is_available():
            raise MissingDependencyError(
                f"PyTorch {self.version} finds no GPU that it can use; run on the cpu, or install a PyTorch "
                "that is built for the CUDA driver of this machine"
            )
        self._architecture = architecture
        self._variables = {key: _variable(key, array).to(device) for key, array in weights.items()}

    def predict(self, stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """Return outputs ``(n, k)``."""
        import torch

        layers, shapes = self._architecture.layers, self._architecture.shapes()
        with _reproducible():
            x = torch.from_numpy(np.ascontiguousarray(stamps)).to(self.device).permute(0, 3, 1, 2)
            for layer, shape in zip(layers, shapes, strict=False):
                x = _apply(layer, x, shape, self._variables)
            return np.asarray(x.cpu().numpy(), np.float32)


def _import_torch() -> Any:
    try:
        import torch
    except ImportError as error:
        raise MissingDependencyError("PyTorch is not installed; install torch (the extra 'torch')") from error
    except (OSError, ValueError) as error:  # a build for CUDA without CUDA's libraries
        raise MissingDependencyError(
            f"PyTorch is installed and cannot be imported ({error}); install it with what it depends on"
        ) from error
    return torch


def _variable(key: str, array: npt.NDArray[np.float32]) -> Tensor:
    """Return a variable laid out as PyTorch wants it."""
    import torch

    tensor = torch.from_numpy(np.array(array, np.float32))
    if not key.endswith("/kernel"):
        return tensor
    if tensor.ndim == 2:
        return tensor.T.contiguous()
    return tensor.permute(3, 2, 0, 1).contiguous(memory_format=torch.channels_last)


@contextlib.contextmanager
def _reproducible() -> Iterator[None]:
    """Work without gradients, on one thread, in full float32; leave the process as it was."""
    import torch

    threads, precision = torch.get_num_threads(), torch.get_float32_matmul_precision()
    torch.set_num_threads(1)
    torch.set_float32_matmul_precision("highest")
    try:
        with (
            torch.inference_mode(),
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
        ):
            yield
    finally:
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(threads)


def _apply(layer: Layer, x: Tensor, shape: Shape, variables: Mapping[str, Tensor]) -> Tensor:
    """Apply a layer to ``(n, …)`` of a shape that is given as Keras does, channels last."""
    import torch
    import torch.nn.functional as f

    match layer:
        case Conv2D() | DepthwiseConv2D():
            kernel, bias = _kernel_and_bias(layer, variables)
            if isinstance(layer, DepthwiseConv2D):
                kernel = kernel.transpose(0, 1)
            x = _padded(x, shape, layer.kernel_size, layer, 0.0)
            x = f.conv2d(x, kernel, bias, layer.strides, groups=shape[-1] // kernel.shape[1])
            return _activate(x, layer.activation)
        case MaxPooling2D():
            x = _padded(x, shape, layer.pool_size, layer, -np.inf)
            return f.max_pool2d(x, layer.pool_size, layer.strides)
        case ZeroPadding2D():
            return f.pad(x, (*layer.padding[1], *layer.padding[0]))
        case GlobalAveragePooling2D():
            return x.mean((2, 3))
        case GlobalMaxPooling2D():
            return x.amax((2, 3))
        case AverageMaxCentre2D():
            rows, columns = layer.centre(shape)
            return torch.cat([x.mean((2, 3)), x.amax((2, 3)), _flat(x[:, :, rows, columns])], 1)
        case Flatten():
            return _flat(x)
        case Dense():
            return _activate(f.linear(x, *_kernel_and_bias(layer, variables)), layer.activation)
        case BatchNormalization():
            names = ("moving_mean", "moving_variance", "gamma", "beta")
            variables_of = (variables[f"{layer.name}/{name}"] for name in names)
            return f.batch_norm(x, *variables_of, training=False, eps=layer.epsilon)
        case ActivationLayer():
            return _activate(x, layer.activation)
        case Dropout() | SpatialDropout2D():
            return x


def _kernel_and_bias(
    layer: Conv2D | DepthwiseConv2D | Dense, variables: Mapping[str, Tensor]
) -> tuple[Tensor, Tensor]:
    return variables[f"{layer.name}/kernel"], variables.get(f"{layer.name}/bias")


def _padded(
    x: Tensor,
    shape: Shape,
    window: tuple[int, int],
    layer: Conv2D | DepthwiseConv2D | MaxPooling2D,
    fill: float,
) -> Tensor:
    """Pad as Keras does, which may put one more row or column after an image than before it."""
    import torch.nn.functional as f

    rows, columns = (
        window_padding(size, width, stride, layer.padding)
        for size, width, stride in zip(shape[:2], window, layer.strides, strict=True)
    )
    return f.pad(x, (*columns, *rows), value=fill) if any((*rows, *columns)) else x


def _flat(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1).flatten(1) if x.ndim == 4 else x.flatten(1)


def _activate(x: Tensor, activation: Activation) -> Tensor:
    match activation:
        case "relu":
            return x.relu()
        case "sigmoid":
            return x.sigmoid()
        case "tanh":
            return x.tanh()
        case "softmax":
            return x.softmax(1)
        case "linear":
            return x
