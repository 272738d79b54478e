"""Images and catalogues that do not belong together are refused, and both are named."""

from __future__ import annotations

import dataclasses
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS
from click.testing import CliRunner
from lsst.images import Box, DetectorFrame, DifferenceImage, Mask, SkyProjection, VisitImage
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction

import astropy.units as u  # isort: skip

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import read_image_file
from lsst.meas.realbogus.diffim import subtract_visit
from lsst.meas.realbogus.errors import ImageMismatchError, InvalidCatalogError
from lsst.meas.realbogus.imaging import Place, check_catalog, check_together, looks_swapped
from lsst.meas.realbogus.measurement import measure_difference
from lsst.meas.realbogus.model import (
    initial_weights,
    load_classifier,
    make_model,
    named_architecture,
    preset_contract,
    score_sources,
    write_model,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA
from lsst.meas.realbogus.survey._visit_image import make_visit_image
from lsst.meas.realbogus.tasks.extract_cutouts import ExtractCutoutsTask
from lsst.meas.realbogus.tasks.match_dia_sources import MatchDiaSourcesTask
from lsst.meas.realbogus.truth import DifferencePlanes

pytestmark = pytest.mark.slow

SIZE = 160
CAMERA = CameraGeometry.grid("ToyCam", (2, 1), (SIZE, SIZE), 10, 0.2)
BBOX = Box.factory[0:SIZE, 0:SIZE]


def _wcs(shift: float) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.2]
    wcs.wcs.crpix, wcs.wcs.cdelt = [SIZE / 2 + shift, SIZE / 2], [-0.2 / 3600, 0.2 / 3600]
    return wcs


def _projection(visit: int, detector: int, shift: float) -> SkyProjection[DetectorFrame]:
    frame = DetectorFrame(instrument="ToyCam", visit=visit, detector=detector, bbox=BBOX)
    return SkyProjection.from_fits_wcs(_wcs(shift), frame, pixel_bounds=BBOX)


def _sky(shift: float, new: float) -> np.ndarray:
    """Stars that move with the sky, and one at the middle that is not always there."""
    rng = generator(3, "together")
    y, x = np.indices((SIZE, SIZE))
    out = np.zeros((SIZE, SIZE))
    places = zip(*rng.uniform(10, SIZE - 10, (2, 25)), 10 ** rng.uniform(3, 4.5, 25), strict=True)
    for xs, ys, flux in [*places, (80.0, 80.0, new)]:
        r2 = (x - xs - shift) ** 2 + (y - ys) ** 2
        out += flux / (2 * np.pi * 1.8**2) * np.exp(-0.5 * r2 / 1.8**2)
    return out


def _image(visit: int = 11, detector: int = 0, shift: float = 0.0, new: float = 2e4) -> VisitImage:
    sky = _sky(shift, new)
    noise = generator(visit, "noise", detector).normal(0, 15, sky.shape)
    return make_visit_image(
        (sky + noise).astype(np.float32),
        np.full(sky.shape, 225.0, np.float32),
        Mask(0, schema=MASK_SCHEMA, bbox=BBOX),
        projection=_projection(visit, detector, shift),
        psf=GaussianPointSpreadFunction(1.8, bounds=BBOX, stamp_size=31),
        detector=make_detector(CAMERA, detector, visit, gains=(1.0, 1.0)),
        scaling=ChebyshevField(BBOX, np.array([[10.0]]), unit=u.nJy / u.adu),
        visit=visit,
        band="r",
        physical_filter="r_toy",
        begin=Time("2026-01-01T20:00:00", scale="tai"),
        exposure_time=30.0,
    )


SCIENCE, TEMPLATE = _image(), _image(11, new=0.0, shift=0.0)
OTHER_VISIT, OTHER_DETECTOR = _image(12, shift=7.0), _image(11, 1, shift=-170.0)
SAME_POINTING = _image(12)


@pytest.fixture(scope="module")
def difference() -> DifferenceImage:
    """The difference of the first two."""
    return subtract_visit(SCIENCE, TEMPLATE).difference


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "dia.rbmodel"
    weights = initial_weights(named_architecture("dia"), 6)
    path.write_bytes(write_model(make_model(preset_contract("dia", "dia", "t1"), weights)))
    return path


def _sources(image: VisitImage = SCIENCE, **columns: Any) -> Table:
    x, y = np.array([80.0, 40.0, 120.0]), np.array([80.0, 60.0, 90.0])
    sky = image.sky_projection.pixel_to_sky(x=x, y=y)
    table = Table({"diaSourceId": [1, 2, 3], "x": x, "y": y, "ra": sky.ra.deg, "dec": sky.dec.deg})
    table["psfFlux"], table["psfFluxErr"] = [2e4, 100.0, -100.0], 50.0
    for name, value in columns.items():
        table[name] = value
    return table


def _score(model: Path, science: Any, template: Any, difference: Any) -> Any:
    images = {"science": science, "template": template, "difference": difference}
    return score_sources([load_classifier(model.read_bytes())], images, [80.0, 40.0], [80.0, 60.0])


WRONG = {
    "template of another detector": ("template", OTHER_DETECTOR, "not on one pixel grid"),
    "template of another visit": ("template", OTHER_VISIT, "not on one pixel grid"),
    "science of another visit": ("science", OTHER_VISIT, "visit 11, the science image of visit 12"),
    "science of another detector": ("science", OTHER_DETECTOR, "detector 0, the science image of detector 1"),
    "science of another visit of one pointing": ("science", SAME_POINTING, "visit 11, the .* visit 12"),
}


@pytest.mark.parametrize("what", WRONG)
def test_defect_09_images_that_do_not_belong_together_are_refused(
    what: str, difference: DifferenceImage, model: Path
) -> None:
    role, wrong, words = WRONG[what]
    images: dict[str, Any] = {"science": SCIENCE, "template": TEMPLATE, "difference": difference}
    assert len(_score(model, **images)) == 1
    ExtractCutoutsTask().run(Table({"id": [1], "x": [80.0], "y": [80.0]} | _EXTRA), **images)
    images[role] = wrong
    with pytest.raises(ImageMismatchError, match=words):
        _score(model, **images)
    with pytest.raises(ImageMismatchError, match=words):
        ExtractCutoutsTask().run(Table({"id": [1], "x": [80.0], "y": [80.0]} | _EXTRA), **images)
    with pytest.raises(ImageMismatchError):
        measure_difference(
            difference,
            images["science"],
            images["template"],
            science_psf=SCIENCE.psf,
            template_psf=TEMPLATE.psf,
        )


_EXTRA = {"is_negative": [False], "ra": [150.0], "dec": [2.2], "snr": [9.0], "flux": [1.0], "flux_err": [1.0]}


@pytest.mark.parametrize("wrong", [OTHER_VISIT, OTHER_DETECTOR])
def test_defect_09_templates_of_other_pixels_are_not_subtracted(wrong: VisitImage) -> None:
    with pytest.raises(ImageMismatchError, match="template and science are not on one pixel grid"):
        subtract_visit(SCIENCE, wrong)


def test_defect_09_swapped_science_and_difference_are_refused(
    difference: DifferenceImage, model: Path
) -> None:
    with pytest.raises(ImageMismatchError, match="are science and difference swapped"):
        _score(model, difference, TEMPLATE, SCIENCE)
    with pytest.raises(ImageMismatchError, match="are template and difference swapped"):
        _score(model, SCIENCE, difference, TEMPLATE)


def test_defect_09_pixels_that_look_swapped_are_told_of(
    difference: DifferenceImage, model: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Plain arrays say nothing of themselves: a warning, as a strange field may look so too."""
    arrays = [np.asarray(image.image.array) for image in (SCIENCE, TEMPLATE, difference)]
    assert looks_swapped(arrays[2], arrays[1], arrays[0])
    assert not looks_swapped(*arrays)
    noise = generator(1, "sky").normal(0, 1, (3, 100, 100))
    assert not looks_swapped(*noise) and not looks_swapped(*np.zeros((3, 4, 4)))
    assert not looks_swapped(*np.full((3, 4, 4), np.nan))
    with caplog.at_level(logging.WARNING):
        _score(model, *arrays)
        assert not caplog.records
        _score(model, arrays[2], arrays[1], arrays[0])
    assert "given in place of each other" in caplog.text


def test_what_an_image_does_not_say_is_not_held_against_it(difference: DifferenceImage) -> None:
    place = Place.of(SCIENCE)
    assert (place.visit, place.detector, place.is_difference) == (11, 0, False)
    assert Place.of(difference).is_difference
    bare = Place.of(SCIENCE.image.array)
    check_together({"science": place, "template": bare, "difference": Place.of(difference)})
    check_together({"template": bare, "difference": bare})
    check_together({})
    # A template is of the visit that it is made for, or of any other: its pixels count.
    check_together({"science": place, "template": dataclasses.replace(place, visit=3, detector=8)})
    # Calibrations move a grid by parts of a pixel.
    near = dataclasses.replace(place, projection=_projection(11, 0, 0.2))
    check_together({"science": place, "difference": near})
    with pytest.raises(ImageMismatchError, match="0.7 pixels apart"):
        check_together({"science": place, "difference": dataclasses.replace(
            place, projection=_projection(11, 0, 0.7)
        )})  # fmt: skip
    with pytest.raises(ImageMismatchError, match="no pixel in common"):
        check_together({"science": place, "difference": Place(Box.factory[900:901, 0:9])})


@pytest.mark.parametrize(
    ("columns", "image", "words"),
    [
        (
            {"visit": [11, 12, 11]},
            SCIENCE,
            "visit is 12 in row 1 .1 of 3 rows., but the image is of",
        ),
        ({"visit": 11, "detector": 4}, SCIENCE, "detector is 4 in row 0 .3 of 3 rows."),
        ({}, OTHER_VISIT, "x, y and ra, dec of the same sources are 7 pixels apart"),
        ({"ra": 10.0, "dec": -2.2}, SCIENCE, "other units than pixels and degrees"),
    ],
)
def test_defect_09_catalogues_of_another_image_are_refused(
    columns: dict[str, Any], image: VisitImage, words: str
) -> None:
    check_catalog("mine", _sources(visit=11, detector=0), "image", Place.of(SCIENCE))
    with pytest.raises(InvalidCatalogError, match=words):
        check_catalog("mine", _sources(**columns), "image", Place.of(image))


def test_defect_09_matching_refuses_tables_of_another_image() -> None:
    planes, sources = DifferencePlanes.of(SCIENCE), _sources(visit=11)
    injected = _sources(injection_id=[4, 5, 6], flux=100.0, injection_flag=0, visit=11, detector=9)
    task = MatchDiaSourcesTask()
    task.run(sources, injected, planes=planes)
    for tables, words in (
        ((_sources(visit=12), injected), "DIA sources: visit is 12"),
        ((sources, _sources(injection_id=[4, 5, 6], flux=1.0, injection_flag=0, visit=3)), "visit is 3"),
        ((sources, injected, Table({"visit": [4]})), "truth table: visit is 4"),
        ((_sources(OTHER_VISIT), injected), "x, y and ra, dec"),
    ):
        with pytest.raises(InvalidCatalogError, match=words):
            task.run(*tables, planes=planes)


def test_positions_that_say_nothing_are_no_contradiction() -> None:
    nowhere = _sources(ra=np.nan)
    check_catalog("mine", nowhere, "image", Place.of(SCIENCE))
    check_catalog("mine", nowhere[:0], "image", Place.of(SCIENCE))
    check_catalog("mine", _sources(OTHER_VISIT), "image", Place.of(SCIENCE.image.array))
    check_catalog("mine", _sources(visit=0, detector=5), "image", Place.of(SCIENCE))
    masked = Table(_sources(visit=11), masked=True)
    masked["visit"].mask[1], masked["visit"][2] = True, 11
    check_catalog("mine", masked, "image", Place.of(SCIENCE))


def _run(folder: Path, model: Path, table: Table, images: dict[str, Path]) -> Any:
    table.write(folder / "sources.ecsv", overwrite=True)
    words = ["score", str(folder / "sources.ecsv"), "-m", str(model), "-o", str(folder / "out.ecsv")]
    for role, path in images.items():
        words += [f"--{role}", str(path)]
    return CliRunner().invoke(main, [*words, "--overwrite"])


def test_defect_09_files_that_do_not_belong_together_are_refused(
    tmp_path: Path, difference: DifferenceImage, model: Path
) -> None:
    images = {"science": SCIENCE, "template": TEMPLATE, "difference": difference, "other": OTHER_VISIT}
    native, plain = {}, {}
    for name, image in images.items():
        native[name], plain[name] = tmp_path / f"{name}.fits", tmp_path / f"plain_{name}.fits"
        image.write(str(native[name]))
        header = _wcs(7.0 if name == "other" else 0.0).to_header()
        fits.PrimaryHDU(np.asarray(image.image.array), header).writeto(plain[name])
    file = read_image_file(native["difference"])
    assert (file.visit, file.detector, file.is_difference) == (11, 0, True)
    for kind in (native, plain):
        good = {role: kind[role] for role in ("science", "template", "difference")}
        done = _run(tmp_path, model, _sources(), good)
        assert done.exit_code == 0, done.output
        for role in ("science", "template"):
            done = _run(tmp_path, model, _sources(), good | {role: kind["other"]})
            assert done.exit_code == 1 and str(kind["other"]) in done.output
            assert "pixel grid" in done.output or "visit 12" in done.output
    done = _run(tmp_path, model, _sources(), good | {"science": native["difference"]})
    assert done.exit_code == 1 and "swapped" in done.output
    done = _run(tmp_path, model, _sources(visit=12), {role: native[role] for role in good})
    assert done.exit_code == 1 and "visit is 12 in row 0" in done.output


def test_files_of_a_butler_say_what_they_are(tmp_path: Path, stack_data: Path) -> None:
    path = tmp_path / "difference.fits"
    with fits.open(stack_data / "diffim" / "difference.fits") as hdus:
        card = "HIERARCH LSST BUTLER {}".format
        hdus[0].header[card("DATASETTYPE")] = "difference_image"
        hdus[0].header[card("DATAID VISIT")], hdus[0].header[card("DATAID DETECTOR")] = 42, 4
        hdus.writeto(path)
    file = read_image_file(path)
    assert (file.visit, file.detector, file.is_difference) == (42, 4, True)
