"""Weights in HDF5 files: our own plain layout, and what Keras has written over the years."""

from __future__ import annotations

__all__ = ("layer_weights_from_h5", "open_h5", "read_weights", "write_weights")

import collections
import contextlib
import io
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelFormatError
from ._architecture import Architecture, Weights


def write_weights(weights: Weights) -> bytes:
    """Write weights as HDF5, one float32 dataset for each ``layer/variable``: equal weights, equal bytes."""
    import h5py

    buffer = io.BytesIO()
    with h5py.File(buffer, "w", libver="v108") as file:
        for key, array in weights.items():
            file.create_dataset(key, data=np.ascontiguousarray(array, np.float32), track_times=False)
    return buffer.getvalue()


def read_weights(content: bytes, architecture: Architecture) -> dict[str, npt.NDArray[np.float32]]:
    """Read the weights of a network from what `write_weights` wrote.

    Raises
    ------
    ModelFormatError
        Raised if a variable is missing, has another shape or type, or is kept outside the file.
    """
    expected = architecture.weight_shapes()
    with open_h5(content) as file:
        found = _datasets(file)
        if set(found) != set(expected):
            raise ModelFormatError(
                f"weights.h5 does not fit the layers of {architecture.name!r}: missing "
                f"{sorted(set(expected) - set(found))}, unknown {sorted(set(found) - set(expected))}"
            )
        return {key: _read(found[key], key, shape) for key, shape in expected.items()}


def layer_weights_from_h5(content: bytes, architecture: Architecture) -> dict[str, npt.NDArray[np.float32]]:
    """Read a network's weights from a Keras HDF5 file of any generation.

    Parameters
    ----------
    content
        The file: a whole model or weights only, Keras 2 (``model_weights/<layer>/…/kernel:0``) or Keras 3
        (``layers/<layer>/vars/0``).
    architecture
        The network. Layers are taken in order, so their names in the file do not matter; their shapes do.

    Raises
    ------
    ModelFormatError
        Raised if the layers in the file are not those of the network.
    """
    with open_h5(content) as file:
        _datasets(file)  # for links, which may lead anywhere
        groups = _keras3_layers(file, architecture) if "layers" in file else _keras2_layers(file)
        expected = [layer for layer in architecture.layers if _variables(architecture, layer.name)]
        if len(groups) != len(expected):
            raise ModelFormatError(
                f"the file holds {len(groups)} layers with weights ({', '.join(groups)}); "
                f"{architecture.name!r} has {len(expected)}"
            )
        weights = {}
        for (label, datasets), layer in zip(groups.items(), expected, strict=True):
            shapes = _variables(architecture, layer.name)
            if set(datasets) != set(shapes):
                raise ModelFormatError(
                    f"layer {label!r} holds {sorted(datasets)}; {layer.name!r} of {architecture.name!r} has "
                    f"{sorted(shapes)}"
                )
            for variable, shape in shapes.items():
                weights[f"{layer.name}/{variable}"] = _read(datasets[variable], f"{label}/{variable}", shape)
    return weights


def _variables(architecture: Architecture, layer: str) -> dict[str, tuple[int, ...]]:
    return {
        key.partition("/")[2]: shape
        for key, shape in architecture.weight_shapes().items()
        if key.partition("/")[0] == layer
    }


@contextlib.contextmanager
def open_h5(content: bytes) -> Iterator[Any]:
    """Open an HDF5 file; damage that shows while it is read is a `ModelFormatError`."""
    import h5py

    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            yield file
    except (KeyError, OSError, RuntimeError, TypeError, ValueError) as error:
        raise ModelFormatError(f"not a readable HDF5 file: {error}") from error


def _datasets(group: Any, prefix: str = "", depth: int = 0) -> dict[str, Any]:
    """Return every dataset below ``group``; links that leave the file or come back are refused."""
    import h5py

    if depth > 8:
        raise ModelFormatError("the HDF5 groups are nested too deeply")
    found = {}
    for name in group:
        if not isinstance(group.get(name, getlink=True), h5py.HardLink):
            raise ModelFormatError(f"HDF5 entry {prefix}{name!r} is a link, which models must not have")
        item = group[name]
        if isinstance(item, h5py.Dataset):
            found[prefix + name] = item
        elif isinstance(item, h5py.Group):
            found |= _datasets(item, f"{prefix}{name}/", depth + 1)
    return found


def _read(dataset: Any, label: str, shape: tuple[int, ...]) -> npt.NDArray[np.float32]:
    if dataset.external or dataset.is_virtual:
        raise ModelFormatError(f"weights {label!r} are kept in another file")
    if dataset.shape != shape or dataset.dtype != np.float32:
        raise ModelFormatError(
            f"weights {label!r} must be float32 {shape}; got {dataset.dtype} {dataset.shape}"
        )
    array = np.asarray(dataset[()], np.float32)
    if not np.isfinite(array).all():
        raise ModelFormatError(f"weights {label!r} hold values that are not finite")
    return array


def _keras2_layers(file: Any) -> dict[str, Mapping[str, Any]]:
    root = file["model_weights"] if "model_weights" in file else file
    names = [
        name.decode() if isinstance(name, bytes) else str(name) for name in root.attrs.get("layer_names", [])
    ]
    groups: dict[str, Mapping[str, Any]] = {}
    for name in names or list(root):
        datasets = {
            key.rpartition("/")[2].removesuffix(":0"): dataset
            for key, dataset in _datasets(root[name]).items()
        }
        if datasets:
            groups[name] = datasets
    return groups


def _keras3_layers(file: Any, architecture: Architecture) -> dict[str, Mapping[str, Any]]:
    """Return the groups of a Keras 3 file in the order of the network's layers.

    Keras 3 names groups after the class of the layer and a running number (conv2d, conv2d_1, …) and variables
    by their position.
    """
    found = {
        name
        for name in file["layers"]
        if "vars" in file["layers"][name] and len(file["layers"][name]["vars"])
    }
    groups: dict[str, Mapping[str, Any]] = {}
    counts: collections.Counter[str] = collections.Counter()
    for layer in architecture.layers:
        shapes = _variables(architecture, layer.name)
        if not shapes:
            continue
        stem = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", layer.kind).lower()
        name = f"{stem}_{counts[stem]}" if counts[stem] else stem
        counts[stem] += 1
        if name in found:
            variables = _datasets(file["layers"][name]["vars"])
            groups[name] = {v: variables[str(i)] for i, v in enumerate(shapes) if str(i) in variables}
    return groups | {name: {} for name in sorted(found - set(groups))}
