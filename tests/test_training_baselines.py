"""Baselines: features that mean what they say, and classifiers that learn from them."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import BASELINES, LabelledStamps, measure_features, score_baselines


def _stamps(n: int, key: int = 0, size: int = 31) -> LabelledStamps:
    """Point sources (real, a third of them negative) and single hot pixels or dipoles (bogus)."""
    rng = generator(6, "test-baselines", key)
    y, x = np.mgrid[:size, :size] - size // 2
    star = np.exp(-(x**2 + y**2) / (2 * 1.6**2))
    hot, dipole = np.where((x == 0) & (y == 0), 4.0, 0.0), star * x
    label = (np.arange(n) % 2 == 0).astype(np.int8)
    negative = label.astype(bool) & (np.arange(n) % 3 == 0)
    height = rng.uniform(8, 30, n)
    shape = np.where(
        label[:, None, None] == 1, star, np.where((np.arange(n) % 4 == 1)[:, None, None], hot, dipole)
    )
    signal = height[:, None, None] * shape * np.where(negative, -1, 1)[:, None, None]
    template = rng.normal(50, 1, (n, size, size)) + 40 * star
    noise = rng.normal(0, 1, (n, size, size))
    science = template + signal + noise
    return LabelledStamps(
        {
            "science": science.astype(np.float32),
            "template": template.astype(np.float32),
            "difference": (science - template).astype(np.float32),
        },
        label,
        is_negative=negative,
        snr=height,
        psf_fwhm=np.full(n, 1.6 * 2.3548),
    )


def _changed(stamps: LabelledStamps, change) -> LabelledStamps:
    pixels = {role: change(role, values).astype(np.float32) for role, values in stamps.pixels.items()}
    return dataclasses.replace(stamps, pixels=pixels)


def test_features_do_not_depend_on_unit_and_sky_level() -> None:
    stamps = _stamps(40)
    other = _changed(stamps, lambda role, p: 7.0 * p + (0 if role == "difference" else 300))
    for name, values in measure_features(stamps).items():
        np.testing.assert_allclose(measure_features(other)[name], values, atol=0.02, err_msg=name)


def test_features_do_not_depend_on_the_sign_of_the_source() -> None:
    stamps = _stamps(40)
    turned = _changed(stamps, lambda role, p: -p if role == "difference" else p)
    turned = dataclasses.replace(turned, is_negative=~stamps.is_negative)
    before, after = measure_features(stamps), measure_features(turned)
    for name in before:
        if name.startswith("difference"):
            np.testing.assert_allclose(after[name], before[name], atol=1e-5, err_msg=name)


def test_features_tell_shapes_apart() -> None:
    stamps = _stamps(200)
    features, real = measure_features(stamps), stamps.label == 1
    hot = np.arange(200) % 4 == 1
    assert np.median(features["difference_sharp"][hot]) > np.median(features["difference_sharp"][real])
    assert np.median(features["difference_negative"][np.arange(200) % 4 == 3]) > 0.4
    assert np.median(features["difference_negative"][real]) < 0.2
    assert all(np.isfinite(values).all() for values in features.values())


def test_missing_pixels_are_no_error() -> None:
    def damage(role: str, pixels: np.ndarray) -> np.ndarray:
        damaged = pixels.copy()
        damaged[0] = np.nan
        damaged[1, :10] = np.nan
        damaged[2] = 5.0
        return damaged

    stamps = dataclasses.replace(
        _changed(_stamps(6), damage), snr=np.full(6, np.nan), psf_fwhm=np.full(6, np.nan)
    )
    features = measure_features(stamps)
    assert all(np.isfinite(values).all() for values in features.values())
    assert features["science_missing"][:4] == pytest.approx(np.arcsinh([1, 10 / 31, 0, 0]))


def test_baselines_learn_and_are_reproducible() -> None:
    learn, judge = _stamps(500), _stamps(300, 1)
    scores = score_baselines(learn, judge)
    assert list(scores) == list(BASELINES)
    for name in ("random forest", "support vectors"):
        assert roc_auc_score(judge.label, scores[name]) > 0.98, name
    assert abs(roc_auc_score(judge.label, scores["logistic on SNR"]) - 0.5) < 0.1
    again = score_baselines(learn, judge, names=["random forest"])
    np.testing.assert_array_equal(again["random forest"], scores["random forest"])


def test_columns_of_a_table_are_features() -> None:
    learn, judge = _stamps(300), _stamps(200, 1)
    plain = score_baselines(learn, judge, names=["random forest"])["random forest"]
    told = score_baselines(
        learn, judge, names=["random forest"],
        learn_columns={"told": learn.label}, judge_columns={"told": judge.label},
    )["random forest"]  # fmt: skip
    assert np.mean((told - judge.label) ** 2) < np.mean((plain - judge.label) ** 2)
    with pytest.raises(InvalidInputError, match="differ: .'told'"):
        score_baselines(learn, judge, learn_columns={"told": learn.label})
    with pytest.raises(InvalidInputError, match=r"told must have shape \(300,\); got \(2,\)"):
        measure_features(learn, {"told": [1, 2]})


def test_what_cannot_be_learnt_is_refused() -> None:
    learn = _stamps(20)
    with pytest.raises(InvalidInputError, match="real and bogus"):
        score_baselines(learn[learn.label == 1], learn)
    with pytest.raises(InvalidInputError, match="called .'oracle'"):
        score_baselines(learn, learn, names=["oracle"])
    with pytest.raises(InvalidInputError, match="at least 9"):
        measure_features(_stamps(2, size=7))
