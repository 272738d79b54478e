"""Scores depend on the source alone, and every bad stamp has its flag."""

from __future__ import annotations

import dataclasses

import numpy as np
import numpy.typing as npt
import pytest

from lsst.meas.realbogus.errors import InvalidInputError, ModelContractError
from lsst.meas.realbogus.model import (
    Calibration,
    Classifier,
    Contract,
    MissingRule,
    Output,
    Prior,
    Scores,
    check_golden,
    golden_stamps,
    initial_weights,
    make_model,
    named_architecture,
    prepare,
    preset_contract,
)
from lsst.meas.realbogus.model._calibration import network_probability, real_probability
from lsst.meas.realbogus.model._preparation import apply_missing_rule, fit_stamps

Stamps = dict[str, npt.NDArray[np.float32]]


@pytest.fixture(scope="module")
def classifier() -> Classifier:
    contract = preset_contract("dia", "toy", "1")
    return make_model(contract, initial_weights(named_architecture("dia"), 11)).classifier()


@pytest.fixture
def stamps() -> Stamps:
    """Clean stamps of 40 sources."""
    drawn, _ = golden_stamps(51, 41, seed=4)
    return {name: array[1:].copy() for name, array in drawn.items()}


def same(one: Scores, other: Scores, atol: float = 0.0) -> None:
    for field in dataclasses.fields(Scores):
        np.testing.assert_allclose(
            getattr(one, field.name), getattr(other, field.name), atol=atol, equal_nan=True
        )


def test_clean_stamps_get_scores_and_no_flags(classifier: Classifier, stamps: Stamps) -> None:
    scores = classifier.score(stamps)
    assert len(scores) == 40
    assert scores.score.dtype == np.float32
    assert ((scores.score >= 0) & (scores.score <= 1)).all()
    assert np.ptp(scores.score) > 0.05
    for name in ("flag_nan", "flag_degenerate", "flag_no_template", "flag_unscorable"):
        assert not getattr(scores, name).any()


def test_scores_do_not_depend_on_batch_size_order_or_company(classifier: Classifier, stamps: Stamps) -> None:
    whole = classifier.score(stamps)
    for batch_size in (1, 7, 256):
        other = Classifier(classifier.contract, classifier.engine, batch_size=batch_size)
        same(other.score(stamps), whole, atol=1e-6)
    order = np.random.Generator(np.random.PCG64(1)).permutation(40)
    shuffled = classifier.score({name: array[order] for name, array in stamps.items()})
    np.testing.assert_allclose(shuffled.score, whole.score[order], atol=1e-6)
    parts = [
        classifier.score({name: array[i : i + 9] for name, array in stamps.items()}) for i in range(0, 40, 9)
    ]
    same(Scores.concatenate(parts), whole, atol=1e-6)


def test_no_sources_give_no_scores(classifier: Classifier) -> None:
    empty = classifier.score({name: np.empty((0, 51, 51), np.float32) for name in classifier.contract.inputs})
    assert len(empty) == 0
    assert empty.score.dtype == np.float32
    assert empty.flag_nan.dtype == bool


def test_every_bad_stamp_has_its_flag(classifier: Classifier, stamps: Stamps) -> None:
    clean = classifier.score(stamps)
    missing = {name: np.zeros(array.shape, bool) for name, array in stamps.items()}
    stamps["science"][0, :3] = np.nan
    stamps["difference"][1] = 5.0
    stamps["template"][2] = np.nan
    missing["template"][3] = True
    missing["science"][4, :, :40] = True
    stamps["difference"][5, 2, 2] = np.inf
    missing["difference"][6, 20, 20] = True
    stamps["template"][7] = 0.0
    scores = classifier.score(stamps, missing)
    rows = {
        "flag_nan": {0, 2, 5},
        "flag_degenerate": {1, 2, 3, 7},
        "flag_no_template": {2, 3},
        "flag_unscorable": {1, 2, 3, 4, 7},
    }
    for name, expected in rows.items():
        assert set(np.flatnonzero(getattr(scores, name)).tolist()) == expected, name
    np.testing.assert_array_equal(np.isnan(scores.score), scores.flag_unscorable)
    np.testing.assert_allclose(
        scores.fraction_missing[[0, 3, 4, 6]], [3 / 51, 1, 40 / 51, 1 / 51**2], rtol=1e-6
    )
    np.testing.assert_allclose(scores.score[8:], clean.score[8:], atol=1e-6)


@pytest.mark.parametrize(("rule", "value"), [("median", 110.0), ("zero", 0.0), ("constant", -3.0)])
def test_missing_pixels_follow_the_rule(rule: str, value: float) -> None:
    pixels = np.array([[[100, 120, 1e9], [90, 777, 777], [150, 777, 777]]], np.float32)
    bad = pixels > 700
    pixels[0, 1, 1] = np.nan
    filled = apply_missing_rule(pixels, bad, MissingRule.model_validate({"rule": rule, "value": -3.0}))
    np.testing.assert_array_equal(filled[bad], value)
    np.testing.assert_array_equal(filled[~bad], pixels[~bad])


def test_negative_sources_are_shown_upside_down(classifier: Classifier, stamps: Stamps) -> None:
    flipped = {
        "difference": -stamps["difference"],
        "science": stamps["template"],
        "template": stamps["science"],
    }
    which = np.arange(40) % 2 == 0
    expected = np.where(which, classifier.score(flipped).score, classifier.score(stamps).score)
    np.testing.assert_allclose(classifier.score(stamps, is_negative=which).score, expected, atol=1e-6)


def test_missing_pixels_of_negative_sources_follow_their_image(
    classifier: Classifier, stamps: Stamps
) -> None:
    stamps["template"][:, :5] = np.nan
    flipped = {
        "difference": -stamps["difference"],
        "science": stamps["template"],
        "template": stamps["science"],
    }
    everything = np.ones(40, bool)
    same(classifier.score(stamps, is_negative=everything), classifier.score(flipped), atol=1e-6)


def test_large_stamps_are_cropped_and_small_ones_padded(classifier: Classifier, stamps: Stamps) -> None:
    clean = classifier.score(stamps)
    wide = {name: np.pad(a, ((0, 0), (6, 6), (6, 6)), constant_values=9e9) for name, a in stamps.items()}
    same(classifier.score(wide), clean)
    narrow = classifier.score({name: a[:, 5:46, 5:46] for name, a in stamps.items()})
    assert not narrow.flag_nan.any()
    np.testing.assert_allclose(narrow.fraction_missing, 1 - 41**2 / 51**2, rtol=1e-5)
    assert np.isfinite(narrow.score).all()


@pytest.mark.parametrize(("given", "wanted"), [(51, 31), (51, 30), (50, 31), (31, 51), (30, 51), (8, 8)])
def test_the_central_pixel_stays_central(given: int, wanted: int) -> None:
    stamps = np.zeros((1, given, given), np.float32)
    stamps[0, given // 2, given // 2] = 1
    fitted, outside = fit_stamps(stamps, wanted)
    assert fitted[0, wanted // 2, wanted // 2] == 1
    assert (outside is None) == (given >= wanted)
    if outside is not None:
        assert outside.sum() == wanted**2 - given**2


def test_the_layout_puts_images_where_the_contract_says(stamps: Stamps) -> None:
    side = preset_contract("dia", "toy", "1")
    fields = side.model_dump(mode="json") | {"layout": "channels", "architecture": None}
    channels = Contract.model_validate(fields)
    one, other = prepare(side, stamps).inputs, prepare(channels, stamps).inputs
    for i in range(3):
        np.testing.assert_array_equal(one[:, :, i * 51 : (i + 1) * 51, 0], other[:, :, :, i])


def test_stamps_of_any_number_type_score_alike(classifier: Classifier, stamps: Stamps) -> None:
    whole = {name: np.round(array).clip(-9e3, 9e3) for name, array in stamps.items()}
    expected = classifier.score(whole)
    for kind in (np.int16, np.int64, np.float64, ">f4"):
        same(classifier.score({n: a.astype(kind) for n, a in whole.items()}), expected, atol=1e-6)


def test_misuse_is_named(classifier: Classifier, stamps: Stamps) -> None:
    with pytest.raises(InvalidInputError, match=r"\['template'\] are absent"):
        classifier.score({name: a for name, a in stamps.items() if name != "template"})
    with pytest.raises(InvalidInputError, match="one n"):
        classifier.score(stamps | {"science": stamps["science"][:3]})
    with pytest.raises(InvalidInputError, match="is_negative"):
        classifier.score(stamps, is_negative=np.zeros(3, bool))
    with pytest.raises(InvalidInputError, match="missing pixels of science"):
        classifier.score(stamps, {"science": np.zeros((40, 3, 3), bool)})
    with pytest.raises(InvalidInputError, match="batch size"):
        Classifier(classifier.contract, classifier.engine, batch_size=257)


def contract_with(**changes: object) -> Contract:
    fields = preset_contract("nodia", "toy", "1").model_dump(mode="json")
    return Contract.model_validate(fields | {"architecture": None} | changes)


def test_outputs_are_read_as_the_contract_says() -> None:
    softmax = np.array([[0.2, 0.8], [0.9, 0.1]], np.float32)
    np.testing.assert_allclose(real_probability(contract_with(), softmax), [0.2, 0.9])
    second = contract_with(output=Output(size=2, real=1))
    np.testing.assert_allclose(real_probability(second, softmax), [0.8, 0.1])
    bogus = contract_with(output=Output(size=1, real=None))
    np.testing.assert_allclose(real_probability(bogus, softmax[:, :1]), [0.8, 0.1], rtol=1e-6)
    logit = contract_with(output=Output(size=1, real=0, activation="logit"))
    np.testing.assert_allclose(real_probability(logit, np.array([[0.0], [800.0]], np.float32)), [0.5, 1.0])
    logits = contract_with(output=Output(size=2, real=0, activation="logit"))
    np.testing.assert_allclose(real_probability(logits, np.log(softmax)), [0.2, 0.9], rtol=1e-6)


def test_calibration_and_prior_are_monotone_and_exact() -> None:
    outputs = np.linspace(0, 1, 101, dtype=np.float32)[:, None]
    calibrated = contract_with(
        output=Output(size=1, real=0),
        calibration=Calibration(method="isotonic", scores=(0.1, 0.5, 0.9), probabilities=(0.0, 0.2, 1.0)),
        prior=Prior(training=0.5, intended=0.05),
    )
    scores = real_probability(calibrated, outputs)
    assert (np.diff(scores) >= 0).all()
    assert scores[0] == 0 and scores[-1] == 1
    odds = 0.2 / 0.8 * (0.05 / 0.95)
    np.testing.assert_allclose(scores[50], odds / (1 + odds), rtol=1e-6)


def test_golden_scores_hold_for_a_steep_calibration_and_show_other_weights() -> None:
    contract = preset_contract("nodia", "steep", "1")
    weights = initial_weights(named_architecture("nodia"), 1)
    score = make_model(contract, weights).golden.score
    middle = float(np.nanmedian(score))
    knots = (0.0, middle - 1e-6, middle + 1e-6, 1.0)
    steep = contract.model_copy(
        update={
            "calibration": Calibration(method="test", scores=knots, probabilities=(0.0, 0.1, 0.9, 1.0)),
            "prior": Prior(training=0.5, intended=0.1),
        }
    )
    model = make_model(steep, weights)
    np.testing.assert_allclose(
        network_probability(steep, model.golden.score), score.astype(np.float64), atol=1e-6
    )
    assert check_golden(model.classifier(), model.golden) < 5e-6
    other = make_model(steep, initial_weights(named_architecture("nodia"), 2))
    with pytest.raises(ModelContractError, match="golden scores"):
        check_golden(other.classifier(), model.golden)
