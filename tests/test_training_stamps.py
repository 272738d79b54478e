"""Labelled stamps keep their rows together, and turning them loses nothing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table

from lsst.meas.realbogus.cutouts import ROLES as IMAGES
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import LabelledStamps, dihedral


def _tables(n: int = 6, first: int = 1) -> tuple[Table, Table, Table]:
    ids = np.arange(first, first + n)
    rng = generator(1, "test-stamps", first)
    cutouts = Table({"diaSourceId": ids, **{name: rng.normal(size=(n, 5, 5)) for name in IMAGES}})
    for name in IMAGES:
        cutouts[f"{name}_scale"] = np.ones(n, np.float32)
    match = Table(
        {"diaSourceId": ids, "label": np.resize([1, 0, -1], n), "label_reason": ["injected"] * n},
    )
    sources = Table(
        {"diaSourceId": ids, "isNegative": np.resize([False, True], n), "snr": rng.normal(size=n)}
    )
    return cutouts, match, sources


def test_undecided_sources_are_left_out_and_the_rest_stay_aligned() -> None:
    cutouts, match, sources = _tables()
    stamps = LabelledStamps.from_tables(cutouts, match, sources, group=7)
    kept = np.array([0, 1, 3, 4])
    assert len(stamps) == 4
    np.testing.assert_array_equal(stamps.label, [1, 0, 1, 0])
    np.testing.assert_array_equal(stamps.pixels["science"], cutouts["science"][kept].astype(np.float32))
    np.testing.assert_array_equal(stamps.is_negative, sources["isNegative"][kept])
    assert set(stamps.group) == {7}


def test_defect_08_stamps_stored_as_float16_come_back_at_their_own_scale() -> None:
    cutouts, match, sources = _tables()
    whole = LabelledStamps.from_tables(cutouts, match, sources, group=0)
    for name in IMAGES:
        cutouts[name] = (cutouts[name] / 128).astype(np.float16)
        cutouts[f"{name}_scale"] = np.full(len(cutouts), 128, np.float32)
    half = LabelledStamps.from_tables(cutouts, match, sources, group=0)
    for name in IMAGES:
        np.testing.assert_allclose(half.pixels[name], whole.pixels[name], rtol=2e-3, atol=1e-4)


def test_tables_of_other_sources_are_refused() -> None:
    cutouts, match, sources = _tables()
    match["diaSourceId"] += 1
    with pytest.raises(InvalidCatalogError, match="dia_source_match"):
        LabelledStamps.from_tables(cutouts, match, sources, group=0)


def test_what_is_known_of_sources_comes_along_and_the_rest_is_unknown() -> None:
    cutouts, match, sources = _tables()
    plain = LabelledStamps.from_tables(cutouts, match, sources)
    assert np.isnan(plain.psf_fwhm).all() and np.isnan(plain.flux_ratio).all()
    assert set(plain.object_id) == set(plain.host_id) == set(plain.visit) == set(plain.cell) == {-1}
    cutouts["psfFwhm"], cutouts["ra"], cutouts["dec"] = 3.5, np.linspace(10, 11, 6), -30.0
    match["kind"], match["object_id"], match["host_id"] = "fake", np.arange(6), 9
    sources["visit"], sources["band"] = 42, "r"
    sources["psfFlux"], sources["templateFlux"] = [-3.0, 3, 3, 3, 3, 3], [6.0, 0, 1, -1, 12, 1]
    stamps = LabelledStamps.from_tables(cutouts, match, sources, 3)
    assert stamps.flux_ratio.tolist() == [0.5, np.inf, np.inf, 0.25]
    assert stamps.object_id.tolist() == [0, 1, 3, 4] and set(stamps.host_id) == {9}
    assert len(set(stamps.cell)) == 4 and set(stamps.visit) == {42} and set(stamps.band) == {"r"}
    assert stamps.psf_fwhm.dtype == np.float32 and set(stamps.psf_fwhm) == {3.5}
    sources.remove_columns(["visit", "band"])
    told = LabelledStamps.from_tables(cutouts, match, sources, visit=7, band="g")
    assert set(told.visit) == {7} and set(told.band) == {"g"}


def test_stamps_of_some_sources_find_their_rows() -> None:
    cutouts, match, sources = _tables()
    whole = LabelledStamps.from_tables(cutouts, match, sources)
    mixed = generator(2, "test-order").permutation(6)
    part = LabelledStamps.from_tables(cutouts[[4, 0]], match[mixed], sources)
    for name, values in part.arrays().items():
        np.testing.assert_array_equal(values, whole.arrays()[name][[3, 0]])
    with pytest.raises(InvalidCatalogError, match="1 sources of dia_source_cutouts are not in it"):
        LabelledStamps.from_tables(cutouts, match[1:], sources)


def test_columns_of_another_length_are_refused() -> None:
    stamps = LabelledStamps.from_tables(*_tables())
    with pytest.raises(InvalidInputError, match=r"\{'visit': 2\}, expected 4"):
        LabelledStamps(stamps.pixels, stamps.label, visit=np.zeros(2, np.int64))


def test_save_and_load_give_the_same_stamps(tmp_path: Path) -> None:
    stamps = LabelledStamps.concatenate(
        LabelledStamps.from_tables(*_tables(first=10 * group), group=group) for group in range(3)
    )
    stamps.save(tmp_path / "stamps.npz")
    again = LabelledStamps.load(tmp_path / "stamps.npz")
    for name, values in stamps.arrays().items():
        np.testing.assert_array_equal(again.arrays()[name], values)


def test_nothing_to_concatenate_is_an_error() -> None:
    with pytest.raises(InvalidInputError, match="no labelled stamps"):
        LabelledStamps.concatenate([])


def test_the_eight_turns_are_all_different_and_keep_every_pixel() -> None:
    stamp = generator(1, "test-dihedral").normal(size=(1, 5, 5, 3)).astype(np.float32)
    turned = dihedral(np.repeat(stamp, 8, axis=0), np.arange(8))
    assert len({t.tobytes() for t in turned}) == 8
    for t in turned:
        np.testing.assert_array_equal(np.sort(t.ravel()), np.sort(stamp.ravel()))
        np.testing.assert_array_equal(t[2, 2], stamp[0, 2, 2])
