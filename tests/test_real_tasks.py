"""Ours next to the real tasks of the Science Pipelines, where they are; here, next to stand-ins of them."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import stack
from astropy.table import Table
from judging.differences import Verdict, against_truth
from judging.pair import Pair, make_pair
from judging.their_tasks import missing, source_catalog
from lsst.images import Box

from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.measurement import measure_difference
from stand_ins import tasks

pytestmark = pytest.mark.slow

NAMES = ["x", "y", "psfFlux", "psfFluxErr"]

needs_injection = pytest.mark.skipif(
    bool(missing("injection")), reason=f"not installed: {', '.join(missing('injection'))}"
)
needs_diffim = pytest.mark.skipif(
    bool(missing("difference imaging")), reason=f"not installed: {', '.join(missing('difference imaging'))}"
)


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> Pair:
    return make_pair(tmp_path_factory.mktemp("pair") / "survey", 512)


@needs_injection
def test_the_real_injection_and_ours_agree(pair: Pair) -> None:
    figures = stack.compare_injections(pair)
    assert figures["fluxes_compared"] == len(pair.fakes)
    assert figures["flux_deviation"] < 0.005
    assert figures["flags_differ"] == 0


@needs_diffim
def test_the_real_difference_imaging_and_ours_agree(pair: Pair) -> None:
    figures, _, _ = stack.compare_differences(pair, stack.with_fakes(pair))
    assert figures["ours_injected"] > 40
    assert figures["ours_found_fraction"] >= 0.95
    assert figures["ours_flux_over_true"] == pytest.approx(1.0, abs=0.02)
    assert figures["both_found"] >= 0.95 * figures["both_theirs"]
    assert figures["both_flux_ratio"] == pytest.approx(1.0, abs=0.05)


@pytest.fixture
def stand_in(monkeypatch: pytest.MonkeyPatch) -> None:
    if not missing("injection"):
        pytest.skip("the real tasks are here")
    tasks.install(monkeypatch)


@pytest.mark.parametrize("factor", [1.0, 1.01])
def test_a_flux_that_differs_is_seen(
    pair: Pair, stand_in: None, monkeypatch: pytest.MonkeyPatch, factor: float
) -> None:
    """Stars drawn by GalSim from the PSF that afw would have are ours to 0.5 %; 1 % more light is not."""
    monkeypatch.setattr(tasks.VisitInjectTask, "factor", factor)
    figures = stack.compare_injections(pair)
    assert figures["fluxes_compared"] == len(pair.fakes)
    assert figures["flux_deviation"] == pytest.approx(1 - 1 / factor, abs=0.005)
    assert (figures["flux_deviation"] < 0.005) == (factor == 1.0)
    assert figures["flags_differ"] == 0 and figures["injection_cpu_ratio"] > 0


def test_flags_and_rows_that_differ_are_counted() -> None:
    ours = Table({"injection_id": [1, 2, 3, 4], "injection_flag": [0, 0, 8, 0]})
    theirs = Table({"injection_id": [4, 3, 2, 5], "injection_flag": [0, 0, 0, 0]})
    assert stack.count_other_flags(ours, theirs) == 3
    assert stack.count_other_flags(ours, ours[::-1]) == 0


def test_images_and_sources_are_what_the_subtraction_asks_for(
    pair: Pair, stand_in: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two sources less and fluxes 3 % off in what the stand-in answers, and that is what is said."""
    science = stack.with_fakes(pair)
    before = science.variance.array.copy()
    products = subtract_visit(science, pair.template)
    psfs = {"science_psf": science.psf, "template_psf": products.template.psf}
    sources = measure_difference(products.difference, science, products.template, **psfs)[1].sources
    answer = sources[NAMES][2:]
    answer["psfFlux"] *= 1.03
    monkeypatch.setattr(tasks.DetectAndMeasureTask, "answer", answer)
    figures, _, _ = stack.compare_differences(pair, science)
    assert figures["both_found"] == figures["both_theirs"] > 40
    assert figures["both_flux_ratio"] == pytest.approx(1 / 1.03)
    assert figures["theirs_flux_over_true"] == pytest.approx(1.03 * figures["ours_flux_over_true"], rel=0.005)
    np.testing.assert_array_equal(science.variance.array, before)


def test_enough_sources_are_kernel_candidates(pair: Pair, stand_in: None) -> None:
    catalog = source_catalog(pair.sources, pair.science.bbox)
    chosen = tasks.AlardLuptonSubtractTask.select(catalog)
    assert len(catalog) == len(pair.sources) and 5 <= chosen.sum() < 0.8 * len(catalog)
    assert Box.from_legacy(catalog.records[0].footprint.box).area > 25


def test_what_was_injected_is_counted() -> None:
    truth = Table({"x": [10.0, 50.0, 90.0], "y": [10.0, 50.0, 90.0], "flux": [100.0, 200.0, 9.0]})
    found = Table({"x": [10.5, 70.0, 71.0], "y": [10.0, 20.0, 30.0], "psfFlux": [90.0, 80.0, 60.0]})
    found["error"] = 10.0
    figures = against_truth(found, "psfFlux", "error", truth, noise=1.0)
    assert figures == {"injected": 2, "found_fraction": 0.5, "flux_over_true": 0.9, "false": 1}
    theirs = Table({"x": [50.0], "y": [50.5], "flux": [200.0], "error": [1.0]})
    verdict = Verdict.of(theirs, found, truth, {})
    assert verdict.truth["ours"].tolist() == [0, -1, -1] and verdict.truth["theirs"].tolist() == [-1, 0, -1]


def test_the_benchmark_runs_without_the_stack_and_says_so(
    pair: Pair, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if not missing("injection"):
        pytest.skip("the real tasks are here")
    words = ["stack.py", "--quick", "--json", str(tmp_path / "figures.json")]
    monkeypatch.setattr(sys, "argv", words)
    monkeypatch.setattr(stack, "make_pair", lambda folder, size: pair)
    stack.main()
    said = capsys.readouterr().out
    assert "injection: ours only; not installed: lsst.afw" in said
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert figures["ours_found_fraction"] > 0.95 and figures["ours_false"] <= 3
    assert figures["scored"] > 40 and figures["score_difference"] == 0
    assert figures["visit_image_bytes"] > 1e6
    for visit in ("stored_42", "stored_43"):
        assert figures[f"{visit}_flux_deviation"] < 0.005 and figures[f"{visit}_flags_differ"] == 0
        assert figures[f"{visit}_diffim_found"] == figures[f"{visit}_diffim_theirs"] > 15
        assert figures[f"{visit}_diffim_flux_ratio"] == pytest.approx(1, abs=0.05)
    assert not any(name.startswith(("theirs", "exposure")) for name in figures)
    assert "flux_deviation" not in figures
