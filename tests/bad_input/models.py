"""Model files and networks of Keras and ONNX that were tampered with."""

from __future__ import annotations

import functools
import io
import json
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import onnx

from lsst.meas.realbogus.errors import (
    InvalidInputError,
    ModelContractError,
    ModelFormatError,
    ModelNotFoundError,
)
from lsst.meas.realbogus.model import (
    Architecture,
    Contract,
    import_keras,
    import_onnx,
    initial_weights,
    load_classifier,
    make_model,
    preset_contract,
    read_arrays,
    write_model,
)
from lsst.meas.realbogus.model._architecture import AverageMaxCentre2D, Conv2D, Dense
from lsst.meas.realbogus.model._archive import read_members, sha256, write_members

from ._case import Act, Cases

type Members = dict[str, bytes]


@functools.cache
def _content(seed: int = 3) -> bytes:
    """Return a small sound model file."""
    layers = (
        Conv2D(name="conv", filters=2, kernel_size=(3, 3), activation="relu"),
        AverageMaxCentre2D(name="head"),
        Dense(name="last", units=1, activation="sigmoid"),
    )
    network = Architecture(name="toy", input_shape=(9, 9, 2), layers=layers)
    contract = Contract.model_validate(
        {
            "name": "toy",
            "version": "1",
            "inputs": ("science", "template"),
            "layout": "channels",
            "stamp_size": 9,
            "normalization": {"name": "asinh-1"},
            "output": {"size": 1, "real": 0},
            "architecture": network,
        }
    )
    return write_model(make_model(contract, initial_weights(network, seed)))


def members() -> Members:
    """Return the members of the sound file."""
    return read_members(_content(), None, "toy")


def rehashed(parts: Members) -> Members:
    """Make the hashes right again, as somebody would who changes a file on purpose."""
    hashes = {name: sha256(part) for name, part in parts.items() if name != "contract.json"}
    return with_contract(parts, members=hashes)


def with_contract(parts: Members, **changes: Any) -> Members:
    """Change fields of the contract."""
    return parts | {"contract.json": json.dumps(json.loads(parts["contract.json"]) | changes).encode()}


def load(damage: Callable[[Members], Members]) -> Act:
    """Make the act of loading a file with other members."""
    return lambda folder: load_classifier(write_members(damage(members())), "model")


def load_bytes(damage: Callable[[bytes], bytes]) -> Act:
    """Make the act of loading a file with other bytes."""
    return lambda folder: load_classifier(damage(_content()), "model")


def without(name: str) -> Callable[[Members], Members]:
    return lambda parts: {key: part for key, part in parts.items() if key != name}


def halved(name: str) -> Callable[[Members], Members]:
    return lambda parts: rehashed(parts | {name: parts[name][: len(parts[name]) // 2]})


def flipped(name: str) -> Callable[[Members], Members]:
    """Alter one bit of one byte."""

    def damage(parts: Members) -> Members:
        part = bytearray(parts[name])
        part[len(part) // 2] ^= 1
        return parts | {name: bytes(part)}

    return damage


def zip_of(*entries: tuple[zipfile.ZipInfo | str, bytes]) -> bytes:
    """Write a zip file of any entries."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return buffer.getvalue()


def entry(name: str, **values: Any) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


def bomb(n_bytes: int) -> bytes:
    return zip_of((entry("weights.h5", compress_type=zipfile.ZIP_DEFLATED), bytes(n_bytes)))


def damaged_stream() -> bytes:
    """Return a zip file whose member does not inflate."""
    rng = np.random.default_rng(1)
    content = zip_of((entry("contract.json", compress_type=zipfile.ZIP_DEFLATED), rng.bytes(50) * 20))
    return content[:60] + b"\xff" * 20 + content[80:]


def encrypted(content: bytes) -> bytes:
    """Set the bit of encryption in every entry."""
    out = bytearray(content)
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = out.find(mark)
        while at >= 0:
            out[at + place] |= 1
            at = out.find(mark, at + 1)
    return bytes(out)


def graph(change: Callable[[Any], None]) -> Callable[[Members], Members]:
    """Change the ONNX graph."""

    def damage(parts: Members) -> Members:
        model = onnx.load_model_from_string(parts["graph.onnx"])
        change(model)
        return rehashed(parts | {"graph.onnx": model.SerializeToString()})

    return damage


def _external(model: Any) -> None:
    tensor = model.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _external_attribute(model: Any) -> None:
    attribute = model.graph.node[1].attribute.add(name="value", type=onnx.AttributeProto.TENSOR)
    attribute.t.external_data.add(key="location", value="../../secret")


def _function(model: Any) -> None:
    model.functions.add(name="f", domain="mine")


def _hidden(model: Any) -> None:
    model.graph.node[1].attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.name = "inner"


def _set(field: str, value: Any) -> Callable[[Any], None]:
    return lambda model: setattr(model.graph.node[1], field, value)


def _other_input(model: Any) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 63


def _two_outputs(model: Any) -> None:
    model.graph.output.append(model.graph.output[0])


def grown(*nodes: Any, constants: Mapping[str, Any]) -> bytes:
    """Return a graph of 9 × 9 × 2 pixels in which values grow; it gives one output."""
    helper = onnx.helper
    ends = [
        helper.make_node("GlobalMaxPool", ["big"], ["most"]),
        helper.make_node("Flatten", ["most"], ["flat"], axis=1),
        helper.make_node("ReduceMax", ["flat"], ["scores"], axes=[1], keepdims=1),
    ]
    made = helper.make_graph(
        [*nodes, *ends],
        "grown",
        [helper.make_tensor_value_info("stamps", 1, ["n", 9, 9, 2])],
        [helper.make_tensor_value_info("scores", 1, ["n", 1])],
        [onnx.numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    model = helper.make_model(made, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    return bytes(model.SerializeToString())


def _padded() -> bytes:
    pads = np.array([0, 0, 0, 0, 0, 10**5, 10**5, 0], np.int64)
    return grown(onnx.helper.make_node("Pad", ["stamps", "pads"], ["big"]), constants={"pads": pads})


def _doubled(n: int = 40) -> bytes:
    names = ["stamps", *(f"x{i}" for i in range(n)), "big"]
    nodes = [
        onnx.helper.make_node("Concat", [a, a], [b], axis=1) for a, b in zip(names, names[1:], strict=False)
    ]
    return grown(*nodes, constants={})


def bare_contract(**changes: Any) -> Contract:
    """Return a contract for 9 × 9 × 2 pixels without layers."""
    fields = json.loads(members()["contract.json"]) | {"architecture": None, "members": {}} | changes
    return Contract.from_json(json.dumps(fields))


def keras_config(*layers: Mapping[str, Any], shape: Any = (None, 9, 9, 2)) -> dict[str, Any]:
    """Return the configuration of a Sequential model."""
    first = {"class_name": "InputLayer", "config": {"name": "in", "batch_input_shape": shape}}
    return {"class_name": "Sequential", "config": {"name": "mine", "layers": [first, *layers]}}


def keras_file(config: Any = None, weights: Callable[[Any], None] | None = None) -> bytes:
    """Return a Keras HDF5 file."""
    buffer = io.BytesIO()
    with h5py.File(buffer, "w") as file:
        if config is not None:
            file.attrs["model_config"] = config if isinstance(config, str) else json.dumps(config)
        if weights is not None:
            weights(file)
    return buffer.getvalue()


def keras(content: Callable[[], bytes]) -> Act:
    return lambda folder: import_keras(content(), bare_contract())


def _lambda() -> bytes:
    layer = {
        "class_name": "Lambda",
        "config": {"name": "evil", "function": ["4wAAAAAAAAAAAAAAAA==", None, None]},
    }
    return keras_file(keras_config(layer))


def _linked_elsewhere(folder: Path) -> Any:
    with h5py.File(folder / "secret.h5", "w") as file:
        file.create_group("layers/dense/vars")
    content = keras_file(
        keras_config(FLATTEN, DENSE),
        lambda file: file.__setitem__("layers", h5py.ExternalLink(str(folder / "secret.h5"), "layers")),
    )
    return import_keras(content, bare_contract())


def _soft(file: Any) -> None:
    file.create_group("real")
    file["layers"] = h5py.SoftLink("/real")


DENSE = {"class_name": "Dense", "config": {"name": "d", "units": 1}}
FLATTEN = {"class_name": "Flatten", "config": {"name": "f"}}


def layer(**changes: Any) -> Callable[[Members], Members]:
    """Change the last layer."""

    def damage(parts: Members) -> Members:
        network = json.loads(parts["contract.json"])["architecture"]
        network["layers"][-1] |= changes
        return with_contract(parts, architecture=network)

    return damage


def padding(size: int) -> Callable[[Members], Members]:
    """Put zeros about the stamps."""

    def damage(parts: Members) -> Members:
        network = json.loads(parts["contract.json"])["architecture"]
        zeros = {"kind": "ZeroPadding2D", "name": "zeros", "padding": [[size, size], [size, size]]}
        network["layers"].insert(0, zeros)
        return with_contract(parts, architecture=network)

    return damage


def layers_of_many_weights(parts: Members) -> Members:
    """Put a layer before the last one, both with weights that no file holds."""
    network = json.loads(parts["contract.json"])["architecture"]
    many = [{**network["layers"][-1], "name": name, "units": 10**7} for name in ("a", "b")]
    network["layers"][-1:-1] = many
    return with_contract(parts, architecture=network)


def h5_weights(change: Callable[[Any], None]) -> Callable[[Members], Members]:
    """Change the weights."""

    def damage(parts: Members) -> Members:
        buffer = io.BytesIO(parts["weights.h5"])
        with h5py.File(buffer, "r+") as file:
            change(file)
        return rehashed(parts | {"weights.h5": buffer.getvalue()})

    return damage


def _weight(name: str, make: Callable[[Any, Any], None]) -> Callable[[Any], None]:
    def change(file: Any) -> None:
        before = file[name][()]
        del file[name]
        make(file, before)

    return change


def arrays(**given: Any) -> Callable[[Members], Members]:
    """Change arrays of golden.npz; None takes one away."""

    def damage(parts: Members) -> Members:
        own = read_arrays(parts["golden.npz"], "golden.npz") | given
        buffer = io.BytesIO()
        np.savez(buffer, **{name: array for name, array in own.items() if array is not None})
        return rehashed(parts | {"golden.npz": buffer.getvalue()})

    return damage


def member_of_npz(content: bytes) -> Callable[[Members], Members]:
    return lambda parts: rehashed(parts | {"golden.npz": write_members({"score.npy": content})})


def _huge_header() -> bytes:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 10**15)}
    )
    return buffer.getvalue()


_cases = Cases()
_format, _fit = ModelFormatError, ModelContractError
_whole: list[tuple[str, Callable[[bytes], bytes], str]] = [
    ("an empty file", lambda c: b"", "not a readable zip file"),
    ("text", lambda c: b"hello", "not a readable zip file"),
    ("its first 10 bytes", lambda c: c[:10], "not a readable zip file"),
    ("its first 1,000 bytes", lambda c: c[:1000], "not a readable zip file"),
    ("all but its last 200 bytes", lambda c: c[:-200], "does not belong into a model"),
    ("all but its first 200 bytes", lambda c: c[200:], "not a readable zip file"),
    ("a damaged stream of a member", lambda c: damaged_stream(), "not a readable zip file"),
    ("a member that is encrypted", encrypted, "is encrypted"),
    ("a zip bomb of 50 MB", lambda c: bomb(50_000_000), "would grow from"),
    ("a member twice", lambda c: zip_of(("contract.json", b"{}"), ("contract.json", b"{}")), "occurs twice"),
    ("a link", lambda c: zip_of((entry("graph.onnx", external_attr=0o120777 << 16), b"/etc/hostname")), "not a plain file"),
    ("a folder", lambda c: zip_of(("graph.onnx/", b"")), "has a path"),
    ("a member of a name that has no end", lambda c: zip_of(("x" * 60_000, b"")), "does not belong into a model"),
]  # fmt: skip
for _given, _damage, _says in _whole:
    _cases.refused(_given, load_bytes(_damage), _format, _says)

_parts: list[tuple[str, Callable[[Members], Members], type[Exception], str]] = [
    ("a byte of the weights altered", flipped("weights.h5"), _format, "weights.h5 is not the file its contract hashes"),
    ("a byte of the graph altered", flipped("graph.onnx"), _format, "graph.onnx is not the file its contract hashes"),
    ("a byte of the golden scores altered", flipped("golden.npz"), _format, "golden.npz is not the file"),
    ("the hash of another model", lambda m: with_contract(m, members=json.loads(read_members(_content(4), None, "x")["contract.json"])["members"]), _format, "is not the file its contract hashes"),
    ("the weights of another model, hashed anew", lambda m: rehashed(m | {"weights.h5": read_members(_content(4), None, "x")["weights.h5"], "graph.onnx": read_members(_content(4), None, "x")["graph.onnx"]}), _fit, "does not give its golden scores"),
    ("a program beside the members", lambda m: m | {"evil.py": b"import os"}, _format, "does not belong into a model"),
    ("a member `../graph.onnx`", lambda m: m | {"../graph.onnx": b""}, _format, "has a path"),
    ("a member `/graph.onnx`", lambda m: m | {"/graph.onnx": b""}, _format, "has a path"),
    ("a member `..\\graph.onnx`", lambda m: m | {"..\\graph.onnx": b""}, _format, "has a path"),
    ("a member `c:graph.onnx`", lambda m: m | {"c:graph.onnx": b""}, _format, "has a path"),
    ("no contract", without("contract.json"), _format, "it is not a model"),
    ("no graph", without("graph.onnx"), _format, "its contract lists"),
    ("no golden scores", lambda m: rehashed(without("golden.npz")(m)), _format, "has no golden.npz"),
    ("no weights", lambda m: rehashed(without("weights.h5")(m)), _format, "both or not at all"),
    ("half of the weights", halved("weights.h5"), _format, "not a readable HDF5 file"),
    ("half of the graph", halved("graph.onnx"), _format, "not an ONNX model"),
    ("half of the golden scores", halved("golden.npz"), _format, "not a readable zip file"),
    ("an empty contract", lambda m: m | {"contract.json": b"{}"}, _format, "contract.json cannot be used"),
    ("a contract nested 10,000 deep", lambda m: m | {"contract.json": b"[" * 10_000}, _format, "recursion limit exceeded"),
    ("a contract in no text", lambda m: m | {"contract.json": b"\xff\xfe"}, _format, "contract.json cannot be used"),
    ("a contract with a field of its own", lambda m: with_contract(m, run="os.system"), _format, "Extra inputs are not permitted"),
    ("a contract of a later format", lambda m: with_contract(m, format="rbmodel-9"), _format, "format"),
    ("a name with a path", lambda m: with_contract(m, name="../x"), _format, "name: String should match pattern"),
    ("a name with HTML", lambda m: with_contract(m, name="<script>"), _format, "name: String should match pattern"),
    ("a version of 8 characters", lambda m: with_contract(m, version="12345678"), _format, "at most 7 characters"),
    ("an unknown normalisation", lambda m: with_contract(m, normalization={"name": "mine"}), _fit, "wants the normalisation 'mine'"),
    ("a parameter that the normalisation lacks", lambda m: with_contract(m, normalization={"name": "asinh-1", "parameters": {"evil": 1.0}}), _format, "has no parameter 'evil'"),
    ("a softening of 0", lambda m: with_contract(m, normalization={"name": "asinh-1", "parameters": {"softening": 0.0}}), _format, "softening must be above 0"),
    ("a softening of NaN", lambda m: m | {"contract.json": m["contract.json"].replace(b'"parameters": {}', b'"parameters": {"softening": NaN}')}, _format, "contract.json cannot be used"),
    ("stamps of 10⁹ pixels a side", lambda m: with_contract(m, stamp_size=10**9), _format, "stamp_size: Input should be less than or equal to 1024"),
    ("stamps of −5 pixels", lambda m: with_contract(m, stamp_size=-5), _format, "stamp_size"),
    ("inputs twice", lambda m: with_contract(m, inputs=["science", "science"]), _format, "an input appears twice"),
    ("an unknown input", lambda m: with_contract(m, inputs=["science", "evil"]), _format, "inputs.1"),
    ("inputs exchanged", lambda m: with_contract(m, inputs=["template", "science"]), _fit, "does not give its golden scores"),
    ("another rule for missing pixels", lambda m: with_contract(m, missing={"rule": "zero"}), _fit, "does not give its golden scores"),
    ("a real output that there is not", lambda m: with_contract(m, output={"size": 1, "real": 3}), _format, "output 3 is meant to be real"),
    ("a calibration that falls", lambda m: with_contract(m, calibration={"method": "x", "scores": [0, 1], "probabilities": [1, 0]}), _format, "must not decrease"),
    ("a prior of 1", lambda m: with_contract(m, prior={"training": 1.0, "intended": 0.5}), _format, "prior.training"),
    ("layers for other stamps", lambda m: with_contract(m, stamp_size=11), _format, "the network takes"),
    ("a layer of 10⁹ units", layer(units=10**9), _format, "makes 1000000000 values of a stamp"),
    ("layers of 10¹⁴ weights", layers_of_many_weights, _format, "parameters; at most"),
    ("zeros of 10⁶ pixels about each stamp", padding(10**6), _format, "values of a stamp; at most"),
    ("weights that are no numbers", h5_weights(_weight("last/bias", lambda f, v: f.create_dataset("last/bias", data=v * np.nan))), _format, "not finite"),
    ("weights of float64", h5_weights(_weight("last/bias", lambda f, v: f.create_dataset("last/bias", data=v.astype(float)))), _format, "must be float32"),
    ("weights of another shape", h5_weights(_weight("last/bias", lambda f, v: f.create_dataset("last/bias", data=np.zeros(2, np.float32)))), _format, "must be float32 (1,)"),
    ("weights kept in another file", h5_weights(_weight("last/bias", lambda f, v: f.create_dataset("last/bias", (1,), "f4", external=[("/etc/hostname", 0, 4)]))), _format, "kept in another file"),
    ("weights by a link", h5_weights(_weight("last/bias", lambda f, v: f.__setitem__("last/bias", h5py.ExternalLink("/etc/hostname", "x")))), _format, "is a link"),
    ("weights nested 10 deep", h5_weights(lambda f: f.create_group("/".join("abcdefghij"))), _format, "nested too deeply"),
    ("weights that no layer has", h5_weights(lambda f: f.create_dataset("extra", data=np.zeros(1, np.float32))), _format, "unknown ['extra']"),
    ("a graph with data outside of it", graph(_external), _format, "in another file"),
    ("a graph with data outside in an attribute", graph(_external_attribute), _format, "in another file"),
    ("a graph with a loop", graph(_set("op_type", "Loop")), _format, "uses the operator Loop"),
    ("a graph with operators of another library", graph(_set("domain", "com.example")), _format, "com.example"),
    ("a graph inside a node", graph(_hidden), _format, "hides a graph"),
    ("a graph with functions", graph(_function), _format, "defines functions"),
    ("a graph for other stamps", graph(_other_input), _fit, "(63, 9, 2)"),
    ("a graph with two outputs", graph(_two_outputs), _fit, "one input and one output"),
    ("golden scores without scores", arrays(score=None), _format, "needs stamps, is_negative and score"),
    ("golden stamps of another number", arrays(science=np.zeros((2, 9, 9), np.float32)), _format, "for 12 scores"),
    ("golden stamps of double precision", arrays(science=np.zeros((12, 9, 9))), _format, "(12, 9, 9) float64 for 12 scores"),
    ("golden stamps of no pixels", arrays(science=np.zeros((12, 0, 0), np.float32)), _format, "science has shape (12, 0, 0)"),
    ("golden scores of objects", arrays(score=np.array([print] * 12, object)), _format, "golden.npz: array 'score.npy' cannot be read"),
    ("golden scores all NaN", arrays(score=np.full(12, np.nan, np.float32)), _format, "holds no score to compare with"),
    ("golden scores that are text", arrays(score=np.full(12, "x")), _format, "golden.npz"),
    ("golden scores that are no array", member_of_npz(b"hello"), _format, "cannot be read"),
    ("a golden array of 10³⁰ values", member_of_npz(_huge_header()), _format, "cannot be read"),
]  # fmt: skip
for _given, _change, _error, _says in _parts:
    _cases.refused(_given, load(_change), _error, _says)

_keras: list[tuple[str, Callable[[], bytes], str]] = [
    ("a Keras file with a Lambda layer", _lambda, "Keras layer 'Lambda' is not known"),
    ("a Keras file of a functional model", lambda: keras_file({"class_name": "Functional", "config": {}}), "only Sequential Keras models"),
    ("a Keras file without a body", lambda: keras_file({"class_name": "Sequential"}), "the Keras configuration"),
    ("a Keras file whose layers are text", lambda: keras_file({"class_name": "Sequential", "config": {"layers": "abc"}}), "the Keras configuration"),
    ("a Keras file with a layer without a name", lambda: keras_file(keras_config({"class_name": "Flatten", "config": {}})), "Keras"),
    ("a Keras file whose input is text", lambda: keras_file(keras_config(FLATTEN, DENSE, shape="big")), "Keras"),
    ("a Keras file for 10⁶ × 10⁶ pixels", lambda: keras_file(keras_config(FLATTEN, DENSE, shape=[None, 10**6, 10**6, 2])), "makes 2000000000000 values"),
    ("a Keras configuration that is no JSON", lambda: keras_file("{"), "is not JSON"),
    ("a Keras configuration that is a list", lambda: keras_file("[]"), "is not that of a model"),
    ("a Keras file with a link inside", lambda: keras_file(keras_config(FLATTEN, DENSE), _soft), "is a link"),
    ("a Keras file without weights", lambda: keras_file(keras_config(FLATTEN, DENSE)), "the file holds 0 layers with weights"),
    ("a .keras file that is a zip bomb", lambda: bomb(50_000_000), "would grow from"),
    ("a .keras file without its configuration", lambda: zip_of(("model.weights.h5", b"")), "config.json"),
    ("a .keras file with a path", lambda: zip_of(("../config.json", b"")), "has a path"),
    ("a pickle called .h5", lambda: b"\x80\x04\x95cposix\nsystem\n", "not a readable HDF5 file"),
]  # fmt: skip
for _given, _make, _says in _keras:
    _cases.refused(_given, keras(_make), _format, _says)

_cases.refused("a Keras file whose weights are in another file", _linked_elsewhere, _format, "is a link")
_cases.refused(
    "an ONNX file that is a pickle",
    lambda folder: import_onnx(b"\x80\x04\x95", bare_contract()),
    _format,
    "not an ONNX model",
)
_cases.refused(
    "a graph that pads to 100,000 × 100,000 pixels",
    lambda folder: import_onnx(_padded(), bare_contract()),
    _format,
    "makes",
    bomb=True,
)
_cases.refused(
    "a graph that doubles its values 40 times",
    lambda folder: import_onnx(_doubled(), bare_contract()),
    _format,
    "makes",
    bomb=True,
)
_cases.refused(
    "a model of an empty name", lambda folder: load_classifier(""), InvalidInputError, "got an empty one"
)
_cases.refused("a model that is a number", lambda folder: load_classifier(5), InvalidInputError, "got 5")  # type: ignore[arg-type]
_cases.refused(
    "a model that is a folder",
    lambda folder: load_classifier(folder),
    ModelNotFoundError,
    "there is no model at",
)
_cases.refused(
    "a packaged model of a path",
    lambda folder: load_classifier("package:../../etc/passwd"),
    ModelNotFoundError,
    "no model called '../../etc/passwd'",
)
_cases.refused(
    "a contract of no name",
    lambda folder: preset_contract("compact", "", "1"),
    InvalidInputError,
    "a model cannot be called ''",
)

TABLE = _cases.table(
    "Models", "`rb.load`, `realbogus model import`, `model.load_classifier`, every task that scores"
)
