"""How scores are judged: intervals over objects, fixed false positive rates, calibration."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import (
    Estimate,
    area_under_roc,
    bootstrap,
    brier_score,
    calibration_error,
    count_labels,
    describe_calibration,
    judge_by_snr,
    judge_scores,
    prior_weights,
    rate_at_false_positives,
    stack_estimates,
    tabulate_reliability,
    threshold_curve,
)
from lsst.meas.realbogus.randomness import generator


def _scores(n: int, key: int = 0, calibrated: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(9, "test-judgement", key)
    if calibrated:
        scores = rng.random(n)
        return scores, (rng.random(n) < scores).astype(np.int8)
    labels = rng.integers(0, 2, n).astype(np.int8)
    return np.clip(rng.normal(0.35 + 0.3 * labels, 0.15), 0, 1), labels


def test_repeated_detections_make_the_interval_no_narrower() -> None:
    scores, labels = _scores(300)
    objects = np.arange(300)
    (once,) = bootstrap(lambda rows: np.array([scores[rows].mean()]), labels, objects)
    nine = np.tile(scores, 9)
    (repeated,) = bootstrap(
        lambda rows: np.array([nine[rows].mean()]), np.tile(labels, 9), np.tile(objects, 9)
    )
    (ignored,) = bootstrap(lambda rows: np.array([nine[rows].mean()]), np.tile(labels, 9))
    width = once.high - once.low
    assert repeated.high - repeated.low == pytest.approx(width, rel=0.3)
    assert ignored.high - ignored.low == pytest.approx(width / 3, rel=0.3)


def test_the_bootstrap_covers_what_it_says() -> None:
    covered = []
    for key in range(60):
        values = generator(9, "test-coverage", key).normal(size=80)
        (mean,) = bootstrap(lambda rows, v=values: np.array([v[rows].mean()]), np.zeros(80, int))
        covered.append(mean.low <= 0 <= mean.high)
    assert np.mean(covered) == pytest.approx(0.95, abs=0.09)


def test_strata_keep_their_number_of_objects() -> None:
    strata = np.array([0] * 7 + [1] * 3)
    objects = np.array([1, 1, 1, 2, 2, 3, -1, 5, 6, -1])

    def count(rows: np.ndarray) -> np.ndarray:
        here = strata[rows] == 1
        return np.array([here.sum(), len(np.unique(objects[rows][~here])) <= 4])

    ones, fours = bootstrap(count, strata, objects)
    assert (ones.low, ones.value, ones.high) == (3, 3, 3)
    assert fours.low == 1


def test_a_single_object_and_no_object_are_no_error() -> None:
    (one,) = bootstrap(lambda rows: np.array([rows.size / rows.size]), [0])
    assert (one.value, one.low, one.high) == (1, 1, 1)
    (none,) = bootstrap(lambda rows: np.array([np.nan]), [])
    assert np.isnan([none.value, none.low, none.high]).all() and str(none) == "none"
    nothing = judge_scores([], [])
    assert (nothing.n_real, str(nothing.area)) == (0, "none")
    with pytest.raises(InvalidInputError, match=r"\(2,\); got \(1,\)"):
        bootstrap(lambda rows: np.array([0.0]), [0, 1], [3])


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.0, 0.01, 0.05, 0.3, 1.0]))
def test_the_rate_is_the_best_that_the_false_positives_allow(key: int, allowed: float) -> None:
    rng = generator(9, "test-rate", key)
    labels = np.array([0, 1, *rng.integers(0, 2, 98)])
    scores = np.round(rng.random(100) + 0.3 * labels, 1)  # with ties
    curve = threshold_curve(scores, labels)
    within = curve.completeness[curve.false_positive_rate <= allowed]
    assert rate_at_false_positives(scores, labels, allowed) == pytest.approx(within.max(initial=0.0))


def test_sources_without_score_count_against_a_model() -> None:
    scores, labels = _scores(400)
    scores[labels == 1] = np.where(np.arange((labels == 1).sum()) % 2, np.nan, 0.99)
    scores[labels == 0] *= 0.9
    figures = judge_scores(scores, labels)
    n = int((labels == 1).sum())
    assert figures.n_unscored == n // 2
    assert figures.completeness.value == pytest.approx((n - n // 2) / n)
    assert figures.rate.value == pytest.approx((n - n // 2) / n)
    assert figures.area.value < 0.6
    assert np.isfinite(figures.brier.value)


def test_figures_agree_with_the_other_ways_to_get_them() -> None:
    scores, labels = _scores(500)
    figures = judge_scores(scores, labels)
    assert figures.area.value == pytest.approx(roc_auc_score(labels, scores))
    assert area_under_roc(scores, labels)[0] == figures.area.value
    for estimate in figures.figures.values():
        assert estimate.low <= estimate.value <= estimate.high or estimate is figures.calibration_error


def test_purity_at_a_stated_fraction_is_that_of_such_a_sample() -> None:
    scores, labels = _scores(4000)
    n_real = int(labels.sum())
    diluted = np.concatenate([np.flatnonzero(labels == 1), *[np.flatnonzero(labels == 0)] * 9])
    fraction = n_real / diluted.size
    stated = judge_scores(scores, labels, real_fraction=fraction)
    sample = judge_scores(scores[diluted], labels[diluted])
    for name in ("purity", "brier", "calibration_error", "completeness", "false_positive_rate"):
        assert getattr(stated, name).value == pytest.approx(getattr(sample, name).value, abs=2e-3), name
    curve, own = (
        threshold_curve(scores, labels, real_fraction=fraction),
        threshold_curve(scores[diluted], labels[diluted]),
    )
    np.testing.assert_allclose(curve.purity, own.purity, rtol=1e-9)


def test_right_probabilities_have_no_calibration_error_and_wrong_ones_do() -> None:
    scores, labels = _scores(40000, calibrated=True)
    assert calibration_error(scores, labels) < 0.015
    assert calibration_error(scores**2, labels) == pytest.approx(np.mean(scores - scores**2), abs=0.02)
    assert brier_score(scores, labels) == pytest.approx(1 / 6, abs=0.01)
    table = tabulate_reliability(scores, labels, n_bins=10)
    assert len(table) == 10
    np.testing.assert_allclose(table["share"], 0.1, atol=1e-3)
    inside = (table["low"] <= table["score"]) & (table["score"] <= table["high"])
    assert inside.sum() >= 7
    assert table["n"].sum() == 40000


def test_equal_scores_share_a_bin_and_those_without_none() -> None:
    scores = np.array([0.2] * 50 + [0.8] * 50 + [np.nan])
    labels = np.array([0, 1] * 50 + [1])
    table = tabulate_reliability(scores, labels)
    assert table["n"].tolist() == [50, 50]
    assert table["real_fraction"].tolist() == [0.5, 0.5]
    assert calibration_error(scores, labels) == pytest.approx(0.3)
    assert len(tabulate_reliability([np.nan], [1])) == 0
    with pytest.raises(InvalidInputError, match=r"got 1\.0"):
        prior_weights([0, 1], 1.0)


def test_a_card_holds_the_calibration_of_each_band() -> None:
    scores, labels = _scores(4000, calibrated=True)
    bands = np.where(np.arange(4000) % 2, "g", "r")
    scores[bands == "r"] **= 3
    card = describe_calibration(scores, labels, bands)
    assert json.loads(json.dumps(card, allow_nan=False)) == card
    assert list(card) == ["all", "g", "r"]
    assert card["g"]["calibration_error"] < 0.05 < card["r"]["calibration_error"]
    assert card["all"]["n"] == card["g"]["n"] + card["r"]["n"] == 4000
    assert len(card["g"]["reliability"]["score"]) == 10
    assert describe_calibration([np.nan], [1])["all"]["brier"] is None


def test_bins_of_snr_say_where_the_requirement_is_met() -> None:
    rng = generator(9, "test-snr")
    labels = rng.integers(0, 2, 3000)
    snr = rng.uniform(5, 20, 3000) * rng.choice([-1, 1], 3000)
    scores = np.where(np.abs(snr) > 8, 0.1 + 0.8 * labels, 0.5) + rng.uniform(-0.05, 0.05, 3000)
    table = judge_by_snr(scores, labels, snr, [5, 8, 20], n_resamples=20)
    assert np.isnan(table["required_threshold"][0]) and np.isfinite(table["required_threshold"][1])
    assert table["best_completeness"][1] == table["best_purity"][1] == 1
    assert table["best_purity"][0] < 0.6
    assert (table["n_real"] + table["n_bogus"]).sum() == 3000
    with pytest.raises(InvalidInputError, match="must increase"):
        judge_by_snr(scores, labels, snr, [5])


def test_tallies_give_fractions_of_all_sources() -> None:
    row = count_labels([1, 1, 1, 1], ["agn"] * 4, [0.9, 0.8, np.nan, 0.1])[0]
    assert (row["n_scored"], row["fraction_above"]) == (3, 0.5)
    assert row["low"] < 0.5 < row["high"]


def test_seeds_are_averaged_and_their_scatter_told() -> None:
    mean, scatter = stack_estimates([Estimate(0.8, 0.7, 0.9), Estimate(0.9, 0.8, 1.0)])
    assert (mean.value, mean.low, mean.high) == pytest.approx((0.85, 0.75, 0.95))
    assert scatter == pytest.approx(np.std([0.8, 0.9], ddof=1))
    assert np.isnan(stack_estimates([mean])[1])
    with pytest.raises(InvalidInputError):
        stack_estimates([])
