"""What is judged: detected sources, what was not detected, and everything that is measured of them."""

from __future__ import annotations

import functools
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from scipy.stats import binomtest

from chromium import EXECUTABLE, Browser
from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError
from lsst.meas.realbogus.evaluation import (
    DETECTED,
    END_TO_END,
    Criteria,
    Evaluation,
    EvaluationOptions,
    ScoredSample,
    ScoredTables,
    compare_models,
    evaluate,
    fit_efficiency,
    judge_scores,
    read_sample,
    sample_image,
    stack_images,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import write_evaluation_page

FEW = EvaluationOptions(n_resamples=20)


def make_table(n: int = 600, key: int = 0, separation: float = 0.35) -> Table:
    """Two bands, two detectors, fakes of which the faint are not detected, and two models."""
    rng = generator(3, "test-evaluation-sample", key)
    label = (rng.random(n) < 0.5).astype(int)
    mag = rng.uniform(20, 26, n)
    snr = 10 ** (0.4 * (24.2 - mag)) * 5
    found = (label == 0) | (rng.random(n) < 0.95 / (1 + np.exp((mag - 24) / 0.3)))
    scores = np.clip(rng.normal(0.5 + separation * (2 * label - 1), 0.2, (2, n)), 0, 1)
    scores[:, np.flatnonzero(found)[0]] = np.nan
    return Table(
        {
            "diaSourceId": np.where(found, np.arange(n), -1),
            "label": label,
            "kind": np.where(label == 1, "fake", "noise"),
            "object_id": np.where(label == 1, np.arange(n) // 4, -1),
            "is_detected": found,
            "visit": np.arange(n) % 5,
            "detector": np.arange(n) % 2,
            "band": np.where(np.arange(n) % 3, "g", "r"),
            "snr": np.where(found, snr * rng.normal(1, 0.1, n), np.nan),
            "snr_true": np.where(label == 1, snr, np.nan),
            "mag": np.where(found, mag, np.nan),
            "mag_true": np.where(label == 1, mag, np.nan),
            "host_distance": np.where(label == 1, rng.uniform(0, 5, n), np.nan),
            "edge_distance": rng.uniform(0, 300, n),
            "pixelFlags_edge": rng.random(n) < 0.1,
            "score_one": np.where(found, scores[0], np.nan),
            "score_two": np.where(found, 0.7 * scores[0] + 0.3 * scores[1], np.nan),
        }
    )


def make_sample(**changes: Any) -> ScoredSample:
    return read_sample(make_table(**changes))


@functools.cache
def usual() -> Evaluation:
    return evaluate(make_sample(), FEW)


def _one(table: Table, **values: str) -> Any:
    (row,) = (row for row in table if all(str(row[name]) == value for name, value in values.items()))
    return row


def test_both_scopes_are_measured_side_by_side() -> None:
    sample, result = make_sample(), usual()
    detected = np.asarray(sample.table["is_detected"])
    scores, labels = sample.scores("one"), sample.labels
    row = _one(result.figures, model="one", scope=DETECTED, variable="all", name="all")
    judged = judge_scores(scores[detected], labels[detected], n_resamples=0)
    for name, estimate in judged.figures.items():
        assert row[name] == pytest.approx(estimate.value), name
    every = _one(result.figures, model="one", scope=END_TO_END, variable="all", name="every change")
    missed = int(np.sum(~detected))
    assert (every["n_missed"], every["fn"] - row["fn"], every["tp"]) == (missed, missed, row["tp"])
    assert every["completeness"] == pytest.approx(row["tp"] / (row["n_real"] + missed))
    assert (every["purity"], every["specificity"]) == (row["purity"], row["specificity"])
    deep = np.asarray(sample.table["snr_true"]) >= 5
    main_row = _one(result.figures, model="one", scope=END_TO_END, variable="all", name="all")
    assert main_row["n_missed"] == np.sum(~detected & deep)
    # No threshold gives more than detection allows.
    curve = result.curves[(result.curves["scope"] == END_TO_END) & (result.curves["name"] == "every change")]
    assert max(curve["completeness"]) <= row["n_real"] / (row["n_real"] + missed)
    assert row["n_unscored"] == 1


def test_bins_hold_every_source_once() -> None:
    sample, result = make_sample(), usual()
    for variable in ("SNR", "magnitude", "edge distance", "band", "detector"):
        for scope in (DETECTED, END_TO_END):
            here = (result.figures["variable"] == variable) & (result.figures["scope"] == scope)
            rows = result.figures[here & (result.figures["model"] == "one")]
            whole = (
                "all"
                if scope == DETECTED or variable in ("edge distance", "band", "detector")
                else "every change"
            )
            everything = _one(result.figures, model="one", scope=scope, variable="all", name=whole)
            for count in ("n_real", "n_bogus", "n_missed", "tp", "fn", "fp", "tn"):
                assert rows[count].sum() == everything[count], (variable, scope, count)
    faint = _one(result.figures, model="one", scope=END_TO_END, variable="magnitude", name="25 - 26")
    assert faint["n_missed"] > 0.8 * faint["n_real"] and faint["completeness"] < 0.2
    flagged = _one(result.figures, model="one", scope=DETECTED, variable="flag", name="pixelFlags_edge")
    flags = np.asarray(sample.table["pixelFlags_edge"]) & np.asarray(sample.table["is_detected"])
    assert flagged["n_real"] + flagged["n_bogus"] == flags.sum()
    hosts = result.figures[
        (result.figures["variable"] == "host distance") & (result.figures["scope"] == DETECTED)
    ]
    assert set(hosts["n_bogus"].tolist()) == {int(result.metrics["numBogusDiaSources"])}


def _required(separation: float, n: int) -> Table:
    table = make_table(n, separation=separation)
    table["snr"] = np.where(table["is_detected"], 6.0, np.nan)
    return evaluate(read_sample(table, {"one": "score_one"}), FEW).requirement


def test_the_requirement_is_met_not_met_or_left_open_by_band() -> None:
    good, bad, few = _required(0.45, 3000), _required(0.05, 3000), _required(0.45, 60)
    for table, verdict in ((good, "met"), (bad, "not met"), (few, "undecided")):
        rows = table[table["scope"] == DETECTED]
        assert set(rows["band"].tolist()) == {"all", "g", "r"}
        assert set(rows["verdict"].tolist()) == {verdict}
    row = good[0]
    assert row["is_met"] and row["lowest_threshold"] <= row["highest_threshold"]
    assert row["lowest_threshold_low"] <= row["lowest_threshold"] <= row["lowest_threshold_high"]
    assert np.isnan(bad["lowest_threshold"]).all() and np.nanmax(bad["best_purity"]) < 0.95
    nothing = read_sample({"label": [1, 0], "score": [0.9, 0.1], "snr": [50.0, 50.0]})
    assert set(evaluate(nothing, FEW).requirement["verdict"].tolist()) == {"unknown"}


def test_models_are_compared_by_the_same_draws() -> None:
    sample = make_sample(n=2000, separation=0.1)
    here = np.asarray(sample.table["is_detected"]) & np.isfinite(sample.scores("one"))
    one, two, labels = sample.scores("one")[here], sample.scores("two")[here], sample.labels[here]
    result = compare_models(one, two, labels, n_resamples=100)
    right = [(scores >= 0.5) == (labels == 1) for scores in (one, two)]
    n_first, n_second = int(np.sum(right[0] & ~right[1])), int(np.sum(right[1] & ~right[0]))
    assert (result.n_first, result.n_second) == (n_first, n_second)
    assert result.p_value == pytest.approx(binomtest(min(n_first, n_second), n_first + n_second).pvalue)
    # A paired interval is narrower than that of one of the two alone.
    alone = judge_scores(two, labels, n_resamples=100).area
    area = result.differences["area"]
    assert area.high - area.low < alone.high - alone.low
    assert area.value == pytest.approx(alone.value - judge_scores(one, labels, n_resamples=0).area.value)
    same = compare_models(one, one, labels, n_resamples=10)
    assert (same.p_value, same.differences["mcc"].high, same.n_first) == (1.0, 0.0, 0)
    assert np.isnan(same.p_value_objects)


def test_repeated_detections_are_no_evidence() -> None:
    labels, objects = np.ones(400, int), np.arange(400) // 100
    one, two = np.where(objects < 3, 0.9, 0.1), np.where(objects >= 1, 0.9, 0.1)
    result = compare_models(one, two, labels, objects, n_resamples=10)
    assert (result.n_first, result.n_second) == (100, 100)
    two = np.full(400, 0.9)
    one = np.where(objects < 2, 0.9, 0.1)
    result = compare_models(one, two, labels, objects, n_resamples=10)
    assert result.p_value < 1e-30 and result.p_value_objects > 0.1


@pytest.mark.slow
def test_the_efficiency_is_recovered_with_intervals_that_cover_it() -> None:
    covered, n = {"m50": 0, "plateau": 0, "width": 0}, 100
    truth = {"plateau": 0.9, "width": 0.3}
    truth["m50"] = 24.0 + 0.3 * np.log(2 * 0.9 - 1)
    for key in range(n):
        rng = generator(3, "test-efficiency", key)
        mag = np.repeat(rng.uniform(21, 26, 400), 2)
        found = rng.random(800) < 0.9 / (1 + np.exp((mag - 24) / 0.3))
        fit = fit_efficiency(mag, found, np.repeat(np.arange(400), 2), n_resamples=60)
        for name in covered:
            estimate = getattr(fit, name)
            covered[name] += estimate.low <= truth[name] <= estimate.high
    for name, times in covered.items():
        assert 0.87 <= times / n <= 0.99, (name, times / n)
    assert float(fit(fit.m50.value)) == pytest.approx(0.5)
    assert (fit.n, fit.n_found) == (800, found.sum())


@pytest.mark.slow
def test_intervals_of_the_efficiency_of_few_sources_cover_it() -> None:
    covered: dict[str, list[bool]] = {"m50": [], "plateau": [], "midpoint": []}
    truth = {"m50": 23.5 + 0.3 * np.log(2 * 0.95 - 1), "plateau": 0.95, "midpoint": 23.5}
    for key in range(100):
        rng = generator(4, "test-efficiency", key)
        mag = rng.uniform(20, 26, 60)
        found = rng.random(60) < 0.95 / (1 + np.exp((mag - 23.5) / 0.3))
        fit = fit_efficiency(mag, found)
        for name, value in truth.items():
            estimate = getattr(fit, name)
            covered[name].append(estimate.low <= value <= estimate.high)
    for name, times in covered.items():
        assert 0.90 <= np.mean(times), (name, np.mean(times))


def test_an_efficiency_that_never_falls_has_no_m50() -> None:
    assert np.isnan(fit_efficiency(np.linspace(20, 25, 50), np.ones(50, bool)).m50.value)
    half = fit_efficiency(np.linspace(20, 25, 400), np.arange(400) % 4 == 0, n_resamples=5)
    assert np.isnan(half.m50.value) and half([21.0, 24.0]) == pytest.approx(0.25, abs=0.05)
    with pytest.raises(InvalidInputError, match=r"\(2,\) and \(1,\)"):
        fit_efficiency([1.0, 2.0], [True])


def test_metrics_are_plain_numbers_and_named_as_elsewhere() -> None:
    metrics = usual().metrics
    assert {type(value) for value in metrics.values()} <= {int, float}
    assert metrics["numAllDiaSources"] == metrics["numRealDiaSources"] + metrics["numBogusDiaSources"]
    assert metrics["fractionFoundFakesDiaAll"] == pytest.approx(
        metrics["numFoundFakeDiaSources"] / metrics["numTotalFakeDiaSources"]
    )
    assert metrics["one_areaUnderRocLow"] <= metrics["one_areaUnderRoc"] <= metrics["one_areaUnderRocHigh"]
    assert metrics["one_completenessEndToEnd"] < metrics["one_completeness"]
    assert metrics["m50Detected"] == pytest.approx(24, abs=0.3)


def test_what_cannot_be_judged_is_told() -> None:
    with pytest.raises(InvalidCatalogError, match=r"score is 1\.5 at row 1"):
        read_sample({"label": [1, 0], "score": [0.5, 1.5]})
    with pytest.raises(InvalidInputError, match="no column of scores"):
        read_sample({"label": [1, 0]})
    with pytest.raises(InvalidCatalogError, match="label is missing"):
        read_sample({"score": [0.5]})
    with pytest.raises(InvalidInputError, match="none of the 2 sources has a label"):
        evaluate(read_sample({"label": [-1, -1], "score": [0.5, 0.5]}))
    alone = evaluate(read_sample({"label": [1, 0], "score": [0.9, np.nan]}), FEW)
    assert len(alone.comparison) == len(alone.efficiency) == 0 and "p_value" in alone.comparison.colnames


def make_tables(**changes: Any) -> ScoredTables:
    """A fake, a variable and noise; another fake and variable were lost, a third fake was never drawn."""
    ids = [11, 12, 13]
    tables = {
        "visit": 5,
        "detector": 2,
        "band": "r",
        "sources": Table(
            {"diaSourceId": ids, "psfFlux": [3631.0, -100.0, 50.0], "psfFluxErr": [10.0] * 3,
             "isDipole": [False, True, False]}
        ),
        "match": Table(
            {"diaSourceId": ids, "label": [1, 1, 0], "label_reason": ["injected", "variable", "noise"],
             "injection_id": [101, -1, -1], "truth_id": [-1, 7, -1], "kind": ["fake", "variable", "noise"],
             "object_id": [900, 7, -1], "edge_distance": [40.0, 3.0, 99.0]}
        ),
        "reliability": Table({"id": ids, "score": [0.9, 0.4, 0.1], "score_dia": [0.9, 0.4, 0.1],
                              "flag_edge": [False, True, False]}),
        "fates": Table(
            {"injection_id": [101, 102, 103, 101], "is_primary": [True, True, True, False],
             "fate": ["found", "edge", "not_drawn", "found"], "diaSourceId": [11, -1, -1, 11],
             "snr_expected": [300.0, 4.0, 9.0, 300.0], "mag": [22.5, 25.0, 24.0, 22.5],
             "edge_distance": [40.0, 2.0, 70.0, 40.0]}
        ),
        "injected": (
            Table({"injection_id": [101, 102], "supernova_id": [900, 0], "host_mag": [20.0, 21.0],
                   "host_a": [1.0, 1.0], "host_b": [0.75, 0.75], "host_offset": [0.0, 1.5],
                   "host_sb": [np.nan, 23.0]}),
        ),
        "truth": Table(
            {"truth_id": [7, 8, 9], "kind": ["variable", "variable", "star"], "flux": [100.0, 60.0, 5.0],
             "template_flux": [200.0, 10.0, 5.0]}
        ),
    }  # fmt: skip
    return ScoredTables(**{**tables, **changes})


def test_an_image_gives_a_row_for_every_source_and_every_lost_change() -> None:
    table = sample_image(make_tables())
    assert table["diaSourceId"].tolist() == [11, 12, 13, -1, -1]
    assert table["is_detected"].tolist() == [True] * 3 + [False] * 2
    assert table["kind"].tolist() == ["fake", "variable", "noise", "fake", "variable"]
    assert table["label_reason"].tolist()[3:] == ["edge", "undetected"]
    assert table["object_id"].tolist() == [900, 7, -1, 102, 8]
    np.testing.assert_allclose(table["snr"], [363.1, 10, 5, np.nan, np.nan])
    np.testing.assert_allclose(table["snr_true"], [300, 10, np.nan, 4, 5])
    np.testing.assert_allclose(table["mag"][0], 22.5, atol=1e-3)
    np.testing.assert_allclose(table["edge_distance"], [40, 3, 99, 2, np.nan])
    np.testing.assert_allclose(table["host_distance"], [0, np.nan, np.nan, 1.5, np.nan])
    # In the middle of an exponential profile of scale 0.5 arcsec.
    middle = 20 + 2.5 * np.log10(2 * np.pi * 0.25)
    np.testing.assert_allclose(table["host_surface_brightness"], [middle, np.nan, np.nan, 23, np.nan])
    assert np.isnan(table["score_dia"][3:]).all() and table["isDipole"].tolist()[:3] == [False, True, False]
    sample = stack_images([table, sample_image(make_tables(visit=6))])
    assert dict(sample.models) == {"dia": "score_dia"} and len(sample) == 10
    # The same supernova in two visits is one object, a variable with the same number as a fake another one.
    assert sample.objects[0] == sample.objects[5] and sample.objects[2] == -1
    assert len(set(sample.objects.tolist())) == 5


def test_tables_of_other_sources_are_refused() -> None:
    other = make_tables().match[::-1]
    with pytest.raises(InvalidInputError, match="labels of visit 5, detector 2 are not of the same"):
        sample_image(make_tables(match=other))
    with pytest.raises(InvalidInputError, match="scores of visit 5, detector 2 are not of the same"):
        sample_image(make_tables(reliability=make_tables().reliability[:2]))
    bare = sample_image(make_tables(match=None, reliability=None, fates=None, injected=(), truth=None))
    assert bare["label"].tolist() == [-1] * 3
    with pytest.raises(InvalidInputError, match="no images"):
        stack_images([])


def test_the_command_judges_a_table_and_labels_of_another_file(tmp_path: Path) -> None:
    table = make_table(300)
    detected = table[np.asarray(table["is_detected"])]
    detected["diaSourceId", "score_one"].write(tmp_path / "scores.csv")
    detected["diaSourceId", "label", "snr", "band"][:-2].write(tmp_path / "labels.ecsv")
    arguments = ["evaluate", str(tmp_path / "scores.csv"), "--labels", str(tmp_path / "labels.ecsv")]
    arguments += ["-o", str(tmp_path / "out"), "-c", "n_resamples=10", "--format", "csv"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    assert f"{len(detected)} rows judged" in result.output
    metrics = json.loads((tmp_path / "out" / "metrics.json").read_text())
    assert metrics["numUndecidedDiaSources"] == 2 and metrics["m50Detected"] is None
    names = {path.stem for path in (tmp_path / "out").glob("*.csv")}
    assert names >= {"sources", "figures", "curves", "requirement", "efficiency", "comparison", "reliability"}
    judged = judge_scores(detected["score_one"][:-2], detected["label"][:-2], n_resamples=0)
    assert metrics["one_areaUnderRoc"] == pytest.approx(judged.area.value)
    page = (tmp_path / "out" / "evaluation.html").read_text()
    drawings = sorted(file.stem for file in (tmp_path / "out").glob("*.svg"))
    assert drawings == ["bins", "calibration", "confusion", "curves", "efficiency", "parts", "thresholds"]
    assert ElementTree.parse(tmp_path / "out" / "curves.svg").getroot().tag.endswith("}svg")
    assert "OSS-REQ-0353" in page
    again = CliRunner().invoke(main, arguments)
    assert again.exit_code != 0 and "exists" in again.output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["scores.csv", "--where", "visit = 1"], "--where selects images of a collection"),
        (["."], "is a folder"),
        (["scores.csv", "--labels", "twice.csv"], "diaSourceId 1 stands in more than one row"),
        (["scores.csv", "-c", "criteria.threshold=x"], "threshold"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, arguments: list[str], message: str) -> None:
    Table({"id": [1, 2], "score": [0.1, 0.9], "label": [0, 1]}).write(tmp_path / "scores.csv")
    Table({"diaSourceId": [1, 1], "label": [0, 1]}).write(tmp_path / "twice.csv")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        result = CliRunner().invoke(main, ["evaluate", *arguments, "-o", "out"])
    assert result.exit_code != 0 and message in result.output


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.skipif(EXECUTABLE is None, reason="there is no chromium on this machine")
def test_the_page_has_all_sections_and_fits_a_phone(tmp_path: Path) -> None:
    evil = "<script>document.title = 'taken'</script>"
    page = write_evaluation_page(tmp_path / "page.html", usual(), title="Scores", provenance={"run": evil})
    with Browser(tmp_path / "profile") as browser:
        browser.open(page)
        assert browser.run("document.title") == "Scores"
        sections = browser.run("[...document.querySelectorAll('h2')].map(h => h.textContent)")
        assert {"Figures", "Confusion matrices", "Curves", "OSS-REQ-0353", "In bins"} <= set(sections)
        assert browser.run("document.querySelectorAll('svg').length") == 7
        assert "0.5" in browser.run("document.querySelector('#s5').textContent")
        assert browser.faults() == [] and browser.overflow() == 0
        browser.resize(380)
        assert browser.overflow() == 0


def test_curves_pass_through_the_figures_of_their_part() -> None:
    result = usual()
    named = ("model", "scope", "variable", "name")
    parts = {tuple(row[name] for name in named): row for row in result.figures}
    curves = {tuple(row[name] for name in named) for row in result.curves}
    drawn = {"all", "band", "magnitude limit", "SNR cut"}
    assert curves == {part for part in parts if part[2] in drawn}
    compared = set()
    for part in curves:
        here = np.all([result.curves[name] == value for name, value in zip(named, part, strict=True)], axis=0)
        curve, figures = result.curves[here], parts[part]
        above = curve[curve["threshold"] >= Criteria().threshold]
        if 0 < len(above) and len(curve) < 0.9 * EvaluationOptions().n_points:  # all scores are there
            compared.add(part[2])
            assert above["completeness"][-1] == pytest.approx(figures["completeness"], nan_ok=True)
            assert above["purity"][-1] == pytest.approx(figures["purity"], nan_ok=True)
    assert {"band", "magnitude limit"} <= compared


def test_criteria_reach_every_part() -> None:
    options = EvaluationOptions(criteria=Criteria(threshold=0.7), n_resamples=0)
    strict = evaluate(make_sample(), options)
    assert (np.asarray(strict.figures["tp"]) <= np.asarray(usual().figures["tp"])).all()
    assert strict.metrics["one_m50"] < usual().metrics["one_m50"]
    assert np.isnan(strict.figures["area_low"]).all()
