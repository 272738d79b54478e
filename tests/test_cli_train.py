"""`realbogus train` and the task make the same model of the same stamps, and the search goes on."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner, Result
from lsst.pipe.base import NoWorkFound, Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.model import file_from_table, read_model
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tasks.train_rb_classifier import (
    TrainRbClassifierConfig,
    TrainRbClassifierConnections,
    TrainRbClassifierTask,
)
from lsst.meas.realbogus.training import StampSet
from table_repository import table_repository

pytestmark = [pytest.mark.slow, pytest.mark.tensorflow]
SETTINGS = {
    "filters": "4,4,4",
    "stamp_size": "15",
    "split_by": "cell",
    "fractions": "0.4,0.3,0.3",
    "training.epochs": "2",
    "training.batch_size": "32",
    "augmentation.borders": "0",
    "augmentation.smaller": "0",
}
CONFIG = [word for name, value in SETTINGS.items() for word in ("-c", f"{name}={value}")]


def tables(visit: int, n: int = 80) -> tuple[Table, Table, Table]:
    """Make stamps, labels and measurements of one detector; every tenth source is undecided."""
    rng = generator(visit, "test-cli-train")
    y, x = np.mgrid[-10:11, -10:11]
    label = np.where(np.arange(n) % 10 == 9, -1, np.arange(n) % 2).astype(np.int8)
    star = 12 * np.exp(-0.125 * (x**2 + y**2))
    source = np.where(label[:, None, None] == 1, star, 60.0 * (np.hypot(x, y) < 0.5))
    ids = 1000 * visit + np.arange(n)
    template = rng.normal(size=(n, 21, 21)).astype(np.float32)
    science = (rng.normal(size=(n, 21, 21)) + source).astype(np.float32)
    cutouts = Table({"diaSourceId": ids, "ra": 10 + 0.1 * rng.random(n), "dec": 0.1 * rng.random(n)})
    for name, pixels in (("difference", science - template), ("science", science), ("template", template)):
        cutouts[name] = pixels
    cutouts["psfFwhm"], cutouts["pixelScale"] = np.float32(4.7), np.float32(0.2)
    match = Table({"diaSourceId": ids, "label": label, "kind": np.where(label == 1, "fake", "cosmic_ray")})
    match["label_reason"] = np.where(label == 1, "injected", "artefact")
    sources = Table({"diaSourceId": ids, "isNegative": np.zeros(n, bool), "snr": np.full(n, 20.0)})
    return cutouts, match, sources


@pytest.fixture(scope="module")
def stamps(repo: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("tensorflow")
    folder = tmp_path_factory.mktemp("stamps") / "set"
    command = ("stamps", "--run", repo, "labels", "-o", folder)
    result = run(*command)
    assert result.exit_code == 0 and "0000.parquet: 144 stamps" in result.output
    assert "give --overwrite" in run(*command).output
    assert run(*command, "--overwrite").exit_code == 0
    return folder


def run(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["train", *map(str, arguments)])


@pytest.fixture(scope="module")
def model(stamps: Path, tmp_path_factory: pytest.TempPathFactory) -> bytes:
    out = tmp_path_factory.mktemp("model")
    path, split = out / "mine.rbmodel", out / "split.csv"
    logs = ("--tensorboard", out / "logs", "--checkpoint", out / "state")
    result = run("model", stamps, "-o", path, "--write-split", split, *logs, *CONFIG)
    assert result.exit_code == 0, result.output
    assert "mine 1, epoch" in result.output and "mine, epoch 2: loss" in result.stderr
    assert list((out / "logs").glob("events*")) and (out / "state" / "learning.npz").exists()
    refused = run("model", stamps, "-o", path, *CONFIG)
    assert refused.exit_code == 1 and "--overwrite" in refused.output
    again = run("model", stamps, "-o", out / "again.rbmodel", "--split", split, *CONFIG)
    assert again.exit_code == 0, again.output
    assert (out / "again.rbmodel").read_bytes() == path.read_bytes()
    return path.read_bytes()


def test_what_the_command_writes_is_a_model(model: bytes) -> None:
    found = read_model(model)
    assert found.contract.stamp_size == 15 and found.contract.card["training"]["epochs"] == 2
    assert found.contract.card["stamps"]["learn"]["kinds"].keys() == {"fake", "cosmic_ray"}


def test_a_model_goes_on_from_another(model: bytes, stamps: Path, tmp_path: Path) -> None:
    (tmp_path / "first.rbmodel").write_bytes(model)
    settings = ["-c", "training.transfer.layers=head", "-c", "name=second"]
    path = tmp_path / "second.rbmodel"
    result = run("model", stamps, "-o", path, "--start", tmp_path / "first.rbmodel", *CONFIG, *settings)
    assert result.exit_code == 0, result.output
    assert read_model(path.read_bytes()).contract.card["started_from"].startswith("mine 1, sha256")


def test_stamp_files_are_gathered_too(tmp_path: Path) -> None:
    file, folder = tmp_path / "stamps.npz", tmp_path / "set"
    cutouts, match, _ = tables(5)
    roles = ("difference", "science", "template")
    np.savez(file, label=match["label"], **{role: cutouts[role] for role in roles})
    result = run("stamps", file, file, "-o", folder, "--half")
    assert result.exit_code == 0, result.output
    stamps = StampSet(folder)
    assert np.bincount(stamps.columns()["group"]).tolist() == [72, 72]
    known = np.asarray(match["label"]) >= 0
    np.testing.assert_allclose(
        stamps.load().pixels["science"][:72], cutouts["science"][known], rtol=0, atol=0.05
    )
    assert "give --run" in run("stamps", "-o", tmp_path / "none").output


def test_options_that_cannot_be_are_refused(stamps: Path, tmp_path: Path) -> None:
    result = run("model", stamps, "-o", tmp_path / "x.rbmodel", "-c", "training.epoch=3")
    assert result.exit_code == 1 and "did you mean epochs?" in result.output


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repo") / "repo"
    names = ("dia_source_cutouts", "dia_source_match", "dia_source_unstandardized")
    with table_repository(root, names, (7, 3), run="labels") as butler:
        for visit in (7, 3):
            for name, table in zip(names, tables(visit), strict=True):
                butler.put(table, name, instrument="RealBogusCam", detector=0, visit=visit)
    return root


def test_the_task_makes_the_model_of_the_command(repo: Path, model: bytes) -> None:
    pipeline = Pipeline.from_uri("$MEAS_REALBOGUS_DIR/pipelines/Embedded/TrainRealBogus.yaml")
    for name, value in SETTINGS.items():
        pipeline.addConfigOverride("trainRbClassifier", name, _plain(value))
    butler = SimplePipelineExecutor.prep_butler(repo, inputs=["labels"], output="model")
    executor = SimplePipelineExecutor.from_pipeline(
        pipeline, where="instrument = 'RealBogusCam'", butler=butler
    )
    (quantum,) = executor.run(register_dataset_types=True)
    assert quantum.outputs["rb_model"][0].dataId == executor.butler.registry.expandDataId({})
    assert file_from_table(executor.butler.get("rb_model")) == model


def _plain(value: str) -> object:
    parts = [float(part) if "." in part else part for part in value.split(",")]
    plain = [int(part) if isinstance(part, str) and part.isdigit() else part for part in parts]
    return plain if len(plain) > 1 or plain == ["cell"] else plain[0]


def test_connections_are_sound_and_nothing_to_learn_is_no_work() -> None:
    lintConnections(TrainRbClassifierConnections)
    with pytest.raises(NoWorkFound):
        TrainRbClassifierTask(config=TrainRbClassifierConfig()).run([])


def test_a_search_is_gone_on_with_and_its_settings_can_be_used(stamps: Path, tmp_path: Path) -> None:
    pytest.importorskip("optuna")
    storage, best = tmp_path / "search.db", tmp_path / "best.json"
    command = ("search", stamps, "--storage", storage, *CONFIG, "-c", "training.epochs=1")
    assert run(*command, "--trials", 1).exit_code == 0
    result = run(*command, "--trials", 2, "-o", best)
    assert result.exit_code == 0, result.output
    found = json.loads(best.read_text())
    assert sum(found["trials"].values()) == 2
    words = result.stdout.splitlines()[-1].split()
    path = tmp_path / "best.rbmodel"
    used = run("model", stamps, "-o", path, *CONFIG, *words)
    assert used.exit_code == 0, used.output
    training = read_model(path.read_bytes()).contract.card["training"]
    assert training["learning_rate"] == pytest.approx(found["settings"]["training.learning_rate"])
    other = run(*command, "--trials", 3, "-c", "network=nodia")
    assert other.exit_code == 1 and "the trials kept are of" in other.output
