"""A model file is the same bytes every time, and nothing but a sound one is accepted."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
import zipfile
from collections.abc import Callable, Mapping

import numpy as np
import pytest

from lsst.meas.realbogus.errors import ModelContractError, ModelError, ModelFormatError
from lsst.meas.realbogus.model import (
    TOLERANCE,
    Contract,
    Model,
    file_from_table,
    initial_weights,
    load_classifier,
    make_model,
    named_architecture,
    preset_contract,
    read_arrays,
    read_model,
    sensitivity,
    table_from_file,
    write_model,
)
from lsst.meas.realbogus.model._archive import read_members, sha256, write_members
from lsst.meas.realbogus.randomness import generator

onnx = pytest.importorskip("onnx", reason="ONNX is not installed")

Members = dict[str, bytes]


@pytest.fixture(scope="module")
def model() -> Model:
    return make_model(preset_contract("nodia", "toy", "1"), initial_weights(named_architecture("nodia"), 7))


@pytest.fixture(scope="module")
def members(model: Model) -> Members:
    return read_members(write_model(model), None, "toy")


def with_contract(parts: Members, **changes: object) -> Members:
    fields = json.loads(parts["contract.json"]) | changes
    return parts | {"contract.json": json.dumps(fields).encode()}


def rehashed(members: Members) -> Members:
    """Make the hashes right again, as somebody would who changes a file on purpose."""
    hashes = {name: sha256(part) for name, part in members.items() if name != "contract.json"}
    return with_contract(members, members=hashes)


def test_round_trip_gives_the_same_bytes(model: Model) -> None:
    content = write_model(model)
    again = read_model(content)
    assert write_model(again) == content == write_model(model)
    assert again.contract == model.contract
    assert again.content_hash == model.content_hash
    assert model.weights is not None and again.weights is not None
    assert all(np.array_equal(again.weights[key], model.weights[key]) for key in model.weights)


def test_a_butler_table_holds_the_same_file(model: Model) -> None:
    content = write_model(model)
    table = table_from_file(content)
    assert table.column_names == ["member", "content"]
    assert read_model(file_from_table(table)).content_hash == model.content_hash
    with pytest.raises(ModelFormatError, match="member"):
        file_from_table(table.select(["content"]))


def test_the_same_content_is_loaded_once(model: Model) -> None:
    content = write_model(model)
    assert load_classifier(content, "here") is load_classifier(bytes(bytearray(content)), "there")
    assert load_classifier(content, engine="numpy") is not load_classifier(content)


def test_golden_scores_see_every_mistake(model: Model) -> None:
    changes = sensitivity(model.classifier(), model.golden)
    assert len(changes) == 5
    assert min(changes.values()) > 100 * TOLERANCE


@pytest.mark.parametrize(
    "changes",
    [
        {"output": {"size": 2, "real": 1}},
        {"inputs": ["template", "science"]},
        {"missing": {"rule": "zero"}},
        {"negative": "none"},
        {"normalization": {"name": "ml4transients-minmax-1"}},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_a_contract_that_is_not_its_makers_fails_the_golden_check(
    members: Members, changes: dict[str, object]
) -> None:
    with pytest.raises(ModelContractError, match="golden scores"):
        load_classifier(write_members(with_contract(members, **changes)))


def _without(name: str) -> Callable[[Members], Members]:
    return lambda members: {key: part for key, part in members.items() if key != name}


def _truncated(name: str) -> Callable[[Members], Members]:
    return lambda members: members | {name: members[name][: len(members[name]) // 2]}


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda m: m | {"weights.h5": m["weights.h5"] + b" "}, r"weights\.h5 is not the file"),
        (lambda m: m | {"evil.py": b"import os"}, "does not belong"),
        (lambda m: m | {"../graph.onnx": b""}, "path"),
        (lambda m: m | {"/graph.onnx": b""}, "path"),
        (lambda m: m | {"..\\graph.onnx": b""}, "path"),
        (_without("contract.json"), "not a model"),
        (_without("graph.onnx"), "holds"),
        (lambda m: rehashed(_without("golden.npz")(m)), r"no golden\.npz"),
        (lambda m: rehashed(_without("weights.h5")(m)), "both or not at all"),
        (lambda m: rehashed(_truncated("weights.h5")(m)), "HDF5|kept|read"),
        (lambda m: rehashed(_truncated("graph.onnx")(m)), "ONNX"),
        (lambda m: rehashed(_truncated("golden.npz")(m)), "zip"),
        (lambda m: m | {"contract.json": b"{}"}, "contract"),
        (lambda m: with_contract(m, normalization={"name": "mine"}), "mine"),
    ],
)
def test_damage_is_refused_by_name(
    members: Members, damage: Callable[[Members], Members], reason: str
) -> None:
    with pytest.raises((ModelFormatError, ModelContractError), match=reason):
        read_model(write_members(damage(members)))


@pytest.mark.parametrize("cut", [0, 10, 1000, -200])
def test_half_a_file_is_refused(model: Model, cut: int) -> None:
    with pytest.raises(ModelFormatError, match="zip"):
        read_model(write_model(model)[:cut])


def zip_of(entries: list[tuple[zipfile.ZipInfo, bytes]]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for info, content in entries:
            archive.writestr(info, content)
    return buffer.getvalue()


def test_a_member_given_twice_is_refused(members: Members) -> None:
    entries = [(zipfile.ZipInfo(name), part) for name, part in members.items()]
    with pytest.warns(UserWarning, match="Duplicate"):
        content = zip_of([*entries, (zipfile.ZipInfo("contract.json"), b"{}")])
    with pytest.raises(ModelFormatError, match="twice"):
        read_model(content)


def test_a_zip_bomb_is_refused_before_it_grows() -> None:
    info = zipfile.ZipInfo("weights.h5")
    info.compress_type = zipfile.ZIP_DEFLATED
    with pytest.raises(ModelFormatError, match="would grow"):
        read_model(zip_of([(info, bytes(50_000_000))]))


def test_a_link_is_refused() -> None:
    info = zipfile.ZipInfo("graph.onnx")
    info.external_attr = 0o120777 << 16
    with pytest.raises(ModelFormatError, match="plain file"):
        read_model(zip_of([(info, b"/etc/hostname")]))


def test_pickled_arrays_are_refused() -> None:
    buffer = io.BytesIO()
    np.savez(buffer, score=np.array([print], dtype=object))
    with pytest.raises(ModelFormatError, match="score"):
        read_arrays(buffer.getvalue(), "golden.npz")


def test_arrays_that_claim_to_be_huge_take_no_memory() -> None:
    buffer = io.BytesIO()
    np.lib.format.write_array_header_1_0(
        buffer, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 10**15)}
    )
    with pytest.raises(ModelFormatError, match="cannot be read"):
        read_arrays(write_members({"x.npy": buffer.getvalue()}), "golden.npz")


def changed_graph(members: Members, change: Callable[[onnx.ModelProto], None]) -> Members:
    graph = onnx.load_model_from_string(members["graph.onnx"])
    change(graph)
    return rehashed(members | {"graph.onnx": graph.SerializeToString()})


def _external(graph: onnx.ModelProto) -> None:
    tensor = graph.graph.initializer[0]
    tensor.data_location = onnx.TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/passwd")


def _loop(graph: onnx.ModelProto) -> None:
    graph.graph.node[1].op_type = "Loop"


def _foreign(graph: onnx.ModelProto) -> None:
    graph.graph.node[1].domain = "com.example"


def _hidden(graph: onnx.ModelProto) -> None:
    graph.graph.node[1].attribute.add(name="body", type=onnx.AttributeProto.GRAPH).g.name = "inner"


def _other_shape(graph: onnx.ModelProto) -> None:
    graph.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 63


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_external, "another file"),
        (_loop, "Loop"),
        (_foreign, "com.example"),
        (_hidden, "hides a graph"),
        (_other_shape, "63"),
    ],
)
def test_graphs_that_could_do_more_than_arithmetic_are_refused(
    members: Members, change: Callable[[onnx.ModelProto], None], reason: str
) -> None:
    with pytest.raises((ModelFormatError, ModelContractError), match=reason):
        read_model(write_members(changed_graph(members, change)))


def test_a_graph_without_layers_is_a_model_too(model: Model) -> None:
    contract = model.contract.model_copy(update={"architecture": None, "members": {}})
    bare = make_model(contract, graph=model.graph)
    again = read_model(write_model(bare))
    assert again.weights is None
    found = again.classifier().score(model.golden.stamps, is_negative=model.golden.is_negative)
    np.testing.assert_allclose(found.score, model.golden.score, atol=TOLERANCE, equal_nan=True)


def test_weights_and_contract_must_belong_together() -> None:
    contract: Contract = preset_contract("nodia", "toy", "1")
    with pytest.raises(ModelContractError, match="must have shape"):
        make_model(contract, initial_weights(named_architecture("dia")))
    with pytest.raises(ModelContractError, match="needs layers"):
        make_model(contract)


def test_a_changed_part_cannot_be_written(model: Model) -> None:
    with pytest.raises(ModelContractError, match="hashes"):
        write_model(dataclasses.replace(model, graph=model.graph + b" "))


def test_only_members_of_a_model_are_written(members: Mapping[str, bytes]) -> None:
    assert list(members) == ["contract.json", "golden.npz", "graph.onnx", "weights.h5"]


@pytest.mark.parametrize("name", ["contract.json", "weights.h5", "graph.onnx", "golden.npz", "the file"])
def test_random_damage_is_refused_or_harmless(members: Members, name: str) -> None:
    """Hashes are made right again, so that every reader meets the damage itself."""
    rng = generator(4, "test-damage", name)
    content = write_members(members)
    for _ in range(40):
        damaged = bytearray(content if name == "the file" else members[name])
        first = rng.integers(0, len(damaged) if rng.random() < 0.5 else min(len(damaged), 2000))
        match rng.integers(3):
            case 0:
                damaged[first] = rng.integers(256)
            case 1:
                del damaged[first:]
            case 2:
                damaged[first:first] = rng.bytes(9)
        if name != "the file":
            changed = members | {name: bytes(damaged)}
            damaged = bytearray(write_members(changed if name == "contract.json" else rehashed(changed)))
        with contextlib.suppress(ModelError):
            load_classifier(bytes(damaged))
