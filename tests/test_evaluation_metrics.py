"""Metrics with intervals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import precision_recall_curve, roc_auc_score, roc_curve

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import (
    area_under_roc,
    bin_fraction,
    count_fates,
    count_labels,
    even_edges,
    fraction,
    fraction_intervals,
    lowest_threshold,
    measure_performance,
    measure_pull,
    threshold_curve,
)
from lsst.meas.realbogus.randomness import generator


def _scores(key: int, n: int = 200) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(5, "test-evaluation", key)
    labels = rng.integers(0, 2, n)
    return np.round(rng.normal(0.4 + 0.2 * labels, 0.2), 2), labels


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    rng = generator(5, "test-coverage")
    for p in (0.05, 0.5, 0.9):
        successes = rng.binomial(40, p, 4000)
        low, high = fraction_intervals(successes, np.full(4000, 40), 0.9)
        assert np.mean((low <= p) & (p <= high)) == pytest.approx(0.9, abs=0.06)


def test_no_trials_know_nothing() -> None:
    nothing = fraction(0, 0)
    assert np.isnan(nothing.value)
    assert (nothing.low, nothing.high, str(nothing)) == (0.0, 1.0, "none")


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.floats(0, 1))
def test_performance_is_a_point_of_the_curve(key: int, threshold: float) -> None:
    scores, labels = _scores(key)
    scores[::17], labels[::13] = np.nan, -1
    curve = threshold_curve(scores, labels)
    at = measure_performance(scores, labels, threshold)
    rows = np.flatnonzero(curve.threshold >= threshold)
    assert at.completeness.value == pytest.approx(curve.completeness[rows[-1]] if rows.size else 0.0)
    if rows.size:
        assert at.purity.value == pytest.approx(curve.purity[rows[-1]])
        assert at.false_positive_rate.value == pytest.approx(curve.false_positive_rate[rows[-1]])
    assert at.n_real + at.n_bogus == np.sum(labels >= 0)
    assert at.n_unscored == np.sum(np.isnan(scores[labels >= 0]))


def test_curves_agree_with_scikit_learn() -> None:
    scores, labels = _scores(1)
    curve = threshold_curve(scores, labels)
    fpr, tpr, _ = roc_curve(labels, scores, drop_intermediate=False)
    np.testing.assert_allclose(curve.false_positive_rate, fpr[1:])
    np.testing.assert_allclose(curve.completeness, tpr[1:])
    precision, recall, _ = precision_recall_curve(labels, scores)
    np.testing.assert_allclose(curve.purity[::-1], precision[:-1])
    np.testing.assert_allclose(curve.completeness[::-1], recall[:-1])
    area, low, high = area_under_roc(scores, labels)
    assert area == pytest.approx(roc_auc_score(labels, scores))
    assert low < area < high


def test_unscored_real_sources_are_lost() -> None:
    scores, labels = np.array([0.9, np.nan, 0.1, np.nan]), np.array([1, 1, 0, 0])
    assert threshold_curve(scores, labels).completeness.max() == 0.5
    assert measure_performance(scores, labels, 0.0).completeness.value == 0.5
    assert area_under_roc(scores, labels)[0] == pytest.approx(0.625)


def test_a_requirement_is_met_from_the_lowest_threshold_on() -> None:
    scores, labels = np.linspace(0, 1, 101), (np.linspace(0, 1, 101) >= 0.6).astype(int)
    assert lowest_threshold(threshold_curve(scores, labels)) == pytest.approx(0.58)
    assert np.isnan(lowest_threshold(threshold_curve(scores, 1 - labels)))


def test_nothing_to_measure_is_not_an_error() -> None:
    nothing = measure_performance([], [])
    assert (nothing.n_real, str(nothing.purity)) == (0, "none")
    assert threshold_curve([], []).threshold.size == 0
    assert np.isnan(area_under_roc([0.5], [1])).all()


def test_bad_input_is_named() -> None:
    with pytest.raises(InvalidInputError, match=r"\(2,\) and \(1,\)"):
        measure_performance([0.1, 0.2], [1])
    with pytest.raises(InvalidInputError, match=r"got \[1, 2\]"):
        measure_performance([0.1, 0.2], [1, 2])
    with pytest.raises(InvalidInputError, match="must increase"):
        bin_fraction([1.0], [True], [2.0, 1.0])


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.booleans())
def test_bins_hold_every_finite_value_once(key: int, log: bool) -> None:
    values = np.exp(generator(5, "test-bins", key).normal(0, 2, 100))
    binned = bin_fraction(values, values > 1, even_edges(values, 7, log=log))
    assert binned.trials.sum() == 100
    assert binned.successes.sum() == np.sum(values > 1)
    some = binned.trials > 0
    assert ((binned.low <= binned.value) & (binned.value <= binned.high))[some].all()
    assert bin_fraction([np.nan, 1.0], [True, True], [0, 2]).trials.tolist() == [1]


def test_pulls_of_right_errors_are_standard_normal() -> None:
    rng = generator(5, "test-pulls")
    error = 0.5 + rng.random(20000)
    pull = measure_pull(10 + error * rng.normal(size=error.size), 10.0 + 0 * error, error)
    assert pull.centre == pytest.approx(0, abs=4 * pull.centre_error)
    assert pull.width == pytest.approx(1, abs=0.03)
    assert not measure_pull([1.0, np.nan], [1.0, 1.0], [0.0, 1.0]).values.size


def test_tallies_add_up() -> None:
    labels, reasons = [1, 1, 0, 0, 0, -1], ["injected", "variable", "noise", "dipole", "noise", "near_real"]
    table = count_labels(labels, reasons, [0.9, np.nan, 0.2, 0.6, 0.1, 0.5])
    assert table["reason"].tolist() == ["injected", "variable", "noise", "dipole", "near_real"]
    assert table["n"].sum() == 6
    assert table["n_scored"].sum() == 5
    assert table["n_above"].tolist() == [1, 0, 0, 1, 1]
    fates = count_fates(["found", "found", "odd", "masked"], ("found", "masked", "edge"))
    assert fates["fate"].tolist() == ["found", "masked", "odd"]
    assert fates["fraction"].tolist() == [0.5, 0.25, 0.25]
    assert len(count_labels([], [], [])) == len(count_fates([], ("found",))) == 0
