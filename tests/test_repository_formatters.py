"""Images and stamps of our repositories: lossless, cheap, and readable without this package."""

from __future__ import annotations

import sqlite3
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import astropy.io.fits
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from astropy.table import Table
from lsst.daf.butler import Butler, Config, DatasetType
from lsst.images import Box, VisitImage

from lsst.meas.realbogus.cutouts import check_stamp_table, extract_triplets, stamp_table
from lsst.meas.realbogus.survey import PRESETS, make_schedule, simulate_survey, simulate_visit

pytestmark = pytest.mark.slow

IMAGE = "preliminary_visit_image"
CUTOUTS = "dia_source_cutouts"
CONFIGURATION = "resource://lsst.meas.realbogus/resources/config/butler/embedded.yaml"


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
    config = Config(CONFIGURATION)
    name = "lsst.meas.realbogus.repository.formatters.FastImageFormatter"
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


def _stamps(n: int, image: np.ndarray) -> Table:
    places = np.linspace(5, 195, n)
    sources = Table({name: places for name in ("x", "y", "ra", "dec", "snr")})
    sources["id"], sources["is_negative"] = np.arange(n), np.arange(n) % 2 == 0
    return stamp_table(sources, extract_triplets(image, image, image, places, places, 31))


def _peak(function: Callable[[], object]) -> int:
    """Bytes of numpy and Arrow at the highest, above those before."""
    usual = pyarrow.default_memory_pool()
    pool = pyarrow.proxy_memory_pool(usual)  # the usual one remembers what tests before this one took
    pyarrow.set_memory_pool(pool)
    tracemalloc.start()
    function()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pyarrow.set_memory_pool(usual)
    return int(peak + pool.max_memory())


def test_defect_21_cutting_stamps_holds_one_table_and_a_block() -> None:
    image = np.random.default_rng(1).normal(size=(200, 200)).astype(np.float32)
    table = _stamps(4000, image)
    check_stamp_table(table)
    size = sum(table[name].nbytes for name in table.colnames)
    assert _peak(lambda: _stamps(4000, image)) < 1.3 * size


def test_defect_21_stamps_are_stored_a_group_of_rows_at_a_time(tmp_path: Path) -> None:
    Butler.makeRepo(tmp_path / "repo", config=Config(CONFIGURATION))
    image = np.random.default_rng(1).normal(size=(200, 200)).astype(np.float32)
    table = _stamps(6000, image)
    size = sum(table[name].nbytes for name in table.colnames)
    with Butler.from_config(tmp_path / "repo", run="test", writeable=True) as butler:
        kind = DatasetType(CUTOUTS, (), "ArrowAstropy", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
        assert _peak(lambda: butler.put(table, CUTOUTS)) < 0.9 * size
        file = pyarrow.parquet.ParquetFile(butler.getURI(CUTOUTS).ospath)
        read: Table = butler.get(CUTOUTS)
    assert file.metadata.num_row_groups > 2
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert read.colnames == table.colnames
    for name in table.colnames:
        np.testing.assert_array_equal(read[name], table[name])
        assert read[name].dtype == table[name].dtype
        assert read[name].unit == table[name].unit
        assert read[name].description == table[name].description
