"""Calibrated scores mean what they say, at any fraction of real sources, and keep their order."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import calibration_error
from lsst.meas.realbogus.model import Calibration, shift_prior
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import fit_calibration

BALANCES = (0.5, 1 / 21)


def _overconfident(n: int, key: int, real_fraction: float = 0.5) -> tuple[np.ndarray, np.ndarray]:
    """Scores whose logit is 2.5 times too large and shifted, as of a network that trained too long."""
    rng = generator(4, "test-calibration", key)
    label = (rng.random(n) < real_fraction).astype(np.int8)
    evidence = rng.normal(np.where(label == 1, 2.0, -2.0), 2.0)
    return 1 / (1 + np.exp(-(2.5 * evidence + 1.0))), label


def _calibrated(calibration: Calibration, score: np.ndarray) -> np.ndarray:
    return np.interp(score, calibration.scores, calibration.probabilities)


@pytest.mark.parametrize("method", ["isotonic", "platt"])
@pytest.mark.parametrize("trained", [0.5, 0.2])
def test_calibrated_scores_hold_at_both_balances(method: str, trained: float) -> None:
    calibration = fit_calibration(*_overconfident(6000, 0, trained), method=method)
    score, label = _overconfident(60000, 1)
    assert calibration_error(score, label) > 0.04
    for fraction in BALANCES:
        shifted = shift_prior(_calibrated(calibration, score), 0.5, fraction)
        assert calibration_error(shifted, label, real_fraction=fraction) <= 0.02
    unshifted = calibration_error(_calibrated(calibration, score), label, real_fraction=1 / 21)
    assert unshifted > 0.04


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from(["isotonic", "platt"]), st.sampled_from([60, 500, 4000]))
def test_no_ranking_is_changed(key: int, method: str, n: int) -> None:
    calibration = fit_calibration(*_overconfident(n, key), method=method)
    assert np.all(np.diff(calibration.probabilities) > 0) and np.all(np.diff(calibration.scores) > 0)
    assert 0 < calibration.probabilities[0] and calibration.probabilities[-1] < 1
    assert (calibration.scores[0], calibration.scores[-1]) == (0, 1)
    assert len(calibration.scores) <= 300
    score, label = _overconfident(3000, key + 1)
    before = roc_auc_score(label, score)
    after = roc_auc_score(label, _calibrated(calibration, score).astype(np.float32))
    assert after == pytest.approx(before, abs=1e-3)


def test_nothing_is_certain_from_a_few_sources() -> None:
    few = fit_calibration([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1])
    assert few.probabilities[0] > 0.05 and few.probabilities[-1] < 0.95
    many = fit_calibration(np.repeat([0.1, 0.9], 5000), np.repeat([0, 1], 5000))
    assert many.probabilities[0] < 1e-4 and many.probabilities[-1] > 1 - 1e-4


def test_weights_stand_for_repeated_sources_but_at_the_ends() -> None:
    score, label = _overconfident(800, 3)
    times = generator(4, "test-weights").integers(1, 4, 800)
    for method in ("isotonic", "platt"):
        weighted = fit_calibration(score, label, method=method, weights=times)
        repeated = fit_calibration(np.repeat(score, times), np.repeat(label, times), method=method)
        expected = _calibrated(repeated, score)
        inside = (expected > 0.1) & (expected < 0.9)
        assert inside.sum() > 100
        np.testing.assert_allclose(
            _calibrated(weighted, score)[inside], expected[inside], atol=0.01, err_msg=method
        )


def test_undecided_and_unscored_sources_do_not_count() -> None:
    score, label = _overconfident(500, 5)
    more = fit_calibration(np.append(score, [np.nan, 0.5]), np.append(label, [1, -1]))
    assert more == fit_calibration(score, label)


@pytest.mark.parametrize(
    ("score", "label", "options", "message"),
    [
        ([0.1, 0.9], [1, 1], {}, "both classes; got 2 real and 0 bogus"),
        ([0.1, 1.9], [0, 1], {}, "0.1 to 1.9"),
        ([0.1, 0.9], [0, 1], {"method": "spline"}, "isotonic.*platt.*'spline'"),
        ([0.1, 0.9], [0, 1], {"real_fraction": 0.0}, r"got 0\.0"),
        ([0.1, 0.9], [0], {}, r"\(2,\), \(1,\)"),
        ([0.9] * 5 + [0.1] * 5, [0] * 5 + [1] * 5, {}, "do not mean real"),
        ([0.9] * 5 + [0.1] * 5, [0] * 5 + [1] * 5, {"method": "platt"}, "do not mean real"),
    ],
)
def test_what_cannot_be_calibrated_is_refused(score, label, options, message) -> None:
    with pytest.raises(InvalidInputError, match=message):
        fit_calibration(score, label, **options)
