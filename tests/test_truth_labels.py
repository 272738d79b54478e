"""A label and its reason for every DIA source, a fate for every injected one."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st

from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import NO_ID, empty_table
from lsst.meas.realbogus.truth import (
    DIA_SOURCE_MATCH,
    INJECTED_FATE,
    Conditions,
    Fate,
    Label,
    MatchRules,
    injected_fates,
    label_dia_sources,
)

SCALE = 0.2 / 3600  # degrees a pixel
RA, DEC = 50.0, -20.0


def _sky(x: np.ndarray, y: np.ndarray) -> dict[str, np.ndarray]:
    return {"ra": RA + x * SCALE / np.cos(np.radians(DEC)), "dec": DEC + y * SCALE, "x": x, "y": y}


def _table(x: object, y: object, **columns: object) -> Table:
    table = Table(_sky(*np.broadcast_arrays(np.asarray(x, float), np.asarray(y, float))))
    for name, values in columns.items():
        table[name] = values
    return table


def _sources(x: object, y: object, flux: object, **columns: object) -> Table:
    flux = np.asarray(flux, float)
    ids = 1000 + np.arange(flux.size)
    return _table(
        x, y, diaSourceId=ids, psfFlux=flux, psfFluxErr=100.0, isNegative=flux < 0,
        **({"isDipole": False, "bboxSize": 12} | columns),
    )  # fmt: skip


def _injected(x: object, y: object, flux: object, flag: object = 0) -> Table:
    flux = np.asarray(flux, float)
    return _table(x, y, injection_id=1 + np.arange(flux.size), flux=flux, injection_flag=flag)


def _truth(kinds: list[str], x: object, y: object, flux: object, template: object, **extent: object) -> Table:
    ids = 7000 + np.arange(len(kinds))
    extent = {"length": 0.0, "width": 0.0, "angle": 0.0} | extent
    return _table(x, y, truth_id=ids, kind=kinds, flux=flux, template_flux=template, **extent)


NONE = _injected([], [], [])


def test_every_kind_of_source_gets_its_label_and_reason() -> None:
    sources = _sources(
        x=[100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 700.0, 800.0, 900.0, 103.0],
        y=100.0,
        flux=[5000, -900, 2000, 1500, 800, 700, -600, 650, 5e4, -1000],
        isDipole=[False, False, False, False, True, True, False, False, False, False],
    )
    truth = _truth(
        [
            "transient",
            "variable",
            "asteroid",
            "cosmic_ray",
            "star",
            "high_proper_motion",
            "galaxy",
            "transient",
        ],
        x=[199, 200.5, 300, 402, 501, 602, 703, 900.0],
        y=[101, 100.2, 100, 101, 100, 100, 100, 100.0],
        flux=[3000.0, 1e4, 2100, 3e4, 9e5, 1e5, 4000, 120.0],
        template=[0.0, 1.09e4, 0, 0, 9e5, 1e5, 4000, 0.0],
        length=[0, 0, 0, 6.0, 0, 0, 0, 0],
        width=[0, 0, 0, 2.0, 0, 0, 0, 0],
    )
    matched = label_dia_sources(sources, _injected([100.3], [100.1], [5200.0]), truth)
    table = matched.table
    assert table["label_reason"].tolist() == [
        "injected", "variable", "asteroid", "cosmic_ray", "dipole", "high_proper_motion", "galaxy", "noise",
        "unexplained",  # 400 times brighter than the transient at its place
        "near_real",  # the negative lobe beside the injected one
    ]  # fmt: skip
    assert table["label"].tolist() == [1, 1, 1, 0, 0, 0, 0, 0, 0, -1]
    assert table["injection_id"].tolist() == [1] + [-1] * 9
    assert table["truth_id"].tolist() == [-1, 7001, 7002, 7003, 7004, 7005, 7006, -1, -1, -1]
    assert table["match_distance"][0] == pytest.approx(np.hypot(0.3, 0.1) * 0.2, rel=1e-3)
    assert np.isnan(table["match_distance"][3])
    assert table["match_distance"][6] == pytest.approx(3 * 0.2, rel=1e-3)
    assert matched.injected_to_source.tolist() == [0]


def test_every_source_names_the_object_that_made_it_and_its_host() -> None:
    x = [100.0, 200.0, 300.0, 400.0, 500.0, 600.0]
    sources = _sources(x, 100.0, [900.0] * 6, isDipole=[False, False, False, True, False, False])
    injected = _injected([100.0, 200.0], [100.0, 100.0], [900.0, 900.0])
    injected["supernova_id"], injected["host_id"] = [77, 0], [41, 0]
    truth = _truth(
        ["transient", "galaxy", "cosmic_ray"], x[2:5], [100.0] * 3, [900.0, 3e4, 900.0], [0.0, 3e4, 0.0]
    )
    truth["host_id"] = [7001, 0, 0]
    table = label_dia_sources(sources, injected, truth).table
    assert table["label_reason"].tolist()[3] == "dipole"
    assert table["kind"].tolist() == ["fake", "fake", "transient", "galaxy", "cosmic_ray", "unexplained"]
    assert table["object_id"].tolist() == [77, 2, 7000, 7001, 7002, NO_ID]
    assert table["host_id"].tolist() == [41, NO_ID, 7001, NO_ID, NO_ID, NO_ID]
    alone = label_dia_sources(sources, _injected([100.0], [100.0], [900.0])).table
    assert alone["kind"].tolist() == ["fake"] + ["unmatched"] * 5
    assert alone["object_id"].tolist() == [1] + [NO_ID] * 5 and set(alone["host_id"]) == {NO_ID}


def test_small_things_explain_before_large_ones() -> None:
    sources = _sources([100.0, 200.0, 300.0, 400.0], 100.0, [900.0] * 4)
    truth = _truth(
        ["ghost", "star", "bad_column", "cosmic_ray"],
        x=[250.0, 201, 300, 301],
        y=100.0,
        flux=1e4,
        template=1e4,
        length=[0.0, 0, 600, 0],
        width=[400.0, 0, 4, 1],
        angle=[0.0, 0, 90, 0],
    )
    reasons = label_dia_sources(sources, NONE, truth).table["label_reason"]
    assert reasons.tolist() == ["ghost", "star", "bad_column", "ghost"]


def test_flaws_of_the_template_explain_what_nothing_in_the_image_does() -> None:
    #      negative on a flaw, positive on it, on one without light, on a star too, in a ghost, in both
    sources = _sources([100.0, 101.0, 200.0, 300.0, 400.0, 450.0], 100.0, [-3e3, 3e3, 3e3, -3e3, -3e3, -3e3])
    truth = _truth(
        [f"template_{kind}" for kind in ("cosmic_ray", "bad_column", "cosmic_ray", "ghost", "cosmic_ray")]
        + ["star"],
        x=[100.0, 200.0, 300.0, 420.0, 450.0, 300.0],
        y=100.0,
        flux=[0.0, 0.0, 0.0, 0.0, 0.0, 1e4],
        template=[2e4, 0.0, 2e4, 1e3, 2e4, 1e4],
        width=[2.0, 2.0, 2.0, 100.0, 2.0, 0.0],
    )
    table = label_dia_sources(sources, NONE, truth).table
    assert table["label_reason"].tolist() == [
        "template_cosmic_ray", "unexplained", "template_bad_column", "star", "template_ghost",
        "template_cosmic_ray",
    ]  # fmt: skip
    assert table["truth_id"].tolist() == [7000, NO_ID, 7001, 7005, 7003, 7004]
    assert set(table["label"]) == {Label.BOGUS}


def test_a_source_matches_a_change_of_its_own_sign_only() -> None:
    truth = _truth(["variable"], [100.0], [100.0], [0.0], [3000.0])
    label = label_dia_sources(_sources([100.0], [100.0], [3000.0]), NONE, truth).table["label"]
    assert label.tolist() != [Label.REAL]
    label = label_dia_sources(_sources([100.0], [100.0], [-3000.0]), NONE, truth).table["label"]
    assert label.tolist() == [Label.REAL]


def test_parts_of_a_trail_are_undecided_and_its_middle_is_real() -> None:
    truth = _truth(["asteroid"], [100.0], [100.0], [9000.0], [0.0], length=[40.0], angle=[90.0])
    sources = _sources([100.0, 100.0, 100.0, 114.0], [101.0, 116.0, 135.0, 100.0], [5000.0] * 4)
    matched = label_dia_sources(sources, NONE, truth).table
    assert matched["label"].tolist() == [Label.REAL, Label.UNDECIDED, Label.BOGUS, Label.BOGUS]
    assert matched["label_reason"][1] == "near_real"


def test_active_nuclei_are_real() -> None:
    truth = _truth(["agn"], [100.0], [100.0], [9000.0], [6000.0])
    matched = label_dia_sources(_sources([100.0], [100.0], [3000.0]), NONE, truth).table
    assert matched["label"].tolist() == [Label.REAL]
    assert matched["label_reason"].tolist() == ["agn"]


def test_rows_that_were_not_drawn_match_nothing() -> None:
    sources = _sources([100.0], [100.0], [3000.0])
    injected = _injected([100.0], [100.0], [3000.0], flag=8)
    matched = label_dia_sources(sources, injected)
    assert matched.table["label"].tolist() == [Label.UNDECIDED]
    assert injected_fates(injected, sources, matched)["fate"].tolist() == [Fate.NOT_DRAWN]


def test_without_truth_the_unmatched_are_undecided_unless_asked_otherwise() -> None:
    sources = _sources([100.0], [100.0], [3000.0])
    assert label_dia_sources(sources, NONE).table["label"].tolist() == [-1]
    rules = MatchRules(unmatched_is_bogus=True)
    assert label_dia_sources(sources, NONE, rules=rules).table["label"].tolist() == [0]


def test_the_radius_follows_the_position_error_up_to_its_limit() -> None:
    sources = _sources([100.0, 200.0, 300.0], 100.0, [3000.0] * 3)
    sources["raErr"] = sources["decErr"] = np.array([0.0, 0.1, 9.0]) / 3600
    injected = _injected(np.array([100.0, 200.0, 300.0]) + 3.3, 100.0, [3000.0] * 3)  # 0.66"
    reasons = label_dia_sources(sources, injected, rules=MatchRules(max_radius=0.65)).table["label_reason"]
    assert reasons.tolist() == ["near_real"] * 3
    reasons = label_dia_sources(sources, injected, rules=MatchRules(max_radius=1.0)).table["label_reason"]
    assert reasons.tolist() == ["near_real", "injected", "injected"]


def test_the_smaller_of_two_limits_bounds_the_radius() -> None:
    sources = _sources([100.0, 200.0], 100.0, [3000.0] * 2)
    sources["raErr"] = sources["decErr"] = np.array([0.0, 9.0]) / 3600
    rules = MatchRules(radius=0.5, max_radius=1.0, max_psf_widths=1.5)

    def radii(fwhm: float | None) -> list[float]:
        radius = label_dia_sources(sources, NONE, rules=rules, fwhm=fwhm).table["match_radius"]
        return np.asarray(radius).tolist()

    assert radii(None) == [0.5, 1.0]  # the PSF is not known
    assert radii(0.8) == [0.5, 1.0]  # 1.2 arcsec: the limit in arcsec acts
    assert radii(0.4) == pytest.approx([0.5, 0.6])
    assert radii(0.1) == pytest.approx([0.15, 0.15])  # fine images: below the smallest radius too


def test_matches_that_could_be_others_are_marked() -> None:
    # Two changes near one source; two sources near one change; one of each; a second change too faint.
    sources = _sources([100.0, 200.0, 201.0, 300.0, 400.0], 100.0, [3000.0] * 5)
    flux = [3000.0, 3000.0, 3000.0, 3000.0, 3000.0, 900.0]
    injected = _injected([100.2, 101.5, 200.1, 300.0, 400.0, 401.0], 100.0, flux)
    table = label_dia_sources(sources, injected).table
    assert table["is_ambiguous"].tolist() == [True, True, True, False, False]
    assert table["label_reason"].tolist() == ["injected", "injected", "near_real", "injected", "injected"]
    assert table["injection_id"].tolist() == [1, 3, NO_ID, 4, 5]


def test_every_injected_source_gets_its_fate() -> None:
    x = np.array([50.0, 150.0, 250.0, 350.0, 450.0, 550.0, 650.0, -30.0])
    injected = _injected(x, 100.0, [3000.0] * 8, flag=[0, 1, 0, 0, 0, 0, 0, 0])
    sources = _sources([50.0, 555.0], [100.0, 102.0], [2900.0, 9e4])
    conditions = Conditions(
        on_image=x > 0,
        masked=np.isin(x, [50.0, 250.0]),
        edge=x == 350,
        flux_error=np.where(x == 450, 1000.0, 100.0),
        edge_distance=x + 0.5,
    )
    fates = injected_fates(injected, sources, label_dia_sources(sources, injected), conditions)
    assert fates["fate"].tolist() == [
        "found", "not_drawn", "masked", "edge", "below_threshold", "merged", "undetected", "off_image",
    ]  # fmt: skip
    assert fates["diaSourceId"].tolist() == [1000] + [-1] * 7
    assert fates["snr_expected"][[0, 4]] == pytest.approx([30.0, 3.0])
    assert fates["mag"][0] == pytest.approx(31.4 - 2.5 * np.log10(3000))
    assert fates["is_masked"].tolist() == [True, False, True] + [False] * 5  # one was found all the same
    assert fates["injection_flag"].tolist() == [0, 1] + [0] * 6
    assert fates["edge_distance"].tolist() == (x + 0.5).tolist()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 80), st.integers(0, 40))
def test_the_tables_add_up(key: int, n_sources: int, n_injected: int) -> None:
    rng = generator(2, "test-labels", key)
    sources = _sources(
        400 * rng.random(n_sources), 400 * rng.random(n_sources), rng.normal(0, 2000, n_sources)
    )
    injected = _injected(
        400 * rng.random(n_injected), 400 * rng.random(n_injected), 4000 * rng.random(n_injected)
    )
    injected["x"][::2] = 0.0
    take = min(n_sources, n_injected) // 2
    for name in ("ra", "dec", "x", "y"):
        injected[name][:take] = sources[name][:take]
    truth = _truth(["star", "ghost"], [100.0, 300.0], [100.0, 200.0], 1e4, 1e4, width=[0.0, 60.0])
    matched = label_dia_sources(sources, injected, truth)
    fates = injected_fates(injected, sources, matched)
    table = matched.table
    assert len(table) == n_sources and len(fates) == n_injected
    assert table["diaSourceId"].tolist() == sources["diaSourceId"].tolist()
    assert fates["injection_id"].tolist() == injected["injection_id"].tolist()
    is_injected = np.asarray(table["label_reason"] == "injected")
    found = np.asarray(fates["fate"] == "found")
    assert is_injected.sum() == found.sum()
    assert set(table["diaSourceId"][is_injected].tolist()) == set(fates["diaSourceId"][found].tolist())
    assert set(table["injection_id"][is_injected].tolist()) == set(fates["injection_id"][found].tolist())
    assert (np.asarray(table["injection_id"] != NO_ID) == is_injected).all()
    assert np.isin(table["label"], list(Label)).all()
    assert np.isin(fates["fate"], list(Fate)).all()


def test_bad_tables_are_refused_with_every_reason() -> None:
    sources, injected = _sources([1.0], [1.0], [1.0]), _injected([1.0, 2.0], [1.0, 2.0], [1.0, 1.0])
    injected["injection_id"] = 5
    with pytest.raises(InvalidCatalogError, match="injection_id 5 occurs more than once"):
        label_dia_sources(sources, injected)
    injected.remove_columns(["ra", "flux"])
    with pytest.raises(InvalidCatalogError, match="column ra is missing; column flux is missing"):
        label_dia_sources(sources, injected)
    with pytest.raises(InvalidInputError, match="MatchRules.radius must not be above max_radius, 1.0"):
        MatchRules(radius=2.0, max_radius=1.0)


PLACE = {"is_masked": ("bool", None), "is_edge": ("bool", None), "edge_distance": ("float64", "pix")}


def test_the_schemas_are_frozen() -> None:
    assert {name: (c.dtype, c.unit) for name, c in DIA_SOURCE_MATCH.items()} == {
        "diaSourceId": ("int64", None),
        "label": ("int8", None),
        "label_reason": ("str", None),
        "injection_id": ("int64", None),
        "truth_id": ("int64", None),
        "match_distance": ("float64", "arcsec"),
        "kind": ("str", None),
        "object_id": ("int64", None),
        "host_id": ("int64", None),
        "match_radius": ("float64", "arcsec"),
        "is_ambiguous": ("bool", None),
        "mask_label": ("int8", None),
        **PLACE,
    }
    assert {name: (c.dtype, c.unit) for name, c in INJECTED_FATE.items()} == {
        "injection_id": ("int64", None),
        "is_primary": ("bool", None),
        "fate": ("str", None),
        "diaSourceId": ("int64", None),
        "match_distance": ("float64", "arcsec"),
        "flux": ("float64", "nJy"),
        "snr_expected": ("float64", None),
        "mag": ("float64", "mag"),
        "x": ("float64", "pix"),
        "y": ("float64", "pix"),
        "injection_flag": ("int64", None),
        **PLACE,
    }
    for schema in (DIA_SOURCE_MATCH, INJECTED_FATE):
        assert empty_table(schema).colnames == list(schema)
