"""What is read back from a run: tables joined, rows kept, versions those of the run."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, CollectionType, DatasetType
from lsst.pipe.base import TaskMetadata
from lsst.utils.packages import Packages

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.evaluation import summarize
from lsst.meas.realbogus.repository import read_collection
from table_repository import table_repository

_TYPES = (
    "dia_source_unstandardized",
    "dia_source_match",
    "dia_source_reliability",
    "injected_supernova_fate",
)


def _sources(visit: int, n: int = 3) -> Table:
    columns = {"diaSourceId": 10 * visit + np.arange(n), "visit": np.full(n, visit)}
    return Table({**columns, "detector": np.zeros(n, int), "snr": np.full(n, 9.0)})


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    """Two images; the second has neither labels nor scores."""
    root = tmp_path / "repo"
    with table_repository(root, _TYPES, (7, 3)) as butler:
        packages = DatasetType("packages", (), "Packages", universe=butler.dimensions)
        butler.registry.registerDatasetType(packages)
        runs = ("u/run/2", "u/run/1")
        for run, version in zip(runs, ("2.0", "1.0"), strict=True):
            butler.collections.register(run)
            butler.put(Packages({"numpy": version, "meas_realbogus": "0.0.7"}), "packages", run=run)
        image = {"instrument": "RealBogusCam", "detector": 0}
        butler.put(_sources(3), "dia_source_unstandardized", image, visit=3, run=runs[0])
        butler.put(_sources(7), "dia_source_unstandardized", image, visit=7, run=runs[1])
        match = Table({"diaSourceId": 30 + np.arange(3), "label": np.array([1, 0, 0], np.int8)})
        match["label_reason"] = ["injected", "noise", "noise"]
        butler.put(match, "dia_source_match", image, visit=3, run=runs[0])
        scores = Table({"id": 30 + np.arange(3), "score": np.array([0.9, 0.1, 0.2], np.float32)})
        scores["flag_nan"] = False
        butler.put(scores, "dia_source_reliability", image, visit=3, run=runs[0])
        butler.collections.register("u/run", CollectionType.CHAINED)
        butler.collections.redefine_chain("u/run", runs)
    return root


def test_every_source_is_read_with_what_is_known_of_it(repo: Path) -> None:
    results = read_collection(repo, "u/run")
    assert results.sources["diaSourceId"].tolist() == [30, 31, 32, 70, 71, 72]
    assert results.sources["label"].tolist() == [1, 0, 0, -1, -1, -1]
    assert results.sources["label_reason"].tolist() == ["injected", "noise", "noise", "", "", ""]
    assert np.isnan(results.sources["score"]).tolist() == [False] * 3 + [True] * 3
    assert results.sources["flag_nan"].tolist() == [False] * 6
    assert not results.sources.has_masked_columns
    assert (len(results.fates), results.models) == (0, {"score": "score"})
    assert summarize(results).models[0].n_scored == 3
    with Butler.from_config(repo) as butler:
        selected = read_collection(butler, "u/run", where="visit = 7")
    assert selected.sources["diaSourceId"].tolist() == [70, 71, 72]
    with pytest.raises(InvalidInputError, match="u/run has no dia_source_unstandardized where visit = 8"):
        read_collection(repo, "u/run", where="visit = 8")


def test_models_are_those_of_the_first_image_that_was_scored(repo: Path) -> None:
    with Butler.from_config(repo, writeable=True, run="u/run/1") as butler:
        dimensions = ("instrument", "visit", "detector")
        kind = DatasetType("rbClassifier_metadata", dimensions, "TaskMetadata", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
        said = {3: {"failure": {"message": "other images"}}, 7: {"model": "dia-2", "model_sha256": "ab12"}}
        for visit, words in said.items():
            metadata = TaskMetadata.from_dict({"rbClassifier": words})
            butler.put(metadata, kind, instrument="RealBogusCam", detector=0, visit=visit)
    results = read_collection(repo, "u/run")
    assert results.models == {"dia-2": "score"} and results.provenance["model dia-2"] == "sha256 ab12"
    assert read_collection(repo, "u/run", where="visit = 3").models == {"score": "score"}


def test_defect_18_versions_are_those_of_the_run(repo: Path) -> None:
    assert read_collection(repo, "u/run").provenance["software"] == "meas_realbogus 0.0.7, numpy 1.0 and 2.0"
    assert read_collection(repo, "u/run/2").provenance["software"] == "meas_realbogus 0.0.7, numpy 2.0"
