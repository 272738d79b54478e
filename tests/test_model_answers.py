"""What a model answers, and what it says of the sources and images for which its answer means little."""

from __future__ import annotations

import json
import logging

import numpy as np
import pytest
import scipy.signal
import scipy.special
from astropy.table import Table

from lsst.meas.realbogus import model as room
from lsst.meas.realbogus.errors import InvalidInputError, ModelNotFoundError
from lsst.meas.realbogus.model import (
    Architecture,
    Scorer,
    count_unscored,
    explain_unscored,
    golden_stamps,
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    read_model_file,
    unfamiliar,
)
from lsst.meas.realbogus.model import _locate as locate
from lsst.meas.realbogus.model._architecture import (
    ActivationLayer,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
)
from lsst.meas.realbogus.model._contract import TrainedOn
from lsst.meas.realbogus.model._preparation import edge_and_nan_flags
from lsst.meas.realbogus.model._reference import forward
from lsst.meas.realbogus.randomness import generator

FLAGS = ("flag_unscorable", "flag_edge", "flag_nan", "flag_degenerate", "flag_no_template")


@pytest.fixture(scope="module")
def scorer() -> Scorer:
    contract = preset_contract("dia", "toy", "1")
    contract = contract.model_copy(update={"trained": TrainedOn(stamp_size=(51, 63), psf_fwhm=(2.0, 4.0))})
    return Scorer(make_model(contract, initial_weights(named_architecture("dia"), 11)).classifier())


@pytest.fixture
def stamps() -> dict[str, np.ndarray]:
    drawn, _ = golden_stamps(51, 6, seed=4)
    return {name: array[1:].copy() for name, array in drawn.items()}


def test_layers_do_what_their_formulas_say() -> None:
    rng = generator(1, "test-model-answers")
    x = rng.normal(size=(2, 6, 5, 3)).astype(np.float32)
    layers = (
        BatchNormalization(name="norm", epsilon=0.01),
        DepthwiseConv2D(name="depth", kernel_size=(3, 3), padding="same"),
        Conv2D(name="conv", filters=2, kernel_size=(1, 1), activation="tanh"),
        Flatten(name="flat"),
        Dense(name="dense", units=4),
        ActivationLayer(name="last", activation="softmax"),
    )
    network = Architecture(name="all", input_shape=(6, 5, 3), layers=layers)
    weights = {
        name: rng.uniform(0.2, 1.0, array.shape).astype(np.float32)
        for name, array in initial_weights(network).items()
    }
    w = {name: array.astype(float) for name, array in weights.items()}
    y = (x - w["norm/moving_mean"]) / np.sqrt(w["norm/moving_variance"] + 0.01)
    y = y * w["norm/gamma"] + w["norm/beta"]
    y = np.stack(
        [
            [scipy.signal.correlate2d(each[..., c], w["depth/kernel"][..., c, 0], "same") for c in range(3)]
            for each in y
        ]
    ).transpose(0, 2, 3, 1)
    y = np.tanh((y + w["depth/bias"]) @ w["conv/kernel"][0, 0] + w["conv/bias"])
    y = scipy.special.softmax(y.reshape(2, -1) @ w["dense/kernel"] + w["dense/bias"], axis=1)
    found = forward(network, weights, x)
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, y, rtol=1e-12)
    end = Architecture(name="end", input_shape=(1, 1, 4), layers=(Flatten(name="flat"), layers[-1]))
    shifted = forward(end, {}, np.float32([1e4, 1e4, 0, 0]).reshape(1, 1, 1, 4))
    np.testing.assert_allclose(shifted, [[0.5, 0.5, 0, 0]])


def test_contracts_are_written_in_one_way_only() -> None:
    text = preset_contract("braai", "b", "1").to_json()
    fields = json.loads(text)
    assert list(fields) == sorted(fields) and list(fields["missing"]) == sorted(fields["missing"])
    assert text == room.Contract.from_json(text).to_json()


@pytest.mark.parametrize(
    ("flags", "fraction", "reason"),
    [
        ("edge", 1.0, "off_image"),
        ("no_template nan", 0.3, "no_template"),
        ("nan", 0.9, "no_data"),
        ("edge nan", 1.0, "no_data"),
        ("", 1.0, "no_data"),
        ("edge", 0.9, "edge"),
        ("", 0.3, "small_stamp"),
        ("degenerate", 0.3, "degenerate"),
        ("degenerate nan", 0.3, "degenerate"),
        ("", 0.0, "no_answer"),
    ],
)
def test_every_source_without_a_score_has_one_reason(flags: str, fraction: float, reason: str) -> None:
    table = Table({name: [name[5:] in flags.split() or name == FLAGS[0], False] for name in FLAGS})
    table["fraction_missing"] = np.float32([fraction, 1.0])
    assert count_unscored(table) == {reason: 1}
    both = Table([np.repeat(column, [3, 1]) for column in table.columns.values()], names=table.colnames)
    assert count_unscored(both) == {reason: 3}


def test_the_commonest_reason_is_told_first_with_what_the_model_allows() -> None:
    contract = preset_contract("dia", "toy", "1")
    found = explain_unscored({"no_answer": 1, "edge": 7, "no_template": 3}, [contract])
    assert [(each.reason, each.count) for each in found] == [
        ("edge", 7),
        ("no_template", 3),
        ("no_answer", 1),
    ]
    assert found[0].text.endswith("(model toy 1 looks at 51 x 51 pixels and allows 50% missing)")
    assert found[2].text.startswith("1 source ") and explain_unscored({}) == ()


def test_what_a_model_was_not_trained_on_is_said_with_both_numbers(scorer: Scorer) -> None:
    contract = scorer.contract
    assert unfamiliar(contract, psf_fwhm=[np.nan, 3.0], stamp_shape=(63, 99)) == {}
    assert unfamiliar(contract, psf_fwhm=[np.nan]) == {}
    found = unfamiliar(contract, psf_fwhm=[5.0, 7.0, np.nan], stamp_shape=(41, 80))
    assert set(found) == {"psf_fwhm", "stamp_shape"}
    assert "FWHM of 6 pixels, model toy 1 was trained on 2 to 4" in found["psf_fwhm"]
    assert "stamps have 41 x 80 pixels, model toy 1 was trained on 51 to 63" in found["stamp_shape"]


def test_a_scorer_warns_of_what_it_was_not_trained_on(
    scorer: Scorer, stamps: dict[str, np.ndarray], caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        scorer.score(stamps, psf_fwhm=3.0)
        assert not caplog.records
        small = {role: array[:, 8:-8, 8:-8] for role, array in stamps.items()}
        scorer.score(small, psf_fwhm=8.0)
    assert "the stamps have 35 x 35 pixels" in caplog.text and "FWHM of 8 pixels" in caplog.text


def test_a_scorer_says_what_it_is_and_keeps_the_ids(scorer: Scorer, stamps: dict[str, np.ndarray]) -> None:
    assert repr(scorer) == '<Scorer toy 1: difference, science, template, 51 x 51 pixels of 0.263">'
    table = scorer.score(stamps, ids=[7, 5, 3, 2**62, -1])
    assert table["id"].tolist() == [7, 5, 3, 2**62, -1] and table["id"].dtype == np.int64
    assert scorer.score(stamps)["id"].tolist() == [0, 1, 2, 3, 4]
    with pytest.raises(InvalidInputError, match=r"ids must have shape \(5,\); got \(2,\)"):
        scorer.score(stamps, ids=[1, 2])
    with pytest.raises(InvalidInputError, match="stamps are called science, template, difference; got diff"):
        scorer.score({**stamps, "diff": stamps["difference"]})


def test_masked_pixels_are_missing_as_nan_is(scorer: Scorer, stamps: dict[str, np.ndarray]) -> None:
    mask = np.zeros(stamps["science"].shape, bool)
    mask[1, :, :10] = True
    masked = {role: np.ma.array(array, mask=mask) for role, array in stamps.items()}
    holes = {role: np.where(mask, np.float32(np.nan), array) for role, array in stamps.items()}
    one, other, whole = (scorer.score(given) for given in (masked, holes, stamps))
    np.testing.assert_array_equal(one["score"], other["score"])
    np.testing.assert_array_equal(one["fraction_missing"] > 0, [False, True, False, False, False])
    assert one["score"][1] != whole["score"][1] and one["score"][0] == whole["score"][0]


def test_what_lies_off_the_image_is_not_what_has_no_value_on_it() -> None:
    pixels = np.ones((4, 9, 9), np.float32)
    off = np.zeros((4, 9, 9), bool)
    off[1, 2] = True  # off the image
    pixels[1, 2] = pixels[2, 4, 4] = np.nan
    off[3, 0] = True  # where the model does not look
    pixels[3, 0] = np.nan
    edge, nan = edge_and_nan_flags(["science"], {"science": pixels}, {"science": off}, 5)
    assert edge.tolist() == [False, True, False, False] and nan.tolist() == [False, False, True, False]
    edge, nan = edge_and_nan_flags(["science"], {"science": pixels}, None, 5)
    assert not edge.any() and nan.tolist() == [False, True, True, False]


def test_the_highest_version_of_a_packaged_model_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    class File:
        def __init__(self, name: str) -> None:
            self.name = name

        def read_bytes(self) -> bytes:
            return self.name.encode()

    names = ["dia-2", "dia-10", "dia-9.1", "dia-x", "acero-dia-30", "nodia-1.2", "nodia-1.11"]
    monkeypatch.setattr(locate, "packaged_models", lambda: {name: File(name) for name in names})
    assert read_model_file("package:dia") == b"dia-10"
    assert read_model_file("package:nodia") == b"nodia-1.11"
    assert read_model_file("package:dia-9.1") == b"dia-9.1"
    with pytest.raises(
        ModelNotFoundError, match="no model called 'di' .*package:acero-dia-30, package:dia-10"
    ):
        read_model_file("package:di")


def test_models_come_with_the_package_by_name_and_version() -> None:
    models = locate.packaged_models()
    assert list(models) == sorted(models) and {name.rpartition("-")[0] for name in models} >= {"dia", "nodia"}
    assert read_model_file("package:dia")[:2] == b"PK"
