"""Resampled stamps show the same sky at another pixel scale."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import (
    initial_weights,
    make_model,
    named_architecture,
    prepare,
    preset_contract,
)
from lsst.meas.realbogus.model._resampling import resample_stamps as resample
from lsst.meas.realbogus.model._resampling import source_size


def sky(size: int, scale: float, sigma: float = 3.0) -> npt.NDArray[np.float32]:
    """Two round sources on a slope, in pixels of ``scale``, values at pixel centres."""
    y, x = (np.mgrid[:size, :size] - size // 2) * scale
    blob = np.exp(-0.5 * (x**2 + y**2) / sigma**2) + 0.5 * np.exp(
        -0.5 * ((x - 9) ** 2 + (y + 6) ** 2) / sigma**2
    )
    return (blob + 0.01 * x + 5.0)[None].astype(np.float32)


def none_missing(stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    return np.zeros(stamps.shape, bool)


@pytest.mark.parametrize("factor", [0.4, 0.7, 0.99, 1.0, 1.01, 1.6, 2.5])
def test_the_sky_stays_where_and_as_it_is(factor: float) -> None:
    size = 31
    stamps = sky(source_size(size, factor), 1.0)
    found, missing = resample(stamps, none_missing(stamps), factor, size)
    assert not missing.any()
    assert found.dtype == np.float32
    # Means over larger pixels round off the peaks a little.
    tolerance = 6e-3 if factor < 1 else 0.03 * factor**2
    np.testing.assert_allclose(found, sky(size, factor), atol=tolerance)


def test_the_same_scale_changes_nothing() -> None:
    stamps = sky(53, 1.0)
    found, _ = resample(stamps, none_missing(stamps), 1.0, 51)
    np.testing.assert_allclose(found[0], stamps[0, 1:-1, 1:-1], rtol=1e-6)


def test_an_odd_factor_takes_means_over_whole_pixels() -> None:
    stamps = sky(source_size(11, 3.0), 1.0)
    found, _ = resample(stamps, none_missing(stamps), 3.0, 11)
    middle = stamps.shape[1] // 2
    inner = stamps[0, middle - 16 : middle + 17, middle - 16 : middle + 17].reshape(11, 3, 11, 3)
    np.testing.assert_allclose(found[0], inner.mean(axis=(1, 3)), rtol=1e-5)


def test_missing_pixels_stay_missing_and_do_not_leak() -> None:
    stamps = sky(61, 1.0)
    stamps[0, :20] = np.nan
    missing = none_missing(stamps)
    missing[0, 30, 30] = True
    found, gone = resample(stamps, missing, 1.5, 31)
    assert gone[0, 15, 15]
    assert gone[0, :5].all()
    np.testing.assert_array_equal(np.isnan(found), gone)
    np.testing.assert_allclose(found[~gone], sky(31, 1.5)[~gone], atol=0.2)
    small, outside = resample(stamps[:, :21, :21], missing[:, :21, :21], 1.0, 31)
    assert outside[0, :5].all() and np.isnan(small[0, :5]).all()


def test_a_model_resamples_only_when_told() -> None:
    contract = preset_contract("nodia", "n", "1")
    model = make_model(contract, initial_weights(named_architecture("nodia")))
    classifier = model.classifier()
    scale = contract.pixel_scale
    assert scale is not None
    fine = {name: sky(source_size(51, 1.4), 1 / 1.4, 2.5) for name in ("science", "template")}
    native = {name: sky(51, 1.0, 2.5) for name in ("science", "template")}
    expected = prepare(contract, native).inputs
    factor = classifier.resampling_factor(scale / 1.4)
    resampled = {name: resample(array, none_missing(array), factor, 51)[0] for name, array in fine.items()}
    assert np.abs(prepare(contract, resampled).inputs - expected).max() < 0.1
    assert np.abs(prepare(contract, fine).inputs - expected).max() > 0.3
    told = classifier.score(fine, pixel_scale=scale / 1.4).score
    np.testing.assert_array_equal(told, classifier.score(resampled).score)
    np.testing.assert_array_equal(
        classifier.score(fine).score, classifier.score(fine, pixel_scale=None).score
    )
    with pytest.raises(InvalidInputError, match="factor"):
        classifier.score(native, pixel_scale=100.0)
