"""The path without difference images: the stamps of a whole template, and no subtraction in sight."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.wcs import WCS
from lsst.daf.butler import Butler
from lsst.images import Box, GeneralFrame, Image, Mask, MaskedImage, MaskPlane, MaskSchema, SkyProjection
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor

from lsst.meas.realbogus.cutouts import extract, psf_fwhm_at, read_sources
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import (
    NORMALIZATIONS,
    Contract,
    NormalizationChoice,
    Output,
    initial_weights,
    make_model,
    named_architecture,
    preset_contract,
    score_sources,
    score_table,
    write_model,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey import PRESETS, simulate_survey
from lsst.meas.realbogus.tasks.rb_classifier_nodia import RbClassifierNoDiaConfig, RbClassifierNoDiaTask
from lsst.meas.realbogus.templates import CoaddPixels, needed_box, sparse_template, warp_image

pytestmark = pytest.mark.slow

PIPELINES = Path(__file__).parents[1] / "pipelines" / "Embedded"
SIZE = 400
SCHEMA = MaskSchema([MaskPlane(name, name) for name in ("SATURATED", "NO_DATA", "CLIPPED")])


def projection(angle: float, shift: float = 0.0, scale: float = 0.2) -> SkyProjection:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix = [150.0, 2.0], [SIZE / 2 + shift, SIZE / 2]
    c, s = np.cos(angle), np.sin(angle)
    wcs.wcs.cd = np.array([[-c, s], [s, c]]) * scale / 3600
    return SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix))


@pytest.fixture(scope="module")
def coadd() -> MaskedImage:
    """Noise of scatter 1, with a corner without data, a hole of NaN and some saturated pixels."""
    box = Box.factory[-40 : SIZE + 40, -40 : SIZE + 40]
    pixels = generator(5, "test-nodia").normal(0, 1, box.shape).astype(np.float32)
    image = Image(pixels, bbox=box, unit=u.nJy)
    mask = Mask(0, schema=SCHEMA, bbox=box)
    y, x = np.indices(box.shape)
    mask.set("NO_DATA", x + y < 150)
    pixels[200:203, 300:310] = np.nan
    mask.set("SATURATED", (x - 250) ** 2 + (y - 250) ** 2 < 20)
    variance = Image(np.ones(box.shape, np.float32), bbox=box, unit=u.nJy**2)
    return MaskedImage(image, mask=mask, variance=variance, sky_projection=projection(0.0))


def as_pixels(coadd: MaskedImage, box: Box | None = None) -> CoaddPixels:
    return dataclasses.replace(CoaddPixels.of(coadd), bbox=coadd.bbox if box is None else box)


@pytest.fixture(scope="module")
def positions() -> tuple[np.ndarray, np.ndarray]:
    rng = generator(6, "test-nodia")
    return rng.uniform(-5, SIZE + 5, 40), rng.uniform(-5, SIZE + 5, 40)


@pytest.mark.parametrize("by_stamp", [True, False])
@pytest.mark.parametrize("angle, shift", [(0.02, 3.3), (2.5, 0.0), (0.0, 4.0)])
def test_stamps_are_those_of_the_whole_template(coadd, positions, by_stamp, angle, shift) -> None:
    """Also where the pixel grids differ by whole pixels, which are copied."""
    box, grid = Box.factory[0:SIZE, 0:SIZE], projection(angle, shift)
    whole = warp_image(coadd, grid, box.padded(20))
    sparse = sparse_template([as_pixels(coadd)], box, grid, *positions, 51, by_stamp=by_stamp)
    assert sparse.by_stamp == by_stamp and sparse.image.bbox == whole.bbox
    ours = extract(sparse.image, *positions, 51, mask=sparse.mask)
    theirs = extract(whole.image, *positions, 51, mask=whole.mask)
    np.testing.assert_array_equal(ours.missing, theirs.missing)
    np.testing.assert_array_equal(ours.mask_any, theirs.mask_any)
    np.testing.assert_allclose(ours.pixels, theirs.pixels, atol=0.02)
    assert np.nanstd(ours.pixels - theirs.pixels) < 1e-3
    assert 0 < ours.missing.mean() < 0.5


def test_overlapping_coadds_make_one_template(coadd, positions) -> None:
    box, grid = Box.factory[0:SIZE, 0:SIZE], projection(0.02)
    rows = slice(coadd.bbox.y.start, coadd.bbox.y.stop)
    left, right = Box.factory[rows, -40:250], Box.factory[rows, 150 : SIZE + 40]
    one = sparse_template([as_pixels(coadd)], box, grid, *positions, 51)
    two = sparse_template([as_pixels(coadd, left), as_pixels(coadd, right)], box, grid, *positions, 51)
    np.testing.assert_array_equal(one.mask.get("NO_DATA"), two.mask.get("NO_DATA"))
    difference = one.image.array - two.image.array
    assert np.nanstd(difference) < 0.01  # splines near an edge know less


def test_nothing_is_warped_where_there_is_no_source(coadd) -> None:
    box, grid = Box.factory[0:SIZE, 0:SIZE], projection(0.02)
    empty = sparse_template([as_pixels(coadd)], box, grid, [np.nan], [10.0], 51)
    assert empty.n_windows == 0 and empty.mask.get("NO_DATA").all() and np.isnan(empty.image.array).all()
    one = sparse_template([as_pixels(coadd)], box, grid, [200.0], [200.0], 51)
    assert one.by_stamp and np.isfinite(one.image.array).sum() <= 53**2
    with pytest.raises(InvalidInputError, match="at least one coadd"):
        sparse_template([], box, grid, [], [], 51)


def test_crowded_fields_are_warped_in_tiles(coadd) -> None:
    box, grid = Box.factory[0:SIZE, 0:SIZE], projection(0.02)
    y, x = (a.ravel() for a in np.mgrid[0:SIZE:8, 0:SIZE:8])
    assert not sparse_template([as_pixels(coadd)], box, grid, x, y, 51).by_stamp


def test_coadds_that_no_source_needs_are_not_read(coadd) -> None:
    reads = []

    def counted(number: int) -> CoaddPixels:
        pixels = as_pixels(coadd, Box.factory[-40 : SIZE + 40, 150 * number - 40 : 150 * number + 150])
        return dataclasses.replace(pixels, read=lambda box: (reads.append(number), pixels.read(box))[1])

    box, grid = Box.factory[0:SIZE, 0:SIZE], projection(0.02)
    sparse = sparse_template([counted(n) for n in range(3)], box, grid, [50.0, 60.0], [200.0, 210.0], 51)
    assert reads == [0]
    assert np.isfinite(sparse.image[Box.factory[175:236, 25:86]].array).sum() > 51**2


def test_needed_part_of_a_coadd_is_enough(coadd, positions) -> None:
    grid, box = projection(0.3), Box.factory[150:250, 150:250]
    part = needed_box(coadd.sky_projection, coadd.bbox, grid, box.padded(20))
    assert part is not None and part.area < coadd.bbox.area / 2
    all_of_it = sparse_template([as_pixels(coadd)], box, grid, [200.0], [200.0], 51)
    part_of_it = sparse_template([as_pixels(coadd, part)], box, grid, [200.0], [200.0], 51)
    np.testing.assert_allclose(all_of_it.image.array, part_of_it.image.array, atol=1e-3)
    assert needed_box(coadd.sky_projection, Box.factory[9000:9100, 0:100], grid, box) is None


@pytest.mark.parametrize("name", ["NoDia.yaml", "NoDiaWithFakes.yaml"])
def test_pipeline_knows_no_difference_image(name: str) -> None:
    graph = Pipeline.from_uri(str(PIPELINES / name)).to_graph(visualization_only=True)
    assert not {"subtractImages", "buildTemplate", "detectAndMeasureDiaSource"} & set(graph.tasks)
    assert not [name for name in graph.dataset_types if "difference" in name or "kernel" in name]
    assert "source_reliability" in graph.dataset_types


@pytest.mark.parametrize("scale", [0.13, 0.2])
def test_defect_06_resampled_stamps_find_all_their_template(coadd, positions, scale, tmp_path) -> None:
    """The template is warped at the size of the stamps that are cut, which resampling makes larger."""
    grid = projection(0.02, scale=scale)
    box = Box.factory[0:SIZE, 0:SIZE]
    science = MaskedImage(
        Image(generator(7, "test-nodia").normal(0, 1, box.shape).astype(np.float32), bbox=box, unit=u.nJy),
        mask=Mask(0, schema=SCHEMA, bbox=box),
        variance=Image(np.ones(box.shape, np.float32), bbox=box, unit=u.nJy**2),
        sky_projection=grid,
    )
    made = make_model(preset_contract("nodia", "nodia", "1"), initial_weights(named_architecture("nodia"), 5))
    path = tmp_path / "nodia.rbmodel"
    path.write_bytes(write_model(made))
    classifier = made.classifier()
    x, y = positions
    sources = Table({"id": np.arange(len(x)), "x": x, "y": y, "is_negative": np.zeros(len(x), bool)})
    task = RbClassifierNoDiaTask(config=RbClassifierNoDiaConfig(resample=True, nodia_model_uri=str(path)))
    found = task.run(sources, {"science": science, "template": [coadd]}, [classifier]).classifications
    whole = {"science": science, "template": warp_image(coadd, grid, box.padded(20))}
    expected = score_table(
        sources["id"], score_sources([classifier], whole, x, y, sources["is_negative"], pixel_scale=scale)
    )
    np.testing.assert_array_equal(found["flag_unscorable"], expected["flag_unscorable"])
    np.testing.assert_allclose(found["fraction_missing"], expected["fraction_missing"], atol=1e-3)
    np.testing.assert_allclose(found["score"], expected["score"], atol=1e-3)
    assert np.isfinite(found["score"]).sum() > 10


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    architecture = named_architecture("nodia")
    contract = Contract(
        name="nodia",
        version="0.test",
        inputs=("science", "template"),
        layout="side_by_side",
        stamp_size=51,
        normalization=NormalizationChoice(name=next(n for n in NORMALIZATIONS if "sigma" in n)),
        output=Output(size=2, real=0),
        architecture=architecture,
    )
    path = tmp_path_factory.mktemp("model") / "nodia.rbmodel"
    path.write_bytes(write_model(make_model(contract, initial_weights(architecture))))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, model: Path) -> Butler:
    """A tiny survey, scored without difference imaging, beside a whole template to compare with."""
    root = tmp_path_factory.mktemp("nodia") / "repo"
    config = dataclasses.replace(
        PRESETS["small"], detector_size=(320, 320), n_template_visits=2, n_search_visits=1
    )
    inputs = simulate_survey(root, config)
    pipeline = Pipeline.from_uri(str(PIPELINES / "NoDiaWithFakes.yaml"))
    pipeline.addTask("lsst.meas.realbogus.tasks.build_template.BuildTemplateTask", "buildTemplate")
    pipeline.addConfigOverride("buildTemplate", "connections.science", "injected_preliminary_visit_image")
    pipeline.addConfigOverride("rbClassifierNoDia", "nodia_model_uri", str(model))
    butler = SimplePipelineExecutor.prep_butler(root, inputs=[inputs], output="u/test")
    where = "instrument='RealBogusCam' AND skymap='realbogus'"
    executor = SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)
    executor.run(register_dataset_types=True)
    return executor.butler


def test_every_candidate_is_scored_from_the_pixels_of_the_whole_template(run: Butler) -> None:
    (ref,) = run.query_datasets("source_reliability", find_first=False)
    scores, where = run.get(ref), ref.dataId
    candidates = read_sources(run.get("candidate_source_detector", where))
    np.testing.assert_array_equal(scores["id"], candidates["id"])
    assert len(scores) > 10
    assert np.isfinite(scores["score"][~scores["flag_unscorable"]]).all()

    template = run.get("template_detector", where)
    whole = extract(template.image, candidates["x"], candidates["y"], 51, mask=template.mask)
    coadds = [run.get(r) for r in run.query_datasets("template_coadd", find_first=False)]
    science = run.get("injected_preliminary_visit_image", where)
    sparse = sparse_template(
        [as_pixels(coadd) for coadd in coadds],
        science.bbox,
        science.sky_projection,
        candidates["x"],
        candidates["y"],
        51,
    )
    near = extract(sparse.image, candidates["x"], candidates["y"], 51, mask=sparse.mask)
    np.testing.assert_array_equal(near.missing, whole.missing)
    noise = np.sqrt(np.nanmedian(template.variance.array))
    assert np.nanmax(np.abs(near.pixels - whole.pixels)) < 0.01 * noise


def test_the_model_is_told_the_psf_of_the_science_image(run: Butler, told_models: dict[str, Path]) -> None:
    (ref,) = run.query_datasets("source_reliability", find_first=False)
    sources = read_sources(run.get("candidate_source_detector", ref.dataId))
    science = run.get("injected_preliminary_visit_image", ref.dataId)
    coadds = [run.get(r) for r in run.query_datasets("template_coadd", find_first=False)]
    config = RbClassifierNoDiaConfig()
    config.nodia_model_uri = str(told_models["nodia"])
    task = RbClassifierNoDiaTask(config=config)
    told = task.run(sources, {"science": science, "template": coadds}).classifications
    assert task.metadata["psf_fwhm"] == pytest.approx(
        np.median(psf_fwhm_at(science.psf, sources["x"], sources["y"]))
    )
    bare = MaskedImage(science.image, mask=science.mask, variance=science.variance)
    deaf = task.run(sources, {"science": bare, "template": coadds}).classifications
    assert np.nanmedian(np.abs(told["score"] - deaf["score"])) > 1e-4


def test_metadata_tells_how_the_template_was_made(run: Butler) -> None:
    (ref,) = run.query_datasets("rbClassifierNoDia_metadata", find_first=False)
    metadata = run.get(ref)["rbClassifierNoDia"]
    assert metadata["n_template_windows"] > 0
    assert metadata["n_sources"] == len(run.get("source_reliability", ref.dataId))
