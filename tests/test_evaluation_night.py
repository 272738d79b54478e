"""A night at a glance: what was made to drift is found, chance is not, and counts add up."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack
from click.testing import CliRunner
from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections
from lsst.sphgeom import Circle
from scipy.stats import ks_2samp

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import NightOptions, compare_night, count_scores
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.report import write_night_page
from lsst.meas.realbogus.repository import find_collections, read_focal_plane, read_score_counts
from lsst.meas.realbogus.tables import read_table_file
from lsst.meas.realbogus.tasks.compare_night import CompareNightConnections, CompareNightTask
from table_repository import table_repository


def counted(
    seed: int,
    n_visits: int = 20,
    n_detectors: int = 12,
    *,
    bad_visit: int = -1,
    bad_detector: int = -1,
    blind: int = -1,
    collection: str = "night",
) -> Table:
    """Count scores of visits whose numbers of sources scatter by 20 %."""
    rng = generator(seed, "test-night")
    images = np.argwhere(np.ones((n_visits, n_detectors)))
    mean = 60 * np.exp(rng.normal(0, 0.2, n_visits))[images[:, 0]]
    n = rng.poisson(np.where(images[:, 1] == bad_detector, 1.7, 1.0) * mean)
    row = np.repeat(np.arange(len(images)), n)
    score = rng.beta(1, 4, row.size)
    odd = images[row, 0] == bad_visit
    score[odd] = rng.beta(2, 2, odd.sum())
    lost = rng.random(row.size) < np.where(images[row, 0] == blind, 0.3, 0.01)
    score[lost] = np.nan
    return count_scores(images, row, score, {"edge": lost}, collection=collection)


def test_counts_are_those_of_the_rows() -> None:
    rng = generator(1, "test-night")
    images = [(7, 1), (7, 2), (9, 1), (9, 5)]
    row, score = rng.integers(0, 3, 500), rng.random(500)
    score[::7], flag = np.nan, rng.random(500) < 0.5
    score[1], score[2] = 0.0, 1.0
    counts = count_scores(images, row, score, {"nan": flag}, options=NightOptions(threshold=0.8))
    assert list(zip(counts["visit"], counts["detector"], strict=True)) == images
    for i in range(4):
        here = score[row == i]
        assert counts["n"][i] == len(here)
        assert counts["n_scored"][i] == np.isfinite(here).sum() == counts["histogram"][i].sum()
        assert counts["n_above"][i] == (here >= 0.8).sum()
        assert counts["unscored_nan"][i] == (np.isnan(here) & flag[row == i]).sum()
        expected = np.histogram(here[np.isfinite(here)], np.linspace(0, 1, 101))[0]
        assert np.abs(counts["histogram"][i] - expected).sum() <= 2  # rounding at edges of bins
    with pytest.raises(InvalidInputError, match="0, 1"):
        count_scores(images, [0], [1.5])


@pytest.mark.parametrize("has_reference", [True, False], ids=["reference", "own"])
def test_what_drifted_is_found_and_nothing_else(*, has_reference: bool) -> None:
    reference = counted(5, 40) if has_reference else None
    night = compare_night(counted(2, bad_visit=7, bad_detector=11, blind=3), reference)
    drifted = night.drifted
    found = {(str(r["group"]), int(r["visit"]), int(r["detector"]), str(r["quantity"])) for r in drifted}
    assert {
        ("visit", 7, -1, "above"),
        ("visit", 7, -1, "fraction_above"),
        ("visit", 7, -1, "scores"),
        ("visit", 3, -1, "fraction_unscored"),
        ("detector", -1, 11, "sources"),
    } <= found
    # Neither other visits, nor other detectors for the visits' sake.
    assert {key[1] for key in found if key[0] == "visit"} == {3, 7}
    assert {key[2] for key in found if key[0] == "detector"} == {11}
    row = drifted[(np.asarray(drifted["detector"]) == 11) & (np.asarray(drifted["quantity"]) == "sources")][0]
    assert row["low"] < 1.7 < row["high"]


@pytest.mark.slow
def test_without_drift_there_are_hardly_false_alarms() -> None:
    """Visits scatter by 20 %, far more than Poisson, so that plain counting errors would alarm at each."""
    reference = counted(50, 40)
    alarms = [len(compare_night(counted(seed), reference).drifted) for seed in range(12)]
    alarms += [len(compare_night(counted(seed)).drifted) for seed in range(12)]
    assert np.count_nonzero(alarms) <= 3, alarms


def test_intervals_of_ratios_hold_the_truth_at_their_rate() -> None:
    """Detectors of both nights are alike: 1 lies within 95 % of the intervals."""
    held = []
    for seed in range(6):
        drift = compare_night(counted(100 + seed), counted(200 + seed, 40)).drift
        is_rate = np.isin(np.asarray(drift["quantity"]), ("sources", "above", "fraction_above"))
        rows = drift[is_rate & (np.asarray(drift["group"]) == "detector")]
        held += ((np.asarray(rows["low"]) <= 1) & (np.asarray(rows["high"]) >= 1)).tolist()
    assert 0.90 <= np.mean(held) <= 0.99


def test_the_distance_of_scores_is_that_of_kolmogorov_and_smirnov() -> None:
    rng = generator(3, "test-night")
    first, second = rng.beta(2, 3, 4000), rng.beta(2, 2, 3000)
    night = compare_night(
        count_scores([(1, 0)], np.zeros(4000, int), first),
        count_scores([(2, 0)], np.zeros(3000, int), second),
    )
    rows = night.drift[(np.asarray(night.drift["quantity"]) == "scores")]
    expected = ks_2samp(first, second)
    assert rows["value"][0] == pytest.approx(expected.statistic, abs=0.02)
    assert rows["value"][0] <= expected.statistic + 1e-9  # bins can only lose
    chance = (first[:, None] > second).mean()
    assert rows["ratio"][0] == pytest.approx(chance, abs=0.005)


def test_collections_are_compared_with_each_other() -> None:
    parts = [counted(seed, collection=f"night-{seed}") for seed in range(5)]
    parts.append(counted(9, blind=0, n_visits=1, collection="night-blind"))
    drifted = compare_night(vstack(parts)).drifted
    rows = drifted[np.asarray(drifted["group"]) == "collection"]
    assert set(rows["collection"].tolist()) == {"night-blind"}


def test_odd_nights_have_no_drift_and_no_error(tmp_path: Path) -> None:
    none = count_scores([(1, 0), (2, 0), (3, 0)], [], [])
    night = compare_night(none)
    assert not len(night.drifted)
    write_night_page(tmp_path / "none.html", night, title="None")
    single = count_scores([(1, 0)], [0, 0], [0.5, 0.6])
    assert not len(compare_night(single).drift)
    with pytest.raises(InvalidInputError, match="no images"):
        compare_night(none[:0])
    with pytest.raises(InvalidInputError, match="bins"):
        compare_night(none, count_scores([(1, 0)], [], [], options=NightOptions(n_bins=20)))


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two nights of three visits and two detectors; in the second, one visit has other scores."""
    root = tmp_path_factory.mktemp("nights") / "repo"
    rng = generator(8, "test-night")
    name, both = "dia_source_reliability", range(2)
    words = {"instrument": "Cam", "detectors": both, "region": Circle()}
    with table_repository(root, [name], range(16), **words) as butler:
        for visit in range(16):
            run = f"u/night-{visit // 8}"
            butler.collections.register(run)
            for detector in both:
                score = rng.beta(2, 2, 200) if visit == 9 else rng.beta(1, 4, 200)
                table = Table({"id": np.arange(200), "score": score.astype(np.float32)})
                table["flag_edge"] = np.zeros(200, bool)
                butler.put(table, name, instrument="Cam", visit=visit, detector=detector, run=run)
    return root


@pytest.mark.slow
def test_the_command_finds_the_visit_against_a_reference_and_among_many_collections(
    repo: Path, tmp_path: Path
) -> None:
    assert find_collections(repo, "u/night-*") == ["u/night-0", "u/night-1"]
    counts = read_score_counts(repo, ["u/night-0", "u/night-1"])
    assert (len(counts), counts["n"].sum()) == (32, 6400)
    assert read_focal_plane(repo, ["u/night-1"]) == {}
    page, tables = tmp_path / "night.html", tmp_path / "night"
    options = ["-o", str(page), "--tables", str(tables)]
    result = CliRunner().invoke(main, ["night", str(repo), "u/night-1", "--reference", "u/night-0", *options])
    assert result.exit_code == 0, result.output
    assert len(read_table_file(tables / "counts.parquet")) == 16
    assert json.loads((tables / "metrics.json").read_text())["numDriftedVisits"] == 1
    assert (tables / "visits.svg").read_text().startswith("<svg")
    table = read_table_file(tables / "drift.parquet")
    visits = table[np.asarray(table["drifted"], bool) & (np.asarray(table["group"]).astype(str) == "visit")]
    assert set(visits["visit"].tolist()) == {9}
    assert "What drifted" in page.read_text() and "<svg" in page.read_text()
    many = CliRunner().invoke(main, ["night", str(repo), "u/night-*"])
    assert many.exit_code == 0 and "32 images, 6400 sources" in many.output
    missing = CliRunner().invoke(main, ["night", str(repo), "v/*"])
    assert missing.exit_code == 1 and "no collection like v/*" in missing.output
    wrong = CliRunner().invoke(main, ["night", str(repo), "u/night-0", "--score", "score_dia"])
    assert wrong.exit_code == 1 and "no column score_dia" in wrong.output


def run_task(
    repo: Path, inputs: list[str], output: str, where: str = "visit >= 0", *, is_reference: bool = False
) -> Butler:
    pipeline = Pipeline.from_uri("$MEAS_REALBOGUS_DIR/pipelines/Embedded/CompareNight.yaml")
    if is_reference:
        pipeline.addConfigOverride("compareNight", "connections.counts", "rb_night_reference")
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=inputs, output=output)
    SimplePipelineExecutor.from_pipeline(
        pipeline, where=f"instrument = 'Cam' AND {where}", butler=butler
    ).run(register_dataset_types=True)
    return butler


@pytest.mark.slow
def test_the_task_writes_what_the_functions_make(repo: Path, tmp_path: Path) -> None:
    shutil.copytree(repo, tmp_path / "repo")
    repo = tmp_path / "repo"
    run_task(repo, ["u/night-0"], "u/reference", is_reference=True)
    butler = run_task(repo, ["u/night-1", "u/reference"], "u/glance", "visit >= 8")
    expected = compare_night(*(read_score_counts(repo, [f"u/night-{i}"]) for i in (1, 0)))
    drift = butler.get("rb_night_drift", instrument="Cam")
    assert drift.colnames == expected.drift.colnames and len(drift) == len(expected.drift)
    for name in ("visit", "ratio", "q_value", "drifted"):
        np.testing.assert_array_equal(np.asarray(drift[name]), np.asarray(expected.drift[name]))
    metrics = butler.get("rb_night_metrics", instrument="Cam")
    assert (metrics["numImages"], metrics["numAllDiaSources"], metrics["numDriftedVisits"]) == (16, 3200, 1)
    for name in ("focal_plane", "visits", "scores"):
        assert butler.exists(f"rb_night_{name}_plot", instrument="Cam")
    # Without a reference, of several collections at once: each is compared with the others.
    many = run_task(repo, ["u/night-0", "u/night-1"], "u/both")
    both = many.get("rb_night_drift", instrument="Cam")
    groups = np.asarray(both["group"]).astype(str)
    assert set(np.asarray(both["collection"])[groups == "collection"]) == {"u/night-0", "u/night-1"}
    assert set(both["visit"][(groups == "visit") & np.asarray(both["drifted"], bool)]) == {9}


def test_a_single_image_has_no_plots_of_groups() -> None:
    lintConnections(CompareNightConnections)
    result = CompareNightTask().run(count_scores([(1, 0)], [0, 0], [0.5, 0.6]))
    assert result.focalPlanePlot is None and result.visitsPlot is None and result.scoresPlot is not None
    assert result.metrics["numAllDiaSources"] == 2 and not len(result.drift)
