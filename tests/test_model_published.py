"""Published networks score as their authors' did: weights of Acero-Cuellar et al. and of braai."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lsst.meas.realbogus.errors import ModelFormatError
from lsst.meas.realbogus.model import (
    TOLERANCE,
    Classifier,
    Model,
    architecture_from_keras,
    import_keras,
    named_architecture,
    preset_contract,
    sensitivity,
)

pytestmark = pytest.mark.slow

FILES = {
    "dia": "model_checkpoint_AAD_3s3DH.h5",
    "nodia": "model_checkpoint_CCC_3s2DH.h5",
    "braai": "d6_m7.h5",
}
NAMES = {"difference": "diff", "science": "srch", "template": "tmpl"}


@pytest.fixture(scope="module")
def models(shared_data: Path) -> dict[str, Model]:
    return {
        name: import_keras((shared_data / "weights" / file).read_bytes(), preset_contract(name, name, "1"))
        for name, file in FILES.items()
    }


def classifiers(models: dict[str, Model]) -> dict[str, Classifier]:
    return {name: model.classifier() for name, model in models.items()}


@pytest.mark.parametrize("name", ["dia", "nodia"])
@pytest.mark.parametrize(
    "engine",
    [
        pytest.param("onnxruntime", marks=pytest.mark.onnx),
        "numpy",
        pytest.param("torch", marks=pytest.mark.torch),
    ],
)
def test_golden_outputs_of_the_original_weights(
    shared_data: Path, models: dict[str, Model], name: str, engine: str
) -> None:
    golden = np.load(shared_data / "weights" / f"golden_{name}.npz")
    found = models[name].classifier(engine).engine.predict(golden["x"])
    assert np.abs(found - golden["y"]).max() <= 5e-6
    assert np.abs(found - golden["y64"]).max() <= 5e-6


@pytest.mark.tensorflow
@pytest.mark.slow
def test_golden_outputs_in_tensorflow(shared_data: Path, models: dict[str, Model]) -> None:
    pytest.importorskip("tensorflow")
    for name in ("dia", "nodia"):
        golden = np.load(shared_data / "weights" / f"golden_{name}.npz")
        found = models[name].classifier("tensorflow").engine.predict(golden["x"])
        assert np.abs(found - golden["y64"]).max() <= 5e-6


def test_every_mistake_of_an_integration_shows_in_the_golden_scores(models: dict[str, Model]) -> None:
    for name, classifier in classifiers(models).items():
        changes = sensitivity(classifier, models[name].golden)
        assert min(changes.values()) > 1000 * TOLERANCE, (name, changes)


def test_real_des_triplets_get_the_published_class(shared_data: Path, models: dict[str, Model]) -> None:
    """The published figures show another DIA model; the class is the same for all 13, bogus being 1."""
    stamps = np.load(shared_data / "stamps" / "des_digitised_dia.npz")
    images = {name: stamps[key].astype(np.float32) for name, key in NAMES.items()}
    bogus = 1 - classifiers(models)["dia"].score(images).score
    np.testing.assert_array_equal(bogus > 0.5, stamps["pub_pbogus_AAAD"] > 0.5)


def test_real_des_pairs_get_the_published_class(shared_data: Path, models: dict[str, Model]) -> None:
    stamps = np.load(shared_data / "stamps" / "des_digitised_nodia.npz")
    images = {name: stamps[NAMES[name]].astype(np.float32) for name in ("science", "template")}
    bogus = 1 - classifiers(models)["nodia"].score(images).score
    np.testing.assert_array_equal(bogus > 0.5, stamps["pred_bogus_CCC"] > 0.5)


def test_real_des_stamps_get_the_published_scores(shared_data: Path, models: dict[str, Model]) -> None:
    """Stamps come from figures with 256 grey levels; the two that span them well agree best."""
    stamps = np.load(shared_data / "stamps" / "des_digitised_dia.npz")
    images = {name: stamps[NAMES[name]].astype(np.float32) for name in ("science", "template")}
    published = stamps["pub_pbogus_CCC"]
    there = np.isfinite(published)
    difference = np.abs(1 - classifiers(models)["nodia"].score(images).score - published)[there]
    assert there.sum() == 4
    assert difference.max() < 6e-3
    assert np.sort(difference)[:2].max() < 5e-5


def test_braai_reproduces_ztfs_own_scores(shared_data: Path, models: dict[str, Model]) -> None:
    stamps = np.load(shared_data / "stamps" / "ztf_dev.npz")
    rows = stamps["drbversion"] == "d6_m7"
    images = {name: stamps[name][rows] for name in NAMES}
    scores = classifiers(models)["braai"].score(images)
    drb = stamps["drb"][rows]
    assert rows.sum() == 444
    assert not scores.flag_unscorable.any()
    assert np.median(np.abs(scores.score - drb)) <= 1e-6
    np.testing.assert_array_equal(scores.score > 0.5, drb > 0.5)


def test_the_networks_by_name_are_those_in_the_files(shared_data: Path) -> None:
    import json

    import h5py

    for name, file in FILES.items():
        with h5py.File(shared_data / "weights" / file) as opened:
            written = architecture_from_keras(json.loads(opened.attrs["model_config"]))
        mine = named_architecture(name)
        assert written.input_shape == mine.input_shape
        assert [layer.model_copy(update={"name": "x"}) for layer in written.layers] == [
            layer.model_copy(update={"name": "x"}) for layer in mine.layers
        ]


def test_weights_of_another_network_are_refused(shared_data: Path) -> None:
    content = (shared_data / "weights" / FILES["dia"]).read_bytes()
    with pytest.raises(ModelFormatError, match=r"\(5, 5, 1, 16\)"):
        import_keras(content, preset_contract("nodia", "x", "1"))
    with pytest.raises(ModelFormatError, match="6"):
        import_keras(content, preset_contract("braai", "x", "1"))
