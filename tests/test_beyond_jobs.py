"""Runs without a registry while they work: quantum-backed execution by hand, and as jobs of `bps submit`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, Config

from lsst.meas.realbogus.repository import read_collection
from small_survey import COLLECTION, ONE_VISIT, PIPELINE, job_parameters
from stores import N_QUANTA, assert_same_tables, command, job_options, read_tables

pytestmark = pytest.mark.slow

SITES = Path(__file__).parents[1] / "config" / "bps"


@pytest.fixture(scope="module")
def expected(small_run: Path) -> Mapping[tuple[str, int, int], Table]:
    """Tables that `pipetask run` has made."""
    tables = read_tables(small_run, COLLECTION)
    assert tables
    return tables


@pytest.fixture(scope="module")
def graph(
    small_run: Path, untrained_models: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Quantum graph of the main job, whose outputs go to ``u/qbb/run``."""
    file = tmp_path_factory.mktemp("graph") / "whole.qg"
    command(
        *("pipetask", "qgraph", "-b", small_run, "-o", "u/qbb", "--output-run", "u/qbb/run"),
        *job_options(untrained_models),
        *("--save-qgraph", file, "--qgraph-datastore-records"),
    )
    return file


def test_quantum_backed_execution_gives_the_same_tables_and_provenance(
    small_run: Path, graph: Path, expected: Mapping[tuple[str, int, int], Table]
) -> None:
    command("pipetask", "pre-exec-init-qbb", small_run, graph)
    command("pipetask", "run-qbb", small_run, graph, "-j", 1)
    with Butler.from_config(small_run) as butler:
        assert not butler.collections.query("u/qbb*")  # nothing is registered while jobs run
    provenance = graph.with_name("provenance.qg")
    command(
        *("butler", "aggregate-graph", graph, small_run, "-o", provenance),
        *("--register-dataset-types", "--update-output-chain"),
    )
    assert_same_tables(read_tables(small_run, "u/qbb"), expected)
    report = command("butler", "provenance-report", provenance)
    (scored,) = [line.split() for line in report.splitlines() if line.split()[:1] == ["rbClassifier"]]
    assert scored[1:] == ["0", "0", "2", "2", "2"]  # failed, blocked, successful, all, expected
    with Butler.from_config(small_run) as butler:
        runs = [read_collection(butler, collection) for collection in ("u/qbb", COLLECTION)]
    assert runs[0].models == runs[1].models and len(runs[0].models) == 2


@pytest.mark.skipif(
    sys.version_info < (3, 12, 9) or (3, 13) <= sys.version_info < (3, 13, 2),
    reason="this Python's zipfile cannot seek in a provenance graph (CPython gh-127847)",
)
def test_logs_and_metadata_of_a_run_are_read_from_one_file(small_run: Path, graph: Path) -> None:
    command("butler", "ingest-graph", small_run, graph.with_name("provenance.qg"))
    with Butler.from_config(small_run) as butler:
        runs = [read_collection(butler, collection) for collection in ("u/qbb", COLLECTION)]
    assert runs[0].models == runs[1].models


def test_a_job_has_the_detectors_of_a_visit_and_asks_for_the_largest_memory_of_its_tasks(
    graph: Path, tmp_path: Path
) -> None:
    pytest.importorskip("lsst.ctrl.bps", reason="lsst-ctrl-bps is not installed")
    from lsst.ctrl.bps import BPS_DEFAULTS, BpsConfig
    from lsst.ctrl.bps.quantum_clustering_funcs import dimension_clustering
    from lsst.ctrl.bps.transform import transform
    from lsst.pipe.base.quantum_graph import PredictedQuantumGraph

    config = BpsConfig(str(SITES / "slurm.yaml"), defaults=BPS_DEFAULTS)
    config[".bps_defined.runQgraphFile"] = str(graph)
    with PredictedQuantumGraph.open(graph) as reader:
        reader.read_all()
        clusters = dimension_clustering(config, reader.finish(), "clusters")
    workflow, _ = transform(config, clusters, str(tmp_path))
    jobs = {name: workflow.get_job(name) for name in workflow}
    assert set(jobs) == {"pipetaskInit", "templates_0_r_001", "visits_1000_001", "visits_1001_001"}
    asked = Config(str(SITES / "jobs.yaml"))
    tasks = asked["pipetask"].toDict()
    for name, job in jobs.items():
        needs = [tasks.get(label, asked)["requestMemory"] for label in job.quanta_counts]
        assert job.request_memory == max(needs, default=asked["requestMemory"]), name
    assert sum(sum(job.quanta_counts.values()) for job in jobs.values()) == N_QUANTA
    assert jobs["visits_1000_001"].quanta_counts["rbClassifier"] == 1
    assert jobs["templates_0_r_001"].quanta_counts == {"assembleTemplate": 1}


@pytest.mark.parametrize("file", sorted(SITES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_site_gets_the_same_jobs(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """PanDA's own site file is in a stack; here an empty one stands for it."""
    monkeypatch.setenv("CTRL_BPS_PANDA_DIR", str(tmp_path))
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "bps_usdf.yaml").write_text("computeSite: there\n")
    config, jobs = Config(str(file)), Config(str(SITES / "jobs.yaml"))
    for key in ("clusterAlgorithm", "cluster", "pipetask", "requestMemory", "finalJob"):
        assert config[key] == jobs[key], key


@pytest.mark.bps
def test_jobs_of_a_local_site_give_the_same_tables(
    small_run: Path,
    untrained_models: dict[str, str],
    expected: Mapping[tuple[str, int, int], Table],
    tmp_path: Path,
) -> None:
    pytest.importorskip("lsst.ctrl.bps.parsl", reason="lsst-ctrl-bps-parsl is not installed")
    parameters = job_parameters(untrained_models).items()
    options = " ".join(f"-c parameters:{name}={value}" for name, value in parameters)
    words = ["submit", SITES / "local.yaml", "-b", small_run, "-i", "RealBogusCam/input", "-o", "u/bps"]
    words += ["-p", PIPELINE, "-d", ONE_VISIT, "--extra-qgraph-options", options]
    bps = Path(sys.executable).with_name("bps")
    environment = os.environ | {"PWD": str(tmp_path)}  # where `bps` puts its files
    done = subprocess.run(
        [bps, *words], cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    of_visit = {key: table for key, table in expected.items() if key[1] == 1000}
    assert_same_tables(read_tables(small_run, "u/bps"), of_visit)
    jobs = {path.parent.name for path in tmp_path.glob("submit/**/logs/visits/*/*.stderr")}
    assert jobs == {"1000"}
