"""Model files: ``NAME-VERSION.rbmodel``, a zip of contract, weights, graph and golden scores."""

from __future__ import annotations

__all__ = (
    "Model",
    "load_classifier",
    "make_model",
    "peek_contract",
    "read_model",
    "split_members",
    "write_model",
)

import dataclasses
import functools
import logging
import os
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError, ModelContractError, ModelFormatError
from ._architecture import Weights
from ._archive import read_members, sha256, write_members
from ._classifier import Classifier
from ._contract import Contract
from ._engines import make_engine
from ._golden import Golden, check_golden, golden_stamps
from ._graph import check_graph, graph_shapes, has_onnx, to_onnx
from ._locate import read_model_file
from ._normalization import NORMALIZATIONS
from ._weights import read_weights, write_weights

_LOG = logging.getLogger(__name__)
_MEMBERS = ("contract.json", "weights.h5", "graph.onnx", "golden.npz")


@dataclasses.dataclass(frozen=True, slots=True)
class Model:
    """A classifier as data.

    Parameters
    ----------
    contract
        What it promises, with the hashes of the other parts.
    graph
        Serialised ONNX graph, checked; `None` where ONNX, which writes and checks it, was not installed. The
        model then has layers.
    golden
        Stamps and the scores they must give.
    weights
        Variables by ``layer/variable``; `None` for a model that is only a graph.
    content_hash
        SHA-256 of ``contract.json``, and so, through the hashes in it, of everything.
    """

    contract: Contract
    graph: bytes | None
    golden: Golden
    weights: Weights | None
    content_hash: str

    def classifier(self, engine: str = "auto", device: str = "cpu", batch_size: int = 64) -> Classifier:
        """Make the model ready to score; see `engines.make_engine`.

        Parameters
        ----------
        engine, device
            What runs the network, and where.
        batch_size
            Stamps that are run together.

        Returns
        -------
        Classifier
            The classifier.
        """
        made = make_engine(engine, self.graph, self.contract.architecture, self.weights, device)
        return Classifier(self.contract, made, self.content_hash, batch_size)

    def onnx_graph(self) -> bytes:
        """Return the ONNX graph, written from the layers if the model does not hold one.

        Returns
        -------
        bytes
            Serialised ONNX graph.

        Raises
        ------
        MissingDependencyError
            Raised if it is to be written and ONNX is not installed.
        """
        if self.graph is not None:
            return self.graph
        assert self.contract.architecture is not None and self.weights is not None
        return to_onnx(self.contract.architecture, self.weights)


def make_model(
    contract: Contract,
    weights: Weights | None = None,
    graph: bytes | None = None,
    stamps: tuple[Mapping[str, npt.NDArray[np.float32]], npt.NDArray[np.bool_]] | None = None,
    psf_fwhm: npt.NDArray[np.float32] | None = None,
) -> Model:
    """Put a model together: write its graph, score its golden stamps, hash its parts.

    Where ONNX is not installed, a model with layers is made without a graph; what runs it takes the layers.

    Parameters
    ----------
    contract
        What the model promises; its ``members`` are filled in here.
    weights
        Variables of ``contract.architecture``.
    graph
        Serialised ONNX graph, for a model without known layers.
    stamps
        Golden stamps and which are negative; default `golden.golden_stamps`.
    psf_fwhm
        FWHM of the PSF of each [pixel], NaN where it is not known, if the model is told; by default they
        are between 2 and 5 pixels, and the last is not known.

    Returns
    -------
    Model
        The model, complete.

    Raises
    ------
    ModelContractError
        Raised if graph and contract do not fit.
    """
    if contract.architecture is not None and weights is not None:
        contract.architecture.check_weights(weights)
        graph = to_onnx(contract.architecture, weights) if has_onnx() else None
        engine = make_engine("numpy", graph, contract.architecture, weights)
    elif graph is not None:
        contract = contract.model_copy(update={"architecture": None})
        weights = None
        _check_shapes(contract, graph)
        engine = make_engine("onnxruntime", graph, None, None)
    else:
        raise ModelContractError("a model needs layers with weights, or a graph")
    images, is_negative = stamps or golden_stamps(contract.stamp_size)
    if contract.psf is None:
        psf_fwhm = None
    elif psf_fwhm is None:
        psf_fwhm = np.linspace(2, 5, len(is_negative), dtype=np.float32)
        psf_fwhm[-1] = np.nan
    score = Classifier(contract, engine).score(images, is_negative=is_negative, psf_fwhm=psf_fwhm).score
    used = {name: images[name] for name in images if name in contract.inputs or contract.negative == "flip"}
    golden = Golden(used, is_negative, score, psf_fwhm)
    parts = _parts(graph, golden, weights)
    contract = contract.model_copy(
        update={"members": {name: sha256(part) for name, part in sorted(parts.items())}}
    )
    return Model(contract, graph, golden, weights, sha256(contract.to_json().encode()))


def write_model(model: Model) -> bytes:
    """Write a model file; the same model gives the same bytes.

    Parameters
    ----------
    model
        The model.

    Returns
    -------
    bytes
        Content of the model file.
    """
    parts = _parts(model.graph, model.golden, model.weights)
    for name in sorted(parts.keys() | model.contract.members.keys()):
        if name not in parts:
            raise ModelContractError(
                f"{name} of model {model.contract.name!r} is not held: ONNX was not there to check it when "
                "the model was read. Copy the file, or install onnx"
            )
        if model.contract.members.get(name) != sha256(parts[name]):
            raise ModelContractError(
                f"{name} of model {model.contract.name!r} is not what its contract hashes"
            )
    return write_members({"contract.json": model.contract.to_json().encode(), **dict(sorted(parts.items()))})


def _parts(graph: bytes | None, golden: Golden, weights: Weights | None) -> dict[str, bytes]:
    """Return what a model file holds beside the contract."""
    parts = {"golden.npz": golden.to_bytes()}
    if graph is not None:
        parts["graph.onnx"] = graph
    if weights is not None:
        parts["weights.h5"] = write_weights(weights)
    return parts


def read_model(content: bytes, name: str = "model") -> Model:
    """Read a model file. Nothing in it is executed; everything in it is checked against the contract.

    Parameters
    ----------
    content
        The file.
    name
        What it is called in error messages.

    Returns
    -------
    Model
        The model, checked.

    Raises
    ------
    ModelFormatError
        Raised for a file that is damaged, unsafe, or no model.
    ModelContractError
        Raised for a model whose parts do not fit each other.
    """
    contract = peek_contract(content, name)
    members = split_members(content, name)
    others = {key: part for key, part in members.items() if key != "contract.json"}
    if set(others) != set(contract.members):
        raise ModelFormatError(
            f"{name} holds {sorted(others)}; its contract lists {sorted(contract.members)}"
        )
    for key, part in others.items():
        if sha256(part) != contract.members[key]:
            raise ModelFormatError(f"{name}: {key} is not the file its contract hashes")
    if "golden.npz" not in others:
        raise ModelFormatError(f"{name} has no golden.npz")
    if (contract.architecture is None) != ("weights.h5" not in others):
        raise ModelFormatError(f"{name}: layers and weights.h5 must be given both or not at all")
    graph = others.get("graph.onnx")
    if graph is None:
        if contract.architecture is None:
            raise ModelFormatError(f"{name} has neither layers nor graph.onnx")
    elif contract.architecture is not None and not has_onnx():
        graph = None  # it cannot be checked, and the layers say the same
    else:
        check_graph(graph)
        _check_shapes(contract, graph)
    if contract.normalization.name not in NORMALIZATIONS:
        raise ModelContractError(
            f"{name} wants the normalisation {contract.normalization.name!r}, which this version "
            f"of the package does not have; it has {sorted(NORMALIZATIONS)}"
        )
    weights = (
        None if contract.architecture is None else read_weights(others["weights.h5"], contract.architecture)
    )
    golden = Golden.from_bytes(others["golden.npz"])
    return Model(contract, graph, golden, weights, sha256(members["contract.json"]))


def split_members(content: bytes, name: str = "model") -> dict[str, bytes]:
    """Return the members of a model file, for a Butler table."""
    return read_members(content, _MEMBERS, name)


def peek_contract(content: bytes, name: str = "model") -> Contract:
    """Read the contract of a model file and nothing else; the rest is not checked.

    Parameters
    ----------
    content
        The model file.
    name
        What to call it in messages.

    Returns
    -------
    Contract
        Its contract.
    """
    members = split_members(content, name)
    if "contract.json" not in members:
        raise ModelFormatError(f"{name} has no contract.json: it is not a model")
    return Contract.from_json(members["contract.json"])


def _check_shapes(contract: Contract, graph: bytes) -> None:
    shape, outputs = graph_shapes(graph)
    if shape != contract.input_shape or outputs != contract.output.size:
        raise ModelContractError(
            f"graph.onnx takes {shape} and gives {outputs}; the contract of {contract.name!r} says "
            f"{contract.input_shape} and {contract.output.size}"
        )


def load_classifier(
    source: str | os.PathLike[str] | bytes,
    name: str = "",
    engine: str = "auto",
    device: str = "cpu",
    batch_size: int = 64,
) -> Classifier:
    """Read a model, check its golden scores, and make it ready to score.

    The same content is loaded once in a process, whatever it is called.

    Parameters
    ----------
    source
        What `read_model_file` takes (``package:NAME``, a path or a URI), or the content of such a file.
    name
        What it is called in error messages; by default ``source``.
    engine, device, batch_size
        See `engines.make_engine` and `classifier.Classifier`.

    Returns
    -------
    Classifier
        The model, ready to score.

    Raises
    ------
    ModelNotFoundError
        Raised if there is no such model.
    ModelFormatError, ModelContractError
        See `read_model` and `golden.check_golden`.
    """
    if isinstance(source, bytes | bytearray | memoryview):
        content, called = bytes(source), name or "model"
    elif isinstance(source, str | os.PathLike):
        content, called = read_model_file(source), name or os.fspath(source)
    else:
        raise InvalidInputError(
            f"a model is named by text or a path, or given as the bytes of its file; got {source!r}"
        )
    return _load(_Named(content, called), engine, device, batch_size)


class _Named:
    """Content that is compared by its hash, with a name that is not compared."""

    def __init__(self, content: bytes, name: str) -> None:
        self.content, self.name, self.hash = content, name, sha256(content)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Named) and self.hash == other.hash

    def __hash__(self) -> int:
        return hash(self.hash)


@functools.lru_cache(maxsize=8)
def _load(source: _Named, engine: str, device: str, batch_size: int) -> Classifier:
    model = read_model(source.content, source.name)
    classifier = model.classifier(engine, device, batch_size)
    check_golden(classifier, model.golden)
    made = classifier.engine
    _LOG.info(
        "Model %s %s is run by %s %s on the %s.",
        model.contract.name,
        model.contract.version,
        made.name,
        made.version,
        made.device,
    )
    return classifier
