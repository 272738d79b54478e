"""The commands: a model is imported, looked at, verified, exported and ingested."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.model import (
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    read_model,
    write_model,
)


def invoke(*arguments: object) -> Result:
    return CliRunner().invoke(main, ["model", *map(str, arguments)])


@pytest.fixture(scope="module")
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "toy.rbmodel"
    model = make_model(preset_contract("nodia", "toy", "7"), initial_weights(named_architecture("nodia"), 5))
    path.write_bytes(write_model(model))
    return path


def test_import_and_verify_the_authors_weights(shared_data: Path, tmp_path: Path) -> None:
    weights = shared_data / "weights"
    output = tmp_path / "des-dia.rbmodel"
    file = weights / "model_checkpoint_AAD_3s3DH.h5"
    result = invoke("import", file, "--architecture", "dia", "-o", output)
    assert result.exit_code == 0, result.output
    result = invoke("verify", output, "--against", weights / "golden_dia.npz", "--tolerance", 5e-6)
    assert result.exit_code == 0, result.output
    assert "largest difference" in result.output
    result = invoke("verify", output, "--against", weights / "golden_dia.npz", "--tolerance", 1e-12)
    assert result.exit_code != 0
    result = invoke("verify", output, "--against", weights / "golden_nodia.npz")
    assert result.exit_code != 0
    assert "(51, 102" in result.output.replace("51, 102, 1", "(51, 102") or "153" in result.output


def test_verify_fails_for_other_golden_scores(toy: Path, tmp_path: Path) -> None:
    golden = read_model(toy.read_bytes()).golden
    file = tmp_path / "golden.npz"
    file.write_bytes(golden.to_bytes())
    assert invoke("verify", toy, "--against", file).exit_code == 0
    np.savez(file, **golden.stamps, is_negative=golden.is_negative, score=golden.score + np.float32(1e-3))
    result = invoke("verify", toy, "--against", file)
    assert result.exit_code == 1
    assert "above the tolerance" in result.output


def test_inspect_says_what_the_model_is(toy: Path) -> None:
    result = invoke("inspect", toy)
    assert result.exit_code == 0, result.output
    for text in ("acero-cuellar-3sigma-1", "45,908 parameters", "Conv2D", "sha256"):
        assert text in result.output


@pytest.mark.onnx
def test_export_imports_again_with_the_same_scores(toy: Path, tmp_path: Path) -> None:
    assert invoke("export", toy, "-o", tmp_path).exit_code == 0
    again = tmp_path / "again.rbmodel"
    contract = tmp_path / "toy-7.contract.json"
    result = invoke("import", tmp_path / "toy-7.onnx", "--contract", contract, "-o", again)
    assert result.exit_code == 0, result.output
    one, other = read_model(toy.read_bytes()), read_model(again.read_bytes())
    assert other.weights is None
    np.testing.assert_allclose(one.golden.score, other.golden.score, atol=5e-6, equal_nan=True)


@pytest.mark.onnx
def test_defect_15_models_are_not_replaced_without_overwrite(toy: Path, tmp_path: Path) -> None:
    assert invoke("export", toy, "-o", tmp_path).exit_code == 0
    assert invoke("export", toy, "-o", tmp_path).exit_code == 1
    assert invoke("export", toy, "-o", tmp_path, "--overwrite").exit_code == 0
    output = tmp_path / "again.rbmodel"
    output.write_text("dear")
    arguments = [
        "import",
        tmp_path / "toy-7.onnx",
        "--contract",
        tmp_path / "toy-7.contract.json",
        "-o",
        output,
    ]
    refused = invoke(*arguments)
    assert refused.exit_code == 1 and "again.rbmodel exists" in refused.output
    assert output.read_text() == "dear"
    assert invoke(*arguments, "--overwrite").exit_code == 0
    assert read_model(output.read_bytes()).contract.name == "toy"


def test_a_keras_file_brings_its_own_layers(shared_data: Path, tmp_path: Path) -> None:
    fields = json.loads(preset_contract("braai", "mine", "1").to_json()) | {"architecture": None}
    contract = tmp_path / "contract.json"
    contract.write_text(json.dumps(fields))
    output = tmp_path / "mine.rbmodel"
    weights = shared_data / "weights"
    result = invoke("import", weights / "d6_m7.h5", "--contract", contract, "-o", output)
    assert result.exit_code == 0, result.output
    network = read_model(output.read_bytes()).contract.architecture
    assert network is not None and network.n_parameters == 312_081
    layers = weights / "d6_m7.architecture.json"
    arguments = ["import", weights / "d6_m7.h5", "--contract", contract, "--architecture-json", layers]
    assert invoke(*arguments, "-o", tmp_path / "two.rbmodel").exit_code == 0
    assert (tmp_path / "two.rbmodel").read_bytes() == output.read_bytes()


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("inspect", "package:nothing"), "come with the package"),
        (("inspect", "nowhere.rbmodel"), "no model at"),
        (("inspect", __file__), "zip"),
        (("import", __file__, "-o", "x.rbmodel"), "--architecture"),
        (("import", __file__, "--architecture", "dia", "-o", "x.rbmodel"), "HDF5"),
        (("import", __file__, "--architecture", "dia", "--version", "longer-than-7", "-o", "x"), "version"),
    ],
)
def test_mistakes_are_answered_in_one_sentence(arguments: tuple[str, ...], reason: str) -> None:
    result = invoke(*arguments)
    assert result.exit_code != 0
    assert reason in result.output
    assert "Traceback" not in result.output


def test_ingest_and_list(toy: Path, tmp_path: Path) -> None:
    from lsst.daf.butler import Butler

    repo = tmp_path / "repo"
    Butler.makeRepo(repo)
    assert invoke("list", repo).exit_code != 0
    result = invoke("ingest", repo, toy)
    assert result.exit_code == 0, result.output
    assert "models/toy/7" in result.output
    assert "butler:toy/7" in invoke("list", repo).output
    again = invoke("ingest", repo, toy)
    assert again.exit_code != 0
    assert "models do not change" in again.output
    with Butler.from_config(repo) as butler:
        table = butler.get("rb_model", collections="models/toy/7")
    members = {"contract.json", *read_model(toy.read_bytes()).contract.members}
    assert set(table["member"].to_pylist()) == members >= {"weights.h5", "golden.npz"}
