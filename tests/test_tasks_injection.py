"""The injection tasks in a toy repository: two overlapping visits in two bands, two detectors."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS
from lsst.daf.butler import Butler, DatasetType, Timespan
from lsst.images import (
    Box,
    DetectorFrame,
    Mask,
    MaskSchema,
    SkyProjection,
    VisitImage,
    get_legacy_visit_image_mask_planes,
)
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lsst.meas.realbogus.survey.camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey.visit_image import make_visit_image

INSTRUMENT = "ToyCam"
SIZE = 200
VISITS = {101: "r", 102: "i"}
CAMERA = CameraGeometry.grid(INSTRUMENT, (2, 1), (SIZE, SIZE), 10, 0.2)
BBOX = Box.factory[0:SIZE, 0:SIZE]
TASKS = "lsst.meas.realbogus.tasks"


def _projection(visit: int, detector: int) -> SkyProjection[DetectorFrame]:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval = [150.0, 2.2]
    wcs.wcs.crpix = [SIZE - detector * (SIZE + 10) + 3.3 * (visit - 101), SIZE / 2]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument=INSTRUMENT, visit=visit, detector=detector, bbox=BBOX)
    return SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BBOX)


def _image(visit: int, detector: int) -> VisitImage:
    rng = np.random.default_rng([visit, detector])
    mask = Mask(0, schema=MaskSchema(list(get_legacy_visit_image_mask_planes().values())), bbox=BBOX)
    return make_visit_image(
        rng.normal(0.0, 20.0, (SIZE, SIZE)).astype(np.float32),
        np.full((SIZE, SIZE), 400.0, np.float32),
        mask,
        projection=_projection(visit, detector),
        psf=GaussianPointSpreadFunction(2.0, bounds=BBOX, stamp_size=25),
        detector=make_detector(CAMERA, detector, visit, gains=(1.0, 1.0)),
        scaling=ChebyshevField(BBOX, np.array([[10.0]]), unit=u.nJy / u.adu),
        visit=visit,
        band=VISITS[visit],
        physical_filter=f"{VISITS[visit]}_toy",
        begin=_begin(visit),
        exposure_time=30.0,
    )


def _begin(visit: int) -> Time:
    return Time("2026-01-01T20:00:00", scale="tai") + 5 * (visit - 101) * u.day


def _sources(visit: int, detector: int) -> Table:
    """The same galaxies in every visit: what of a fixed sky falls on the detector."""
    rng = np.random.default_rng(7)
    n = 400
    ra, dec = 150.0 + rng.uniform(-0.014, 0.014, n), 2.2 + rng.uniform(-0.006, 0.006, n)
    flux, ixx, iyy = 10 ** rng.uniform(3, 4.5, n), rng.uniform(6, 20, n), rng.uniform(6, 20, n)
    from lsst.meas.realbogus.injection.sky import sky_to_pixel

    x, y = sky_to_pixel(_projection(visit, detector), ra, dec)
    on = BBOX.contains(x=np.nan_to_num(x, nan=-9.0), y=np.nan_to_num(y, nan=-9.0))
    table = Table({"sourceId": np.arange(1, n + 1), "ra": ra, "dec": dec, "x": x, "y": y, "apFlux": flux})
    table["ixx"], table["iyy"], table["ixy"] = ixx, iyy, np.zeros(n)
    table["ixxPSF"], table["iyyPSF"], table["ixyPSF"] = np.full(n, 4.0), np.full(n, 4.0), np.zeros(n)
    table["extendedness"] = (np.arange(n) % 3 > 0).astype(float)
    return table[on]


def _region(visit: int, detector: int) -> ConvexPolygon:
    corners = np.array([(-10, -10), (SIZE + 10, -10), (SIZE + 10, SIZE + 10), (-10, SIZE + 10)], float)
    sky = _projection(visit, detector).pixel_to_sky(x=corners[:, 0], y=corners[:, 1])
    return ConvexPolygon([UnitVector3d(LonLat.fromDegrees(s.ra.deg, s.dec.deg)) for s in sky])


def _register(butler: Butler) -> None:
    sync = butler.registry.syncDimensionData
    sync(
        "instrument",
        {
            "name": INSTRUMENT,
            "visit_max": 1000,
            "exposure_max": 1000,
            "detector_max": 4,
            "visit_system": 0,
            "class_name": "lsst.pipe.base.tests.simpleQGraph.SimpleInstrument",
        },
    )
    sync("visit_system", {"instrument": INSTRUMENT, "id": 0, "name": "one-to-one"})
    day = Timespan(Time("2026-01-01T12:00:00", scale="tai"), Time("2026-02-01T12:00:00", scale="tai"))
    sync("day_obs", {"instrument": INSTRUMENT, "id": 20260101, "timespan": day})
    for detector in (0, 1):
        sync("detector", {"instrument": INSTRUMENT, "id": detector, "full_name": f"D{detector}"})
    for visit, band in VISITS.items():
        sync("physical_filter", {"instrument": INSTRUMENT, "name": f"{band}_toy", "band": band})
        regions = {d: _region(visit, d) for d in (0, 1)}
        hull = ConvexPolygon.convexHull([p for r in regions.values() for p in r.getVertices()])
        sync(
            "visit",
            {
                "instrument": INSTRUMENT,
                "id": visit,
                "name": str(visit),
                "physical_filter": f"{band}_toy",
                "day_obs": 20260101,
                "timespan": Timespan(_begin(visit), _begin(visit) + 30 * u.s),
                "region": hull,
            },
        )
        for detector, region in regions.items():
            sync(
                "visit_detector_region",
                {"instrument": INSTRUMENT, "visit": visit, "detector": detector, "region": region},
            )


@pytest.fixture(scope="session")
def repo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with images and source tables."""
    root = tmp_path_factory.mktemp("injection") / "repo"
    Butler.makeRepo(str(root))
    butler = Butler.from_config(str(root), run="toy/input", writeable=True)
    _register(butler)
    for name, storage in (("preliminary_visit_image", "VisitImage"), ("source_detector", "ArrowAstropy")):
        butler.registry.registerDatasetType(
            DatasetType(name, ("instrument", "visit", "detector"), storage, universe=butler.dimensions)
        )
    for visit in VISITS:
        for detector in (0, 1):
            where = {"instrument": INSTRUMENT, "visit": visit, "detector": detector}
            butler.put(_image(visit, detector), "preliminary_visit_image", where)
            butler.put(_sources(visit, detector), "source_detector", where)
    return root


def _execute(repo: Path, run: str, yaml: str) -> Butler:
    pipeline = Pipeline.fromString(yaml)
    butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=["toy/input"], output=f"toy/{run}")
    executor = SimplePipelineExecutor.from_pipeline(pipeline, butler=butler)
    executor.run(register_dataset_types=True)
    return Butler.from_config(str(repo), collections=[executor.butler.run])


CREATE_AND_INJECT = f"""
description: fakes
tasks:
  createFakeSupernovae:
    class: {TASKS}.create_fake_supernovae.CreateFakeSupernovaeTask
    config:
      options.hosted.fraction: 0.2
  injectVisit:
    class: {TASKS}.inject_supernovae.InjectSupernovaeTask
"""


def test_created_fakes_are_injected(repo: Path) -> None:
    butler = _execute(repo, "basic", CREATE_AND_INJECT)
    ids: list[int] = []
    for visit in VISITS:
        for detector in (0, 1):
            where = {"instrument": INSTRUMENT, "visit": visit, "detector": detector}
            fakes = butler.get("fake_supernova_catalog", where)
            table = butler.get("injected_preliminary_visit_image_catalog", where)
            image = butler.get("injected_preliminary_visit_image", where)
            assert len(fakes) >= 5 and set(fakes.colnames) < set(table.colnames)
            assert image.mask.get("INJECTED_CORE").sum() >= 9 * len(table) * 0.7
            added = image.image.array.astype(float) - _image(visit, detector).image.array
            assert abs(added.sum() / table["flux"].sum() - 1.0) < 0.3
            ids.extend(fakes["injection_id"])
    assert len(set(ids)) == len(ids)
