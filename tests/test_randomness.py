"""Random numbers depend on what they are for, and on nothing else."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest

from lsst.meas.realbogus.randomness import derive_key, generator, stable_id, uniform


def test_keys_keep_text_and_number_apart() -> None:
    keys = {
        derive_key(1, "a", 12, 3),
        derive_key(1, "a", 1, 23),
        derive_key(1, "a", "12", 3),
        derive_key(2, "a", 12, 3),
        derive_key(1, "b", 12, 3),
    }
    assert len(keys) == 5


def test_the_numbers_never_change() -> None:
    # A change here would change every survey and catalogue ever made.
    assert derive_key(1, "frozen", 42) == 0x52AE52789F449FD1527A81F91708A002
    assert derive_key(1, "frozen", np.int64(42)) == derive_key(1, "frozen", 42)
    assert generator(1, "frozen", 42).integers(2**62) == 2914175251534205833
    np.testing.assert_allclose(uniform(1, "frozen", [42], 2), [[0.92269937, 0.81456172]], atol=5e-9)
    np.testing.assert_array_equal(stable_id(1, "frozen", [42]), [2769911050938031734])


def test_uniform_numbers_are_uniform_and_independent_between_columns_and_purposes() -> None:
    keys = np.arange(20_000)
    draws = uniform(1, "test", keys, 3)
    for column in draws.T:
        assert kstest(column, "uniform").pvalue > 0.001
    other = uniform(1, "other", keys, 1)[:, 0]
    correlation = np.corrcoef(np.column_stack([draws, other]).T) - np.eye(4)
    assert np.abs(correlation).max() < 0.03


@given(st.lists(st.integers(0, 2**62 - 1), min_size=1, max_size=30, unique=True))
def test_a_row_does_not_depend_on_its_neighbours(keys: list[int]) -> None:
    together = uniform(5, "test", keys, 2)
    alone = np.vstack([uniform(5, "test", [key], 2) for key in keys])
    np.testing.assert_array_equal(together, alone)


def test_stable_ids_are_unique_positive_and_spread() -> None:
    ids = stable_id(1, "test", np.arange(1_000_000))
    assert len(np.unique(ids)) == ids.size
    assert ids.min() >= 0
    assert kstest(ids[:20_000] / 2.0**62, "uniform").pvalue > 0.001
    np.testing.assert_array_equal(ids[500:510], stable_id(1, "test", np.arange(500, 510)))
