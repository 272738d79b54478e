"""Images that are made here can become afw's: simulated ones, templates, injected ones and differences."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from lsst.daf.butler import Butler
from lsst.images import Box, DifferenceImage, VisitImage
from lsst.images.cameras import Amplifier
from lsst.images.psfs import PiffWrapper

from lsst.meas.realbogus.survey import PRESETS, make_schedule, simulate_visit
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._psf import psf_of_stamp
from stand_ins import exposures
from stand_ins.geometry import Point2D

DATASETS = (
    "preliminary_visit_image",
    "template_visit_image",
    "injected_preliminary_visit_image",
    "template_detector",
    "template_matched",
    "difference_image",
)
RENAMED = {"CR": "COSMIC_RAY", "EDGE": "DETECTION_EDGE", "INTRP": "INTERPOLATED", "SAT": "SATURATED"}


@pytest.fixture(autouse=True)
def afw(monkeypatch: pytest.MonkeyPatch) -> None:
    exposures.install(monkeypatch)


def check(image: VisitImage) -> Any:
    """Convert an image, and say that nothing of it is lost or undefined in afw."""
    exposure = image.to_legacy()
    info = exposure.info
    assert exposure.maskedImage.image.array is image.image.array
    assert info.getFilter() == exposures.FilterLabel(image.band, image.obs_info.physical_filter)
    assert info.getPhotoCalib().mean == 1.0 and info.getMetadata()["BUNIT"] == "nJy"
    assert info.getVisitInfo().id == image.obs_info.visit_id

    mask = exposure.maskedImage.mask
    for name in mask.getMaskPlaneDict():
        ours = RENAMED.get(name, name)
        if ours in image.mask.schema.names:
            set_there = (mask.array & mask.getPlaneBitMask(name)) != 0
            np.testing.assert_array_equal(set_there, image.mask.get(ours))
    missing = set(image.mask.schema.names) - {RENAMED.get(n, n) for n in mask.getMaskPlaneDict()}
    assert missing <= {"UNMASKED_NAN"}

    detector = info.getDetector()
    assert [Amplifier.from_legacy(a, is_raw_assembled=True).bbox for a in detector.amplifiers] == [
        amplifier.bbox for amplifier in image.detector.amplifiers
    ]
    assert_psf_is_the_same(image, info.getPsf().stored())
    return exposure


def assert_psf_is_the_same(image: VisitImage, psf: Any) -> None:
    """What afw evaluates at the mean position of the stars, and elsewhere, is what we do."""
    assert isinstance(image.psf, PiffWrapper)
    middle, box = psf.getAveragePosition(), image.psf.bounds.bbox
    assert abs(middle.x - box.x.center) <= 1 and abs(middle.y - box.y.center) <= 1
    for x, y in ((middle.x, middle.y), (box.x.min + 3.3, box.y.max - 7.1)):
        np.testing.assert_allclose(
            psf.computeKernelImage(Point2D(x, y)),
            image.psf.compute_kernel_image(x=x, y=y).array,
            atol=1e-12,
        )


def test_every_image_of_a_run_becomes_an_exposure(small_run: Path) -> None:
    with Butler.from_config(small_run, collections="u/whole") as butler:
        for name in DATASETS:
            image = butler.get(butler.query_datasets(name)[0])
            assert isinstance(image, DifferenceImage if name == "difference_image" else VisitImage)
            check(image)


def test_a_template_has_the_very_projection_and_band_of_its_image(small_run: Path) -> None:
    """What AlardLuptonSubtractTask asserts before it begins."""
    with Butler.from_config(small_run, collections="u/whole") as butler:
        template_ref = butler.query_datasets("template_detector")[0]
        template = butler.get(template_ref).to_legacy()
        science = butler.get("preliminary_visit_image", template_ref.dataId).to_legacy()
        assert template.info.getWcs() == science.info.getWcs()
        assert template.info.getFilter() == science.info.getFilter()
        assert template.maskedImage.mask.bbox.contains(science.maskedImage.mask.bbox)


def test_images_are_numbered_for_tasks_that_seed_from_them(small_run: Path) -> None:
    with Butler.from_config(small_run, collections="u/whole") as butler:
        for name in ("preliminary_visit_image", "injected_preliminary_visit_image", "difference_image"):
            refs = butler.query_datasets(name)
            numbers = [butler.get(ref).to_legacy().info.parts["Id"] for ref in refs]
            assert len(set(numbers)) == len(refs) and None not in numbers


@pytest.mark.parametrize("aberrated", [0.0, 1.0])
def test_images_in_memory_become_exposures(aberrated: float) -> None:
    survey = PRESETS["small"].replace(detector_size=(150, 140), aberrated_visits=aberrated)
    check(simulate_visit(survey, make_schedule(survey)[-1], detector=0).image)


def test_the_raw_geometry_of_amplifiers_fits_together() -> None:
    box = Box.factory[500:880, 1000:1421]
    detector = make_detector(CameraGeometry.single("Cam", 4, box, 0.2), 4, 42, gains=(1.7, 1.5, 1.6))
    taken = np.zeros((500, 700), int)
    for amplifier in detector.amplifiers:
        for raw in (amplifier.assembled_raw_geometry, amplifier.unassembled_raw_geometry):
            assert raw is not None
            assert (raw.data_bbox.x.size, raw.data_bbox.y.size) == (
                amplifier.bbox.x.size,
                amplifier.bbox.y.size,
            )
            assert raw.data_bbox.x.start + raw.x_offset == amplifier.bbox.x.start
            assert raw.data_bbox.y.start + raw.y_offset == amplifier.bbox.y.start
            parts = (raw.data_bbox, raw.serial_overscan_bbox, raw.parallel_overscan_bbox)
            assert all(raw.bbox.contains(part) for part in parts)
        raw = amplifier.assembled_raw_geometry
        assert raw is not None
        for part in (raw.data_bbox, raw.serial_overscan_bbox, raw.parallel_overscan_bbox):
            taken[part.y.start : part.y.stop, part.x.start : part.x.stop] += 1
    assert taken.max() == 1


@pytest.mark.parametrize("visit", [None, 42])
def test_detectors_with_and_without_a_visit_become_afws(visit: int | None) -> None:
    box = Box.factory[0:100, 0:90]
    detector = make_detector(CameraGeometry.single("Cam", 0, box, 0.2), 0, visit, gains=(1.7, 1.5))
    assert len(detector.to_legacy().amplifiers) == 2  # type: ignore[attr-defined]
    assert len(detector.copy().to_legacy().amplifiers) == 2  # type: ignore[attr-defined]


def test_a_psf_from_an_image_of_a_star_has_its_star_in_the_middle() -> None:
    stamp = np.exp(-np.hypot(*np.mgrid[-8:9, -8:9]))
    psf = psf_of_stamp(stamp, Box.factory[500:880, 1000:1420]).to_legacy().stored()  # type: ignore[attr-defined]
    middle = psf.getAveragePosition()
    assert (middle.x, middle.y) == (1209.5, 689.5)
    np.testing.assert_allclose(psf.computeKernelImage(middle), stamp / stamp.sum(), atol=1e-6)
