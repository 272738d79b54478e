"""The task evaluateRbClassifier: what it writes from tables of any number of images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, DatasetType
from lsst.pipe.base import NoWorkFound, Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.evaluation import EvaluationOptions, evaluate, sample_image
from lsst.meas.realbogus.repository import read_sample_of_run
from lsst.meas.realbogus.tasks._data_errors import UnusableDataError
from lsst.meas.realbogus.tasks.evaluate_rb_classifier import (
    EvaluateRbClassifierConfig,
    EvaluateRbClassifierConnections,
    EvaluateRbClassifierTask,
)
from test_association import make_sources
from test_association_task import make_repo
from test_evaluation_sample import make_tables

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/Evaluate.yaml"
TABLES = ("figures", "curves", "requirement", "efficiency", "efficiency_bins", "reliability", "comparison")
PLOTS = ("curves", "confusion", "thresholds", "bins", "efficiency", "reliability")


def run(repo: Path) -> Butler:
    pipeline = Pipeline.from_uri(PIPELINE)
    pipeline.addConfigOverride("evaluateRbClassifier", "n_resamples", 10)
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=["scores"], output="u/evaluation")
    executor = SimplePipelineExecutor.from_pipeline(
        pipeline, where="instrument = 'RealBogusCam'", butler=butler
    )
    executor.run(register_dataset_types=True)
    return executor.butler


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    sources = make_sources()
    sources["score"] = np.clip(np.asarray(sources["score"], float), 0, 1)
    sources["label"] = (np.arange(len(sources)) % 2).astype(np.int8)
    make_repo(tmp_path / "repo", sources)
    return tmp_path / "repo"


@pytest.mark.slow
def test_the_task_writes_what_the_function_makes(repo: Path) -> None:
    with Butler.from_config(repo, writeable=True, run="scores") as butler:
        kind = DatasetType(
            "injected_supernova_fate",
            butler.dimensions.conform(["instrument", "visit", "detector"]),
            "ArrowAstropy",
        )
        butler.registry.registerDatasetType(kind)
        butler.put(make_tables().fates, kind, instrument="RealBogusCam", visit=3, detector=0)
    butler = run(repo)
    expected = evaluate(read_sample_of_run(repo, "scores"), EvaluationOptions(n_resamples=10))
    for name in TABLES:
        written = butler.get(f"rb_evaluation_{name}", instrument="RealBogusCam")
        assert isinstance(written, Table) and len(written) == len(expected.tables[name]), name
        assert written.colnames == expected.tables[name].colnames
    figures = butler.get("rb_evaluation_figures", instrument="RealBogusCam")
    np.testing.assert_array_equal(figures["area"], expected.figures["area"])
    sample = butler.get("rb_evaluation_sources", instrument="RealBogusCam")
    assert np.sum(~sample["is_detected"]) == 1  # one of the three fakes was lost, one never drawn
    metrics = butler.get("rb_evaluation_metrics", instrument="RealBogusCam")
    assert metrics["numAllDiaSources"] == len(make_sources()) and metrics["numMissedChanges"] == 1
    assert metrics.keys() == expected.metrics.keys()
    for name in PLOTS:
        ref = butler.find_dataset(f"rb_evaluation_{name}_plot", instrument="RealBogusCam")
        assert butler.getURI(ref).read()[:4] == b"\x89PNG"


@pytest.mark.slow
def test_scores_of_other_sources_fail_with_the_image_named(repo: Path) -> None:
    with Butler.from_config(repo, writeable=True, run="scores") as butler:
        data_id = {"instrument": "RealBogusCam", "visit": 3, "detector": 0}
        scores = butler.get("dia_source_reliability", data_id)
        ref = butler.find_dataset("dia_source_reliability", data_id)
        butler.pruneDatasets([ref], purge=True, unstore=True, disassociate=True)
        butler.put(scores[::-1], "dia_source_reliability", data_id)
    with pytest.raises(UnusableDataError, match="scores of visit 3, detector 0 are not of the same"):
        run(repo)


def test_connections_are_sound_and_no_label_is_no_work() -> None:
    lintConnections(EvaluateRbClassifierConnections)
    task = EvaluateRbClassifierTask(config=EvaluateRbClassifierConfig())
    with pytest.raises(NoWorkFound):
        task.run([])
    bare = {"match": None, "fates": None, "injected": (), "truth": None}
    with pytest.raises(NoWorkFound):
        task.run([sample_image(make_tables(**bare))])


def test_plots_can_be_left_out() -> None:
    config = EvaluateRbClassifierConfig()
    config.plots, config.n_resamples = False, 0
    assert not [name for name in EvaluateRbClassifierConnections(config=config).outputs if "Plot" in name]
    result = EvaluateRbClassifierTask(config=config).run([sample_image(make_tables())])
    assert set(result.getDict()) == {
        *("sources", "figures", "curves", "requirement", "efficiency", "efficiencyBins"),
        *("calibration", "comparison", "metrics"),
    }
    assert len(result.sources) == 5
