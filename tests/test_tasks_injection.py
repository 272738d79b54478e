"""The injection tasks in a toy repository: two overlapping visits in two bands, two detectors."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table, vstack
from astropy.time import Time
from astropy.wcs import WCS
from click.testing import CliRunner
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
from lsst.pex.config import Field
from lsst.pipe.base import (
    NoWorkFound,
    Pipeline,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.injection import (
    SELECTION,
    Footprint,
    ImageId,
    ValidationRules,
    check_fakes,
)
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._visit_image import make_visit_image
from lsst.meas.realbogus.tables import read_table_file, sky_to_pixel, write_table_file
from lsst.meas.realbogus.tasks.create_fake_supernovae import CreateFakeSupernovaeTask
from lsst.meas.realbogus.tasks.inject_supernovae import InjectSupernovaeTask

pytestmark = pytest.mark.slow

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


def _execute(repo: Path, run: str, pipeline: Pipeline) -> Butler:
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
      options.supernova.fraction: 0.5
      options.supernova.redshift_max: 0.15
  injectVisit:
    class: {TASKS}.inject_supernovae.InjectSupernovaeTask
"""


@pytest.fixture(scope="session")
def injected(repo: Path) -> Butler:
    """The repository after making and injecting fakes of one epoch and supernovae."""
    return _execute(repo, "basic", Pipeline.fromString(CREATE_AND_INJECT))


def test_created_fakes_are_injected(injected: Butler) -> None:
    butler = injected
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


CATALOGS = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/InjectionCatalogs.yaml"


@pytest.fixture(scope="session")
def sharded(repo: Path) -> Butler:
    """The repository after the pipeline that makes injection catalogues, with light curves."""
    pipeline = Pipeline.from_uri(CATALOGS)
    for label, name, value in (
        ("createFakeSupernovae", "options.hosted.fraction", 0.1),
        ("createFakeSupernovae", "options.supernova.fraction", 0.5),
        ("createFakeSupernovae", "options.supernova.redshift_max", 0.15),
        ("createFakeSupernovae", "options.variable.fraction", 0.05),
        ("createFakeSupernovae", "write_ap_catalog", True),
    ):
        pipeline.addConfigOverride(label, name, value)
    return _execute(repo, "shards", pipeline)


def _catalogs(butler: Butler, name: str) -> dict[tuple[int, int], Table]:
    keys = [(visit, detector) for visit in VISITS for detector in (0, 1)]
    return {(v, d): butler.get(name, {"instrument": INSTRUMENT, "visit": v, "detector": d}) for v, d in keys}


def test_shards_hold_every_row_once(sharded: Butler) -> None:
    made = vstack(list(_catalogs(sharded, "fake_supernova_catalog").values()), metadata_conflicts="silent")
    refs = sharded.query_datasets("injection_catalog")
    rows = vstack([sharded.get(ref) for ref in refs], metadata_conflicts="silent")
    assert set(ref.dataId["band"] for ref in refs) == set(VISITS.values())
    wanted = np.asarray(made["injection_id"])[np.asarray(made["is_visit_source"])]
    np.testing.assert_array_equal(np.sort(rows["injection_id"]), np.sort(wanted))
    for ref in refs:
        table = sharded.get(ref)
        assert set(np.asarray(table["visit"])) == {v for v, b in VISITS.items() if b == ref.dataId["band"]}
        assert table["source_type"].dtype.kind == "U" and table["ra"].unit is None


def test_selection_keeps_a_visit(sharded: Butler) -> None:
    """The string that users give to lsst.source_injection selects the rows that were made for a visit."""
    (ref, *_) = sharded.query_datasets("injection_catalog")
    injection_catalog = sharded.get(ref)
    (visit,) = [v for v, band in VISITS.items() if band == ref.dataId["band"]]
    for number, expected in ((visit, True), (999, False)):
        code = compile(SELECTION.format(visit=number), "selection", "eval")
        kept = eval(code, {"np": np, "injection_catalog": injection_catalog})  # noqa: S307
        assert np.all(kept == expected)


def test_visits_agree_on_supernovae(sharded: Butler) -> None:
    """Position, redshift, peak and brightness are the same in overlapping visits, to machine precision."""
    made = _catalogs(sharded, "fake_supernova_catalog")
    seen = {visit: vstack([made[visit, d] for d in (0, 1)], metadata_conflicts="silent") for visit in VISITS}
    for visit, table in seen.items():
        seen[visit] = table[np.asarray(table["population"]) == "supernova"]
    first, second = (table for table in seen.values())
    common, i, j = np.intersect1d(first["supernova_id"], second["supernova_id"], return_indices=True)
    assert len(common) > 10
    for name in ("ra", "dec", "redshift", "peak_mjd", "peak_abs_mag", "stretch", "host_id", "sn_type"):
        np.testing.assert_array_equal(first[name][i], second[name][j])
    assert not np.isin(first["injection_id"], second["injection_id"]).any()


def test_ap_columns(sharded: Butler) -> None:
    for key, table in _catalogs(sharded, "VisitDetectorFakeSourceCat").items():
        fakes = sharded.get(
            "fake_supernova_catalog", {"instrument": INSTRUMENT, "visit": key[0], "detector": key[1]}
        )
        np.testing.assert_array_equal(table["injection_id"], fakes["injection_id"])
        for name in ("x", "y", "isVisitSource", "isTemplateSource", "host_id", "isVariable"):
            assert name in table.colnames
        assert ("twin_id" in table.colnames) == bool(np.any(fakes["twin_id"]))


class StandInConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """The connections of lsst.source_injection's VisitInjectTask."""

    injection_catalogs = ct.PrerequisiteInput(
        doc="catalogues",
        name="injection_catalog",
        dimensions=("htm7", "band"),
        storageClass="ArrowAstropy",
        minimum=0,
        multiple=True,
    )
    input_exposure = ct.Input(
        doc="image",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    output_catalog = ct.Output(
        doc="rows",
        name="stand_in_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )


class StandInConfig(PipelineTaskConfig, pipelineConnections=StandInConnections):
    """Where the selection is set."""

    selection = Field[str](doc="selection", default=SELECTION)


class StandInTask(PipelineTask):
    """Composes, selects and trims as lsst.source_injection does."""

    ConfigClass = StandInConfig
    _DefaultName = "injectVisit"

    def runQuantum(self, butlerQC, inputRefs, outputRefs) -> None:  # type: ignore[no-untyped-def]
        inputs = butlerQC.get(inputRefs)
        visit = butlerQC.quantum.dataId["visit"]
        injection_catalog = vstack(inputs["injection_catalogs"], metadata_conflicts="silent")
        selected = eval(  # noqa: S307
            self.config.selection.format(visit=visit), {"np": np, "injection_catalog": injection_catalog}
        )
        rows = injection_catalog[selected]
        projection = inputs["input_exposure"].get(component="sky_projection")
        x, y = sky_to_pixel(projection, np.asarray(rows["ra"]), np.asarray(rows["dec"]))
        butlerQC.put(Struct(output_catalog=rows[BBOX.padded(100).contains(x=x, y=y)]), outputRefs)


def test_source_injection_finds_the_shards(repo: Path, sharded: Butler) -> None:
    """A task with its connections, and the selection, gets the fakes of each image and no other visit's."""
    butler = SimplePipelineExecutor.prep_butler(
        str(repo), inputs=[*sharded.collections.defaults, "toy/input"], output="toy/standin"
    )
    executor = SimplePipelineExecutor.from_task_class(StandInTask, butler=butler)
    executor.run(register_dataset_types=True)
    for (visit, detector), fakes in _catalogs(sharded, "fake_supernova_catalog").items():
        where = {"instrument": INSTRUMENT, "visit": visit, "detector": detector}
        found = executor.butler.get("stand_in_catalog", where)
        assert set(np.asarray(found["visit"])) == {visit}
        for_visit = np.asarray(fakes["injection_id"])[np.asarray(fakes["is_visit_source"])]
        assert set(for_visit) <= set(np.asarray(found["injection_id"]))


def test_a_page_shows_the_fakes(repo: Path, injected: Butler, tmp_path: Path) -> None:
    (collection,) = injected.collections.defaults
    page = tmp_path / "fakes.html"
    arguments = ["fakes", "show", str(repo), "-i", collection, "-i", "toy/input", "-o", str(page)]
    result = CliRunner().invoke(main, [*arguments, "--stamps", "6"])
    assert result.exit_code == 0, result.output
    text = page.read_text()
    assert text.count("data:image/png") == 5 and text.count('data-stamps="3 41 41 ') == 6
    for word in ("hosted", "supernova", "Light curves", "before,after,difference"):
        assert word in text
    assert "http" not in text.replace("http://www.w3.org", "")


def test_a_table_is_ingested_in_all_its_bands(repo: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = {"injection_id": [1, 2, 3], "ra": [150.0, 150.001, 150.0], "dec": [2.2, 2.201, 2.2]}
    table = Table(rows | {"mag": [20.0, 21.0, 20.5], "band": ["r", "r", "i"], "visit": [101, 101, 102]})
    table.write(path)
    result = CliRunner().invoke(main, ["fakes", "ingest", str(repo), str(path), "--run", "toy/mine"])
    assert result.exit_code == 0, result.output
    assert SELECTION in result.output
    butler = Butler.from_config(str(repo), collections=["toy/mine"])
    found = {ref.dataId["band"]: len(butler.get(ref)) for ref in butler.query_datasets("injection_catalog")}
    assert found == {"r": 2, "i": 1}


def test_defect_03_a_table_in_radians_is_ingested_into_the_same_trixels(repo: Path, tmp_path: Path) -> None:
    plain = Table({"ra": [150.0, 200.0], "dec": [2.2, -30.0], "mag": [20.0, 21.0]})
    turned = plain.copy()
    for name, factor, unit in (("ra", np.pi / 180, u.rad), ("dec", np.pi / 180, u.rad), ("mag", 1e3, u.mmag)):
        turned[name] *= factor
        turned[name].unit = unit
    found = []
    for name, table in (("plain", plain), ("turned", turned)):
        write_table_file(table, tmp_path / f"{name}.parquet")
        arguments = ["fakes", "ingest", str(repo), str(tmp_path / f"{name}.parquet"), "--band", "i"]
        result = CliRunner().invoke(main, [*arguments, "--run", f"toy/{name}"])
        assert result.exit_code == 0, result.output
        butler = Butler.from_config(str(repo), collections=[f"toy/{name}"])
        found.append(
            {ref.dataId["htm7"]: butler.get(ref) for ref in butler.query_datasets("injection_catalog")}
        )
    assert set(found[0]) == set(found[1]) and len(found[0]) == 2
    for trixel, table in found[0].items():
        for name in ("ra", "dec", "mag"):
            np.testing.assert_allclose(found[1][trixel][name], table[name], rtol=1e-13)


@pytest.mark.parametrize("n_sources", [0, 1])
def test_defect_10_an_image_without_fakes_goes_on_unchanged(repo: Path, n_sources: int) -> None:
    """Empty catalogues have all columns, and the image is what it was."""
    where = {"instrument": INSTRUMENT, "visit": 101, "detector": 0}
    butler = Butler.from_config(str(repo), collections=["toy/input"])
    image, sources = butler.get("preliminary_visit_image", where), butler.get("source_detector", where)
    footprint = Footprint(
        visit=101, detector=0, band="r", mjd=61000.0, bbox=image.bbox, projection=image.sky_projection
    )
    config = CreateFakeSupernovaeTask.ConfigClass()
    config.options.hosted.fraction = 0.5
    create = CreateFakeSupernovaeTask(config=config)
    made = [
        create.run(sources=rows, footprint=footprint, image_id=ImageId(1, 20)).catalog
        for rows in (sources[:n_sources], sources)
    ]
    assert [len(catalog) > 0 for catalog in made] == [False, True]
    assert made[0].colnames == made[1].colnames
    inject = InjectSupernovaeTask(config=InjectSupernovaeTask.ConfigClass())
    empty, some = (inject.run(exposure=image, catalog=catalog) for catalog in made)
    assert not len(empty.injected_catalog)
    assert empty.injected_catalog.colnames == some.injected_catalog.colnames
    for name in ("image", "variance"):
        np.testing.assert_array_equal(
            getattr(empty.injected_exposure, name).array, getattr(image, name).array
        )
    assert not empty.injected_exposure.mask.get("INJECTED").any()


def test_nothing_to_inject_is_no_work_where_that_is_asked_for(repo: Path) -> None:
    where = {"instrument": INSTRUMENT, "visit": 101, "detector": 0}
    image = Butler.from_config(str(repo), collections=["toy/input"]).get("preliminary_visit_image", where)
    config = InjectSupernovaeTask.ConfigClass()
    far = Table({"injection_id": [1], "ra": [10.0], "dec": [20.0], "mag": [21.0]})
    result = InjectSupernovaeTask(config=config).run(exposure=image, catalog=far)
    np.testing.assert_array_equal(result.injected_exposure.image.array, image.image.array)
    assert not result.injected_exposure.mask.get("INJECTED").any() and not len(result.injected_catalog)
    config.process_all_data_ids = False
    with pytest.raises(NoWorkFound, match="none of 1 fakes"):
        InjectSupernovaeTask(config=config).run(exposure=image, catalog=far)


def test_fakes_of_plain_files_are_made_by_command(tmp_path: Path) -> None:
    image, sources, out = (tmp_path / name for name in ("image.fits", "sources.parquet", "fakes.ecsv"))
    _image(101, 0).write(str(image))
    write_table_file(_sources(101, 0), sources)
    arguments = ["fakes", "make", str(image), str(sources), "-o", str(out), "-c", "hosted.fraction=0.5"]
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 0, result.output
    catalog = read_table_file(out)
    assert len(catalog) > 10 and set(np.asarray(catalog["visit"])) == {101}
    assert check_fakes(catalog, ValidationRules(min_separation=0.0)) == []
    assert CliRunner().invoke(main, arguments).exit_code == 1  # exists
    again = CliRunner().invoke(main, [*arguments, "--overwrite"])
    assert again.exit_code == 0
    np.testing.assert_array_equal(read_table_file(out)["mag"], catalog["mag"])


def test_templates_are_injected_by_the_same_task(repo: Path, sharded: Butler) -> None:
    """With the variables' rows for the template, into what stands for a template here."""
    where = {"instrument": INSTRUMENT, "visit": 101, "detector": 0}
    butler = Butler.from_config(str(repo), collections=["toy/input", *sharded.collections.defaults])
    config = InjectSupernovaeTask.ConfigClass()
    config.options.target = "template"
    fakes = butler.get("fake_supernova_catalog", where)
    result = InjectSupernovaeTask(config=config).run(
        exposure=butler.get("preliminary_visit_image", where), catalog=fakes, dataset_type="template_detector"
    )
    assert set(np.asarray(result.injected_catalog["population"])) == {"variable"}
    assert result.injected_exposure.mask.get("INJECTED_CORE_TEMPLATE").any()
    assert "INJECTED" not in result.injected_exposure.mask.schema.names
