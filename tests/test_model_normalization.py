"""Normalisations do what their authors' code does, and have an answer for bad stamps."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import NORMALIZATIONS
from lsst.meas.realbogus.model._normalization import _median_and_mad, find_normalization
from lsst.meas.realbogus.randomness import generator

Stamps = npt.NDArray[np.float32]


def normalize(name: str, stamps: Stamps, is_difference: bool = False) -> tuple[Stamps, npt.NDArray[np.bool_]]:
    out = np.full(stamps.shape, 7.0, np.float32)
    return out, find_normalization(name)(stamps, is_difference, {}, out)


def published_3sigma(stamp: npt.NDArray[np.float64], is_difference: bool) -> npt.NDArray[np.float64]:
    """Follow the description of Acero-Cuellar et al., one stamp at a time, in float64."""
    mean, std = np.mean(stamp), np.std(stamp)
    if is_difference:
        return (stamp - mean) / std
    inside = (stamp < mean + 3 * std) == (stamp > mean - 3 * std)
    low, high = stamp[inside].min(), stamp[inside].max()
    return (stamp - low) / (high - low)


def realistic(n: int, size: int, key: str) -> Stamps:
    rng = generator(3, "test-normalization", key, n, size)
    stamps = rng.normal(100, 20, (n, size, size))
    middle = slice(size // 2 - 2, size // 2 + 3)
    stamps[:, middle, middle] += rng.uniform(-3000, 5000, (n, 1, 1))
    return stamps.astype(np.float32)


@pytest.mark.parametrize("size", [51, 30, 7])
@pytest.mark.parametrize("is_difference", [True, False])
def test_3sigma_is_bit_for_bit_the_published_one(size: int, is_difference: bool) -> None:
    stamps = realistic(200, size, "published")
    expected = [published_3sigma(s.astype(np.float64), is_difference) for s in stamps]
    found, degenerate = normalize("acero-cuellar-3sigma-1", stamps, is_difference)
    assert not degenerate.any()
    np.testing.assert_array_equal(found, np.float32(expected))


@settings(max_examples=50, deadline=None)
@given(arrays(np.float32, (3, 5, 5), elements=st.floats(-1e4, 1e4, width=32)), st.booleans())
def test_3sigma_agrees_wherever_the_published_one_is_defined(stamps: Stamps, is_difference: bool) -> None:
    found, degenerate = normalize("acero-cuellar-3sigma-1", stamps, is_difference)
    for stamp, mine, bad in zip(stamps.astype(np.float64), found, degenerate, strict=True):
        with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
            expected = (
                np.float32(published_3sigma(stamp, is_difference)) if np.ptp(stamp) else np.array(np.nan)
            )
        assert bad == (not np.isfinite(expected).all())
        np.testing.assert_array_equal(mine, np.zeros_like(mine) if bad else expected)


@pytest.mark.parametrize("name", ["acero-cuellar-3sigma-1", "ml4transients-minmax-1"])
def test_gain_and_sky_drop_out(name: str) -> None:
    stamps = realistic(20, 51, "affine")
    plain, _ = normalize(name, stamps)
    scaled, _ = normalize(name, (stamps.astype(np.float64) * 0.37 + 812).astype(np.float32))
    np.testing.assert_allclose(scaled, plain, atol=2e-4)


@pytest.mark.parametrize("name", sorted(NORMALIZATIONS))
@pytest.mark.parametrize("is_difference", [True, False])
def test_bad_stamps_become_zeros_and_are_reported(name: str, is_difference: bool) -> None:
    stamps = realistic(5, 21, "bad")
    stamps[1] = 3.5
    stamps[2, 4, 4] = np.nan
    stamps[3, 4, 4] = np.inf
    found, degenerate = normalize(name, stamps, is_difference)
    np.testing.assert_array_equal(degenerate, [False, True, True, True, False])
    assert np.isfinite(found).all()
    assert not found[1:4].any()
    alone, _ = normalize(name, stamps[4:], is_difference)
    np.testing.assert_array_equal(found[4:], alone)


def test_a_hot_pixel_on_nothing_is_degenerate_where_the_formula_is() -> None:
    stamps = np.zeros((1, 21, 21), np.float32)
    stamps[0, 10, 10] = 1e5
    assert normalize("acero-cuellar-3sigma-1", stamps, False)[1].all()
    for name in NORMALIZATIONS:
        if name != "acero-cuellar-3sigma-1":
            assert not normalize(name, stamps, False)[1].any(), name
    assert not normalize("acero-cuellar-3sigma-1", stamps, True)[1].any()


@pytest.mark.parametrize("name", sorted(NORMALIZATIONS))
def test_the_answer_depends_on_the_stamp_alone(name: str) -> None:
    stamps = realistic(70, 31, "alone")
    together, _ = normalize(name, stamps)
    strided = np.empty((70, 31, 93, 1), np.float32)
    find_normalization(name)(stamps, False, {}, strided[:, :, 31:62, 0])
    np.testing.assert_array_equal(strided[:, :, 31:62, 0], together)
    for i in (0, 33, 69):
        np.testing.assert_array_equal(normalize(name, stamps[i : i + 1])[0][0], together[i])


def test_ml4transients_batch_follows_its_description() -> None:
    stamp = realistic(1, 30, "batch")
    clipped = np.clip(stamp[0].astype(float), *np.percentile(stamp[0].astype(float), (1, 99)))
    values = np.arcsinh(clipped)
    values -= np.median(values)
    expected = values / np.median(np.abs(values))
    np.testing.assert_allclose(
        normalize("ml4transients-batch-1", stamp)[0][0], expected, rtol=1e-5, atol=1e-6
    )


def test_l2_rows_have_unit_norm() -> None:
    found, _ = normalize("l2-1", realistic(3, 21, "l2"))
    np.testing.assert_allclose((found**2).sum(axis=2), 1, rtol=1e-5)


def test_an_unknown_name_lists_those_that_there_are() -> None:
    with pytest.raises(InvalidInputError, match=r"acero-cuellar-3sigma-1"):
        find_normalization("acero-cuellar")


@settings(max_examples=150, deadline=None)
@given(
    arrays(
        np.float32, st.tuples(st.integers(1, 4), st.integers(1, 40)), elements=st.floats(-99, 99, width=32)
    ),
    st.integers(0, 99),
)
def test_one_sorting_gives_the_median_and_the_mad_of_valid_pixels(flat: np.ndarray, seed: int) -> None:
    missing = generator(seed, "test-mad").random(flat.shape) < 0.4
    missing[:, 0] = False
    ordered = np.sort(np.where(missing, np.float32(np.inf), flat), axis=1)
    median, mad = _median_and_mad(ordered, (~missing).sum(axis=1))
    for row, lost in enumerate(missing):
        valid = flat[row][~lost]
        assert median[row] == np.median(valid)
        assert mad[row] == np.median(np.abs(valid - median[row]))


@pytest.mark.parametrize("size", [30, 31])
@pytest.mark.parametrize("n", [1, 600])
def test_asinh_is_its_formula_for_any_number_of_stamps(size: int, n: int) -> None:
    stamps = generator(3, "test-asinh").normal(7.0, 50.0, (n, size, size)).astype(np.float32)
    stamps[0, 0, 0] = 3e30
    out = np.empty((n, size, size, 2), np.float32)
    assert not NORMALIZATIONS["asinh-1"](stamps, False, {"softening": 3.0}, out[..., 1]).any()
    exact = stamps.astype(np.float64).reshape(n, -1)
    exact -= np.median(exact, axis=1, keepdims=True)
    exact /= 3 * 1.4826 * np.median(np.abs(exact), axis=1, keepdims=True)
    np.testing.assert_allclose(out[..., 1].reshape(n, -1), np.arcsinh(exact), rtol=1e-5, atol=1e-6)
