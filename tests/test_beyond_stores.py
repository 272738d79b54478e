"""Repositories whose registry or whose files are on servers: the same run gives the same tables."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, Config
from with_postgresql import find_server, running_server

from lsst.meas.realbogus.survey import PRESETS, simulate_survey
from small_survey import COLLECTION, WHERE, make_executor
from stores import N_QUANTA, assert_same_tables, command, job_options, read_tables

pytestmark = pytest.mark.slow

SEEDS = Path(__file__).parents[1] / "config" / "butler"
BUCKET = "survey"


@pytest.fixture(scope="module")
def expected(small_run: Path) -> Mapping[tuple[str, int, int], Table]:
    """Tables of a run in a folder with an SQLite registry."""
    tables = read_tables(small_run, COLLECTION)
    assert tables
    return tables


@pytest.fixture
def postgresql(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run a PostgreSQL server, which this process and its children find by the environment."""
    if find_server() is None:
        pytest.skip("PostgreSQL is not installed (Debian's package postgresql)")
    pytest.importorskip("psycopg", reason="the extra `scale` is not installed", exc_type=ImportError)
    # Not below pytest's folder, which only this user may enter: the server may have to run as another.
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        with running_server(Path(folder) / "server") as variables:
            for name, value in variables.items():
                monkeypatch.setenv(name, value)
            yield


@pytest.mark.postgres
@pytest.mark.usefixtures("postgresql")
def test_two_runs_at_a_time_into_one_repository_lose_nothing(
    untrained_models: dict[str, str], expected: Mapping[tuple[str, int, int], Table], tmp_path: Path
) -> None:
    """Each has one of the two visits, and makes collections and dataset types as it comes to them."""
    repo = tmp_path / "repo"
    command("butler", "create", repo, "--seed-config", SEEDS / "postgresql.yaml")
    simulate_survey(repo, PRESETS["small"])
    visits = sorted({visit for _, visit, _ in expected})
    runs = []
    for visit in visits:
        words = ["run", "-b", str(repo), "-o", f"u/{visit}", "--register-dataset-types", "-j", "1"]
        words += job_options(untrained_models, f"{WHERE} AND visit = {visit}")
        pipetask = Path(sys.executable).with_name("pipetask")
        runs.append(
            subprocess.Popen([pipetask, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        )
    for run in runs:
        output, _ = run.communicate()
        assert run.returncode == 0, output
    found = {}
    for visit in visits:
        tables = read_tables(repo, f"u/{visit}")
        assert {v for _, v, _ in tables} == {visit}
        found |= tables
    assert_same_tables(found, expected)
    with Butler.from_config(repo) as butler:
        n_metadata = sum(
            len(butler.query_datasets(dataset_type.name, collections="u/*", find_first=False, explain=False))
            for dataset_type in butler.registry.queryDatasetTypes("*_metadata")
        )
    assert n_metadata == N_QUANTA + len(visits) - 1  # each run has made the template


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serve an S3 store on the loopback interface; return the URI of an empty bucket."""
    boto3 = pytest.importorskip("boto3", reason="the extra `scale` is not installed")
    pytest.importorskip("s3fs", reason="the extra `scale` is not installed")
    server = pytest.importorskip("moto.server", reason="moto, flask and flask-cors are not installed")
    for name in list(os.environ):
        if name.startswith(("AWS_", "S3_")):
            monkeypatch.delenv(name)
    store = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    store.start()
    host, port = store.get_host_and_port()
    monkeypatch.setenv("S3_ENDPOINT_URL", f"http://{host}:{port}")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    boto3.client("s3", endpoint_url=os.environ["S3_ENDPOINT_URL"]).create_bucket(Bucket=BUCKET)
    yield f"s3://{BUCKET}"
    store.stop()


@pytest.mark.s3
def test_files_in_an_object_store_hold_the_same_tables(
    small_run: Path,
    untrained_models: dict[str, str],
    expected: Mapping[tuple[str, int, int], Table],
    bucket: str,
    tmp_path: Path,
) -> None:
    """The registry cannot be there: here it is an SQLite file."""
    repo = f"{bucket}/repo"
    seed = Config(str(SEEDS / "embedded.yaml"))
    seed["registry", "db"] = f"sqlite:///{tmp_path}/registry.sqlite3"
    Butler.makeRepo(repo, config=seed, forceConfigRoot=False)
    command(
        *("butler", "transfer-datasets", small_run, repo, "--collections", "RealBogusCam/input"),
        *("--register-dataset-types", "--transfer", "copy"),
    )
    # No dataset has patches yet, so they do not come with one.
    with Butler.from_config(small_run) as source, Butler.from_config(repo, writeable=True) as butler:
        patches = source.query_dimension_records("patch", skymap="realbogus")
        butler.registry.insertDimensionData("patch", *patches)
    make_executor(repo, COLLECTION, untrained_models).run(register_dataset_types=True)
    assert_same_tables(read_tables(repo, COLLECTION), expected)
    with Butler.from_config(repo, collections=COLLECTION) as butler:
        uris = [butler.getURI(ref) for ref in butler.query_all_datasets(COLLECTION)]
    assert uris and all(uri.scheme == "s3" for uri in uris)
