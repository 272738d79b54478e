"""RbClassifierTask: every DIA source gets its row, from images and models wherever they are."""

from __future__ import annotations

import importlib
import itertools
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from lsst.daf.butler import Butler, DatasetType
from lsst.images import Box, GeneralFrame, Image, SkyProjection
from lsst.pipe.base import AlgorithmError, Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.cutouts import psf_fwhm, read_dia_sources
from lsst.meas.realbogus.errors import (
    InvalidInputError,
    ModelNotFoundError,
)
from lsst.meas.realbogus.model import (
    DATASET_TYPE,
    STORAGE_CLASS,
    initial_weights,
    load_classifier,
    make_model,
    named_architecture,
    preset_contract,
    read_model_file,
    score_sources,
    table_from_file,
    write_model,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.tasks import rb_classifier
from lsst.meas.realbogus.tasks.rb_classifier import (
    RbClassifierConfig,
    RbClassifierConnections,
    RbClassifierTask,
)

pytestmark = pytest.mark.slow

OUTPUT = "rb_test_scores"
_DATA_ID = {"instrument": "OracleCam", "visit": 42, "detector": 4}
_RUN_NUMBERS = itertools.count()


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("models")
    for name in ("dia", "nodia"):
        model = make_model(preset_contract(name, name, "t1"), initial_weights(named_architecture(name), 6))
        (folder / f"{name}.rbmodel").write_bytes(write_model(model))
    return {name: str(folder / f"{name}.rbmodel") for name in ("dia", "nodia")}


@pytest.fixture(scope="module")
def repo(stack_data: Path, models: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Unpack a repository of real ip_diffim results and put a model into it."""
    folder = tmp_path_factory.mktemp("repo")
    with tarfile.open(stack_data / "butler" / "native_repo.tar") as archive:
        archive.extractall(folder, filter="data")
    path = folder / "native_repo"
    with Butler.from_config(path, writeable=True, run="models/dia/t1") as butler:
        dataset_type = DatasetType(DATASET_TYPE, (), STORAGE_CLASS, universe=butler.dimensions)
        butler.registry.registerDatasetType(dataset_type)
        butler.put(table_from_file(read_model_file(models["dia"])), dataset_type)
    return path


@pytest.fixture
def score(repo: Path) -> Callable[..., tuple[Butler, dict[int, Table]]]:
    def run(inputs: tuple[str, ...] = (), **config: Any) -> tuple[Butler, dict[int, Table]]:
        name = f"u/test/{next(_RUN_NUMBERS)}"
        butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=["oracle/run", *inputs], output=name)
        pipeline = Pipeline("test")
        pipeline.addTask(RbClassifierTask, "rbClassifier")
        for key, value in {"connections.classifications": OUTPUT, **config}.items():
            pipeline.addConfigOverride("rbClassifier", key, value)
        executor = SimplePipelineExecutor.from_pipeline(pipeline, butler=butler)
        executor.run(register_dataset_types=True)
        refs = butler.query_datasets(OUTPUT, collections=butler.run)
        return butler, {int(ref.dataId["visit"]): butler.get(ref) for ref in refs}

    return run


def test_both_models_score_real_sources(
    score: Callable[..., tuple[Butler, dict[int, Table]]], models: dict[str, str]
) -> None:
    butler, tables = score(model_uri=models["dia"], nodia_model_uri=models["nodia"])
    assert sorted(tables) == [42, 43]
    for visit, table in tables.items():
        data_id = {"instrument": "OracleCam", "visit": visit, "detector": 4 if visit == 42 else 7}
        sources = butler.get("dia_source_unstandardized", data_id)
        id_column = "diaSourceId" if "diaSourceId" in sources.colnames else "id"
        np.testing.assert_array_equal(table["id"], sources[id_column])
        assert set(table["version"]) == {"t1"}
        images = {
            name: butler.get(dataset, data_id)
            for name, dataset in (
                ("science", "preliminary_visit_image"),
                ("template", "template_detector"),
                ("difference", "difference_image"),
            )
        }
        x = sources["slot_Centroid_x" if "slot_Centroid_x" in sources.colnames else "x"]
        y = sources["slot_Centroid_y" if "slot_Centroid_y" in sources.colnames else "y"]
        classifier = load_classifier(models["nodia"])
        (expected,) = score_sources([classifier], images, x, y, _negative(sources))
        np.testing.assert_allclose(table["score_nodia"], expected.scores.score, atol=1e-6, equal_nan=True)
        metadata = butler.get("rbClassifier_metadata", data_id)["rbClassifier"]
        assert metadata["model"] == "dia-t1"
        assert metadata["model_2"] == "nodia-t1"
        assert len(metadata["model_sha256"]) == 64
        name, _, version = str(metadata["engine"]).partition("-")
        assert importlib.import_module(name).__version__ == version and metadata["device"] == "cpu"
        assert metadata["n_sources"] == len(table)
        assert metadata["n_flag_nan"] == table["flag_nan"].sum()
        assert metadata["runEndCpuTime"] > metadata["runStartCpuTime"]


def _negative(sources: Table) -> np.ndarray:
    for name in ("isNegative", "is_negative"):
        if name in sources.colnames:
            return np.asarray(sources[name], bool)
    flux = "psfFlux" if "psfFlux" in sources.colnames else "slot_PsfFlux_instFlux"
    return np.asarray(sources[flux]) < 0


def test_a_model_is_told_the_psf_of_the_science_image(
    score: Callable[..., tuple[Butler, dict[int, Table]]], told_models: dict[str, Path]
) -> None:
    butler, tables = score(model_uri=str(told_models["dia"]))
    for visit, table in tables.items():
        data_id = {"instrument": "OracleCam", "visit": visit, "detector": 4 if visit == 42 else 7}
        sources = read_dia_sources(butler.get("dia_source_unstandardized", data_id))
        images = {
            name: butler.get(dataset, data_id)
            for name, dataset in (
                ("science", "preliminary_visit_image"),
                ("template", "template_detector"),
                ("difference", "difference_image"),
            )
        }
        x, y, psf = sources["x"], sources["y"], images["science"].psf
        width = psf_fwhm([psf.compute_kernel_image(x=a, y=b).array for a, b in zip(x, y, strict=True)])
        metadata = butler.get("rbClassifier_metadata", data_id)["rbClassifier"]
        assert metadata["psf_fwhm"] == pytest.approx(np.median(width), rel=0.03)
        classifier = load_classifier(told_models["dia"])
        told, deaf = (
            score_sources([classifier], images, x, y, sources["is_negative"], psf_fwhm=fwhm)[0].scores.score
            for fwhm in (width, None)
        )
        np.testing.assert_allclose(table["score"], told, atol=0.02, equal_nan=True)
        assert np.nanmedian(np.abs(table["score"] - deaf)) > 5 * np.nanmedian(np.abs(table["score"] - told))


def test_no_psf_is_read_for_models_that_are_not_told(
    score: Callable[..., tuple[Butler, dict[int, Table]]],
    models: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(rb_classifier, "psf_fwhm_at", lambda *_: pytest.fail("a PSF was read"))
    _, tables = score(model_uri=models["dia"])
    assert len(tables) == 2


def test_a_nodia_model_runs_where_there_is_no_difference(
    score: Callable[..., tuple[Butler, dict[int, Table]]], models: dict[str, str]
) -> None:
    """No difference dataset of that name exists, and none is asked for."""
    for config in (
        {"model_uri": models["nodia"]},
        {"model_uri": "", "nodia_model_uri": models["nodia"]},
    ):
        _, tables = score(**config, **{"connections.difference": "no_such_image"})
        assert len(tables) == 2
        assert all("score_dia" not in table.colnames for table in tables.values())


@pytest.mark.parametrize(("uri", "inputs"), [("butler:", ("models/dia/t1",)), ("butler:dia", ())])
def test_models_in_the_butler_are_found(
    score: Callable[..., tuple[Butler, dict[int, Table]]], uri: str, inputs: tuple[str, ...]
) -> None:
    _, tables = score(inputs, model_uri=uri)
    assert set(tables[42]["version"]) == {"t1"}


@pytest.mark.parametrize("uri", ["butler:", "butler:dia/t2"])
def test_a_model_that_is_not_in_the_butler_stops_the_graph(
    score: Callable[..., tuple[Butler, dict[int, Table]]], uri: str
) -> None:
    with pytest.raises(ModelNotFoundError, match="models there: dia/t1"):
        score(model_uri=uri)


def test_a_model_that_does_not_exist_stops_the_run_before_it_starts(tmp_path: Path) -> None:
    for uri in ("package:no-such", str(tmp_path / "none.rbmodel")):
        config = RbClassifierConfig()
        config.model_uri = uri
        with pytest.raises(ModelNotFoundError, match="come with the package"):
            RbClassifierTask(config=config)


def config_of(**values: Any) -> RbClassifierConfig:
    config = RbClassifierConfig()
    for key, value in values.items():
        setattr(config, key, value)
    return config


def test_connections_are_those_of_computereliability(models: dict[str, str]) -> None:
    """AP's contracts name them; the stack's storage classes are a matter of configuration."""
    lintConnections(RbClassifierConnections)
    connections = RbClassifierConnections(config=config_of(model_uri=models["dia"]))
    assert set(connections.inputs) == {"science", "template", "difference", "diaSources"}
    assert set(connections.outputs) == {"classifications"}
    assert not connections.prerequisiteInputs
    both = config_of(model_uri="butler:", nodia_model_uri="butler:nodia/1")
    assert set(RbClassifierConnections(config=both).prerequisiteInputs) == {"model", "nodiaModel"}
    stack = config_of(
        model_uri=models["dia"],
        dia_sources_storage_class="AstropyTable",
        classifications_storage_class="Catalog",
    )
    connections = RbClassifierConnections(config=stack)
    assert connections.diaSources.storageClass == "AstropyTable"
    assert connections.classifications.storageClass == "Catalog"
    assert connections.difference.storageClass == "DifferenceImage"


def test_a_task_without_a_model_is_refused() -> None:
    with pytest.raises(ValueError, match="nothing to score with"):
        config_of(model_uri="", nodia_model_uri=None).validate()


def test_run_takes_images_in_memory(models: dict[str, str]) -> None:
    rng = generator(1, "test-rb-classifier")
    box = Box.from_shape((200, 200), start=(10, 20))
    images = {
        name: Image(rng.normal(0, 1, (200, 200)).astype(np.float32), bbox=box)
        for name in ("science", "template", "difference")
    }
    sources = Table(
        {"id": [3, 1, 2], "x": [100.0, 25.0, np.nan], "y": [100.0] * 3, "is_negative": [False] * 3}
    )
    task = RbClassifierTask(config=config_of(model_uri=models["dia"], nodia_model_uri=models["nodia"]))
    table = task.run(sources, images).classifications
    assert table["id"].tolist() == [3, 1, 2]
    assert table["flag_edge"].tolist() == [False, True, True]
    assert table["flag_unscorable"].tolist() == [False, False, True]
    assert task.metadata["n_flag_edge"] == 2
    config = config_of(model_uri=models["dia"], unscorable_score=0.0)
    np.testing.assert_array_equal(
        RbClassifierTask(config=config).run(sources, images).classifications["score"][2], 0
    )
    assert len(task.run(sources[:0], images).classifications) == 0
    with pytest.raises(InvalidInputError, match="difference"):
        task.run(sources, {name: image for name, image in images.items() if name != "difference"})


def test_stamps_are_resampled_when_told(models: dict[str, str]) -> None:
    config = config_of(model_uri=models["dia"], resample=True)
    task = RbClassifierTask(config=config)
    box = Box.from_shape((240, 240), start=(0, 0))
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.cdelt = np.array([-0.2, 0.2]) / 3600
    projection = SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix), pixel_bounds=box)
    rng = generator(2, "test-rb-classifier")
    pixels = {
        name: rng.normal(0, 1, (240, 240)).astype(np.float32)
        for name in ("science", "template", "difference")
    }
    images = {name: Image(array, bbox=box, sky_projection=projection) for name, array in pixels.items()}
    sources = Table({"id": [1, 2], "x": [120.0, 30.0], "y": [120.0] * 2, "is_negative": [False] * 2})
    table = task.run(sources, images).classifications
    assert np.isfinite(table["score"]).all()
    assert table["flag_edge"].tolist() == [False, True]  # 51 pixels of 0.263" are 68 of 0.2"
    bare = {name: Image(array, bbox=box) for name, array in pixels.items()}
    with pytest.raises(InvalidInputError, match="sky projection"):
        task.run(sources, bare)


def test_defect_09_swapped_datasets_are_refused(
    score: Callable[..., tuple[Butler, dict[int, Table]]], models: dict[str, str]
) -> None:
    """A graph takes a difference for a science image, as it is one with more to it."""
    swapped = {"connections.science": "difference_image", "connections.template": "template_detector"}
    with pytest.raises(AlgorithmError, match="are science and difference swapped"):
        score(model_uri=models["nodia"], **swapped)


def test_defect_09_catalogues_of_another_image_are_refused(
    repo: Path, score: Callable[..., tuple[Butler, dict[int, Table]]], models: dict[str, str]
) -> None:
    with Butler.from_config(repo, writeable=True, run="u/test/wrong") as butler:
        sources = butler.get("dia_source_unstandardized", _DATA_ID, collections="oracle/run")
        dataset_type = butler.get_dataset_type("dia_source_unstandardized")
        wrong = DatasetType("wrong_sources", dataset_type.dimensions, "ArrowAstropy")
        butler.registry.registerDatasetType(wrong)
        sources["visit"] = 43
        butler.put(sources, wrong, _DATA_ID)
    with pytest.raises(AlgorithmError, match="wrong_sources: visit is 43 in row 0"):
        score(("u/test/wrong",), model_uri=models["dia"], **{"connections.diaSources": "wrong_sources"})
