"""Mutual nearest neighbours on the sky, and distances to artefacts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import separation
from lsst.meas.realbogus.truth import (
    distance_to_segments,
    match_mutual_nearest,
    nearest_artefact,
)

ARCSEC = 1 / 3600


def _scatter(key: int, n: int, centre: float = 40.0, size: float = 0.05) -> tuple[np.ndarray, np.ndarray]:
    rng = generator(1, "test-matching", key)
    return centre + size * rng.random(n), 60 + size * rng.random(n)


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 60), st.integers(1, 60))
def test_pairs_are_the_handshakes_of_brute_force(key: int, n: int, m: int) -> None:
    ra, dec = _scatter(key, n)
    other_ra, other_dec = _scatter(key + 1, m)
    apart = separation(ra[:, None], dec[:, None], other_ra[None], other_dec[None])
    expected = {
        (i, int(apart[i].argmin()))
        for i in range(n)
        if apart[:, apart[i].argmin()].argmin() == i and apart[i].min() <= 20
    }
    pairs = match_mutual_nearest(ra, dec, other_ra, other_dec, 20.0)
    assert set(zip(pairs.first.tolist(), pairs.second.tolist(), strict=True)) == expected
    np.testing.assert_allclose(pairs.distance, apart[pairs.first, pairs.second])


def test_no_row_is_used_twice_and_the_order_of_the_arguments_does_not_matter() -> None:
    ra, dec = _scatter(3, 500)
    other_ra, other_dec = _scatter(4, 400)
    pairs = match_mutual_nearest(ra, dec, other_ra, other_dec, 5.0)
    assert len(pairs) > 50
    assert np.unique(pairs.first).size == np.unique(pairs.second).size == len(pairs)
    back = match_mutual_nearest(other_ra, other_dec, ra, dec, 5.0)
    assert set(zip(back.second, back.first, strict=True)) == set(zip(pairs.first, pairs.second, strict=True))


def test_matching_works_across_right_ascension_zero_and_at_the_pole() -> None:
    pairs = match_mutual_nearest([359.99999], [0.0], [0.00001], [0.0], 0.5)
    assert pairs.distance == pytest.approx([0.072])
    pairs = match_mutual_nearest([0.0], [90 - 0.1 * ARCSEC], [180.0], [90 - 0.1 * ARCSEC], 0.5)
    assert pairs.distance == pytest.approx([0.2])


def test_positions_that_are_not_finite_match_nothing() -> None:
    pairs = match_mutual_nearest([np.nan, 10.0], [0.0, 0.0], [10.0, np.nan], [0.0, 0.0], 1.0)
    assert (pairs.first.tolist(), pairs.second.tolist()) == ([1], [0])
    assert not len(match_mutual_nearest([], [], [10.0], [0.0], 1.0))


def test_each_row_may_have_its_own_radius() -> None:
    ra, other = np.array([10.0, 11.0]), np.array([10.0, 11.0]) + 0.4 * ARCSEC
    pairs = match_mutual_nearest(ra, [0.0, 0.0], other, [0.0, 0.0], [0.3, 0.5])
    assert pairs.first.tolist() == [1]


def test_distance_to_a_segment_is_zero_inside_and_euclidean_outside() -> None:
    # A trail 20 long and 4 wide along +45 degrees, centred at (100, 50).
    x = np.array([100.0, 105.0, 100.0 + 20, 100.0 - 6, 400.0])
    y = np.array([50.0, 55.0, 50.0 + 20, 50.0 + 6, 50.0])
    distance = distance_to_segments(x, y, [100.0], [50.0], [20.0], [4.0], [45.0])[:, 0]
    assert distance[:2] == pytest.approx([0, 0])
    assert distance[2] == pytest.approx(np.hypot(20, 20) - 10)
    assert distance[3] == pytest.approx(np.hypot(6, 6) - 2)
    assert distance[4] == pytest.approx(300, abs=10)


def test_disks_and_points_are_segments_without_length() -> None:
    distance = distance_to_segments([0.0, 7.0], [0.0, 0.0], [0.0, 0.0], [0.0, 0.0], [0, 0], [10, 0], [0, 0])
    assert distance == pytest.approx(np.array([[0, 0], [2, 7]]))


def test_the_nearest_artefact_within_the_margin_wins() -> None:
    distances = np.array([[3.0, 1.0], [9.0, 8.0], [np.nan, 2.0]])
    index, distance = nearest_artefact(distances, margin=4.0)
    assert index.tolist() == [1, -1, 1]
    assert distance == pytest.approx([1.0, np.nan, 2.0], nan_ok=True)
    assert nearest_artefact(np.empty((2, 0)), 4.0)[0].tolist() == [-1, -1]
