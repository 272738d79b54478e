"""The tasks of difference imaging in a small repository: template visits in, DIA sources out."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.time import Time
from astropy.wcs import WCS
from lsst.daf.butler import Butler
from lsst.images import Box, DetectorFrame, DifferenceImage, Mask, SkyProjection, VisitImage
from lsst.images.cells import CellCoadd
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.measurement import DIA_SOURCE
from lsst.meas.realbogus.survey import RealBogusCam
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA
from lsst.meas.realbogus.survey._repository import (
    VisitRecord,
    create_repository,
    register_visit,
)
from lsst.meas.realbogus.survey._tract import make_tract, register_tract
from lsst.meas.realbogus.survey._visit_image import make_visit_image

pytestmark = pytest.mark.slow

SIZE = 240
CAMERA = CameraGeometry.grid("RealBogusCam", (1, 1), (SIZE, SIZE), 0, 0.2)
BBOX = Box.factory[0:SIZE, 0:SIZE]
TEMPLATES, SEARCH, FAR = (1, 2, 3), (11, 12), 13
BEGIN = Time("2026-01-01T20:00:00", scale="tai")
TASKS = "lsst.meas.realbogus.tasks"
PIPELINE = f"""
description: difference imaging
tasks:
  assembleTemplate: {TASKS}.assemble_template.AssembleTemplateTask
  buildTemplate: {TASKS}.build_template.BuildTemplateTask
  subtractImages:
    class: {TASKS}.subtract_images.SubtractImagesTask
    config:
      connections.science: preliminary_visit_image
  detectAndMeasureDiaSource:
    class: {TASKS}.detect_and_measure.DetectAndMeasureTask
    config:
      connections.science: preliminary_visit_image
"""


def _wcs(dx: float = 0.0, dy: float = 0.0, degrees: float = 0.0) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.2]
    wcs.wcs.crpix = [SIZE / 2 + dx, SIZE / 2 + dy]
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * 0.2 / 3600
    return wcs


def _projection(visit: int) -> SkyProjection[DetectorFrame]:
    offset = 5000.0 if visit == FAR else 4.3 * (visit % 10)
    frame = DetectorFrame(instrument="RealBogusCam", visit=visit, detector=0, bbox=BBOX)
    wcs = _wcs(offset, -2.1 * (visit % 10), degrees=0.4 * visit)
    return SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BBOX)


def _sky() -> tuple[SkyCoord, np.ndarray]:
    """Stars everywhere; the last five are there in search visits only."""
    rng = np.random.default_rng(3)
    dx, dy = rng.uniform(-0.0045, 0.0045, (2, 45))
    dx[-5:], dy[-5:] = [-0.0035, 0.0035, 0.0, -0.0035, 0.0035], [-0.0035, -0.0035, 0.0, 0.0035, 0.0035]
    return SkyCoord(150.0 + dx, 2.2 + dy, unit="deg"), np.r_[10 ** rng.uniform(3.7, 5.0, 40), [2e4] * 5]


def _image(visit: int) -> VisitImage:
    rng = np.random.default_rng(visit)
    is_template = visit in TEMPLATES
    psf = GaussianPointSpreadFunction(1.4 if is_template else 1.8, bounds=BBOX, stamp_size=31)
    places, flux = _sky()
    flux = flux * (np.arange(flux.size) < 40) if is_template else flux
    pixels = _projection(visit).sky_to_pixel(places)
    image = np.zeros((SIZE + 60, SIZE + 60))
    for x, y, f in zip(pixels.x + 30, pixels.y + 30, flux, strict=True):
        if 16 < x < SIZE + 43 and 16 < y < SIZE + 43:
            stamp = psf.compute_stellar_image(x=x, y=y)
            image[stamp.bbox.y.start : stamp.bbox.y.stop, stamp.bbox.x.start : stamp.bbox.x.stop] += (
                f * stamp.array
            )
    image = image[30:-30, 30:-30]
    variance = (15.0 if is_template else 40.0) ** 2 + 10 * image
    return make_visit_image(
        rng.normal(image, np.sqrt(variance)).astype(np.float32),
        variance.astype(np.float32),
        Mask(0, schema=MASK_SCHEMA, bbox=BBOX),
        projection=_projection(visit),
        psf=psf,
        detector=make_detector(CAMERA, 0, visit, gains=(1.0, 1.0)),
        scaling=ChebyshevField(BBOX, np.array([[10.0]]), unit=u.nJy / u.adu),
        visit=visit,
        band="r",
        physical_filter="r_toy",
        begin=BEGIN + visit * u.hour,
        exposure_time=30.0,
    )


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> Butler:
    """A repository in which the four tasks have run."""
    root: Path = tmp_path_factory.mktemp("diffim") / "repo"
    instrument = RealBogusCam()
    butler = create_repository(root, instrument)
    instrument.register_parts(butler.registry, detectors=[0], filters={"r_toy": "r"})
    for visit in (*TEMPLATES, *SEARCH, FAR):
        record = VisitRecord(
            id=visit,
            name=str(visit),
            physical_filter="r_toy",
            begin=BEGIN + visit * u.hour,
            exposure_time=30.0,
            is_simulated=True,
            projections={0: (_projection(visit), BBOX)},
        )
        register_visit(butler, instrument, record)
        name = "template_visit_image" if visit in TEMPLATES else "preliminary_visit_image"
        butler.put(_image(visit), name, instrument="RealBogusCam", visit=visit, detector=0)
    near = [(_projection(v), BBOX) for v in (*TEMPLATES, *SEARCH)]
    register_tract(butler, make_tract("toy", _wcs(), near, patch_size=150, cell_size=50))
    ready = SimplePipelineExecutor.prep_butler(str(root), inputs=["RealBogusCam/input"], output="toy/run")
    executor = SimplePipelineExecutor.from_pipeline(Pipeline.fromString(PIPELINE), butler=ready)
    executor.run(register_dataset_types=True)
    return Butler.from_config(str(root), collections=["toy/run", "RealBogusCam/input"])


def _where(visit: int) -> dict[str, object]:
    return {"instrument": "RealBogusCam", "visit": visit, "detector": 0}


def test_every_patch_under_a_search_visit_is_assembled(done: Butler) -> None:
    refs = done.query_datasets("template_coadd")
    assert len(refs) == 4
    for ref in refs:
        coadd = done.get(ref)
        assert isinstance(coadd, CellCoadd) and coadd.band == "r"
        assert coadd.mask.get("NO_DATA").mean() < 0.6


def test_template_is_larger_than_the_image_and_on_its_pixels(done: Butler) -> None:
    template = done.get("template_detector", _where(11))
    assert template.bbox == BBOX.padded(20)
    assert template.sky_projection == _projection(11)
    stamp = template.psf.compute_stellar_image(x=100.3, y=50.2)
    assert abs(stamp.array.sum() - 1) < 1e-6


def test_difference_keeps_what_the_science_image_knows(done: Butler) -> None:
    difference = done.get("difference_image", _where(11))
    assert isinstance(difference, DifferenceImage)
    science = done.get("preliminary_visit_image", _where(11))
    assert difference.bbox == science.bbox and difference.obs_info == science.obs_info
    assert difference.kernel.compute_kernel_image(x=100, y=100).array.sum() == pytest.approx(1.0, abs=0.04)
    assert difference.mask.get("DETECTED").any()
    assert not done.get("difference_image_predetection", _where(11)).mask.get("DETECTED").any()


def test_new_stars_are_found_and_ids_are_unique(done: Butler) -> None:
    places, flux = _sky()
    ids: list[int] = []
    for visit in SEARCH:
        sources = done.get("dia_source_unstandardized", _where(visit))
        assert sources.colnames == list(DIA_SOURCE)
        ids.extend(sources["diaSourceId"])
        found = SkyCoord(sources["ra"], sources["dec"], unit="deg")
        pixels = _projection(visit).sky_to_pixel(places[-5:])
        inside = BBOX.contains(x=pixels.x, y=pixels.y)
        index, separation, _ = places[-5:][inside].match_to_catalog_sky(found)
        assert (separation < 0.2 * u.arcsec).all()
        assert np.abs(sources["psfFlux"][index] / 2e4 - 1).max() < 0.2
        assert len(sources) <= inside.sum() + 2
        assert (sources["visit"] == visit).all() and (sources["band"] == "r").all()
        assert sources["midpointMjdTai"][0] == pytest.approx((BEGIN + visit * u.hour + 15 * u.s).mjd)
    assert len(set(ids)) == len(ids)


def test_detector_without_template_has_no_work(done: Butler) -> None:
    assert not done.query_datasets("template_detector", where=f"visit={FAR}", explain=False)
