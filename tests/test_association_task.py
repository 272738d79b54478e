"""The task associateLightCurves: what it writes from any repository with DIA sources."""

from __future__ import annotations

from pathlib import Path

import astropy.time
import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, DatasetType, Timespan
from lsst.pipe.base import NoWorkFound, Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lsst.meas.realbogus.association import LightCurveOptions
from lsst.meas.realbogus.repository import read_light_curves
from lsst.meas.realbogus.survey import RealBogusCam
from lsst.meas.realbogus.tasks._data_errors import UnusableDataError
from lsst.meas.realbogus.tasks.associate_light_curves import (
    AssociateLightCurvesConfig,
    AssociateLightCurvesConnections,
    AssociateLightCurvesTask,
)
from test_association import make_sources

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/LightCurves.yaml"
DATASETS = {
    "association": "dia_source_association",
    "objects": "dia_object_reliability",
    "epochs": "dia_object_light_curve",
}


def make_repo(root: Path, sources: Table, others: bool = True) -> None:
    """Make a repository with the sources of each visit in a dataset, and nothing that the data ids tell."""
    corners = [(-0.01, 59.99), (0.1, 59.99), (0.1, 60.1), (-0.01, 60.1)]
    region = ConvexPolygon([UnitVector3d(LonLat.fromDegrees(*corner)) for corner in corners])
    Butler.makeRepo(root)
    with Butler.from_config(root, writeable=True, run="scores") as butler:
        RealBogusCam().register(butler.registry)
        dimensions = butler.dimensions.conform(["instrument", "visit", "detector"])
        name = {"instrument": "RealBogusCam"}
        insert = butler.registry.insertDimensionData
        insert("detector", {**name, "id": 0, "full_name": "0"})
        insert("day_obs", {**name, "id": 20260101})
        for band in ("g", "r"):
            insert("physical_filter", {**name, "name": band, "band": band})
        types = ("dia_source_unstandardized", "dia_source_reliability", "dia_source_match")
        for dataset_type in types:
            butler.registry.registerDatasetType(DatasetType(dataset_type, dimensions, "ArrowAstropy"))
        for visit in sorted(set(sources["visit"].tolist())):
            middle = astropy.time.Time(60000.0 + 3 * visit, format="mjd", scale="tai")
            record = {
                "id": visit,
                "name": str(visit),
                "physical_filter": "gr"[visit % 2],
                "day_obs": 20260101,
            }
            span = Timespan(middle - 15 * u.s, middle + 15 * u.s)
            insert("visit", {**name, **record, "timespan": span, "region": region})
            insert("visit_detector_region", {**name, "visit": visit, "detector": 0, "region": region})
            data_id = {**name, "visit": visit, "detector": 0}
            here = sources[sources["visit"] == visit]
            kept = ("diaSourceId", "ra", "dec", "psfFlux", "psfFluxErr", "visit", "detector", "band")
            table = here[kept if others else kept[:5]]
            table["midpointMjdTai"] = middle.mjd
            butler.put(table, types[0], data_id)
            if others:
                scores, labels = here["diaSourceId", "score"], here["diaSourceId", "label"]
                scores.rename_column("diaSourceId", "id")
                labels["label_reason"] = "star"
                butler.put(scores, types[1], data_id)
                butler.put(labels, types[2], data_id)


def run(repo: Path, where: str = "instrument = 'RealBogusCam'", **settings: float) -> dict[str, Table]:
    pipeline = Pipeline.from_uri(PIPELINE)
    for name, value in settings.items():
        pipeline.addConfigOverride("associateLightCurves", name, value)
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=["scores"], output="u/curves")
    executor = SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)
    executor.run(register_dataset_types=True)
    return {name: executor.butler.get(kind, instrument="RealBogusCam") for name, kind in DATASETS.items()}


def assert_same(one: Table, other: Table) -> None:
    assert one.colnames == other.colnames
    for name in one.colnames:
        assert one[name].dtype == other[name].dtype
        np.testing.assert_array_equal(np.asarray(one[name]), np.asarray(other[name]), err_msg=name)


@pytest.mark.slow
def test_the_task_writes_what_the_function_makes(tmp_path: Path) -> None:
    sources = make_sources()
    make_repo(tmp_path / "repo", sources)
    written = run(tmp_path / "repo", radius=0.4)
    expected = read_light_curves(tmp_path / "repo", "scores", options=LightCurveOptions(radius=0.4))
    for name in DATASETS:
        assert_same(written[name], getattr(expected, name))
    assert sorted(written["association"]["diaSourceId"]) == sorted(sources["diaSourceId"])
    assert (written["objects"]["nVisits"] == 6).all()
    assert (written["epochs"]["diaSourceId"] == -1).any()
    one = read_light_curves(tmp_path / "repo", "scores", where="visit = 3")
    assert set(one.epochs["visit"].tolist()) == {3} and (one.objects["nDiaSources"] == 1).all()


@pytest.mark.slow
def test_sources_without_scores_labels_and_data_ids_are_associated(tmp_path: Path) -> None:
    sources = make_sources()
    make_repo(tmp_path / "repo", sources, others=False)
    written = run(tmp_path / "repo")
    assert sorted(written["association"]["diaSourceId"]) == sorted(sources["diaSourceId"])
    assert np.isnan(written["objects"]["maxScore"]).all() and set(written["epochs"]["band"]) == {"g", "r"}


@pytest.mark.slow
def test_scores_of_other_sources_are_refused(tmp_path: Path) -> None:
    sources = make_sources()
    make_repo(tmp_path / "repo", sources)
    with Butler.from_config(tmp_path / "repo", writeable=True, run="scores") as butler:
        data_id = {"instrument": "RealBogusCam", "visit": 3, "detector": 0}
        scores = butler.get("dia_source_reliability", data_id)
        butler.pruneDatasets(
            [butler.find_dataset("dia_source_reliability", data_id)],
            purge=True,
            unstore=True,
            disassociate=True,
        )
        butler.put(scores[::-1], "dia_source_reliability", data_id)
    with pytest.raises(UnusableDataError, match="visit 3, detector 0.* scores are of other sources"):
        run(tmp_path / "repo")


def test_connections_are_sound_and_no_source_is_no_work() -> None:
    lintConnections(AssociateLightCurvesConnections)
    with pytest.raises(NoWorkFound):
        AssociateLightCurvesTask(config=AssociateLightCurvesConfig()).run([make_sources()[:0]])
