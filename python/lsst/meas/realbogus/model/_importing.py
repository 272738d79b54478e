"""Make a model of what others wrote: Keras files and ONNX graphs."""

from __future__ import annotations

__all__ = ("PRESETS", "import_keras", "import_onnx", "preset_contract")

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..errors import InvalidInputError, ModelFormatError
from ._architecture import Architecture
from ._archive import read_members, sha256
from ._contract import Contract, MissingRule, NormalizationChoice, Output, PsfInput
from ._graph import check_graph, graph_shapes
from ._keras_model import architecture_from_keras
from ._networks import named_architecture
from ._package import Model, make_model
from ._weights import layer_weights_from_h5, open_h5

_SIDE_BY_SIDE: Mapping[str, Any] = {
    "layout": "side_by_side",
    "stamp_size": 51,
    "pixel_scale": 0.263,
    "normalization": NormalizationChoice(name="acero-cuellar-3sigma-1"),
    "missing": MissingRule(rule="median"),
    "negative": "flip",
    "output": Output(size=2, real=0),
}
_DEEPSHADOWS: Mapping[str, Any] = {
    "inputs": ("difference", "science", "template"),
    "description": "DeepShadows (Tanoglidis et al. 2021): difference, science and template.",
    "layout": "channels",
    "stamp_size": 64,
    "normalization": NormalizationChoice(name="ml4transients-minmax-1"),
    "missing": MissingRule(rule="median", maximum_fraction=0.8),
    "negative": "flip",
}
PRESETS: Mapping[str, Mapping[str, Any]] = {
    "dia": {
        "inputs": ("difference", "science", "template"),
        "description": "DIA network of Acero-Cuellar et al. (2023): difference, science and template.",
        **_SIDE_BY_SIDE,
    },
    "nodia": {
        "inputs": ("science", "template"),
        "description": "noDIA network of Acero-Cuellar et al. (2023): science and template only.",
        **_SIDE_BY_SIDE,
    },
    "braai": {
        "inputs": ("science", "template", "difference"),
        "description": "braai, the network behind ZTF's drb (Duev et al. 2019).",
        "layout": "channels",
        "stamp_size": 63,
        "pixel_scale": 1.01,
        "normalization": NormalizationChoice(name="l2-1"),
        "missing": MissingRule(rule="zero", maximum_fraction=1.0),
        "negative": "flip_difference",
        "output": Output(size=1, real=0),
    },
    "deepshadows": {**_DEEPSHADOWS, "output": Output(size=1, real=0)},
    "deepshadows-three": {**_DEEPSHADOWS, "output": Output(size=3, real=0)},
    "ml4transients": {
        "inputs": ("difference", "template"),
        "description": "Network of ML4transients: difference and template.",
        "layout": "channels",
        "stamp_size": 30,
        "pixel_scale": 0.2,
        "normalization": NormalizationChoice(name="ml4transients-batch-1"),
        "missing": MissingRule(rule="median", maximum_fraction=0.75),
        "negative": "none",
        "output": Output(size=1, real=0),
    },
    "compact": {
        "inputs": ("difference", "science", "template"),
        "description": "Compact network: difference, science and template stacked, PSF and missing pixels.",
        "layout": "channels",
        "stamp_size": 31,
        "normalization": NormalizationChoice(name="asinh-1", parameters={"softening": 3.0}),
        "missing": MissingRule(rule="ignore", maximum_fraction=0.75, show=True),
        "psf": PsfInput(form="profile"),
        "negative": "flip",
        "output": Output(size=1, real=0),
    },
}
"""What the makers of the known networks do to stamps, by the name of the network."""


def preset_contract(
    network: str,
    name: str,
    version: str,
    *,
    filters: Sequence[int] | None = None,
    **changes: Any,
) -> Contract:
    """Return the contract of a known network, as its makers use it or changed.

    Parameters
    ----------
    network
        One of `PRESETS`.
    name, version
        What to call the model.
    filters
        Filters of each stage of the network; by default as published.
    **changes
        Fields of the contract that differ, such as ``stamp_size`` or ``inputs``; the network is made for
        the inputs that the contract then describes.

    Returns
    -------
    Contract
        The contract.
    """
    if network not in PRESETS:
        raise InvalidInputError(f"no network is called {network!r}; there are {sorted(PRESETS)}")
    fields = {"name": name, "version": version, **PRESETS[network], **changes}
    try:
        shape = Contract(**fields).input_shape
        return Contract(**fields, architecture=named_architecture(network, shape, filters))
    except ValidationError as error:
        raise InvalidInputError(f"a model cannot be called {name!r} {version!r}: {error}") from error


def import_keras(content: bytes, contract: Contract, config: Mapping[str, Any] | None = None) -> Model:
    """Make a model of a Keras file: ``.h5`` of Keras 2 or 3, or ``.keras``. No Keras is needed.

    Parameters
    ----------
    content
        The file.
    contract
        What the model promises. Without an architecture in it, the file's own is taken.
    config
        Keras configuration of the network, where neither has one.

    Returns
    -------
    Model
        The model, its golden scores computed.

    Raises
    ------
    ModelFormatError
        Raised if the file cannot be read, or holds other layers.
    """
    weights_file, own = _keras_parts(content)
    architecture = contract.architecture
    if architecture is None:
        config = config or own
        if config is None:
            raise InvalidInputError(
                "the file does not describe its layers: name an architecture, or give it as JSON"
            )
        architecture = architecture_from_keras(config, contract.name)
        contract = _with_architecture(contract, architecture)
    weights = layer_weights_from_h5(weights_file, architecture)
    return make_model(_with_source(contract, content), weights)


def import_onnx(content: bytes, contract: Contract) -> Model:
    """Make a model of an ONNX graph that takes ``(n, rows, columns, channels)`` and gives ``(n, k)``.

    Parameters
    ----------
    content
        The ONNX file.
    contract
        What the model promises.

    Returns
    -------
    Model
        The model, its golden scores computed.

    Raises
    ------
    ModelFormatError, ModelContractError
        Raised if the graph is unsafe, or does not fit the contract.
    """
    check_graph(content)
    graph_shapes(content)
    return make_model(
        _with_source(contract.model_copy(update={"architecture": None}), content), graph=content
    )


def _with_source(contract: Contract, content: bytes) -> Contract:
    return contract.model_copy(update={"card": {**contract.card, "source_sha256": sha256(content)}})


def _with_architecture(contract: Contract, architecture: Architecture) -> Contract:
    fields = contract.model_dump(mode="json") | {"architecture": architecture.model_dump(mode="json")}
    return Contract.from_json(json.dumps(fields))


def _keras_parts(content: bytes) -> tuple[bytes, Mapping[str, Any] | None]:
    """Return the HDF5 file with the weights and the configuration, if the file has one."""
    if zipfile.is_zipfile(io.BytesIO(content)):
        members = read_members(content, None, "Keras file")
        if "model.weights.h5" not in members or "config.json" not in members:
            raise ModelFormatError(
                f"a .keras file holds config.json and model.weights.h5; got {sorted(members)}"
            )
        return members["model.weights.h5"], _json(members["config.json"])
    return content, _h5_config(content)


def _h5_config(content: bytes) -> Mapping[str, Any] | None:
    with open_h5(content) as file:
        text = file.attrs.get("model_config")
    return None if text is None else _json(text)


def _json(text: str | bytes) -> Mapping[str, Any]:
    try:
        config = json.loads(text)
    except (RecursionError, TypeError, ValueError) as error:
        raise ModelFormatError(f"the Keras configuration is not JSON: {error}") from error
    if not isinstance(config, dict):
        raise ModelFormatError("the Keras configuration is not that of a model")
    return config
