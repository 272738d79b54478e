"""Calibrated FITS images become the same repository as a simulated survey."""

from __future__ import annotations

from pathlib import Path

import astropy.io.fits
import astropy.table
import astropy.wcs
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from click.testing import CliRunner
from lsst.daf.butler import Butler
from lsst.images import VisitImage
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.pipe.base import Instrument

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey import (
    PRESETS,
    FrameOptions,
    SimulatedImage,
    ingest_fits,
    make_schedule,
    simulate_visit,
)
from lsst.meas.realbogus.survey._calibrate import calibrate_frame, match_fluxes
from lsst.meas.realbogus.survey._fits_frame import read_frame
from lsst.meas.realbogus.survey._simulate_visit import camera_of, stated_wcs
from lsst.meas.realbogus.templates import Tract

pytestmark = pytest.mark.slow

CONFIG = PRESETS["small"].replace(
    star_density=60_000,
    cosmic_rays=0,
    bad_columns=0,
    satellites=0,
    ghosts=0,
    edge_glows=0,
    no_data_borders=0,
    vignetted_corners=0,
    psf_changes=0,
    astrometric_jitter=0,
    photometric_slope=0,
    astrometric_error=0,
    psf_size_variation=0,
    psf_shear_variation=0,
)


@pytest.fixture(scope="module")
def simulated() -> SimulatedImage:
    return simulate_visit(CONFIG, make_schedule(CONFIG)[-1], 0)


def write_fits(path: Path, simulated: SimulatedImage, *, factor: float = 1.0, **header: object) -> Path:
    """Write an image in counts, with sky, and with nothing else than a header."""
    visit = make_schedule(CONFIG)[-1]
    per_count = simulated.image.photometric_scaling.render(simulated.image.bbox).array
    counts = factor * simulated.image.image.array / per_count + 700.0
    hdu = astropy.io.fits.PrimaryHDU(counts.astype("f4"))
    hdu.header.update(stated_wcs(CONFIG, visit, camera_of(CONFIG), 0).to_header(relax=True))
    hdu.header["DATE-OBS"] = "2026-02-01T03:04:05"
    hdu.header["EXPTIME"] = 30.0
    hdu.header.update(header)
    hdu.writeto(path)
    return path


@pytest.fixture(scope="module")
def butler(tmp_path_factory: pytest.TempPathFactory, simulated: SimulatedImage) -> Butler:
    folder = tmp_path_factory.mktemp("fits")
    zero_point = simulated.image.summary_stats.zeroPoint
    gain = simulated.image.detector.amplifiers[0].nominal_calibrations.gain
    first = write_fits(folder / "first.fits", simulated, MAGZERO=zero_point, GAIN=gain, SATURATE=60_000)
    second = write_fits(folder / "second.fits", simulated, factor=0.7, GAIN=gain, SATURATE=42_000)
    ingest_fits(folder / "repo", [second], [first], instrument="SomeCam", band="r")
    return Butler.from_config(folder / "repo", collections="SomeCam/input")


def get(butler: Butler, name: str, visit: int) -> VisitImage | astropy.table.Table:
    return butler.get(name, instrument="SomeCam", visit=visit, detector=0)


def test_pixels_are_calibrated_and_sky_is_gone(butler: Butler, simulated: SimulatedImage) -> None:
    template = get(butler, "template_visit_image", 1)
    difference = template.image.array - simulated.image.image.array
    noise = np.median(np.sqrt(simulated.image.variance.array))
    assert abs(np.median(difference)) < 0.2 * noise
    assert np.std(difference) < 0.05 * noise
    assert template.metadata["zero_point_source"] == "given"


def test_variance_comes_from_sky_scatter_and_gain(butler: Butler, simulated: SimulatedImage) -> None:
    template = get(butler, "template_visit_image", 1)
    ratio = template.variance.array / simulated.image.variance.array
    assert np.median(ratio) == pytest.approx(1.0, abs=0.05)
    bright = simulated.image.image.array > 20 * np.sqrt(simulated.image.variance.array)
    assert bright.any()
    assert np.median(ratio[bright]) == pytest.approx(1.0, abs=0.15)


def test_the_psf_is_fitted_to_the_stars(butler: Butler, simulated: SimulatedImage) -> None:
    template = get(butler, "template_visit_image", 1)
    assert template.metadata["n_psf_stars"] >= 3
    fitted, true = (
        image.psf.compute_stellar_image(x=250.3, y=260.1) for image in (template, simulated.image)
    )
    box = fitted.bbox.intersection(true.bbox)
    difference = fitted[box].array - true[box].array
    assert np.abs(difference).max() < 0.04 * true.array.max()


def test_images_without_zero_point_get_the_scale_of_the_first(
    butler: Butler, simulated: SimulatedImage
) -> None:
    science, sources = get(butler, "preliminary_visit_image", 1000), get(butler, "source_detector", 1000)
    assert science.metadata["zero_point_source"] == "matched"
    truth = simulated.truth[(simulated.truth["kind"] == "star") & (simulated.truth["flux"] > 10_000)]
    index, separation, _ = SkyCoord(truth["ra"], truth["dec"]).match_to_catalog_sky(
        SkyCoord(sources["ra"], sources["dec"])
    )
    near = (separation.arcsec < 0.3) & ~np.asarray(sources["pixelFlags_saturated"])[index]
    ratio = np.asarray(sources["psfFlux"][index] / truth["flux"])[near]
    assert np.median(ratio) == pytest.approx(1.0, abs=0.02)


def sources_table(ra: np.ndarray, flux: np.ndarray) -> astropy.table.Table:
    table = astropy.table.Table(
        {"ra": ra, "dec": np.full(len(ra), 1.0), "psfFlux": flux, "psfFluxErr": 0 * flux + 1}
    )
    for flag in ("bad", "saturated", "nodata", "edge"):
        table[f"pixelFlags_{flag}"] = np.zeros(len(ra), bool)
    return table


def test_flux_scales_come_from_common_stars_but_not_from_variable_ones() -> None:
    ra, flux = 150 + np.arange(12) / 100, np.geomspace(100.0, 1e5, 12)
    mine, theirs = sources_table(ra[:10], flux[:10] / 3), sources_table(ra[2:], flux[2:])
    mine["psfFlux"][4] *= 5
    theirs["pixelFlags_saturated"][-1] = True
    factor, count = match_fluxes(mine, theirs, "mine")
    assert factor == pytest.approx(3.0)
    assert count == 7


def test_an_image_that_shares_no_stars_needs_a_zero_point() -> None:
    ra, flux = 150 + np.arange(12) / 100, np.full(12, 1000.0)
    with pytest.raises(InvalidInputError, match="elsewhere has 0 bright sources in common"):
        match_fluxes(sources_table(ra, flux), sources_table(ra + 10, flux), "elsewhere")
    with pytest.raises(InvalidInputError, match="elsewhere has no bright sources"):
        match_fluxes(sources_table(ra, flux / 1000), sources_table(ra, flux), "elsewhere")


def test_zero_points_of_some_images_only_must_include_the_first(
    tmp_path: Path, simulated: SimulatedImage
) -> None:
    first = write_fits(tmp_path / "first.fits", simulated)
    second = write_fits(tmp_path / "second.fits", simulated, MAGZERO=30.0)
    with pytest.raises(InvalidInputError, match=r"second\.fits has a zero point and the first image"):
        ingest_fits(tmp_path / "repo", [second], [first], instrument="SomeCam", band="r")
    assert not (tmp_path / "repo").exists()


def test_saturated_missing_and_border_pixels_are_flagged(tmp_path: Path) -> None:
    config = CONFIG.replace(detector_size=(128, 128))
    path = tmp_path / "image.fits"
    counts = generator(1, "test-ingest").normal(500.0, 10.0, (128, 128))
    counts[:, :7] = 0.0
    counts[100:103, 20] = np.nan
    counts[60, 60] = 50_000.0
    header = stated_wcs(config, make_schedule(config)[-1], camera_of(config), 0).to_header(relax=True)
    astropy.io.fits.PrimaryHDU(counts.astype("f4"), header).writeto(path)
    found = calibrate_frame(read_frame(path, FrameOptions(saturation=40_000)), "SomeCam", 1, "r")
    missing = found.mask.get("NO_DATA")
    assert missing[:, :7].all()
    assert missing[100:103, 20].all()
    assert missing.sum() == 7 * 128 + 3
    assert np.isnan(found.counts[missing]).all()
    assert found.mask.get("SATURATED")[59:62, 60].all()
    assert found.mask.get("DETECTION_EDGE")[-1].all()
    assert not found.mask.get("DETECTION_EDGE")[60, 90]
    assert found.background == pytest.approx(500.0, abs=1.0)
    assert np.median(found.variance) == pytest.approx(100.0, rel=0.05)
    assert found.n_psf_stars == 0
    assert isinstance(found.psf, GaussianPointSpreadFunction)


def test_files_without_image_or_wcs_are_refused(tmp_path: Path) -> None:
    empty, bare, text = (tmp_path / f"{name}.fits" for name in ("empty", "bare", "text"))
    astropy.io.fits.PrimaryHDU().writeto(empty)
    astropy.io.fits.PrimaryHDU(np.ones((70, 70), "f4")).writeto(bare)
    text.write_text("not FITS")
    for path, reason in (
        (empty, "no two-dimensional image"),
        (bare, "no celestial WCS"),
        (text, "cannot be read"),
    ):
        with pytest.raises(InvalidInputError, match=reason):
            ingest_fits(tmp_path / "repo", [path], instrument="SomeCam", band="r")


@pytest.fixture(scope="module")
def decam(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Butler:
    folder = shared_data / "images" / "decam"
    root = tmp_path_factory.mktemp("decam") / "repo"
    arguments = ["survey", "ingest", str(root), *map(str, sorted(folder.glob("DEC-OBS04[abc].*.fits")))]
    arguments += ["--template", str(folder / "DEC-OBS18[ab].*.fits")]
    result = CliRunner().invoke(main, [*arguments, "--instrument", "DECam", "--band", "i"])
    assert result.exit_code == 0, result.output
    return Butler.from_config(root, collections="DECam/input")


def test_decam_frames_of_one_date_are_visits_of_their_own(decam: Butler) -> None:
    science = decam.query_datasets("preliminary_visit_image")
    templates = decam.query_datasets("template_visit_image")
    assert [len(science), len(templates)] == [3, 2]
    assert {ref.dataId["detector"] for ref in science + templates} == {37}
    assert Instrument.fromName("DECam", decam.registry).getName() == "DECam"


def test_decam_widths_are_those_of_the_headers(decam: Butler, shared_data: Path) -> None:
    for ref in decam.query_datasets("preliminary_visit_image"):
        image = decam.get(ref)
        header = astropy.io.fits.getheader(
            shared_data / "images" / "decam" / str(image.metadata["source_file"])
        )
        assert 2.355 * image.summary_stats.psfSigma == pytest.approx(header["FWHM"], rel=0.1)
        assert image.metadata["n_psf_stars"] >= 3


def test_decam_frames_share_one_flux_scale(decam: Butler) -> None:
    stars = []
    for ref in sorted(decam.query_datasets("source_detector")):
        table = decam.get(ref)
        stars.append(table[(table["extendedness"] < 0.5) & (table["psfFlux"] > 50 * table["psfFluxErr"])])
    first = SkyCoord(stars[0]["ra"], stars[0]["dec"])
    for other in stars[1:]:
        index, separation, _ = first.match_to_catalog_sky(SkyCoord(other["ra"], other["dec"]))
        near = separation.arcsec < 0.5
        assert near.sum() >= 4
        ratio = np.asarray(other["psfFlux"][index] / stars[0]["psfFlux"])[near]
        assert np.median(ratio) == pytest.approx(1.0, abs=0.03)


def test_the_tract_is_the_grid_of_the_first_template(decam: Butler) -> None:
    tract = Tract.from_dict(decam.get("tract_geometry", skymap="realbogus", tract=0))
    template = decam.get("template_visit_image", instrument="DECam", visit=1, detector=37)
    x, y = np.array([0.0, 100.0, 255.0]), np.array([0.0, 3.0, 255.0])
    pixels = tract.projection.sky_to_pixel(template.sky_projection.pixel_to_sky(x=x, y=y))
    np.testing.assert_allclose(pixels.x, x, atol=1e-6)
    np.testing.assert_allclose(pixels.y, y, atol=1e-6)
    assert tract.bbox.contains(template.bbox)


def test_an_afw_file_keeps_its_pixels_mask_variance_and_coordinates(
    shared_data: Path, tmp_path: Path
) -> None:
    path = shared_data / "images" / "hsc_afw" / "HSC-0908120-056-small.fits"
    ingest_fits(tmp_path / "repo", [path], instrument="HSC", band="i", physical_filter="HSC-I")
    butler = Butler.from_config(tmp_path / "repo", collections="HSC/input")
    image = butler.get("preliminary_visit_image", instrument="HSC", visit=1000, detector=0)
    with astropy.io.fits.open(path) as hdus:
        constant = image.image.array - hdus[1].data
        np.testing.assert_allclose(constant, constant[0, 0], atol=0.02)
        np.testing.assert_allclose(image.variance.array, hdus[3].data, rtol=1e-6)
        saturated = (hdus[2].data >> hdus[2].header["MP_SAT"]) & 1
        assert (image.mask.get("SATURATED") == saturated.astype(bool)).all()
        wcs = astropy.wcs.WCS(hdus[1].header)
    assert (image.bbox.y.start, image.bbox.x.start) == (100, 100)
    x, y = np.array([100.0, 299.0]), np.array([100.0, 250.0])
    ra, dec = wcs.all_pix2world(x - 100, y - 100, 0)
    sky = image.sky_projection.pixel_to_sky(x=x, y=y)
    np.testing.assert_allclose(sky.ra.deg, ra, atol=1e-8)
    np.testing.assert_allclose(sky.dec.deg, dec, atol=1e-8)


@pytest.mark.parametrize(
    "options", [{"gain": 0.0}, {"psf_fwhm": -1.0}, {"detector": -1}, {"saturation": np.nan}]
)
def test_impossible_options_are_refused(options: dict[str, float]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(options))):
        FrameOptions(**options)
