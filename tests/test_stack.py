"""Tasks on what the Science Pipelines wrote: exposures and catalogues of afw, in a Butler repository.

Where `lsst.afw` can be imported it reads them; elsewhere a stand-in does (`stand_ins.stored`).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from judging.stored import unpack_repository
from lsst.daf.butler import Butler, DatasetType
from lsst.images import DifferenceImage, VisitImage
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.sphgeom import ConvexPolygon, LonLat, UnitVector3d

from lsst.meas.realbogus import legacy
from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.cutouts import read_dia_sources
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import SCORE_COLUMNS
from lsst.meas.realbogus.repository import read_collection, read_match
from lsst.meas.realbogus.tasks.inject_supernovae import InjectSupernovaeTask
from lsst.meas.realbogus.training import LabelledStamps
from stand_ins import stored

HAS_STACK = importlib.util.find_spec("lsst.afw") is not None
pytestmark = pytest.mark.slow

TASKS = "lsst.meas.realbogus.tasks"
INSTRUMENT = "OracleCam"
IMAGES = {42: 4, 43: 7}
OF_TABLES = f"""
description: the tasks that read catalogues
tasks:
  computeReliability:
    class: {TASKS}.rb_classifier.RbClassifierTask
    config:
      # As ap_pipe has it for RBTransiNetTask, and a second model.
      connections.coaddName: goodSeeing
      connections.science: preliminary_visit_image
      connections.template: template_detector
      connections.difference: difference_image
      connections.diaSources: dia_source_unstandardized
      connections.classifications: dia_source_reliability
      modelPackageStorageMode: butler
      nodia_model_uri: package:nodia
  extractCutouts: {TASKS}.extract_cutouts.ExtractCutoutsTask
  matchDiaSources:
    class: {TASKS}.match_dia_sources.MatchDiaSourcesTask
    config:
      connections.injected: preliminary_visit_image_injection_truth
  evaluateRbClassifier:
    class: {TASKS}.evaluate_rb_classifier.EvaluateRbClassifierTask
    config:
      connections.injected: preliminary_visit_image_injection_truth
      n_resamples: 10
      plots: false
  createFakeSupernovae:
    class: {TASKS}.create_fake_supernovae.CreateFakeSupernovaeTask
    config:
      connections.sources: science_sources
      write_ap_catalog: true
  compareNight: {TASKS}.compare_night.CompareNightTask
"""
OF_AP_MATCHES = f"""
description: what reads the match tables of AP
tasks:
  associateLightCurves:
    class: {TASKS}.associate_light_curves.AssociateLightCurvesTask
    config:
      connections.match: fakes_matches
      unmatched_is_bogus: true
  evaluateRbClassifier:
    class: {TASKS}.evaluate_rb_classifier.EvaluateRbClassifierTask
    config:
      connections.match: fakes_matches
      connections.fates: no_fates
      connections.injected: preliminary_visit_image_injection_truth
      unmatched_is_bogus: true
      n_resamples: 10
      plots: false
"""
OF_EXPLANATION = f"""
description: what reads the match tables of AP and explains scores
tasks:
  explainRbClassifier:
    class: {TASKS}.explain_rb_classifier.ExplainRbClassifierTask
    config:
      connections.match: fakes_matches
      unmatched_is_bogus: true
      embedding.method: pca
"""
OF_IMAGES = f"""
description: the tasks that read templates and coadds
tasks:
  subtractImages:
    class: {TASKS}.subtract_images.SubtractImagesTask
    config:
      connections.science: preliminary_visit_image
      connections.difference: our_difference_predetection
      connections.matchedTemplate: our_template_matched
  detectAndMeasureDiaSource:
    class: {TASKS}.detect_and_measure.DetectAndMeasureTask
    config:
      connections.science: preliminary_visit_image
      connections.matchedTemplate: template_matched
      connections.difference: our_difference_predetection
      connections.subtractedMeasuredExposure: our_difference
      connections.diaSources: our_dia_source
  buildTemplate:
    class: {TASKS}.build_template.BuildTemplateTask
    config:
      connections.template: our_template_detector
      coadds_storage_class: ExposureF
  rbClassifierNoDia:
    class: {TASKS}.rb_classifier_nodia.RbClassifierNoDiaTask
    config:
      connections.diaSources: dia_source_unstandardized
      coadds_storage_class: ExposureF
"""
OF_CELLS = f"""
description: the same with the coadds of lsst.cell_coadds; the second finds out by itself that they are
tasks:
  buildTemplate:
    class: {TASKS}.build_template.BuildTemplateTask
    config:
      connections.coadds: deep_coadd_cell_predetection
      connections.template: our_template_detector
      coadds_storage_class: MultipleCellCoadd
  rbClassifierNoDia:
    class: {TASKS}.rb_classifier_nodia.RbClassifierNoDiaTask
    config:
      connections.template: deep_coadd_cell_predetection
      connections.diaSources: dia_source_unstandardized
"""


whole_reads: dict[str, set[str]] = {}
"""By run, the images that were read as a whole."""


def data_id(visit: int) -> dict[str, Any]:
    return {"instrument": INSTRUMENT, "visit": visit, "detector": IMAGES[visit]}


@pytest.fixture(scope="module")
def repo(stack_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A repository that the stack wrote, with a coadd and science sources."""
    path = unpack_repository(tmp_path_factory.mktemp("stack"), stack_data)
    with pytest.MonkeyPatch.context() as patch:
        if not HAS_STACK:
            stored.install(patch)
        add_inputs(path, stack_data / "match")
        yield path


def add_inputs(path: Path, reference: Path) -> None:
    with Butler.from_config(path, writeable=True, collections="oracle/run", run="extra") as butler:
        handle = butler.getDeferred("template_detector", data_id(43), storageClass="VisitImage")
        box, projection = legacy.read_grid(handle)
        y, x = np.array([(y, x) for y, x in box.boundary()], float).T
        sky = projection.pixel_to_sky(x=x, y=y)
        corners = [UnitVector3d(LonLat.fromDegrees(place.ra.deg, place.dec.deg)) for place in sky]
        region = ConvexPolygon.convexHull(corners)
        sync = butler.registry.syncDimensionData
        sizes = dict.fromkeys(("tract_max", "patch_nx_max", "patch_ny_max"), 1)
        sync("skymap", {"name": "toy", "hash": b"0" * 20, **sizes})
        sync("tract", {"skymap": "toy", "id": 0, "region": region})
        sync("patch", {"skymap": "toy", "tract": 0, "id": 0, "cell_x": 0, "cell_y": 0, "region": region})
        dimensions = ("skymap", "tract", "patch", "band")
        coadds = DatasetType("template_coadd", dimensions, "ExposureF", universe=butler.dimensions)
        butler.registry.registerDatasetType(coadds)
        where = {"skymap": "toy", "tract": 0, "patch": 0, "band": "r"}
        coadd = butler.get("template_detector", data_id(43))
        butler.put(coadd, coadds, where)
        if not HAS_STACK:
            cells = DatasetType(
                "deep_coadd_cell_predetection", dimensions, "MultipleCellCoadd", universe=butler.dimensions
            )
            butler.registry.registerDatasetType(cells)
            butler.put(stored.MultipleCellCoadd(coadd.path), cells, where)
        dimensions = ("instrument", "visit", "detector")
        sources = DatasetType("science_sources", dimensions, "SourceCatalog", universe=butler.dimensions)
        butler.registry.registerDatasetType(sources)
        matches = DatasetType("fakes_matches", dimensions, "ArrowAstropy", universe=butler.dimensions)
        butler.registry.registerDatasetType(matches)
        for visit, matched in {42: "matched_trim0.ecsv", 43: "matched_trim0_43.ecsv"}.items():
            butler.put(Table.read(reference / matched), matches, data_id(visit))
            handle = butler.getDeferred("preliminary_visit_image", data_id(visit), storageClass="VisitImage")
            butler.put(science_sources(*legacy.read_grid(handle)), sources, data_id(visit))


def science_sources(box: Any, projection: Any) -> Any:
    """Galaxies and stars as catalogues of measurement hold them, with fluxes in counts."""
    from lsst.afw.table import SourceCatalog, SourceTable

    rng = np.random.default_rng(3)
    n = 60
    x, y = rng.uniform(box.x.min, box.x.max, n), rng.uniform(box.y.min, box.y.max, n)
    sky = projection.pixel_to_sky(x=x, y=y)
    flux, moment = 10 ** rng.uniform(3.5, 4.5, n), rng.uniform(6.0, 20.0, n)
    moments = {"xx": moment, "yy": moment, "xy": np.zeros(n)}
    columns = {
        "base_SdssCentroid_x": x,
        "base_SdssCentroid_y": y,
        "base_ClassificationExtendedness_value": (np.arange(n) % 3 > 0).astype(float),
        "base_CircularApertureFlux_12_0_instFlux": flux,
        "base_CircularApertureFlux_12_0_instFluxErr": 0.01 * flux,
        **{f"base_SdssShape_{name}": values for name, values in moments.items()},
        **{f"base_SdssShape_psf_{name}": np.full(n, 3.6 * (name != "xy")) for name in moments},
    }
    schema = SourceTable.makeMinimalSchema()
    for name in columns:
        schema.addField(name, type="D", doc="measured")
    catalog = SourceCatalog(schema)
    catalog.resize(n)
    catalog["id"] = np.arange(1, n + 1)
    catalog["coord_ra"], catalog["coord_dec"] = np.asarray(sky.ra.rad), np.asarray(sky.dec.rad)
    for name, values in columns.items():
        catalog[name] = np.asarray(values, np.float64)
    return catalog


def run(repo: Path, pipeline: str, name: str, where: str, *inputs: str) -> Butler:
    inputs = (*inputs, "extra", "oracle/run")
    butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=inputs, output=name)
    executor = SimplePipelineExecutor.from_pipeline(Pipeline.fromString(pipeline), where=where, butler=butler)
    stored.whole_reads.clear()
    executor.run(register_dataset_types=True)
    whole_reads[name] = set(stored.whole_reads)
    return Butler.from_config(repo, collections=[name, *inputs])


@pytest.fixture(scope="module")
def tables(repo: Path) -> Butler:
    return run(repo, OF_TABLES, "u/tables", f"instrument='{INSTRUMENT}'")


@pytest.fixture(scope="module")
def images(repo: Path) -> Butler:
    return run(repo, OF_IMAGES, "u/images", f"instrument='{INSTRUMENT}' AND visit=43 AND skymap='toy'")


def read(butler: Butler, name: str, visit: int) -> Table:
    return legacy.get_table(butler.getDeferred(name, data_id(visit)))


@pytest.mark.skipif(HAS_STACK, reason="reads are not counted")
@pytest.mark.usefixtures("tables", "images")
def test_images_are_read_as_a_whole_where_they_must_be() -> None:
    """Parts have neither the cost of a conversion nor its demands."""
    assert whole_reads == {"u/tables": set(), "u/images": {"preliminary_visit_image 43"}}


@pytest.mark.parametrize("visit", IMAGES)
def test_scores_are_a_catalogue_with_every_column(tables: Butler, visit: int) -> None:
    """It is what filterDiaSourcePostReliability reads, and nothing of ours is lost in it."""
    assert tables.get_dataset_type("dia_source_reliability").storageClass_name == "Catalog"
    catalog = tables.get("dia_source_reliability", data_id(visit))
    fields = {"id": "L", "score": "F", "version": "String"}
    if hasattr(catalog, "rows"):  # the stand-in
        assert type(catalog).__name__ == "BaseCatalog"
    else:
        assert {name: catalog.schema.find(name).key.getTypeString() for name in fields} == fields
    scores = read(tables, "dia_source_reliability", visit)
    wanted = set(SCORE_COLUMNS) - {"flag_unscorable_nodia"}
    assert wanted <= set(scores.colnames)
    sources = read(tables, "dia_source_unstandardized", visit)
    np.testing.assert_array_equal(scores["id"], sources["id"])
    for name in wanted:
        assert scores[name].dtype.kind == SCORE_COLUMNS[name].numpy_dtype.kind, name
    assert np.isfinite(scores["score"]).sum() > 15
    np.testing.assert_array_equal(np.isnan(scores["score"]), scores["flag_unscorable"])
    metadata = tables.get("computeReliability_metadata", data_id(visit))["computeReliability"]
    assert metadata["n_flag_edge"] == scores["flag_edge"].sum()


def test_scores_of_a_night_are_counted_from_catalogues(tables: Butler) -> None:
    counts = tables.get("rb_night_counts", instrument=INSTRUMENT)
    scored = [len(read(tables, "dia_source_reliability", visit)) for visit in IMAGES]
    assert counts["n"].tolist() == scored and counts["n_scored"].sum() > 40


def test_dia_sources_and_injected_catalogues_of_rubin_are_matched(tables: Butler) -> None:
    """They are those that AP's own matching finds, as far as the filter has left them."""
    for visit, n_found in {42: 24, 43: 14}.items():
        fates = tables.get("injected_supernova_fate", data_id(visit))
        match = tables.get("dia_source_match", data_id(visit))
        injected = tables.get("preliminary_visit_image_injection_truth", data_id(visit))
        assert not {"flux", "x", "y"} & set(injected.colnames)
        assert len(fates) == len(injected) and len(match) == len(
            read(tables, "dia_source_unstandardized", visit)
        )
        assert (np.asarray(fates["fate"]) == "found").sum() == n_found
        assert (np.asarray(match["label"]) == 1).sum() == n_found
        assert (
            np.isfinite(fates["x"]).all() and np.isfinite(fates["flux"][fates["injection_flag"] == 0]).all()
        )


def test_fakes_are_made_of_the_hosts_of_an_afw_catalogue(tables: Butler) -> None:
    for visit in IMAGES:
        fakes = tables.get("fake_supernova_catalog", data_id(visit))
        sources = read(tables, "science_sources", visit)
        hosted = fakes[np.asarray(fakes["host_id"]) > 0]
        assert len(hosted) > 1
        row = {int(i): k for k, i in enumerate(sources["id"])}
        hosts = sources[[row[int(i)] for i in hosted["host_id"]]]
        np.testing.assert_allclose(hosted["host_ra"], np.rad2deg(hosts["coord_ra"]), atol=1e-9)
        flux = hosts["base_CircularApertureFlux_12_0_instFlux"]  # a count is a nJy here
        np.testing.assert_allclose(hosted["host_mag"], -2.5 * np.log10(flux) + 31.4, atol=1e-3)
        assert (hosts["base_ClassificationExtendedness_value"] == 1).any()
        for_ap = tables.get("VisitDetectorFakeSourceCat", data_id(visit))
        # AP's matching joins twins wherever there is the column, and fails where there are none.
        assert len(for_ap) == len(fakes) and ("twin_id" in for_ap.colnames) == bool(fakes["twin_id"].any())


def test_stamps_are_cut_and_scores_judged(tables: Butler) -> None:
    for visit in IMAGES:
        stamps = tables.get("dia_source_cutouts", data_id(visit))
        ids = read_dia_sources(read(tables, "dia_source_unstandardized", visit))["id"]
        np.testing.assert_array_equal(stamps["diaSourceId"], ids)
    sample = tables.get("rb_evaluation_sources", instrument=INSTRUMENT)
    assert (np.asarray(sample["label"]) == 1).sum() >= 38 and np.isfinite(sample["score"]).sum() > 30


def test_an_image_that_rubin_has_injected_is_injected_again(tables: Butler) -> None:
    """Its header says so, and may not be covered key by key."""
    image = tables.get("preliminary_visit_image", data_id(43), storageClass="VisitImage")
    assert "INJECTED" in image.metadata.external and "INJECTED" in image.mask.schema.names
    before = image.mask.get("INJECTED").sum()
    fakes = tables.get("fake_supernova_catalog", data_id(43))
    config = InjectSupernovaeTask.ConfigClass()
    result = InjectSupernovaeTask(config=config).run(exposure=image, catalog=fakes)
    injected = result.injected_exposure
    assert injected.metadata["INJECTED"] == "preliminary_visit_image"
    drawn = int((np.asarray(result.injected_catalog["injection_flag"]) == 0).sum())
    assert drawn and injected.metadata["INJECTION_N_DRAWN"] == drawn
    assert injected.mask.get("INJECTED").sum() > before
    assert injected.image.array[np.isfinite(image.image.array)].sum() > np.nansum(image.image.array)


def test_match_tables_of_ap_are_labels(tables: Butler, repo: Path) -> None:
    """Theirs are of the sources before filtering, of which all but two are left."""
    butler = run(repo, OF_AP_MATCHES, "u/ap", f"instrument='{INSTRUMENT}'", "u/tables")
    sample = butler.get("rb_evaluation_sources", instrument=INSTRUMENT)
    detected = sample[np.asarray(sample["is_detected"])]
    n_sources = sum(len(read(tables, "dia_source_unstandardized", visit)) for visit in IMAGES)
    assert len(detected) == n_sources
    assert (np.asarray(detected["label"]) == 1).sum() == 38 and (np.asarray(detected["label"]) == 0).any()
    for visit, n_real in {42: 24, 43: 14}.items():
        rows = read(tables, "dia_source_unstandardized", visit)
        labels, fates = read_match(
            tables.getDeferred("fakes_matches", data_id(visit)), rows, unmatched_is_bogus=True
        )
        assert fates is not None and len(labels) == len(rows)
        stamps = LabelledStamps.from_tables(
            tables.get("dia_source_cutouts", data_id(visit)), labels, rows, visit=visit, band="r"
        )
        assert len(stamps) == len(rows) and stamps.label.sum() == n_real
    epochs = butler.get("dia_object_light_curve", instrument=INSTRUMENT)
    assert len(epochs) == n_sources and np.isfinite(epochs["score"]).sum() > 30


@pytest.mark.tensorflow
def test_scores_are_explained_by_match_tables_of_ap(tables: Butler, repo: Path) -> None:
    pytest.importorskip("tensorflow")
    butler = run(repo, OF_EXPLANATION, "u/explained", f"instrument='{INSTRUMENT}'", "u/tables")
    explained = butler.get("dia_source_explanation", instrument=INSTRUMENT)
    assert len(explained) == sum(len(read(tables, "dia_source_unstandardized", visit)) for visit in IMAGES)
    assert (explained["label"] == 1).sum() == 38 and (explained["label"] == 0).sum() == len(explained) - 38
    match = butler.getDeferred("fakes_matches", data_id(42))
    with pytest.raises(InvalidInputError, match="fakes_matches of .* its DIA sources are needed too"):
        read_match(match, None, unmatched_is_bogus=True)


def test_results_are_read_back(tables: Butler, repo: Path, tmp_path: Path) -> None:
    results = read_collection(repo, "u/tables")
    n_sources = sum(len(read(tables, "dia_source_unstandardized", visit)) for visit in IMAGES)
    assert len(results.sources) == n_sources and np.isfinite(results.sources["score_dia"]).any()
    page = tmp_path / "stamps.html"
    done = CliRunner().invoke(main, ["cutouts", "show", str(repo), "u/tables", "-o", str(page)])
    assert done.exit_code == 0, done.output
    assert page.stat().st_size > 10_000


def test_a_template_without_detector_is_subtracted_and_measured(images: Butler) -> None:
    difference = images.get("our_difference", data_id(43))
    assert isinstance(difference, DifferenceImage)
    theirs = read_dia_sources(read(images, "dia_source_unstandardized", 43))
    ours = images.get("our_dia_source", data_id(43))
    near = np.hypot(
        np.asarray(theirs["x"])[:, None] - np.asarray(ours["x"]),
        np.asarray(theirs["y"])[:, None] - np.asarray(ours["y"]),
    )
    assert (near.min(axis=1) < 1.5).mean() > 0.7


def test_coadds_that_are_exposures_give_templates_and_scores(images: Butler) -> None:
    template = images.get("our_template_detector", data_id(43))
    assert isinstance(template, VisitImage)
    handle = images.getDeferred("template_detector", data_id(43), storageClass="VisitImage")
    theirs = legacy.read_masked_image(handle)
    box = template.bbox.intersection(theirs.bbox)
    both = ~template.mask[box].get("NO_DATA") & np.isfinite(theirs.image[box].array)
    assert both.mean() > 0.8
    # The coadd is on the grid of the image, so that warping it changes nothing.
    apart = template.image[box].array[both] - theirs.image[box].array[both]
    assert np.sqrt(np.mean(apart**2)) < 0.05 * np.std(theirs.image[box].array[both])
    scores = images.get("source_reliability", data_id(43))
    np.testing.assert_array_equal(scores["id"], read(images, "dia_source_unstandardized", 43)["id"])
    assert np.isfinite(scores["score"]).sum() > 15


@pytest.mark.skipif(HAS_STACK, reason="no such coadd is made here")
def test_coadds_of_cells_give_the_same(repo: Path, images: Butler) -> None:
    where = f"instrument='{INSTRUMENT}' AND visit=43 AND skymap='toy'"
    cells = run(repo, OF_CELLS, "u/cells", where)
    theirs, ours = (butler.get("our_template_detector", data_id(43)) for butler in (images, cells))
    their_scores, our_scores = (butler.get("source_reliability", data_id(43)) for butler in (images, cells))
    assert ours.unit == theirs.unit == u.nJy
    np.testing.assert_array_equal(ours.mask.get("NO_DATA"), theirs.mask.get("NO_DATA"))
    np.testing.assert_allclose(ours.image.array, theirs.image.array, rtol=1e-5)
    np.testing.assert_array_equal(our_scores["id"], their_scores["id"])
    np.testing.assert_allclose(our_scores["score"], their_scores["score"], atol=1e-6)


def test_declared_classes(tables: Butler, images: Butler) -> None:
    """Nothing that the stack wrote was registered anew."""
    stored: Sequence[tuple[str, str]] = (
        ("template_detector", "ExposureF"),
        ("template_coadd", "ExposureF"),
        ("dia_source_unstandardized", "SourceCatalog"),
    )
    for name, kind in stored:
        assert images.get_dataset_type(name).storageClass_name == kind
