"""A model file is the same bytes every time, and nothing but a sound one is accepted."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Mapping

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
