"""The stored stamps of a run, and the page that shows them."""

from __future__ import annotations

import json
import re
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from lsst.daf.butler import Butler
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import (
    ROLES,
    check_stamp_table,
    extract_triplets,
    psf_fwhm,
    read_dia_sources,
    stamp_table,
)
from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.imaging import pixel_scale
from lsst.meas.realbogus.report import make_cards
from lsst.meas.realbogus.report._cutouts_page import render_cutouts_page
from lsst.meas.realbogus.tasks.extract_cutouts import ExtractCutoutsConnections, ExtractCutoutsTask

pytestmark = pytest.mark.slow

VISITS = {42: 4, 43: 7}


@pytest.fixture(scope="module")
def repo(stack_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("page")
    with tarfile.open(stack_data / "butler" / "native_repo.tar") as archive:
        archive.extractall(folder, filter="data")
    return folder / "native_repo"


@pytest.fixture(scope="module")
def run(repo: Path) -> Butler:
    """Stamps of the real DIA sources, whose images the real stack made, cut by the task."""
    pipeline = Pipeline("stamps")
    pipeline.addTask(ExtractCutoutsTask, "extractCutouts")
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=["oracle/run"], output="u/test")
    executor = SimplePipelineExecutor.from_pipeline(pipeline, butler=butler)
    executor.run(register_dataset_types=True)
    return executor.butler


@pytest.mark.parametrize("visit", VISITS)
def test_task_stores_every_source_with_its_gaps(run: Butler, visit: int) -> None:
    """What is missing is where these images are known to have nothing: three rows of NaN near the top."""
    where = {"instrument": "OracleCam", "visit": visit, "detector": VISITS[visit]}
    table = run.get("dia_source_cutouts", where)
    check_stamp_table(table)
    sources = read_dia_sources(run.get("dia_source_unstandardized", where))
    np.testing.assert_array_equal(table["diaSourceId"], sources["id"])
    assert table["science"].shape[1:] == (51, 51)
    science = run.get("preliminary_visit_image", where)
    nan_rows = science.bbox.y.start + np.flatnonzero(np.isnan(science.image.array).all(axis=1))
    assert len(nan_rows) == 3
    near = np.abs(sources["y"][:, None] - nan_rows).min(axis=1) < 25
    inside = ~np.asarray(table["leaves_image"])
    np.testing.assert_array_equal(table["science_fraction_missing"][inside] > 0, near[inside])
    assert (table["fraction_missing"][~inside] > 0).all()
    for bit, role in enumerate(ROLES):
        np.testing.assert_array_equal(np.isnan(table[role]), (table["missing"] & (1 << bit)) != 0)
    here = psf_fwhm([science.psf.compute_kernel_image(x=x, y=y).array for x, y in table["x", "y"].iterrows()])
    np.testing.assert_allclose(table["psfFwhm"], here, rtol=0.03)
    scale = pixel_scale(science.sky_projection, science.bbox)
    np.testing.assert_allclose(table["pixelScale"], scale, rtol=1e-5)


def test_connections_are_sound() -> None:
    lintConnections(ExtractCutoutsConnections)
    config = ExtractCutoutsTask.ConfigClass()
    config.use_difference = False
    assert "difference" not in ExtractCutoutsConnections(config=config).inputs


def test_task_keeps_a_sample_on_request(run: Butler) -> None:
    where = {"instrument": "OracleCam", "visit": 42, "detector": 4}
    names = ("preliminary_visit_image", "template_detector", "difference_image")
    images = [run.getDeferred(name, where) for name in names]
    sources = read_dia_sources(run.get("dia_source_unstandardized", where))
    config = ExtractCutoutsTask.ConfigClass()
    config.max_sources, config.pixel_type, config.size = 5, "float16", 20
    task = ExtractCutoutsTask(config=config)
    tables = [task.run(rows, *images).cutouts for rows in (sources, sources[::-1])]
    assert len(tables[0]) == 5 and tables[0]["template"].dtype == np.float16
    assert tables[0]["template"].shape == (5, 20, 20)
    assert set(tables[0]["diaSourceId"]) == set(tables[1]["diaSourceId"])
    assert np.isin(tables[0]["diaSourceId"], sources["id"]).all()


def facts_of(page: str) -> dict[str, Any]:
    return json.loads(re.search(r'<script type="application/json" id="facts">(.*?)</script>', page)[1])


def stamps_in(page: str) -> list[str]:
    return re.search(r'<script type="text/plain" id="stamps">\n(.*?)\n</script>', page, re.DOTALL)[1].split(
        "\n"
    )


def test_command_draws_a_page_of_everything(run: Butler, repo: Path, tmp_path: Path) -> None:
    output = tmp_path / "page.html"
    arguments = ["cutouts", "show", str(repo), "u/test", "-o", str(output)]
    result = CliRunner().invoke(main, arguments, catch_exceptions=False)
    assert result.exit_code == 0 and "50 of 50 sources on 2 images" in result.output
    facts = facts_of(output.read_text())
    tables = [
        run.get("dia_source_cutouts", instrument="OracleCam", visit=visit, detector=detector)
        for visit, detector in VISITS.items()
    ]
    ids = [str(identifier) for table in tables for identifier in table["diaSourceId"]]
    assert facts["id"] == ids
    np.testing.assert_allclose(facts["ra"], np.concatenate([table["ra"] for table in tables]), atol=1e-7)
    reliability = run.get("dia_source_reliability", instrument="OracleCam", visit=42, detector=4)
    assert facts["scores"]["score"][3] == pytest.approx(float(reliability["score"][3]), abs=1e-5)
    stamps = stamps_in(output.read_text())
    assert len(stamps) == 50 and all(one.startswith("3 51 51 ") for one in stamps)
    assert "http" not in output.read_text() and "src=" not in output.read_text()

    refused = CliRunner().invoke(main, arguments)
    assert refused.exit_code == 1 and "exists" in refused.output
    arguments.append("--overwrite")
    few = CliRunner().invoke(main, [*arguments, "--max-sources", "7", "--where", "visit = 43"])
    assert "7 of 21 sources on 1 images" in few.output
    none = CliRunner().invoke(main, [*arguments, "--where", "visit = 44"])
    assert none.exit_code == 1 and "has no dia_source_cutouts" in none.output


def test_cards_carry_labels_and_flags() -> None:
    sources = read_dia_sources(
        {"diaSourceId": [5, 6], "x": [10.0, 0.0], "y": [10.0, 0.0], "psfFlux": [1.0, -1.0]}
    )
    flat = np.arange(400.0).reshape(20, 20)
    table = stamp_table(sources, extract_triplets(flat, flat, flat, [10, 0], [10, 0], 7))
    scores = Table({"id": [6, 5], "score": [np.nan, 0.75], "flag_unscorable": [True, False]})
    match = Table({"diaSourceId": [5], "label": np.array([1], np.int8), "label_reason": ["injected"]})
    first, second = make_cards(table, scores, match)
    assert (first.label, first.reason, first.scores, first.flags) == ("real", "injected", {"score": 0.75}, ())
    assert second.scores == {"score": None} and second.label == ""
    assert second.flags == ("negative", "edge", "missing pixels", "unscorable")
    page = render_cutouts_page([first, second], title="</script><b>", note="")
    assert "</script><b>" not in page and len(facts_of(page)["id"]) == len(stamps_in(page)) == 2
    with pytest.raises(InvalidCatalogError, match="no column id or diaSourceId"):
        make_cards(table, Table({"score": [1.0]}))


def test_defect_23_each_model_has_its_own_score() -> None:
    """Where models have their own columns, ``score`` only repeats the first."""
    sources = read_dia_sources({"diaSourceId": [5], "x": [10.0], "y": [10.0], "psfFlux": [1.0]})
    flat = np.arange(400.0).reshape(20, 20)
    table = stamp_table(sources, extract_triplets(flat, flat, None, [10], [10], 7))
    scores = Table({"id": [5], "score": [0.25], "score_dia": [0.25], "score_mine": [np.nan]})
    (card,) = make_cards(table, scores)
    assert card.scores == {"score_dia": 0.25, "score_mine": None}
    assert card.roles == ("science", "template") and card.ra is None


def test_defect_23_no_text_from_data_ends_a_script() -> None:
    evil = "</script><script>alert(1)</script>"
    sources = read_dia_sources({"diaSourceId": [5], "x": [10.0], "y": [10.0], "psfFlux": [1.0]})
    flat = np.arange(400.0).reshape(20, 20)
    table = stamp_table(sources, extract_triplets(flat, flat, flat, [10], [10], 7))
    scores = Table({"id": [5], "score_" + evil: [0.5], "flag_" + evil: [True]})
    match = Table({"diaSourceId": [5], "label": np.array([1], np.int8), "label_reason": [evil]})
    page = render_cutouts_page(make_cards(table, scores, match, where=evil), title=evil, note=evil)
    assert "<script>alert" not in page and page.count("</script>") == 3
    assert facts_of(page)["reason"]["values"] == [evil] == facts_of(page)["where"]["values"]
