"""A repository of a simulated survey has everything the main job asks of it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.table import Row
from click.testing import CliRunner
from lsst.daf.butler import Butler
from lsst.pipe.base import Instrument

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.survey import (
    PRESETS,
    RealBogusCam,
    make_schedule,
    named_instruments,
    simulate_survey,
    simulate_visit,
)
from lsst.meas.realbogus.survey.named_instruments import instrument_class
from lsst.meas.realbogus.templates import Tract
from lsst.meas.realbogus.truth import TEMPLATE_PREFIX

pytestmark = pytest.mark.slow

RUN = "RealBogusCam/input"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository made by the command itself."""
    root = tmp_path_factory.mktemp("survey") / "repo"
    result = CliRunner().invoke(main, ["survey", "simulate", str(root), "--preset", "small"])
    assert result.exit_code == 0, result.output
    assert RUN in result.output
    assert "pipetask run" in result.output
    return root


@pytest.fixture(scope="module")
def butler(root: Path) -> Butler:
    return Butler.from_config(root, collections=RUN)


def test_every_visit_has_its_datasets(butler: Butler) -> None:
    visits = make_schedule(PRESETS["small"])
    for name, wanted in (
        ("template_visit_image", [v.id for v in visits if v.is_template]),
        ("preliminary_visit_image", [v.id for v in visits if not v.is_template]),
        ("source_detector", [v.id for v in visits if not v.is_template]),
        ("visit_truth", [v.id for v in visits]),
    ):
        assert sorted(ref.dataId["visit"] for ref in butler.query_datasets(name)) == wanted


def test_images_come_back_as_they_were_simulated(butler: Butler) -> None:
    config = PRESETS["small"]
    visit = make_schedule(config)[-1]
    made = simulate_visit(config, visit, 0)
    read = butler.get("preliminary_visit_image", instrument="RealBogusCam", visit=visit.id, detector=0)
    np.testing.assert_array_equal(read.image.array, made.image.image.array)
    np.testing.assert_array_equal(read.mask.array, made.image.mask.array)
    np.testing.assert_array_equal(read.variance.array, made.image.variance.array)
    for x, y in ((10.2, 500.1), (256.0, 255.0)):
        np.testing.assert_array_equal(
            read.psf.compute_stellar_image(x=x, y=y).array,
            made.image.psf.compute_stellar_image(x=x, y=y).array,
        )
    sky = [i.sky_projection.pixel_to_sky(x=np.array([3.0]), y=np.array([400.0])) for i in (read, made.image)]
    assert sky[0].separation(sky[1]).arcsec[0] < 1e-9
    assert read.detector == made.image.detector
    assert read.obs_info.visit_id == visit.id
    assert read.summary_stats.psfSigma * 2.355 * config.pixel_scale == pytest.approx(visit.seeing, rel=0.15)
    truth = butler.get("visit_truth", instrument="RealBogusCam", visit=visit.id, detector=0)
    n = len(made.truth)
    assert list(truth["kind"][:n]) == list(made.truth["kind"])
    assert len(truth) > n and all(kind.startswith(TEMPLATE_PREFIX) for kind in truth["kind"][n:])


def _ends(row: Row) -> np.ndarray:
    """Ends of a line, shape (2, 2): end, x or y."""
    angle = np.radians(row["angle"])
    half = 0.5 * row["length"] * np.array([np.cos(angle), np.sin(angle)])
    return np.array([row["x"], row["y"]]) + np.array([[-1], [1]]) * half


def test_flaws_of_template_visits_are_in_the_truth_where_they_lie_on_the_sky(butler: Butler) -> None:
    templates, (science, *_) = (
        butler.query_datasets(name) for name in ("template_visit_image", "preliminary_visit_image")
    )
    truth, here = butler.get("visit_truth", science.dataId), butler.get(science).sky_projection
    rows = {int(row["truth_id"]): row for row in truth}
    n_seen = 0
    for ref in templates:
        there, theirs = butler.get(ref).sky_projection, butler.get("visit_truth", ref.dataId)
        for row in theirs[np.asarray(theirs["truth_id"]) >= 1 << 62]:
            seen = rows.get(int(row["truth_id"]))
            if seen is None:  # off the image
                continue
            n_seen += 1
            assert seen["kind"] == TEMPLATE_PREFIX + row["kind"]
            assert (seen["flux"], seen["template_flux"]) == (0, row["flux"])
            moved = here.sky_to_pixel(there.pixel_to_sky(x=_ends(row)[:, 0], y=_ends(row)[:, 1]))
            ends = np.stack([moved.x, moved.y], axis=1)
            gap = min(np.abs(ends - _ends(seen)).max(), np.abs(ends[::-1] - _ends(seen)).max())
            assert gap < 0.05
    assert n_seen == sum(kind.startswith(TEMPLATE_PREFIX) for kind in truth["kind"]) > 5


def test_sources_are_in_the_image_with_unique_identifiers(butler: Butler) -> None:
    tables = [butler.get(ref) for ref in butler.query_datasets("source_detector")]
    identifiers = np.concatenate([table["sourceId"] for table in tables])
    assert len(np.unique(identifiers)) == len(identifiers) > 50
    for ref, table in zip(butler.query_datasets("source_detector"), tables, strict=True):
        image = butler.get("preliminary_visit_image", ref.dataId)
        pixels = image.sky_projection.sky_to_pixel(SkyCoord(table["ra"], table["dec"]))
        np.testing.assert_allclose(pixels.x, table["x"], atol=1e-3)
        np.testing.assert_allclose(pixels.y, table["y"], atol=1e-3)
        assert image.bbox.contains(x=np.asarray(table["x"]), y=np.asarray(table["y"])).all()
        assert set(table["visit"]) == {ref.dataId["visit"]}
        assert np.all((table["extendedness"] >= 0) & (table["extendedness"] <= 1))


def test_visits_join_patches_and_htm7_pixels(butler: Butler) -> None:
    where = {"instrument": "RealBogusCam"}
    rows = {}
    for other, more in (("patch", {"skymap": "realbogus", "tract": 0}), ("htm7", {})):
        dimensions = ["instrument", "visit", "detector", *more, other, "band"]
        with butler.query() as query:
            query = query.join_dimensions(dimensions).where(**where, **more)
            rows[other] = list(query.data_ids(dimensions))
        assert {row["visit"] for row in rows[other]} == {1, 2, 1000, 1001}
        assert {row["band"] for row in rows[other]} == {"r"}
    assert {row["patch"] for row in rows["patch"]} == {0}


def test_the_tract_covers_every_image(butler: Butler) -> None:
    tract = Tract.from_dict(butler.get("tract_geometry", skymap="realbogus", tract=0))
    for name in ("template_visit_image", "preliminary_visit_image"):
        for ref in butler.query_datasets(name):
            image = butler.get(ref)
            x = np.array([image.bbox.x.start, image.bbox.x.stop - 1], float)
            y = np.array([image.bbox.y.start, image.bbox.y.stop - 1], float)
            pixels = tract.projection.sky_to_pixel(image.sky_projection.pixel_to_sky(x=x, y=y))
            assert tract.bbox.contains(x=np.asarray(pixels.x), y=np.asarray(pixels.y)).all()


def test_the_instrument_is_found_and_packs_identifiers(butler: Butler) -> None:
    assert isinstance(Instrument.fromName("RealBogusCam", butler.registry), RealBogusCam)
    (first, *_, last) = sorted(butler.query_datasets("preliminary_visit_image"))
    packed = []
    for ref in (first, last):
        data_id = butler.registry.expandDataId(ref.dataId)
        packer = Instrument.make_default_dimension_packer(data_id)
        assert packer.unpack(packer.pack(data_id)) == ref.dataId
        packed.append(packer.pack(data_id))
    assert len(set(packed)) == 2
    assert packer.maxBits <= 32


def test_a_second_survey_is_refused(root: Path) -> None:
    with pytest.raises(InvalidInputError, match="already has a survey"):
        simulate_survey(root, PRESETS["small"])


def test_a_folder_of_other_things_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(InvalidInputError, match="not a Butler repository"):
        simulate_survey(tmp_path, PRESETS["small"])


@pytest.mark.parametrize("name", ["DECam", "HSC", "My_Cam2"])
def test_any_name_is_an_importable_instrument(name: str) -> None:
    instrument = instrument_class(name)
    assert instrument.getName() == name
    assert getattr(named_instruments, name) is instrument
    assert isinstance(Instrument.from_string(instrument.class_name()), instrument)


@pytest.mark.parametrize("name", ["", "2MASS", "A.b", "X'y", "_private", "lower"])
def test_names_that_cannot_be_instruments_are_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="name must be"):
        instrument_class(name)


def test_a_survey_may_have_more_detectors_and_bands(tmp_path: Path) -> None:
    config = PRESETS["small"].replace(
        detector_grid=(2, 1), detector_size=(96, 96), n_template_visits=1, n_search_visits=1, bands=("g", "r")
    )
    seen: list[str] = []
    simulate_survey(tmp_path / "repo", config, progress=lambda done, total, what: seen.append(what))
    assert len(seen) == 8
    butler = Butler.from_config(tmp_path / "repo", collections=RUN)
    assert len(butler.query_datasets("preliminary_visit_image")) == 4
    bands = {ref.dataId["band"] for ref in butler.query_datasets("template_visit_image")}
    assert bands == {"g", "r"}


def test_two_surveys_in_one_repository_need_two_sky_maps(tmp_path: Path) -> None:
    config = PRESETS["small"].replace(detector_size=(96, 96), n_template_visits=0, n_search_visits=1)
    simulate_survey(tmp_path / "repo", config)
    other = config.replace(instrument="OtherCam", ra=20.0)
    with pytest.raises(InvalidInputError, match="another grid in the sky map realbogus"):
        simulate_survey(tmp_path / "repo", other)
    run = simulate_survey(tmp_path / "repo", other.replace(instrument="ThirdCam", skymap="third"))
    assert run == "ThirdCam/input"


def test_interrupted_work_leaves_no_repository(tmp_path: Path) -> None:
    def interrupt(done: int, total: int, what: str) -> None:
        raise KeyboardInterrupt

    config = PRESETS["small"].replace(detector_size=(96, 96), n_template_visits=0, n_search_visits=1)
    with pytest.raises(KeyboardInterrupt):
        simulate_survey(tmp_path / "repo", config, progress=interrupt)
    assert not (tmp_path / "repo").exists()
    simulate_survey(tmp_path / "repo", config)
    assert [path.name for path in tmp_path.iterdir()] == ["repo"]


def test_the_command_knows_every_preset() -> None:
    result = CliRunner().invoke(main, ["survey", "simulate", "--help"])
    assert all(name in result.output for name in PRESETS)


def test_a_name_that_looks_like_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"must not have a dot; got .*my\.repo"):
        simulate_survey(tmp_path / "my.repo", PRESETS["small"])
