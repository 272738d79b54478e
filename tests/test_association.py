"""Sources of many visits become objects with light curves, whatever their order."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.sphgeom import Box, LonLat
from sklearn.metrics.cluster import pair_confusion_matrix

from lsst.meas.realbogus.association import (
    Confirmation,
    ConfirmationOptions,
    LightCurveOptions,
    LightCurves,
    SkyImage,
    associate,
    make_light_curves,
)
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import separation

ARCSEC = 1 / 3600
RADIUS = 0.5


def make_sources(
    n_objects: int = 40, n_visits: int = 6, scatter: float = 0.05, seed: int = 3, ra: float = 0.0
) -> Table:
    """Make sources of objects at least 4 arcsec apart, some visits missing, and as many lone ones."""
    rng = generator(seed, "test-association")
    grid = np.stack(np.meshgrid(np.arange(20), np.arange(20)), axis=-1).reshape(-1, 2) * 4.0
    places = grid[rng.permutation(len(grid))[: 2 * n_objects]]
    rows = []
    for number, (east, north) in enumerate(places):
        visits = np.arange(n_visits) if number < n_objects else rng.integers(n_visits, size=1)
        for visit in visits:
            if number >= n_objects or rng.random() < 0.8:
                dx, dy = rng.normal(0, scatter, 2)
                rows.append((number, visit, east + dx, north + dy))
    number, visit, east, north = np.array(rows).T
    n = len(rows)
    return Table(
        {
            "diaSourceId": rng.permutation(10 * n)[:n].astype(np.int64) + 2**60,
            "visit": visit.astype(np.int64),
            "detector": np.zeros(n, np.int64),
            "band": np.where(visit % 2, "r", "g"),
            "midpointMjdTai": 60000.0 + 3 * visit,
            "ra": (ra + east * ARCSEC / np.cos(np.radians(60))) % 360,
            "dec": 60 + north * ARCSEC,
            "psfFlux": 1000.0 + number,
            "psfFluxErr": np.full(n, 100.0),
            "score": rng.uniform(size=n),
            "label": (number < n_objects).astype(np.int8),
            "number": number.astype(np.int64),
        }
    )


def object_ids(sources: Table, radius: float = RADIUS) -> np.ndarray:
    names = ("diaSourceId", "visit", "midpointMjdTai", "ra", "dec")
    return associate(*(sources[name] for name in names), radius=radius).object_ids


def same_partition(one: np.ndarray, other: np.ndarray) -> bool:
    matrix = pair_confusion_matrix(one, other)
    return bool(matrix[0, 1] == matrix[1, 0] == 0)


@pytest.mark.parametrize("ra", [150.0, 359.999])
def test_sources_of_one_object_are_found_across_visits(ra: float) -> None:
    sources = make_sources(ra=ra)
    assert same_partition(object_ids(sources), np.asarray(sources["number"]))


def test_an_object_is_called_as_its_first_source() -> None:
    sources = make_sources()
    found = object_ids(sources)
    for number in np.unique(found):
        of_it = sources[found == number]
        assert number == of_it["diaSourceId"][np.argmin(of_it["midpointMjdTai"])]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**32 - 1), st.floats(0.2, 4.0))
def test_the_order_of_sources_changes_nothing_and_visits_occur_once(seed: int, radius: float) -> None:
    """Positions so dense that most groups have to be divided."""
    rng = np.random.default_rng(seed)
    n = 60
    sources = Table(
        {
            "diaSourceId": rng.permutation(1000)[:n],
            "visit": rng.integers(0, 5, n),
            "ra": 10 + rng.integers(0, 30, n) * 0.4 * ARCSEC,  # a grid, so that many distances are equal
            "dec": rng.integers(0, 5, n) * 0.4 * ARCSEC,
        }
    )
    sources["midpointMjdTai"] = sources["visit"] * 1.0
    found = object_ids(sources, radius)
    order = rng.permutation(n)
    np.testing.assert_array_equal(object_ids(sources[order], radius), found[order])
    pairs = np.stack([found, sources["visit"]], axis=1)
    assert len(np.unique(pairs, axis=0)) == n


def test_only_crowded_groups_are_divided_and_the_nearest_stay_together() -> None:
    """Two objects 0.4 arcsec apart, both in every visit, and a third by itself."""
    east = np.array([0.00, 0.40, 0.02, 0.41, 0.01, 9.0, 9.01])
    association = associate(
        np.arange(7), [0, 0, 1, 1, 2, 0, 1], np.arange(7.0), east * ARCSEC, np.zeros(7), radius=RADIUS
    )
    assert association.object_ids.tolist() == [0, 1, 0, 1, 0, 5, 5]
    assert association.is_crowded.tolist() == [True] * 5 + [False] * 2


def test_sources_beyond_the_radius_are_not_linked() -> None:
    for distance, linked in ((0.499, True), (0.501, False)):
        found = associate(
            [1, 2], [0, 1], [0, 1], [0, 0], np.array([80, 80 + distance * ARCSEC]), radius=RADIUS
        )
        assert bool(found.object_ids[0] == found.object_ids[1]) is linked


def test_a_source_without_a_position_is_an_object_and_twice_the_same_source_is_refused() -> None:
    nan = np.nan
    found = associate([1, 2, 3], [0, 1, 2], [0, 1, 2], [nan, nan, 5], [0, 0, 5], radius=RADIUS)
    assert found.object_ids.tolist() == [1, 2, 3]
    with pytest.raises(InvalidInputError, match="diaSourceId 2 occurs 2 times"):
        associate([2, 2], [0, 1], [0, 1], [0, 0], [0, 0], radius=RADIUS)


def test_later_visits_do_not_rename_objects() -> None:
    sources = make_sources()
    early = np.asarray(sources["visit"] < 4)
    np.testing.assert_array_equal(object_ids(sources[early]), object_ids(sources)[early])


def test_light_curves_are_the_same_bytes_in_any_order() -> None:
    sources = make_sources()
    order = np.random.default_rng(1).permutation(len(sources))
    one, other = make_light_curves(sources), make_light_curves(sources[order])
    for name in ("objects", "epochs"):
        first, second = getattr(one, name), getattr(other, name)
        assert all(
            np.array_equal(first[c], second[c], equal_nan=first[c].dtype.kind == "f") for c in first.colnames
        )
    assert one.association["diaSourceId"].tolist() == sources["diaSourceId"].tolist()
    assert (
        other.association[np.argsort(order)]["diaObjectId"].tolist()
        == one.association["diaObjectId"].tolist()
    )


def test_numbers_of_objects_are_those_of_their_sources() -> None:
    """Against plain loops over the sources of each object."""
    sources = make_sources()
    sources["score"][::7] = np.nan
    sources["label"][::5] = 1 - sources["label"][::5]
    curves = make_light_curves(sources)
    found = np.asarray(curves.association["diaObjectId"])
    assert np.array_equal(curves.objects["diaObjectId"], np.unique(found))
    for row in curves.objects:
        of_it = sources[found == row["diaObjectId"]]
        assert row["nDiaSources"] == len(of_it) == len(curves.of(row["diaObjectId"]))
        scores = np.asarray(of_it["score"])[np.isfinite(of_it["score"])]
        assert row["nScored"] == scores.size and row["nAbove"] == (scores >= 0.5).sum()
        for name, function in (("maxScore", np.max), ("meanScore", np.mean), ("medianScore", np.median)):
            assert row[name] == pytest.approx(function(scores) if scores.size else np.nan, nan_ok=True)
        assert (row["nReal"], row["nBogus"]) == ((of_it["label"] == 1).sum(), (of_it["label"] == 0).sum())
        majority = int(row["nReal"]) - int(row["nBogus"])
        assert row["label"] == (1 if majority > 0 else 0 if majority < 0 else -1)
        assert row["firstDiaSourceMjdTai"] == of_it["midpointMjdTai"].min()
        far = separation(of_it["ra"], of_it["dec"], row["ra"], row["dec"]).max()
        assert row["radius"] == pytest.approx(far, abs=1e-9) and far < RADIUS
        for band in ("g", "r"):
            flux = np.asarray(of_it["psfFlux"])[of_it["band"] == band]
            assert row[f"{band}_psfFluxNdata"] == flux.size
            if flux.size:
                assert row[f"{band}_psfFluxMean"] == pytest.approx(flux.mean())
                assert row[f"{band}_psfFluxMeanErr"] == pytest.approx(100 / np.sqrt(flux.size))
            assert np.isfinite(row[f"{band}_psfFluxSigma"]) == (flux.size > 1)


def test_scatter_and_chi_squared_are_those_of_numpy() -> None:
    rng = np.random.default_rng(4)
    flux, error = rng.normal(1000, 100, 50), rng.uniform(50, 150, 50)
    sources = one_object(flux, error)
    row = make_light_curves(sources).objects[0]
    mean = np.average(flux, weights=error**-2)
    assert row["r_psfFluxSigma"] == pytest.approx(np.std(flux, ddof=1))
    assert row["r_psfFluxMean"] == pytest.approx(mean)
    assert row["r_psfFluxChi2"] == pytest.approx((((flux - mean) / error) ** 2).sum())


def one_object(flux: np.ndarray, error: np.ndarray | float = 10.0, score: np.ndarray | float = 0.9) -> Table:
    n = len(flux)
    return Table(
        {
            "diaSourceId": np.arange(n) + 1,
            "visit": np.arange(n),
            "detector": np.zeros(n, int),
            "band": ["r"] * n,
            "midpointMjdTai": np.arange(n) * 2.0,
            "ra": np.full(n, 10.0),
            "dec": np.full(n, -5.0),
            "psfFlux": np.asarray(flux, float),
            "psfFluxErr": np.broadcast_to(error, n).astype(float),
            "score": np.broadcast_to(score, n).astype(float),
        }
    )


@pytest.mark.parametrize(
    ("flux", "score", "options", "word"),
    [
        ([500, 600, 700], 0.9, {}, Confirmation.CONFIRMED),
        ([500], 0.9, {}, Confirmation.FEW_EPOCHS),
        ([500], 0.9, {"min_epochs": 1}, Confirmation.CONFIRMED),
        ([500, 600, 700], [0.9, 0.4, np.nan], {}, Confirmation.FEW_EPOCHS),
        ([500, 600, 700, 800, 800], [0.9, 0.9, 0.1, 0.1, 0.1], {}, Confirmation.LOW_FRACTION),
        ([500, 600], 0.9, {"min_days": 2.0}, Confirmation.CONFIRMED),
        ([500, 600], 0.9, {"min_days": 2.1}, Confirmation.SHORT),
        ([500, -600, 700], 0.9, {}, Confirmation.MIXED_SIGNS),
        ([500, -600, 700], 0.9, {"one_sign": False}, Confirmation.CONFIRMED),
        ([500, -600, 700], [0.9, 0.2, 0.9], {}, Confirmation.CONFIRMED),
        ([-500, -600], 0.9, {}, Confirmation.CONFIRMED),
        ([100, 5000], 0.9, {}, Confirmation.INCOHERENT),
        ([5000, 100], 0.9, {}, Confirmation.INCOHERENT),
        ([100, 700, 5000], 0.9, {}, Confirmation.CONFIRMED),
        ([100, 5000], 0.9, {"n_sigma": 40.0}, Confirmation.CONFIRMED),
    ],
)
def test_what_confirms_an_object(
    flux: list[float], score: list[float] | float, options: dict[str, float], word: Confirmation
) -> None:
    settings = LightCurveOptions(confirmation=ConfirmationOptions().replace(**options))
    objects = make_light_curves(one_object(np.array(flux), score=np.array(score)), options=settings).objects
    assert objects["confirmation"].tolist() == [word]


def square(ra: float, dec: float, side: float = 0.01) -> Box:
    low, high = (LonLat.fromDegrees(ra + sign * side / 2, dec + sign * side / 2) for sign in (-1, 1))
    return Box(low, high)


def with_images() -> LightCurves:
    """One object in visits 0, 1, 3 of 0 to 4; visit 4 looks elsewhere, visit 2 at it twice."""
    sources = one_object(np.array([500, 600, 0, 700]))[[0, 1, 3]]
    sources["psfFluxErr"] = [10.0, 20.0, 30.0]
    here, there = square(10, -5), square(12, -5)
    images = [SkyImage(visit, 0, "r", 2.0 * visit, here) for visit in range(4)]
    images += [SkyImage(4, 0, "r", 8.0, there), SkyImage(2, 1, "r", 4.0, here), SkyImage(5, 0, "r", 10.0)]
    return make_light_curves(sources, images[::-1])


def test_images_that_cover_an_object_and_show_none_of_it_are_epochs_too() -> None:
    curves = with_images()
    curve = curves.of(1)
    assert curve["visit"].tolist() == [0, 1, 2, 3]
    assert curve["diaSourceId"].tolist() == [1, 2, -1, 4]
    assert curve["detector"][2] == 0 and np.isnan(curve["psfFlux"][2]) and np.isnan(curve["psfFluxErr"][2])
    assert curves.objects["nVisits"].tolist() == [4] and len(curves.epochs) == 4
    assert make_light_curves(one_object(np.array([5.0]))).objects["nVisits"].tolist() == [-1]


def test_the_error_of_a_non_detection_is_that_of_the_images_sources() -> None:
    sources = make_sources(scatter=0.01)
    sources["psfFluxErr"] = 10.0 * (1 + sources["visit"])
    images = [SkyImage(visit, 0, "r", 60000.0 + 3 * visit, square(0.03, 60.01, 1.0)) for visit in range(6)]
    curves = make_light_curves(sources, images)
    limits = curves.epochs[curves.epochs["diaSourceId"] == -1]
    assert len(limits) > 20
    np.testing.assert_array_equal(limits["psfFluxErr"], 10.0 * (1 + limits["visit"]))
    listed = curves.objects[curves.objects["nDiaSources"] > 1]
    assert set(limits["diaObjectId"].tolist()) <= set(listed["diaObjectId"].tolist())
    assert all(len(curves.of(row["diaObjectId"])) == row["nVisits"] == 6 for row in listed)


def test_no_source_is_no_fault_and_missing_columns_are() -> None:
    sources = make_sources()
    empty = make_light_curves(sources[:0])
    assert len(empty.objects) == len(empty.epochs) == len(empty.association) == 0
    sources.remove_columns(["score", "label"])
    curves = make_light_curves(sources)
    assert (curves.objects["confirmation"] == "few_epochs").all() and (curves.objects["label"] == -1).all()
    sources.remove_column("ra")
    with pytest.raises(InvalidCatalogError, match="column ra is missing"):
        make_light_curves(sources)
