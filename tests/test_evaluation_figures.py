"""Every figure against scikit-learn or a closed form, published matrices, and the coverage of intervals."""

from __future__ import annotations

import numpy as np
import pytest
import sklearn.metrics as reference
from astropy.stats import binom_conf_interval
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import expit
from scipy.stats import binom, norm

from lsst.meas.realbogus.evaluation import (
    FIGURES,
    Confusion,
    Criteria,
    count_confusion,
    judge_scores,
    rate_at_false_positives,
    threshold_curve,
)
from lsst.meas.realbogus.evaluation._cells import ScoreRanks
from lsst.meas.realbogus.evaluation._groups import ScoreGroup, resample_groups
from lsst.meas.realbogus.evaluation._units import Units
from lsst.meas.realbogus.randomness import generator


def _scores(key: int, n: int = 400, digits: int = 2) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(9, "test-figures", key)
    labels = np.array([0, 1, *rng.integers(0, 2, n - 2)])
    return np.clip(np.round(rng.normal(0.4 + 0.25 * labels, 0.2), digits), 0, 1), labels


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.sampled_from([0.2, 0.5, 0.77]), st.sampled_from([2, 9]))
def test_every_figure_is_that_of_scikit_learn(key: int, threshold: float, digits: int) -> None:
    scores, labels = _scores(key, digits=digits)
    judged = judge_scores(scores, labels, threshold=threshold, n_resamples=0)
    called = (scores >= threshold).astype(int)
    expected = {
        "area": reference.roc_auc_score(labels, scores),
        "average_precision": reference.average_precision_score(labels, scores),
        "completeness": reference.recall_score(labels, called),
        "specificity": reference.recall_score(labels, called, pos_label=0),
        "purity": reference.precision_score(labels, called, zero_division=np.nan),
        "npv": reference.precision_score(labels, called, pos_label=0, zero_division=np.nan),
        "accuracy": reference.accuracy_score(labels, called),
        "mcc": reference.matthews_corrcoef(labels, called),
        "false_positive_rate": 1 - reference.recall_score(labels, called, pos_label=0),
        "brier": reference.brier_score_loss(labels, scores),
        "nll": reference.log_loss(labels, scores),
        "rate": rate_at_false_positives(scores, labels),
    }
    for name, value in expected.items():
        assert getattr(judged, name).value == pytest.approx(value, nan_ok=True), name
    fpr, tpr, _ = reference.roc_curve(labels, scores)
    assert judged.equal_error_rate.value == pytest.approx(np.interp(1.0, fpr + tpr, fpr))
    assert count_confusion(scores, labels, threshold).counts == pytest.approx(
        reference.confusion_matrix(labels, called)[::-1, ::-1].ravel()
    )


def test_cells_of_neighbouring_scores_change_no_figure() -> None:
    scores, labels = _scores(3, 20_000, digits=9)
    real = labels == 1
    single, merged = (ScoreGroup(ScoreRanks.of(scores), real, Criteria(), n_cells=n) for n in (10**6, 768))
    draws = resample_groups([single, merged], real, None, 40)
    assert merged.cells.counts.size < 1600 < single.cells.counts.size
    for i, name in enumerate(FIGURES):
        if "threshold" in name:
            continue
        moved, spread = np.abs(draws[:, 0, i] - draws[:, 1, i]), draws[:, 0, i].std()
        assert np.mean(moved) <= 0.1 * spread + 1e-12, (name, moved.mean(), spread)
    # At the threshold nothing is merged.
    at = [FIGURES.index(name) for name in ("completeness", "purity", "npv", "mcc", "accuracy")]
    np.testing.assert_allclose(draws[:, 0, at], draws[:, 1, at], rtol=1e-12)


def test_groups_that_share_cells_get_the_counts_of_their_own() -> None:
    """Bins, what they are part of and what overlaps them: the same draws, with and without sharing."""
    scores, labels = _scores(5, 4000, digits=5)
    real, rng = labels == 1, generator(6, "test-figures-shared")
    scores[rng.random(4000) < 0.05] = -np.inf
    ranks, bins = ScoreRanks.of(scores), rng.integers(0, 4, 4000)
    chosen = [np.arange(4000), *(np.flatnonzero(bins == i) for i in range(4)), np.flatnonzero(bins > 1)]
    chosen += [np.flatnonzero(real & (bins < 2)), np.empty(0, np.intp)]
    draws = [
        resample_groups(
            [
                ScoreGroup(ranks, real, Criteria(), rows, n_cells=60, family=f"{i * apart}")
                for i, rows in enumerate(chosen)
            ],
            real,
            None,
            7,
        )
        for apart in (0, 1)
    ]
    np.testing.assert_array_equal(*draws)
    assert np.isfinite(draws[0][:, :6, 0]).all()


@pytest.mark.parametrize("size", [30, 300, 5000])
def test_draws_of_objects_are_multinomial(size: int) -> None:
    units = Units.of(np.zeros(size))
    counts = np.concatenate(
        [np.concatenate([part for _, part in block], axis=0) for block in units.draw(400)], axis=1
    )
    assert counts.shape == (size, 400) and (counts.sum(axis=0) == size).all()
    hits = counts.ravel().astype(int)
    expected = binom.pmf(np.arange(6), size, 1 / size)
    np.testing.assert_allclose(
        np.bincount(hits, minlength=6)[:6] / hits.size, expected, atol=5 * np.sqrt(0.25 / hits.size)
    )
    # Sums of parts vary as they do where single units are drawn.
    half = counts[: size // 2].sum(axis=0)
    assert half.mean() == pytest.approx(size // 2, abs=5 * np.sqrt(size / 4 / 400))
    assert half.var() == pytest.approx(size / 4, rel=0.4)


def test_what_was_not_detected_is_missed_end_to_end() -> None:
    scores, labels = _scores(4)
    missed = 137
    found = threshold_curve(scores, labels)
    through = threshold_curve(np.append(scores, [np.nan] * missed), np.append(labels, [1] * missed))
    n_real = labels.sum()
    np.testing.assert_allclose(through.completeness, found.completeness * n_real / (n_real + missed))
    np.testing.assert_allclose(through.purity, found.purity)
    assert through.completeness.max() == pytest.approx(n_real / (n_real + missed))
    whole, part = count_confusion(scores, labels, n_missed=missed), count_confusion(scores, labels)
    assert np.subtract(whole.counts, part.counts).tolist() == [0, missed, 0, 0]
    assert (float(whole.purity), float(whole.specificity)) == (float(part.purity), float(part.specificity))


# Published confusion matrices: real called real, real called bogus, bogus called real, bogus called bogus.
# Notebooks of Acero-Cuellar et al. (2023): 20,000 stamps.
@pytest.mark.parametrize(
    ("cells", "accuracy", "diagonal"),
    [((9564, 514, 306, 9616), 0.95900, (0.95, 0.97)), ((9163, 915, 775, 9147), 0.91550, (0.91, 0.92))],
    ids=["with differences", "without"],
)
def test_the_published_matrices_of_the_des_stamps(
    cells: tuple[float, ...], accuracy: float, diagonal: tuple[float, float]
) -> None:
    matrix = Confusion(*cells)
    assert sum(cells) == 20_000
    assert round(float(matrix.accuracy), 5) == accuracy
    assert (round(float(matrix.completeness), 2), round(float(matrix.specificity), 2)) == diagonal
    labels = np.repeat([1, 1, 0, 0], cells)
    scores = np.repeat([0.9, 0.1, 0.9, 0.1], cells)
    assert count_confusion(scores, labels).counts == pytest.approx(cells)


# The slides of ML4transients (2024), HSC: shares in per cent, and the rates printed beside them.
@pytest.mark.parametrize(
    ("cells", "rates"),
    [
        ((21.78, 0.99, 3.33, 73.91), (95.69, 95.66, 86.74, 98.68, 95.68)),
        ((22.44, 0.32, 3.51, 73.72), (95.45, 98.58, 86.47, 99.56, 96.17)),
    ],
    ids=["standard", "co-teaching"],
)
def test_the_published_rates_follow_from_the_published_shares(
    cells: tuple[float, ...], rates: tuple[float, ...]
) -> None:
    matrix = Confusion(*cells)
    found = (matrix.specificity, matrix.completeness, matrix.purity, matrix.npv, matrix.accuracy)
    # The shares are rounded to 0.005, which moves a rate over 22 % of the sources by up to 0.03.
    assert [100 * float(rate) for rate in found] == pytest.approx(rates, abs=0.03)


def test_the_published_rates_above_an_snr_of_8_fit_together() -> None:
    specificity, completeness, purity, accuracy = 0.9591, 0.9817, 0.9244, 0.9667
    # Purity tells the odds of a real source, and these tell the accuracy.
    odds = purity / (1 - purity) * (1 - specificity) / completeness
    real = odds / (1 + odds)
    matrix = Confusion(
        real * completeness,
        real * (1 - completeness),
        (1 - real) * (1 - specificity),
        (1 - real) * specificity,
    )
    assert float(matrix.accuracy) == pytest.approx(accuracy, abs=1e-4)


def test_rates_of_nothing_are_nan_and_mcc_of_constants_is_zero() -> None:
    nothing = Confusion(0, 0, 0, 0)
    assert np.isnan([nothing.completeness, nothing.purity, nothing.npv, nothing.accuracy, nothing.mcc]).all()
    assert float(Confusion(0, 5, 0, 5).mcc) == reference.matthews_corrcoef([1] * 5 + [0] * 5, [0] * 10) == 0
    assert np.isnan(Confusion(0, 5, 0, 5).purity)
    assert str(Confusion(0, 5, 0, 5).fractions()["specificity"]).startswith("1.000")


@pytest.mark.parametrize("right", [30, 29, 20])
def test_few_objects_have_the_interval_of_jeffreys(right: int) -> None:
    """Also where none is wrong, or each is seen five times, or there is nothing bogus."""
    low, high = binom_conf_interval(right, 30, 0.95, interval="jeffreys")
    real = np.where(np.arange(30) < right, 0.9, 0.2)
    for scores in (np.append(real, np.full(40, 0.1)), real):
        objects = np.repeat(np.arange(scores.size), 5)
        labels = (objects < 30).astype(int)
        judged = judge_scores(np.repeat(scores, 5), labels, objects, n_resamples=3000)
        estimate = judged.completeness
        assert estimate.low <= estimate.value <= estimate.high
        assert (estimate.low, estimate.high) == pytest.approx((low, high), abs=0.015)
        assert judged.specificity.high == 1 if scores.size > 30 else np.isnan(judged.specificity.low)


def test_pseudo_sources_move_nothing_of_many_sources() -> None:
    scores, labels = _scores(3, 4000)
    judged = judge_scores(scores, labels, n_resamples=400)
    low, high = binom_conf_interval(*_found(scores, labels), 0.95, interval="wilson")
    assert (judged.completeness.low, judged.completeness.high) == pytest.approx((low, high), abs=0.004)


def _found(scores: np.ndarray, labels: np.ndarray) -> tuple[int, int]:
    return int(np.sum((scores >= 0.5) & (labels == 1))), int(labels.sum())


@pytest.mark.slow
@pytest.mark.parametrize(
    ("separation", "n", "times", "most"),
    [(1.2, 60, 3, 0.985), (2.5, 30, 1, 1.0), (3.5, 30, 1, 1.0)],
    ids=["repeated", "30 of each class", "hardly anything wrong"],
)
def test_intervals_cover_the_truth(separation: float, n: int, times: int, most: float) -> None:
    """Scores are right probabilities of normal variables, which have closed forms.

    Intervals of nearly perfect scores are wide: that no real source in 30 has a low score does not say that
    none in 100 has. The calibration error is left out: it is that of a sample and never 0.
    """
    truth = {
        "area": norm.cdf(separation / np.sqrt(2)),
        "completeness": norm.cdf(separation / 2),
        "specificity": norm.cdf(separation / 2),
        "purity": norm.cdf(separation / 2),
        "npv": norm.cdf(separation / 2),
        "accuracy": norm.cdf(separation / 2),
        "false_positive_rate": norm.sf(separation / 2),
        "mcc": 2 * norm.cdf(separation / 2) - 1,
        "rate": norm.sf(norm.isf(0.01) - separation),
        "equal_error_rate": norm.sf(separation / 2),
    }
    x = np.linspace(-12, 12 + separation, 200_001)
    density, score = norm.pdf(x - separation), expit(separation * (x - separation / 2))
    truth |= {
        "brier": np.trapezoid(density * (1 - score) ** 2, x),
        "nll": np.trapezoid(density * np.logaddexp(0, -separation * (x - separation / 2)), x),
    }
    covered: dict[str, list[bool]] = {name: [] for name in truth}
    labels, objects = np.repeat([0, 1], times * n), np.repeat(np.arange(2 * n), times)
    for key in range(200):
        rng = generator(9, "test-figures-coverage", key)
        shared = 0.7 if times > 1 else 0.0  # of the variance, by all detections of an object
        noise = rng.normal(size=2 * n)[objects] * np.sqrt(shared)
        values = noise + rng.normal(size=labels.size) * np.sqrt(1 - shared) + separation * labels
        judged = judge_scores(expit(separation * (values - separation / 2)), labels, objects)
        for name, value in truth.items():
            estimate = getattr(judged, name)
            covered[name].append(estimate.low <= value <= estimate.high)
    for name, times_covered in covered.items():
        # A false positive rate of 1 % is beyond so few bogus sources: all that is known is a wide interval.
        assert 0.90 <= np.mean(times_covered) <= (1.0 if name == "rate" else most), (
            name,
            np.mean(times_covered),
        )
