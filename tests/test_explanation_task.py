"""`ExplainRbClassifierTask` writes what the command writes, of runs that are labelled in part."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from lsst.pipe.base import NoWorkFound, Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import extract_triplets, read_dia_sources, stamp_table
from lsst.meas.realbogus.model import read_model, read_model_file
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tables import read_table_file
from lsst.meas.realbogus.tasks.explain_rb_classifier import (
    ExplainRbClassifierConfig,
    ExplainRbClassifierConnections,
    ExplainRbClassifierTask,
)
from lsst.meas.realbogus.training import StampSet
from table_repository import table_repository

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]
pytest.importorskip("tensorflow")
AP = "fakes_goodSeeingDiff_matchDiaSrc"
WHERE = {"instrument": "RealBogusCam", "detector": 0}


def cutouts(visit: int, n: int = 12) -> Table:
    """Cut stamps of stars; some reach over the edge."""
    rng = generator(visit, "test-explanation-task")
    y, x = np.mgrid[:200, :200]
    at_x, at_y = rng.uniform(0, 200, (2, n))
    template = rng.normal(size=(200, 200)).astype(np.float32)
    star = sum(20 * np.exp(-0.125 * ((x - a) ** 2 + (y - b) ** 2)) for a, b in zip(at_x, at_y, strict=True))
    science = (rng.normal(size=(200, 200)) + star).astype(np.float32)
    ids = 1000 * visit + np.arange(n)
    sources = read_dia_sources(
        {"diaSourceId": ids, "x": at_x, "y": at_y, "psfFlux": np.ones(n), "psfFluxErr": np.ones(n)}
    )
    blocks = extract_triplets(science, template, science - template, at_x, at_y, 41)
    return stamp_table(sources, blocks, psf_fwhm=np.full(n, 4.7, np.float32), pixel_scale=0.2)


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repo") / "repo"
    names = ("dia_source_cutouts", "dia_source_match", "dia_source_unstandardized", AP)
    with table_repository(root, names, (7, 3), run="run") as butler:
        for visit in (7, 3):
            table = cutouts(visit)
            butler.put(table, "dia_source_cutouts", visit=visit, **WHERE)
            sources = Table({"diaSourceId": table["diaSourceId"], "snr": table["snr"]})
            for place, pixel in (("ra", "x"), ("dec", "y")):
                sources[pixel], sources[place] = table[pixel], np.asarray(table[pixel]) / 18e3
            sources["psfFlux"], sources["psfFluxErr"] = 5e3, 100.0
            butler.put(sources, "dia_source_unstandardized", visit=visit, **WHERE)
            injected = sources["ra", "dec"][1::2]
            injected["injection_id"], injected["mag"] = np.arange(6) + 10 * visit, 22.0
            injected["diaSourceId"] = np.where(np.arange(6), sources["diaSourceId"][1::2], 0)
            butler.put(injected, AP, visit=visit, **WHERE)
        match = Table({"diaSourceId": cutouts(3)["diaSourceId"], "label": np.arange(12, dtype=np.int8) % 2})
        match["label_reason"] = np.where(match["label"] == 1, "injected", "cosmic_ray")
        butler.put(match[::-1], "dia_source_match", visit=3, **WHERE)  # of the other visit nothing is known
    return root


@pytest.mark.parametrize(
    ("match", "labels"),
    [("dia_source_match", [0, 1] * 6 + [-1] * 12), (AP, [0, 0, *[0, 1] * 5] * 2)],
    ids=["ours", "AP's"],
)
def test_the_task_writes_the_tables_of_the_command(
    repo: Path, tmp_path: Path, match: str, labels: list[int]
) -> None:
    pipeline = Pipeline.from_uri("$MEAS_REALBOGUS_DIR/pipelines/Embedded/ExplainRealBogus.yaml")
    pipeline.addConfigOverride("explainRbClassifier", "embedding.method", "pca")
    settings = []
    if match == AP:
        pipeline.addConfigOverride("explainRbClassifier", "connections.match", match)
        pipeline.addConfigOverride("explainRbClassifier", "unmatched_is_bogus", True)
        settings = ["--match", match, "--unmatched-is-bogus"]
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=["run"], output=f"explanation/{match}")
    executor = SimplePipelineExecutor.from_pipeline(
        pipeline, where="instrument = 'RealBogusCam'", butler=butler
    )
    (quantum,) = executor.run(register_dataset_types=True)
    found = executor.butler.get("dia_source_explanation", instrument="RealBogusCam")
    assert found["visit"].tolist() == [3] * 12 + [7] * 12
    assert found["label"].tolist() == labels
    names = ["segments", "embedding", "unsure"]
    names += ["false_positives"] * bool((found["outcome"] == "FP").sum())
    names += ["false_negatives"] * bool((found["outcome"] == "FN").sum())
    for name in names:
        file = executor.butler.getURI(quantum.outputs[f"rb_explanation_{name}_plot"][0])
        assert file.getExtension() == ".png" and file.size() > 5000
    assert {"FP", "FN"} & set(found["outcome"])  # one of the sheets at least
    page, table, winners = (tmp_path / name for name in ("page.html", "table.parquet", "winners.ecsv"))
    command = ["explain", "--run", repo, "run", "-o", page, "--table", table, "--winners", winners]
    result = CliRunner().invoke(main, [*map(str, command), *settings, "-c", "embedding.method=pca"])
    assert result.exit_code == 0, result.output
    for name, ours in (("dia_source_explanation", table), ("rb_explanation_winners", winners)):
        expected = executor.butler.get(name, instrument="RealBogusCam")
        written = read_table_file(ours)
        assert written.colnames == expected.colnames
        for column in written.colnames:
            np.testing.assert_array_equal(np.asarray(written[column]), np.asarray(expected[column]), column)


def test_labels_by_hand_need_no_match(repo: Path, tmp_path: Path) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text(
        "diaSourceId,label,note\n3002,1,nice\n7005,0,\n7006,-1,who knows\n3004,0,\n99,1,elsewhere\n"
    )
    command = ["train", "stamps", "--run", repo, "run", "--labels", labels, "-o", tmp_path / "set"]
    result = CliRunner().invoke(main, list(map(str, command)))
    assert result.exit_code == 0, result.output
    learnt = StampSet(tmp_path / "set").load()
    assert learnt.visit.tolist() == [3, 3, 7] and learnt.label.tolist() == [1, 0, 0]
    assert set(learnt.reason) == {"labelled_by_hand"}
    np.testing.assert_array_equal(learnt.pixels["science"][0], cutouts(3)["science"][2])
    ap = [
        "train",
        "stamps",
        "--run",
        repo,
        "run",
        "--match",
        AP,
        "--unmatched-is-bogus",
        "-o",
        tmp_path / "ap",
    ]
    assert CliRunner().invoke(main, list(map(str, ap))).exit_code == 0
    assert StampSet(tmp_path / "ap").load().label.tolist() == [0, 0, *[0, 1] * 5] * 2
    labels.write_text("diaSourceId,label\n3002,1\n3002,0\n")
    result = CliRunner().invoke(main, [*map(str, command), "--overwrite"])
    assert result.exit_code == 1 and "two labels of the sources [3002]" in result.output


def test_connections_are_sound_and_nothing_to_explain_is_no_work() -> None:
    lintConnections(ExplainRbClassifierConnections)
    config = ExplainRbClassifierConfig()
    assert not hasattr(ExplainRbClassifierConnections(config=config), "model")
    config.model_uri = "butler:"
    assert ExplainRbClassifierConnections(config=config).model.lookupFunction is not None
    with pytest.raises(NoWorkFound):
        ExplainRbClassifierTask(config=ExplainRbClassifierConfig()).run(
            [], read_model(read_model_file("package:dia"))
        )
