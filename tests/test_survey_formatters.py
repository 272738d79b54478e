"""Images of our repositories: lossless, uncompressed, and readable without this package."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import astropy.io.fits
import numpy as np
import pytest
from lsst.daf.butler import Butler, Config, DatasetType
from lsst.images import Box, VisitImage

from lsst.meas.realbogus.survey import PRESETS, make_schedule, simulate_survey, simulate_visit

IMAGE = "preliminary_visit_image"


@pytest.fixture(scope="module")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small survey."""
    repo = tmp_path_factory.mktemp("formatters") / "repo"
    simulate_survey(repo, PRESETS["small"])
    return repo


def _compressed(path: str) -> set[str]:
    with astropy.io.fits.open(path) as hdus:
        return {hdu.name for hdu in hdus if isinstance(hdu, astropy.io.fits.CompImageHDU)}


def test_defect_20_images_of_our_repositories_are_lossless_and_cheap(repo: Path) -> None:
    config = PRESETS["small"]
    visit = next(v for v in make_schedule(config) if not v.is_template)
    drawn = simulate_visit(config, visit, 0).image
    with Butler.from_config(repo, collections="RealBogusCam/input", instrument=config.instrument) as butler:
        read: VisitImage = butler.get(IMAGE, visit=visit.id, detector=0)
        part = Box.factory[100:151, 200:251]
        box: VisitImage = butler.get(IMAGE, visit=visit.id, detector=0, parameters={"bbox": part})
        path = butler.getURI(IMAGE, visit=visit.id, detector=0).ospath
    for plane in ("image", "variance", "mask"):
        np.testing.assert_array_equal(getattr(read, plane).array, getattr(drawn, plane).array)
        np.testing.assert_array_equal(getattr(box, plane).array, getattr(drawn, plane)[part].array)
    assert _compressed(path) == {"MASK"}


def test_defect_20_the_files_are_recorded_as_those_of_lsst_images(repo: Path) -> None:
    with sqlite3.connect(repo / "gen3.sqlite3") as database:
        names = {
            name for (name,) in database.execute("SELECT DISTINCT formatter FROM file_datastore_records")
        }
    assert "lsst.images.formatters.GenericFormatter" in names
    assert not any("realbogus" in name for name in names)


def test_defect_20_a_recipe_of_the_repository_goes_first(repo: Path, tmp_path: Path) -> None:
    config = Config("resource://lsst.meas.realbogus/resources/config/butler/fast_images.yaml")
    name = "lsst.meas.realbogus.survey.formatters.FastImageFormatter"
    config["datastore", "formatters", "write_recipes"] = {name: {"default": {"image": {}, "variance": {}}}}
    Butler.makeRepo(tmp_path / "other", config=config)
    with (
        Butler.from_config(repo, collections="RealBogusCam/input") as source,
        Butler.from_config(tmp_path / "other", run="test", writeable=True) as butler,
    ):
        image = source.get(source.query_datasets(IMAGE)[0])
        butler.registry.registerDatasetType(
            DatasetType("image", (), "VisitImage", universe=butler.dimensions)
        )
        butler.put(image, "image")
        assert {"IMAGE", "VARIANCE"} <= _compressed(butler.getURI("image").ospath)
