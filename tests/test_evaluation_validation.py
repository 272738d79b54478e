"""Validation of injections: what is right passes, what is wrong fails, and each row goes out."""

from __future__ import annotations

import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from lsst.images import Box, Image

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import (
    Check,
    Status,
    Validation,
    ValidationOptions,
    match_images,
    measure_added_light,
    recover_injected,
    validate_injection,
)
from lsst.meas.realbogus.evaluation._recovery import find_rows
from lsst.meas.realbogus.injection import light_beneath
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import njy_to_magnitude, write_table_file

N = 1200
BOX = Box.factory[0:1000, 0:1000]


def campaign(
    bias: float = 0.0,
    error_scale: float = 1.0,
    shift: float = 0.0,
    *,
    bad_detector: int = -1,
    n: int = N,
    flag: int = 0,
) -> tuple[Table, Table, Table]:
    """Make DIA sources, fates and catalogue of fakes on 3 visits x 4 detectors, all found."""
    rng = generator(4, "test-validation")
    flux = 10 ** rng.uniform(3.2, 4.5, n)
    visit, detector = 100 + np.arange(n) % 3, np.arange(n) // 3 % 4
    x, y = rng.uniform(0, 999, (2, n))
    error = np.full(n, 100.0)
    biased = flux * (1 + bias + 0.2 * (detector == bad_detector))
    sources = Table({"visit": visit, "detector": detector, "diaSourceId": 1 + np.arange(n) // 12})
    sources["ra"], sources["dec"] = 10 + x / 18000, y / 18000
    sources["psfFlux"] = biased + rng.normal(0, 100, n)
    sources["psfFluxErr"] = error * error_scale
    for name, place in (("x", x), ("y", y)):
        sources[name] = place + shift + rng.normal(0, 0.05, n)
        sources[f"{name}Err"] = np.full(n, 0.05)
    fates = Table({"visit": visit, "detector": detector, "injection_id": np.arange(n)})
    fates["fate"], fates["is_primary"] = np.full(n, "found", "U24"), np.ones(n, bool)
    fates["diaSourceId"], fates["flux"], fates["mag"] = sources["diaSourceId"], flux, njy_to_magnitude(flux)
    fates["snr_expected"], fates["x"], fates["y"] = flux / 100, x, y
    injected = Table({"visit": visit, "detector": detector, "injection_id": np.arange(n)})
    injected["ra"], injected["dec"], injected["x"], injected["y"] = sources["ra"], sources["dec"], x, y
    injected["flux"], injected["mag"] = flux, njy_to_magnitude(flux)
    injected["injection_flag"], injected["band"] = np.full(n, flag), "r"
    injected["host_sb"] = rng.uniform(20, 28, n)
    return sources, fates, injected


def validate(*tables: Table, **options: float) -> Validation:
    recovery = recover_injected(*tables, boxes=dict.fromkeys(range(4), BOX))
    assert len(recovery) == len(tables[1])
    return validate_injection(recovery, options=ValidationOptions(**options))


def check(validation: Validation, name: str) -> Check:
    (one,) = [check for check in validation.checks if check.name == name]
    return one


def test_rows_are_found_by_all_their_keys_together() -> None:
    rng = generator(1, "test-rows")
    table = Table(rng.integers(0, 4, (200, 3)), names=("visit", "detector", "id"))
    wanted = Table(rng.integers(0, 5, (300, 3)), names=("visit", "detector", "id"))
    keys = [tuple(row) for row in table]
    expected = [keys.index(tuple(row)) if tuple(row) in keys else -1 for row in wanted]
    assert find_rows(wanted, table, ("visit", "detector", "id")).tolist() == expected
    assert find_rows(wanted, table[:0], ("visit", "id")).tolist() == [-1] * 300


def test_a_right_campaign_passes() -> None:
    validation = validate(*campaign())
    assert validation.verdict == Status.PASS, [str(c) for c in validation.checks]
    recovery = validation.recovery
    assert np.all(np.abs(recovery["psfFlux"] - recovery["flux"]) < 600)
    assert 0 <= recovery["edge_distance"].min() and recovery["edge_distance"].max() <= 500
    assert check(validation, "flux_pull").n == N
    assert check(validation, "added_flux_bias").status == Status.NOT_CHECKED


@pytest.mark.parametrize(
    ("wrong", "failing"),
    [
        ({"bias": 0.05}, "flux_bias"),
        ({"bias": -0.05}, "flux_pull"),
        ({"error_scale": 0.5}, "flux_pull_width"),
        ({"error_scale": 0.1}, "flux_outliers"),
        ({"shift": 0.2}, "x_bias"),
        ({"shift": -0.2}, "y_bias"),
        ({"bad_detector": 2}, "flux_by_detector"),
    ],
    ids=str,
)
def test_what_is_wrong_fails(wrong: dict[str, float], failing: str) -> None:
    validation = validate(*campaign(**wrong))  # type: ignore[arg-type]
    assert check(validation, failing).status == Status.FAIL
    assert validation.verdict == Status.FAIL


def test_the_worst_bin_is_named_and_its_table_shows_it() -> None:
    validation = validate(*campaign(bad_detector=2))
    assert check(validation, "flux_by_detector").note == "worst of 4: 2"
    bins = validation.bins[np.asarray(validation.bins["quantity"]) == "detector"]
    assert bins["n_drawn"].sum() == N
    assert bins["flux_bias"][2] == pytest.approx(0.2, abs=0.02)
    assert np.abs(bins["flux_bias"][[0, 1, 3]]).max() < 0.02


def test_errors_of_bins_are_those_of_repeated_samples() -> None:
    """The stated error of the bias is the scatter of the bias between detectors that are alike."""
    flux = np.full(4000, 5000.0)
    sources, fates, injected = campaign(n=4000)
    sources["diaSourceId"] = np.arange(4000)
    fates["diaSourceId"] = np.arange(4000)
    for table in (sources, fates, injected):
        table["detector"] = np.arange(4000) // 20
    fates["flux"] = flux
    sources["psfFlux"] = flux + generator(5, "test-validation").normal(0, 100, 4000)
    bins = validate(sources, fates, injected).bins
    bins = bins[np.asarray(bins["quantity"]) == "detector"]
    assert np.std(bins["flux_bias"]) == pytest.approx(np.mean(bins["flux_bias_error"]), rel=0.15)


def test_fakes_that_were_not_drawn_or_not_found_count_where_they_should() -> None:
    sources, fates, injected = campaign()
    fates["fate"][:100] = "not_drawn"
    injected["injection_flag"][:40] = 8  # NO_OVERLAP: no fault of the injection
    fates["fate"][100:300] = "undetected"
    fates["fate"][300:350] = "masked"
    validation = validate(sources, fates, injected)
    drawn, found = check(validation, "drawn"), check(validation, "found")
    assert (drawn.n, drawn.value) == (N - 40, pytest.approx((N - 100) / (N - 40)))
    assert (found.n, found.value) == (N - 150, pytest.approx((N - 350) / (N - 150)))
    assert np.isnan(validation.recovery["psfFlux"][100:300]).all()


def test_few_fakes_leave_checks_open() -> None:
    validation = validate(*campaign(n=10, bias=0.2))
    assert check(validation, "flux_bias").status == Status.UNCLEAR
    assert validation.verdict == Status.UNCLEAR
    eased = validate(*campaign(n=10, bias=0.2), min_fakes=2)
    assert check(eased, "flux_bias").status == Status.FAIL


def test_nothing_at_all_is_no_pass() -> None:
    sources, fates, injected = campaign()
    validation = validate(sources[:0], fates[:0], injected[:0])
    assert validation.verdict == Status.UNCLEAR
    assert {check.status for check in validation.checks} == {Status.NOT_CHECKED}


def test_the_light_beneath_is_the_column_or_a_gaussian_of_the_moments() -> None:
    rows = Table({"ra": [10.0, 10.0, 10.0], "dec": [60.0, 60.0 + 2 / 3600, 60.0], "mag": [22.0] * 3})
    rows["host_ra"] = [10.0, 10.0, np.nan]
    rows["host_dec"], rows["host_mag"] = [60.0] * 3, [20.0] * 3
    rows["host_a"], rows["host_b"], rows["host_pa"] = [2.0] * 3, [1.0] * 3, [0.0] * 3
    central = 20 + 2.5 * np.log10(2 * np.pi * 2)
    # Two arcsec north along the major axis is one sigma: exp(-1/2) in flux.
    expected = [central, central + 2.5 * np.log10(np.e) / 2, np.nan]
    np.testing.assert_allclose(light_beneath(rows), expected, atol=1e-6)
    rows["host_sb"] = [21.0, np.nan, 23.0]
    np.testing.assert_allclose(light_beneath(rows), [21.0, expected[1], 23.0], atol=1e-6)


def planes(
    noise: float = 1.0, variance: float = 1.0, flux_scale: float = 1.0
) -> tuple[tuple[Image, Image], tuple[Image, Image], Table]:
    """Add 60 Gaussian stars with Poisson noise to an image; 1 nJy is 2 electrons."""
    rng = generator(6, "test-validation")
    shape, n, gain = (900, 900), 60, 2.0
    before = rng.normal(0, 5, shape), np.full(shape, 25.0)
    after = [part.copy() for part in before]
    y, x = 60.0 + 80 * (np.arange(n) // 10), 60.0 + 80 * (np.arange(n) % 10)
    flux = np.geomspace(2e3, 2e5, n)
    yy, xx = np.mgrid[-20:21, -20:21]
    star = np.exp(-(xx**2 + yy**2) / (2 * 2.5**2))
    star /= star.sum()
    for xi, yi, fi in zip(x.astype(int), y.astype(int), flux, strict=True):
        inside = slice(yi - 20, yi + 21), slice(xi - 20, xi + 21)
        counts = star * fi * gain
        drawn = counts + noise * (rng.poisson(counts) - counts)
        after[0][inside] += drawn / gain * flux_scale
        after[1][inside] += variance * counts / gain**2
    injected = Table({"injection_id": np.arange(n), "x": x, "y": y, "flux": flux})
    injected["injection_flag"], injected["injection_draw_size"] = 0, 41
    images = [
        tuple(Image(a.astype(np.float32), unit=unit) for a, unit in zip(p, (u.nJy, u.nJy**2), strict=True))
        for p in (before, after)
    ]
    return images[0], images[1], injected  # type: ignore[return-value]


@pytest.mark.parametrize(
    ("wrong", "statuses"),
    [
        ({}, (Status.PASS, Status.PASS, Status.PASS)),
        ({"noise": 0.5}, (Status.PASS, Status.PASS, Status.FAIL)),
        ({"noise": 1.5}, (Status.PASS, Status.PASS, Status.FAIL)),
        ({"variance": 0.0}, (Status.PASS, Status.FAIL, Status.NOT_CHECKED)),
        ({"variance": 2.0}, (Status.PASS, Status.PASS, Status.FAIL)),
        ({"flux_scale": 1.05}, (Status.FAIL, Status.PASS, Status.UNCLEAR)),
    ],
    ids=str,
)
def test_added_light_noise_and_variance_are_compared(
    wrong: dict[str, float], statuses: tuple[Status, ...]
) -> None:
    before, after, injected = planes(**wrong)
    added = measure_added_light(before, after, injected)
    assert len(added) == len(injected)
    validation = validate_injection(recover_injected(*campaign()), added)
    names = ("added_flux_bias", "variance_added", "noise_over_variance")
    found = tuple(check(validation, name).status for name in names)
    assert found[:2] == statuses[:2]
    if "flux_scale" not in wrong:  # noise is scaled too, by 5 %: at the limit
        assert found[2] == statuses[2]
    if not wrong:
        assert check(validation, names[2]).value == pytest.approx(1, abs=0.04)


def test_overlapping_stamps_tell_no_flux_and_images_must_be_the_same() -> None:
    before, after, injected = planes()
    injected["x"][1] = injected["x"][0] + 10
    added = measure_added_light(before, after, injected)
    assert np.isnan(added["flux_added"][:2]).all() and np.isfinite(added["flux_added"][2:]).all()
    other = tuple(
        Image(image.array, bbox=Box.from_shape((900, 900), (1, 0)), unit=image.unit) for image in after
    )
    with pytest.raises(InvalidInputError, match="boxes"):
        measure_added_light(before, other, injected)  # type: ignore[arg-type]


def test_tables_in_files_are_matched_and_validated(tmp_path: Path) -> None:
    sources, fates, injected = campaign(bias=0.1, n=600)
    sources["diaSourceId"] = 1 + np.arange(600)
    matched = match_images(sources, injected)
    assert len(matched) == 600 and (matched["fate"] == "found").mean() > 0.95
    for name, table in (("sources", sources), ("injected", injected), ("fates", fates)):
        write_table_file(table, tmp_path / f"{name}.parquet")
    options = [f"--{name}={tmp_path / name}.parquet" for name in ("sources", "injected")]
    plain = CliRunner().invoke(main, ["validate", *options, "-o", str(tmp_path / "out")])
    assert plain.exit_code == 0, plain.output
    assert "Verdict: fail" in plain.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["injectionValidation_verdict"] == "fail"
    assert metrics["injectionValidation_flux_bias"] == pytest.approx(0.1, abs=0.02)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"checks.parquet", "bins.parquet", "recovery.parquet", "metrics.json", "validation.svg"}
    assert CliRunner().invoke(main, ["validate", *options, "--strict"]).exit_code == 5
    eased = ["-c", "max_flux_bias=0.2", "-c", "max_flux_pull=9", "-c", "max_bin_flux_bias=0.3",
             "-c", "max_outliers=1", "-c", "flux_pull_width=0.1,9"]  # fmt: skip
    assert CliRunner().invoke(main, ["validate", *options, "--strict", *eased]).exit_code == 0
    assert CliRunner().invoke(main, ["validate", "repo"]).exit_code == 2
