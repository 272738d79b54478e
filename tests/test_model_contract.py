"""A contract says what it means, refuses what cannot be meant, and does not change unseen."""

from __future__ import annotations

import importlib.resources
import json

import pytest
from pydantic import ValidationError

from lsst.meas.realbogus.errors import ModelFormatError
from lsst.meas.realbogus.model import PRESETS, Contract, NormalizationChoice, Output, preset_contract
from lsst.meas.realbogus.model._contract import contract_schema


def contract(**changes: object) -> Contract:
    fields: dict[str, object] = {
        "name": "toy",
        "version": "1",
        "inputs": ("science", "template"),
        "layout": "channels",
        "stamp_size": 31,
        "normalization": NormalizationChoice(name="asinh-1"),
        "output": Output(size=1, real=0),
    }
    return Contract(**(fields | changes))  # type: ignore[arg-type]


@pytest.mark.parametrize("network", sorted(PRESETS))
def test_json_round_trip_keeps_every_field(network: str) -> None:
    original = preset_contract(network, "toy", "1")
    again = Contract.from_json(original.to_json())
    assert again == original
    assert again.to_json() == original.to_json()


def test_the_schema_is_the_frozen_one() -> None:
    """A new field or meaning needs a new format name and a new file, on purpose."""
    folder = importlib.resources.files("lsst.meas.realbogus") / "resources" / "models"
    assert contract_schema() == json.loads((folder / "contract.schema.json").read_text())


def test_the_shape_of_the_input_follows_from_layout_and_inputs() -> None:
    assert contract().input_shape == (31, 31, 2)
    assert contract(layout="side_by_side").input_shape == (31, 62, 1)
    assert contract(psf={"form": "width"}).input_shape == (31, 31, 3)
    assert contract(psf={"form": "profile"}, missing={"show": True}).input_shape == (31, 31, 4)
    assert not contract().uses_difference
    assert contract(inputs=("difference",)).uses_difference


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"version": "12345678"}, "version"),
        ({"version": ""}, "version"),
        ({"name": "../up"}, "name"),
        ({"inputs": ("science", "science")}, "appears twice"),
        ({"inputs": ()}, "inputs"),
        ({"inputs": ("variance",)}, "inputs"),
        ({"output": {"size": 2, "real": 2}}, "real"),
        ({"output": {"size": 2, "real": None}}, "bogus"),
        ({"prior": {"training": 0.0, "intended": 0.5}}, "prior"),
        ({"calibration": {"method": "m", "scores": [0, 0], "probabilities": [0, 1]}}, "increase"),
        ({"calibration": {"method": "m", "scores": [0, 1], "probabilities": [1, 0]}}, "decrease"),
        ({"missing": {"maximum_fraction": 1.5}}, "maximum_fraction"),
        ({"members": {"graph.onnx": "abc"}}, "members"),
        ({"unknown": 1}, "unknown"),
        ({"layout": "side_by_side", "psf": {"form": "width"}}, "side_by_side"),
        ({"layout": "side_by_side", "missing": {"show": True}}, "side_by_side"),
        ({"missing": {"rule": "ignore"}, "normalization": {"name": "l2-1"}}, "cannot ignore"),
        ({"trained": {"psf_fwhm": (7, 2)}}, "smallest to the largest"),
        ({"trained": {"pixel_scale": (0, 2)}}, "pixel_scale"),
        ({"format": "rbmodel-1", "psf": {"form": "width"}}, "rbmodel-2"),
        ({"format": "rbmodel-1", "trained": {}}, "rbmodel-2"),
    ],
)
def test_what_cannot_be_meant_is_refused(changes: dict[str, object], reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        contract(**changes)


def test_a_network_of_another_shape_is_refused() -> None:
    fields = json.loads(preset_contract("nodia", "toy", "1").to_json())
    with pytest.raises(ModelFormatError, match="the network takes"):
        Contract.from_json(json.dumps(fields | {"stamp_size": 31}))


def test_files_of_the_first_format_are_read_and_written_as_they_were() -> None:
    text = contract(format="rbmodel-1").to_json()
    assert not {"psf", "trained", "show"} & {*json.loads(text), *json.loads(text)["missing"]}
    assert Contract.from_json(text).to_json() == text


def test_all_that_the_second_format_knows_goes_round() -> None:
    original = contract(
        psf={"form": "profile"},
        missing={"rule": "ignore", "show": True, "maximum_fraction": 0.7},
        trained={"pixel_scale": (0.2, 1.1), "psf_fwhm": (1.6, 7), "stamp_size": (21, 63)},
    )
    again = Contract.from_json(original.to_json())
    assert again == original
    assert again.trained is not None and again.trained.stamp_size == (21, 63)


@pytest.mark.parametrize("text", ["", "[]", "{", '{"format": "rbmodel-3"}'])
def test_text_that_is_no_contract_is_a_format_error(text: str) -> None:
    with pytest.raises(ModelFormatError, match=r"contract\.json"):
        Contract.from_json(text)
