"""The main job on a small simulated survey: every table adds up, and a run that was cut off can go on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table, vstack
from click.testing import CliRunner, Result
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cli import main as realbogus
from lsst.meas.realbogus.evaluation import summarize
from lsst.meas.realbogus.report import choose_galleries
from lsst.meas.realbogus.report._page import render_page
from lsst.meas.realbogus.repository import read_collection, read_stamps, validate_collection
from lsst.meas.realbogus.tasks.subtract_images import SubtractImagesTask
from lsst.meas.realbogus.truth import Fate, Label, labels_differ, loss_budget
from small_survey import COLLECTION, ONE_VISIT, PIPELINE, WHERE, job_parameters, make_executor
from stores import TABLES

pytestmark = pytest.mark.slow

N_IMAGES = 2


@pytest.fixture(scope="module")
def models(untrained_models: dict[str, str]) -> dict[str, str]:
    """Untrained models: what matters here is that every source gets through."""
    return untrained_models


@pytest.fixture(scope="module")
def repo(small_run: Path) -> Path:
    """A repository with a small survey and one run of the main job."""
    return small_run


@pytest.fixture(scope="module")
def butler(repo: Path) -> Iterator[Butler]:
    """Open the repository at the run."""
    with Butler.from_config(repo, collections="u/whole") as opened:
        yield opened


def _all(butler: Butler, dataset_type: str, collection: str = "u/whole") -> dict[tuple[int, int], Any]:
    refs = butler.query_datasets(dataset_type, collections=collection, explain=False)
    return {(ref.dataId["visit"], ref.dataId["detector"]): butler.get(ref) for ref in refs}


def test_every_image_has_every_table(butler: Butler) -> None:
    for name in TABLES:
        tables = _all(butler, name)
        assert len(tables) == N_IMAGES, name
        assert all(len(table) for table in tables.values()), name


def test_defect_10_images_that_get_no_fake_are_scored_all_the_same(
    repo: Path, models: dict[str, str], butler: Butler
) -> None:
    make_executor(repo, "u/none", models, fakes=0.0, where=ONE_VISIT).run(register_dataset_types=True)
    for name in TABLES:
        tables, others = _all(butler, name, "u/none"), _all(butler, name)
        assert tables.keys() == {(1000, 0)}, name
        assert all(table.colnames == others[key].colnames for key, table in tables.items()), name
    assert not any(map(len, _all(butler, "injected_supernova_fate", "u/none").values()))
    assert all(map(len, _all(butler, "dia_source_reliability", "u/none").values()))
    results = read_collection(butler, "u/none")
    summary = summarize(results)
    assert (summary.n_images, summary.n_injected) == (1, 0)
    assert summary.n_sources > 0
    render_page(results, title="No fakes")


def test_the_injections_of_a_run_are_validated_by_task_and_by_hand_alike(repo: Path, butler: Butler) -> None:
    pipeline = Pipeline.from_uri("$MEAS_REALBOGUS_DIR/pipelines/Embedded/ValidateInjection.yaml")
    inputs = SimplePipelineExecutor.prep_butler(str(repo), inputs=["u/whole"], output="u/validation")
    SimplePipelineExecutor.from_pipeline(pipeline, butler=inputs).run(register_dataset_types=True)
    with Butler.from_config(repo, collections="u/validation", instrument="RealBogusCam") as results:
        checks = results.get("injection_validation")
        recovery = results.get("injection_recovery")
        metrics = results.get("injection_validation_metrics")
        assert results.exists("injection_validation_plot") and len(results.get("injection_validation_bins"))
    validation = validate_collection(butler, "u/whole")
    assert checks["status"].tolist() == [str(check.status) for check in validation.checks]
    assert metrics == validation.metrics
    fates = _all(butler, "injected_supernova_fate").values()
    assert len(recovery) == sum(map(len, fates)) == len(validation.recovery)
    values = dict(zip(checks["check"].tolist(), checks["value"].tolist(), strict=True))
    assert (values["drawn"], values["variance_added"]) == (1, 1)
    assert values["noise_over_variance"] == pytest.approx(1, abs=0.1)
    assert np.isfinite(recovery["edge_distance"]).all() and np.isfinite(recovery["host_sb"]).any()


def test_the_report_of_a_collection_is_one_page(repo: Path, tmp_path: Path) -> None:
    page = tmp_path / "report.html"
    ran = CliRunner().invoke(
        realbogus, ["report", str(repo), "u/whole", "-o", str(page), "--max-sources", "9"]
    )
    assert ran.exit_code == 0, ran.output
    text = page.read_text()
    assert "noise over variance" in text and "lost at the step" in text and 'id="explorer"' in text
    again = CliRunner().invoke(realbogus, ["report", str(repo), "u/whole", "-o", str(page)])
    assert again.exit_code == 1 and "exists" in again.output


def test_rows_of_sources_labels_stamps_and_scores_are_aligned(butler: Butler) -> None:
    sources = _all(butler, "dia_source_unstandardized")
    for name, column in (
        ("dia_source_match", "diaSourceId"),
        ("dia_source_cutouts", "id"),
        ("dia_source_reliability", "id"),
    ):
        for key, table in _all(butler, name).items():
            column = column if column in table.colnames else "diaSourceId"
            assert table[column].tolist() == sources[key]["diaSourceId"].tolist(), name
    scores = np.concatenate([table["score"] for table in _all(butler, "dia_source_reliability").values()])
    flags = np.concatenate(
        [table["flag_unscorable"] for table in _all(butler, "dia_source_reliability").values()]
    )
    np.testing.assert_array_equal(np.isnan(scores), flags)


def test_labels_and_fates_add_up(butler: Butler) -> None:
    matches, injected = (
        _all(butler, "dia_source_match"),
        _all(butler, "injected_preliminary_visit_image_catalog"),
    )
    for key, fates in _all(butler, "injected_supernova_fate").items():
        match = matches[key]
        assert fates["injection_id"].tolist() == injected[key]["injection_id"].tolist()
        found = fates[np.asarray(fates["fate"] == Fate.FOUND)]
        is_injected = match[np.asarray(match["label_reason"] == "injected")]
        assert sorted(found["diaSourceId"]) == sorted(is_injected["diaSourceId"])
        assert sorted(found["injection_id"]) == sorted(is_injected["injection_id"])
        assert (np.asarray(is_injected["label"]) == Label.REAL).all()
        assert np.isfinite(fates["snr_expected"]).any()


def test_the_loss_budget_reconciles_with_the_injected_catalogue(butler: Butler) -> None:
    injected = vstack(list(_all(butler, "injected_preliminary_visit_image_catalog").values()))
    results = read_collection(butler, "u/whole")
    budget = loss_budget(results.fates, results.sources, score="score_dia")
    flag = dict(zip(injected["injection_id"].tolist(), injected["injection_flag"].tolist(), strict=True))
    assert sorted(budget.rows["injection_id"].tolist()) == sorted(flag)
    for row in budget.rows:
        assert (row["lost_at"] == "drawn") == (flag[row["injection_id"]] != 0)
    table = budget.table()
    assert table["n"].sum() == len(injected)
    n_found = int(np.sum(np.asarray(results.sources["label_reason"]) == "injected"))
    assert n_found == table["n_left"][np.asarray(table["step"]) == "detected"][0]
    # The mask's label is independent of the positions of these; a transient may lie on a fake.
    differ = results.sources[labels_differ(results.sources)]
    assert set(differ["label_reason"]) <= {"transient", "near_real"} and len(differ) < 0.1 * n_found


def test_the_commands_of_truth_say_the_same(repo: Path, butler: Butler) -> None:
    results = read_collection(butler, "u/whole")
    output = _invoke("truth", "labels", str(repo), "u/whole")
    assert f"{len(results.sources)} sources, {labels_differ(results.sources).sum()} differ" in output
    table = loss_budget(results.fates, results.sources, score=next(iter(results.models.values()))).table()
    lines = [line.split() for line in _invoke("truth", "budget", str(repo), "u/whole").splitlines()]
    assert ["kept", str(table["n"][-1]), f"{table['fraction'][-1]:.1%}"] in lines
    assert ["injected", str(len(results.fates)), "100.0%"] in lines


def _invoke(*words: str) -> str:
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_bright_fakes_are_found_with_their_flux_where_they_are(butler: Butler) -> None:
    sources = _all(butler, "dia_source_unstandardized")
    pulls, kept = [], []
    for key, fates in _all(butler, "injected_supernova_fate").items():
        lost_for_cause = np.isin(fates["fate"], ["masked", "edge", "not_drawn", "off_image"])
        bright = fates[np.asarray(fates["snr_expected"] > 8) & ~lost_for_cause]
        kept += (bright["fate"] == "found").tolist()
        found = bright[np.asarray(bright["fate"] == "found")]
        rows = [sources[key]["diaSourceId"].tolist().index(i) for i in found["diaSourceId"]]
        source = sources[key][rows]
        pulls += ((source["psfFlux"] - found["flux"]) / source["psfFluxErr"]).tolist()
        assert np.hypot(source["x"] - found["x"], source["y"] - found["y"]).max() < 2.5
    assert len(kept) > 5
    assert np.mean(kept) > 0.8
    assert abs(np.median(pulls)) < 1.0


def test_the_run_has_a_summary_and_a_page(butler: Butler) -> None:
    results = read_collection(butler, "u/whole")
    summary = summarize(results)
    assert summary.n_images == N_IMAGES
    assert summary.n_sources == sum(len(t) for t in _all(butler, "dia_source_match").values())
    assert [model.name for model in summary.models] == ["dia-0.test", "nodia-0.test"]
    assert not summary.bogus_assumed
    galleries = choose_galleries(results, lambda places: read_stamps(butler, "u/whole", places))
    assert "Injected supernovae that were found" in render_page(results, galleries, title="Small")


@pytest.fixture(scope="module")
def with_template_fakes(repo: Path, butler: Butler, models: dict[str, str]) -> dict[str, Any]:
    """Tables of a run with fakes in the templates too, all images together."""
    # The brightest stars keep their flux: a dozen make the kernel and the flux scale of so small an image.
    populations = {
        "star_mag_min": 20.5,
        "mag_below_star": 0.5,
        "offset_mean": 0.3,
        "offset_scatter": 0.8,
    }
    executor = make_executor(
        repo,
        "u/template",
        models,
        0.1,
        {f"options.variable.{name}": value for name, value in populations.items()},
        templateFakes=0.6,
        templateDensity=8000.0,
    )
    executor.run(register_dataset_types=True)
    keys = sorted(_all(butler, "injected_supernova_fate", "u/template"))
    assert len(keys) == N_IMAGES
    names = {
        "fates": "injected_supernova_fate",
        "match": "dia_source_match",
        "made": "fake_supernova_catalog",
        "sources": "dia_source_unstandardized",
        "scores": "dia_source_reliability",
    }
    tables = {name: _all(butler, dataset_type, "u/template") for name, dataset_type in names.items()}
    return {
        name: vstack([by_image[key] for key in keys], metadata_conflicts="silent")
        for name, by_image in tables.items()
    }


def test_defect_07_fakes_in_templates_are_found_with_their_sign(with_template_fakes: dict[str, Any]) -> None:
    run = with_template_fakes
    fates, made, sources = run["fates"], run["made"], run["sources"]
    assert len(fates) == len(set(fates["injection_id"].tolist()))
    by_id = {int(row["injection_id"]): row for row in made}
    population = np.array([by_id[int(i)]["population"] for i in fates["injection_id"]])
    lost_for_cause = np.isin(fates["fate"], ["masked", "edge", "not_drawn", "off_image"])
    bright = np.asarray(fates["is_primary"]) & (np.asarray(fates["snr_expected"]) > 8) & ~lost_for_cause
    rows = {int(i): n for n, i in enumerate(sources["diaSourceId"])}
    kinds = {
        "template": bright & (population == "template"),
        "fading": bright & (population == "variable") & (np.asarray(fates["flux"]) < 0),
        "brightening": bright & (population == "variable") & (np.asarray(fates["flux"]) > 0),
    }
    for kind, chosen in kinds.items():
        fate = np.asarray(fates["fate"])[chosen]
        # Some lie on a cosmic ray, which passes for a star, or touch another fake.
        assert np.sum(fate == "found") > 2 and np.mean(fate == "found") > 0.6, (kind, fate)
        found = fates[chosen][fate == "found"]
        at = [rows[int(i)] for i in found["diaSourceId"]]
        negative = np.asarray(sources["isNegative"])[at]
        assert (negative == (kind != "brightening")).all(), kind
        labels = run["match"][at]
        assert (np.asarray(labels["label"]) == Label.REAL).all()
        assert set(labels["label_reason"]) == {"injected"}
        off = np.abs(sources["psfFlux"][at] - found["flux"])
        assert np.median(off / np.hypot(0.2 * found["flux"], sources["psfFluxErr"][at])) < 2, (kind, off)
        flag = "injected_template" if kind == "template" else "injected"
        assert np.asarray(sources[f"pixelFlags_{flag}Center"])[at].mean() > 0.9, kind
    assert len(run["scores"]) == len(sources)


def test_defect_07_rows_of_templates_add_up(with_template_fakes: dict[str, Any], butler: Butler) -> None:
    fates, match, made = (with_template_fakes[name] for name in ("fates", "match", "made"))
    assert set(fates["injection_id"].tolist()) == set(made["injection_id"].tolist())
    twin = {int(row["injection_id"]): int(row["twin_id"]) for row in made}
    where = {int(row["injection_id"]): row for row in fates}
    for row in fates:
        other = where.get(twin[int(row["injection_id"])])
        if other is not None:
            assert (row["fate"], row["diaSourceId"], row["flux"]) == (
                other["fate"], other["diaSourceId"], other["flux"],
            )  # fmt: skip
            assert row["is_primary"] != other["is_primary"]
    primary = fates[np.asarray(fates["is_primary"])]
    found = primary[np.asarray(primary["fate"]) == Fate.FOUND]
    is_injected = match[np.asarray(match["label_reason"]) == "injected"]
    assert sorted(found["diaSourceId"]) == sorted(is_injected["diaSourceId"])
    assert sorted(found["injection_id"]) == sorted(is_injected["injection_id"])
    summary = summarize(read_collection(butler, "u/template"))
    assert (summary.n_injected, summary.n_found) == (len(primary), len(found))


def _pipetask(repo: Path, models: Mapping[str, str], *options: str) -> Result:
    words = ["run", "-b", str(repo), "-i", "RealBogusCam/input", "-o", "u/cut", "-p", PIPELINE, "-d", WHERE]
    for name, value in job_parameters(models).items():
        words += ["-c", f"parameters:{name}={value}"]
    return CliRunner().invoke(pipetask, [*words, "--register-dataset-types", *options])


def test_a_run_that_was_cut_off_goes_on_to_the_same_tables_and_then_has_nothing_to_do(
    repo: Path, models: dict[str, str], butler: Butler, monkeypatch: pytest.MonkeyPatch
) -> None:
    subtract, calls = SubtractImagesTask.run, []

    def cut_off(self: SubtractImagesTask, *args: Any, **kwargs: Any) -> Any:
        calls.append(self)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return subtract(self, *args, **kwargs)

    with monkeypatch.context() as patch:
        patch.setattr(SubtractImagesTask, "run", cut_off)
        assert _pipetask(repo, models).exit_code != 0
    assert 0 < len(_all(butler, "template_matched", "u/cut")) < N_IMAGES
    resume = ("--extend-run", "--skip-existing", "--clobber-outputs")
    assert _pipetask(repo, models, *resume).exit_code == 0
    for name in TABLES:
        whole, cut = _all(butler, name), _all(butler, name, "u/cut")
        assert whole.keys() == cut.keys(), name
        for key, table in whole.items():
            _assert_same(table, cut[key])
    again = _pipetask(repo, models, *resume)
    assert again.exit_code == 1
    assert "QuantumGraph was empty" in again.output


def _assert_same(table: Table, other: Table) -> None:
    assert table.colnames == other.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(np.asarray(table[name]), np.asarray(other[name]), err_msg=name)


def test_scoring_again_from_tables_and_images_gives_the_same(
    small_run: Path, untrained_models: dict[str, str]
) -> None:
    pipeline = Pipeline.from_uri("$MEAS_REALBOGUS_DIR/pipelines/Rescore.yaml")
    names = {"science": "injected_preliminary_visit_image", "diaSources": "dia_source_unstandardized"}
    models = {"model": untrained_models["dia"], "nodiaModel": untrained_models["nodia"]}
    for name, value in (names | models).items():
        pipeline.addConfigOverride("parameters", name, value)
    butler = SimplePipelineExecutor.prep_butler(str(small_run), inputs=[COLLECTION], output="u/rescore")
    SimplePipelineExecutor.from_pipeline(pipeline, butler=butler).run(register_dataset_types=True)
    with Butler.from_config(small_run) as found:
        refs = found.query_datasets("dia_source_rescore", "u/rescore")
        assert len(refs) == len(found.query_datasets("dia_source_reliability", COLLECTION))
        for ref in refs:
            before = found.get("dia_source_reliability", ref.dataId, collections=COLLECTION)
            after = found.get(ref)
            assert after.colnames == before.colnames
            for name in after.colnames:
                np.testing.assert_array_equal(after[name], before[name])
