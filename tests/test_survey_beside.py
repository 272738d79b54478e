"""What people have beside an image, noise, masks and PSFs, and the units and headers of observatories."""

from __future__ import annotations

import logging
import shlex
import warnings
from collections.abc import Mapping
from pathlib import Path

import astropy.io.fits as fits
import astropy.wcs
import numpy as np
import pytest
from astropy.utils.exceptions import AstropyWarning
from click.testing import CliRunner, Result
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.survey import Companions, FrameOptions, ingest_fits, skymap_of
from lsst.meas.realbogus.survey._calibrate import CalibratedFrame, calibrate_frame
from lsst.meas.realbogus.survey._companions import PlaneFile
from lsst.meas.realbogus.survey._fits_frame import read_frame
from lsst.meas.realbogus.survey._fits_units import FluxCalibration, parse_unit, read_calibration
from lsst.meas.realbogus.tables import magnitude_to_njy

pytestmark = pytest.mark.slow

SIZE, SIGMA, NOISE, SCALE = 160, 1.8, 5.0, 0.2
STEREO = 1e15 * 9.4e-13
"""nJy of 1 MJy/sr in a pixel of 9.4e-13 sr."""


def make_sky(seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Make the light of stars and noise, both in nJy."""
    rng = generator(seed, "test-beside")
    y, x = np.mgrid[:SIZE, :SIZE]
    light = np.zeros((SIZE, SIZE))
    for row, column in np.ndindex(4, 4):
        cy, cx = 20.0 + 40 * row + 0.3 * column, 20.0 + 40 * column - 0.2 * row
        flux = 2000.0 * 1.3 ** (4 * row + column)
        light += flux * np.exp(-0.5 * ((x - cx) ** 2 + (y - cy) ** 2) / SIGMA**2) / (2 * np.pi * SIGMA**2)
    return light, rng.normal(0, NOISE, light.shape)


def make_header(**cards: object) -> fits.Header:
    wcs = astropy.wcs.WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [150.0, 2.0]
    wcs.wcs.crpix, wcs.wcs.cdelt = [SIZE / 2, SIZE / 2], [-SCALE / 3600, SCALE / 3600]
    header = wcs.to_header()
    header.update({"DATE-OBS": "2026-02-01T03:04:05", "EXPTIME": 40.0, **cards})
    return header


def write(path: Path, *hdus: tuple[str, np.ndarray, Mapping[str, object]], **primary: object) -> Path:
    """Write extensions after an empty primary HDU; the first one has the WCS."""
    images = [
        fits.ImageHDU(values.astype("f4" if values.dtype.kind == "f" else "i4")) for _, values, _ in hdus
    ]
    for number, (hdu, (name, _, cards)) in enumerate(zip(images, hdus, strict=True)):
        hdu.header.update(make_header(**cards) if number == 0 else dict(cards))
        hdu.name = name
    fits.HDUList([fits.PrimaryHDU(header=fits.Header(primary)), *images]).writeto(path)
    return path


def calibrate(
    path: Path, beside: Mapping[str, PlaneFile] | None = None, **options: object
) -> CalibratedFrame:
    """Calibrate an image whose PSF is given, so that none need be fitted."""
    stamp = path.parent / "stars.fits"
    if not stamp.exists():
        y, x = np.mgrid[-12:13, -12:13]
        fits.PrimaryHDU(np.exp(-0.5 * (x**2 + y**2) / SIGMA**2)).writeto(stamp)
    planes = {"psf": PlaneFile(stamp, None), **(beside or {})}
    return calibrate_frame(read_frame(path, FrameOptions(**options), planes), "Cam", 1, "r")


def in_njy(found: CalibratedFrame) -> tuple[np.ndarray, np.ndarray]:
    scale = found.frame.calibration.flux_scale
    assert scale is not None
    return found.counts * scale, found.variance * scale**2


def of_header(cards: Mapping[str, object], area: float = 1e-12, **said: float) -> FluxCalibration:
    header = fits.Header()
    header.update(cards)
    return read_calibration(header, area=area, exposure_time=40.0, **said)


HST = {"PHOTFLAM": 7.8e-20, "PHOTPLAM": 8047.0}
HST_NJY = magnitude_to_njy(-2.5 * np.log10(7.8e-20) - 5 * np.log10(8047.0) - 2.408)


@pytest.mark.parametrize(
    ("cards", "expected"),
    [
        ({"BUNIT": "nJy"}, 1.0),
        ({"BUNIT": "uJy"}, 1e3),
        ({"BUNIT": "Jy/pixel"}, 1e9),
        ({"BUNIT": "nanomaggy"}, 3630.78),
        ({"BUNIT": "MJy/sr", "PIXAR_SR": 2e-14}, 20.0),
        ({"BUNIT": "MJy/sr", "PIXAR_A2": 0.01}, 1e13 * np.radians(1 / 3600) ** 2),
        ({"BUNIT": "MJy/sr"}, 1e3),
        ({"BUNIT": "DN/s", "PHOTMJSR": 2.0, "PIXAR_SR": 2e-14}, 40.0),
        ({"BUNIT": "nJy", "MAGZERO": 25.0}, 1.0),
        ({"BUNIT": "ADU", "MAGZERO": 30.0}, magnitude_to_njy(30.0)),
        ({"BUNIT": "electrons", "HIERARCH ZEROPOINT": 30.0}, magnitude_to_njy(30.0)),
        ({"MAGZPT": 26.5}, magnitude_to_njy(26.5)),
        ({"BUNIT": "ELECTRONS/S", **HST}, HST_NJY),
        ({"BUNIT": "ELECTRONS", **HST}, HST_NJY / 40),
        ({"BUNIT": "erg / (s cm2 Angstrom)", "PHOTPLAM": 8047.0}, HST_NJY / 7.8e-20),
        ({"BUNIT": "adu"}, None),
        ({}, None),
    ],
)
def test_defect_24_what_a_count_is_worth_follows_from_unit_and_header(
    cards: dict[str, object], expected: float | None
) -> None:
    found = of_header(cards)
    assert found.flux_scale == (None if expected is None else pytest.approx(expected, rel=1e-3))
    assert not found.remark
    assert of_header(cards, zero_point=31.4).flux_scale == pytest.approx(1.0, rel=1e-3)


@pytest.mark.parametrize(
    ("cards", "gain", "saturation"),
    [
        ({"GAIN": 2.0, "SATURATE": 6e4}, 2.0, 6e4),
        ({"BUNIT": "adu", "GAIN": 2.0, "SATURATE": 6e4}, 2.0, 6e4),
        ({"BUNIT": "adu/s", "GAIN": 2.0, "SATURATE": 6e4}, 80.0, None),
        ({"BUNIT": "electrons", "GAIN": 2.0, "SATURATE": 6e4}, 1.0, 6e4),
        ({"BUNIT": "e-/s", "GAIN": 2.0}, 40.0, None),
        ({"BUNIT": "nJy", "GAIN": 2.0, "SATURATE": 6e4}, None, None),
    ],
)
def test_defect_24_gain_and_saturation_are_those_of_the_unit(
    cards: dict[str, object], gain: float | None, saturation: float | None
) -> None:
    found = of_header(cards)
    assert (found.gain, found.saturation) == (gain, saturation)
    said = of_header(cards, gain=3.0, saturation=1e3)
    assert (said.gain, said.saturation) == (3.0, 1e3)


@pytest.mark.parametrize("text", ["mag", "Jy/beam", "furlongs", "K"])
def test_defect_24_a_unit_that_means_nothing_here_is_remarked(text: str) -> None:
    found = of_header({"BUNIT": text})
    assert found.flux_scale is None
    assert text in found.remark and "zero point" in found.remark
    assert not of_header({"BUNIT": text}, zero_point=30.0).remark


@pytest.mark.parametrize(
    ("text", "same"),
    [("COUNTS", "ct"), ("e-", "electron"), ("Electrons/sec", "electron/s"), ("dn / S", "DN/s")],
)
def test_units_are_read_as_people_write_them(text: str, same: str) -> None:
    unit = parse_unit(text)
    assert unit is not None and unit == parse_unit(same)


def test_defect_24_jwst_products_are_read(tmp_path: Path) -> None:
    light, noise = make_sky()
    sigma = np.full(light.shape, NOISE)
    sigma[:, :40] *= 1.5
    quality = np.zeros(light.shape, int)
    quality[10, 10:14] = 4, 1, 3, 2
    path = write(
        tmp_path / "jw_i2d.fits",
        (
            "SCI",
            (light + noise * sigma / NOISE) / STEREO,
            {"BUNIT": "MJy/sr", "PHOTMJSR": 2.1, "PIXAR_SR": 9.4e-13, "EXPTIME": None},
        ),
        ("ERR", sigma / STEREO, {"BUNIT": "MJy/sr"}),
        ("DQ", quality, {}),
        ("VAR_POISSON", sigma**2 / STEREO**2, {"BUNIT": "MJy2 / sr2"}),
        TELESCOP="JWST",
        FILTER="F150W",
        EFFEXPTM=311.0,
        **{"MJD-BEG": 59800.25},
    )
    found = calibrate(path)
    flux, variance = in_njy(found)
    np.testing.assert_allclose(variance, sigma**2, rtol=1e-5)
    np.testing.assert_allclose(flux, light + noise * sigma / NOISE, atol=2.0)
    assert found.mask.get("BAD")[10, 10:14].tolist() == [False, True, True, False]
    assert found.mask.get("SATURATED")[10, 10:14].tolist() == [False, False, True, True]
    assert found.variance_source == "given" and not found.remarks
    assert (found.frame.physical_filter, found.frame.exposure_time) == ("F150W", 311.0)
    squared = calibrate(path, {"variance": PlaneFile(None, "VAR_POISSON")})
    np.testing.assert_allclose(squared.variance, found.variance, rtol=1e-5)


def test_defect_24_hst_products_are_read_and_weights_brought_to_the_noise(tmp_path: Path) -> None:
    light, noise = make_sky()
    seconds = np.full(light.shape, 900.0)
    seconds[:, 80:] = 300.0
    seconds[0] = 0.0
    sigma = NOISE * np.sqrt(300 / np.maximum(seconds, 300))
    rate = (light + noise * sigma / NOISE) / HST_NJY
    path = write(
        tmp_path / "drz.fits",
        ("SCI", rate, {"BUNIT": "ELECTRONS/S", **HST}),
        ("WHT", seconds, {}),
        ("CTX", np.ones(light.shape, int), {"CRVAL1": 150.0}),
        TELESCOP="HST",
        FILTER1="CLEAR1L",
        FILTER2="F814W",
        EXPSTART=59000.5,
    )
    found = calibrate(path)
    flux, variance = in_njy(found)
    blank = light < 0.1
    assert found.variance_source == "weight" and not found.frame.remarks
    for part in (np.s_[1:, :80], np.s_[1:, 80:]):
        assert np.median(variance[part][blank[part]] / sigma[part][blank[part]] ** 2) == pytest.approx(
            1, abs=0.06
        )
    # The gain of electrons per second is the exposure time: bright pixels have photon noise.
    bright = np.unravel_index(np.argmax(light), light.shape)
    electrons = light[bright] / HST_NJY * 40.0
    assert variance[bright] == pytest.approx(sigma[bright] ** 2 + electrons * (HST_NJY / 40) ** 2, rel=0.3)
    assert found.mask.get("BAD")[0].all() and not found.mask.get("BAD")[1:].any()
    assert np.isfinite(found.variance).all() and (found.variance > 0).all()
    assert found.frame.physical_filter == "F814W"
    assert found.frame.begin.utc.mjd == pytest.approx(59000.5)


def test_defect_24_des_products_are_read(tmp_path: Path) -> None:
    light, noise = make_sky()
    per_count = float(magnitude_to_njy(30.0))
    bits = np.zeros(light.shape, int)
    bits[5, 5:11] = 1, 2, 4, 16, 32, 2048
    weight = np.full(light.shape, (per_count / NOISE) ** 2)
    weight[5, 5] = 0.0
    path = write(
        tmp_path / "des.fits",
        ("SCI", (light + noise) / per_count, {"MAGZERO": 30.0, "CCDNUM": 31, "FILTER": "i DECam"}),
        ("MSK", bits, {}),
        ("WGT", weight, {}),
        TELESCOP="CTIO 4.0-m telescope",
    )
    found = calibrate(path)
    flux, variance = in_njy(found)
    assert np.median(variance) == pytest.approx(NOISE**2, rel=0.05)
    planes = {"BAD": 0, "SATURATED": 1, "INTERPOLATED": 2, "COSMIC_RAY": 3, "SUSPECT": 5}
    for plane, column in planes.items():
        assert np.flatnonzero(found.mask.get(plane)[5, 5:11]).tolist() == [column], plane
    assert found.frame.calibration.source == "MAGZERO"
    assert found.frame.detector == 31
    every = calibrate(path, mask_bits=32)
    assert np.flatnonzero(every.mask.get("BAD")[5, 5:11]).tolist() == [0, 4]  # no weight, and bit 32


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an image in nJy, and noise, variance, mask and PSF in files beside it."""
    folder = tmp_path_factory.mktemp("plain")
    light, noise = make_sky()
    y, x = np.mgrid[-12:13, -12:13]
    mask = np.zeros(light.shape, int)
    mask[50:53, 60] = 7
    files = {
        "a": light + noise,
        "a.noise": np.full(light.shape, NOISE / 1e3),
        "a.var": np.full(light.shape, NOISE**2),
        "a.mask": mask,
        "psf": 3.0 * np.exp(-0.5 * (x**2 / 1.6**2 + y**2 / 2.0**2)),
        "even": np.ones((24, 24)),
        "small": np.ones((20, 20)),
    }
    cards = {"a": {"BUNIT": "nJy"}, "a.noise": {"BUNIT": "uJy"}}
    for name, values in files.items():
        header = make_header(**cards.get(name, {})) if values.shape == light.shape else None
        fits.PrimaryHDU(values.astype("f4"), header).writeto(folder / f"{name}.fits")
    elsewhere = make_header(CRVAL1=151.0)
    fits.PrimaryHDU(np.full(light.shape, NOISE), elsewhere).writeto(folder / "elsewhere.fits")
    return folder


def beside(folder: Path, **said: str) -> Mapping[str, PlaneFile]:
    (found,) = Companions(**{kind: [text] for kind, text in said.items()}).of_images([folder / "a.fits"], [])
    return found


@pytest.mark.parametrize("said", [{"noise": "{stem}.noise.fits"}, {"variance": "{stem}.var.fits[0]"}])
def test_defect_24_noise_and_variance_maps_beside_an_image(plain: Path, said: dict[str, str]) -> None:
    found = calibrate(plain / "a.fits", beside(plain, **said))
    np.testing.assert_allclose(found.variance, NOISE**2, rtol=1e-5)
    assert found.variance_source == "given" and not found.remarks


def test_defect_24_masks_beside_an_image(plain: Path) -> None:
    found = calibrate(plain / "a.fits", beside(plain, mask=str(plain / "a.ma*.fits")))
    assert found.mask.get("BAD").sum() == 3 and found.mask.get("BAD")[50:53, 60].all()
    bits = calibrate(plain / "a.fits", beside(plain, mask="{stem}.mask.fits"), mask_bits=8)
    assert not bits.mask.get("BAD").any()


def test_defect_24_a_psf_stamp_is_the_psf(plain: Path, tmp_path: Path) -> None:
    run = ingest_fits(
        tmp_path / "repo",
        [plain / "a.fits"],
        instrument="Cam",
        band="r",
        beside=Companions(psf=[str(plain / "psf.fits")], noise=["{stem}.noise.fits"]),
    )
    image = Butler.from_config(tmp_path / "repo", collections=run).get(
        "preliminary_visit_image", instrument="Cam", visit=1000, detector=0
    )
    stamp = fits.getdata(plain / "psf.fits").astype(float)
    kernel = image.psf.compute_kernel_image(x=40.0, y=90.0).array
    np.testing.assert_allclose(kernel, stamp / stamp.sum(), atol=1e-7)
    assert image.metadata["psf_source"] == "given"
    assert image.metadata["variance_source"] == "given"
    assert image.metadata["zero_point_from"] == "BUNIT nJy"


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"psf": "even.fits"}, r"even\.fits, the PSF of a\.fits, must be square with an odd number"),
        (
            {"noise": "small.fits"},
            r"small\.fits has \(20, 20\) pixels \(y, x\), its image a\.fits \(160, 160\)",
        ),
        ({"noise": "elsewhere.fits"}, r"elsewhere\.fits does not belong to a\.fits: .* pixels away"),
        ({"noise": "a.noise.fits[ERR]"}, r"a\.noise\.fits has no extension ERR"),
        ({"mask": "a.noise.fits"}, r"a\.noise\.fits is no mask"),
    ],
)
def test_defect_24_planes_that_do_not_fit_are_refused(
    plain: Path, said: dict[str, str], message: str
) -> None:
    here = {kind: str(plain / name) for kind, name in said.items()}
    with pytest.raises(InvalidInputError, match=message):
        calibrate(plain / "a.fits", beside(plain, **here))


def test_defect_24_noise_taken_for_variance_is_remarked(plain: Path) -> None:
    (remark,) = calibrate(plain / "a.fits", beside(plain, noise="{stem}.var.fits")).remarks
    assert "is it variance, noise or weight" in remark


def test_defect_24_noise_in_a_unit_that_is_not_the_images_is_refused(plain: Path) -> None:
    with pytest.raises(
        InvalidInputError, match=r"a\.noise\.fits is in uJy, which does not become nJy², of the"
    ):
        calibrate(plain / "a.fits", beside(plain, variance="{stem}.noise.fits"))


def test_defect_24_which_plane_belongs_to_which_image(tmp_path: Path) -> None:
    science, templates = [tmp_path / "n1" / "a.fits.fz", tmp_path / "n2" / "b.fits"], [tmp_path / "old.fit"]
    for name in ("w1.fits", "w2.fits", "w3.fits"):
        (tmp_path / name).touch()

    def found(*said: str) -> list[tuple[str | None, str | None]]:
        planes = Companions(noise=said).of_images(science, templates)
        files = [each["noise"] for each in planes if each]
        return [(file.path and file.path.relative_to(tmp_path).as_posix(), file.hdu) for file in files]

    assert found("ERR") == [(None, "ERR")] * 3
    assert found("ERR,2") == [(None, "ERR,2")] * 3
    assert found("{stem}_n.fits[2]") == [("n1/a_n.fits", "2"), ("n2/b_n.fits", "2"), ("old_n.fits", "2")]
    assert found(f"{tmp_path}/w*.fits") == [("w1.fits", None), ("w2.fits", None), ("w3.fits", None)]
    assert found(f"{tmp_path}/w3.fits", f"{tmp_path}/w1.fits[N]") == [("w3.fits", None), ("w1.fits", "N")]
    with pytest.raises(InvalidInputError, match="noise: 1 files for 2 science images and 1 templates"):
        found(f"{tmp_path}/w1.fits")
    with pytest.raises(InvalidInputError, match=r"noise: no file is called .*nowhere\.fits"):
        found(f"{tmp_path}/nowhere.fits")
    science.append(tmp_path / "n2" / "b_n.fits")
    with pytest.raises(
        InvalidInputError, match=r"b_n\.fits is the noise of .*b\.fits and among the images too"
    ):
        found("{stem}_n.fits")
    with pytest.raises(InvalidInputError, match="one of variance, noise, weight; got variance, noise"):
        Companions(noise=["ERR"], variance=["VAR"])


def two_images(folder: Path, **cards: object) -> list[Path]:
    light, _ = make_sky()
    paths = [folder / "one.fits", folder / "two.fits"]
    for seed, path in enumerate(paths):
        header = make_header(**cards)
        header["DATE-OBS"] = f"2026-02-0{1 + seed}T03:04:05"
        fits.PrimaryHDU((light + make_sky(seed + 2)[1]).astype("f4"), header).writeto(path)
    return paths


def test_defect_24_what_astropy_warns_of_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    science = two_images(tmp_path, RADECSYS="FK5", BUNIT="mag")
    with warnings.catch_warnings(), caplog.at_level(logging.WARNING):
        warnings.simplefilter("error", AstropyWarning)
        ingest_fits(tmp_path / "repo", science, instrument="Cam", band="r")
    said = [record.getMessage() for record in caplog.records]
    assert len(said) == len(set(said)) >= 2
    assert all(text.startswith("one.fits and 1 more: ") for text in said), said
    assert sum("RADECSYS" in text for text in said) == 1
    assert sum("'mag'" in text for text in said) == 1


def test_defect_24_planes_that_some_images_lack_are_remarked_and_that_all_lack_refused(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    science = two_images(tmp_path)
    fits.PrimaryHDU(np.full((SIZE, SIZE), NOISE)).writeto(tmp_path / "one.noise.fits")
    common = {"instrument": "Cam", "band": "r"}
    with pytest.raises(
        InvalidInputError, match=r"noise: no image has it; the first one should have .*one\.rms\.fits"
    ):
        ingest_fits(tmp_path / "repo", science, beside=Companions(noise=["{stem}.rms.fits"]), **common)
    with pytest.raises(
        InvalidInputError, match="mask: no image has it; the first one should have extension DQ"
    ):
        ingest_fits(tmp_path / "repo", science, beside=Companions(mask=["DQ"]), **common)
    with caplog.at_level(logging.WARNING):
        run = ingest_fits(
            tmp_path / "repo", science, beside=Companions(noise=["{stem}.noise.fits"]), **common
        )
    assert "two.fits: there is no noise beside it" in caplog.text
    butler = Butler.from_config(tmp_path / "repo", collections=run)
    sources = [
        butler.get("preliminary_visit_image", instrument="Cam", visit=visit, detector=0).metadata[
            "variance_source"
        ]
        for visit in (1000, 1001)
    ]
    assert sources == ["given", "sky"]


def run_realbogus(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


def test_defect_10_templates_can_be_added_later_and_only_once(tmp_path: Path) -> None:
    science, repo = two_images(tmp_path), tmp_path / "repo"
    light, _ = make_sky()
    template = tmp_path / "old.fits"
    fits.PrimaryHDU((0.5 * (light + make_sky(9)[1])).astype("f4"), make_header()).writeto(template)
    ingest = ("survey", "ingest", repo, "--instrument", "Cam", "--band", "r")
    early = run_realbogus(*ingest, "--template", template)
    assert early.exit_code == 1 and "is not a Butler repository" in early.output
    first = run_realbogus(*ingest, *science, "--skymap", "mine")
    assert first.exit_code == 0, first.output
    assert "There are no templates" in first.output
    assert f"realbogus survey ingest {repo} --template FILE --instrument Cam --band r" in first.output
    added = run_realbogus(*ingest, "--template", template)
    assert added.exit_code == 0, added.output
    assert "AND skymap='mine'" in added.output
    butler = Butler.from_config(repo, collections="Cam/input")
    assert skymap_of(repo, "Cam/input") == "mine"
    image = butler.get("template_visit_image", instrument="Cam", visit=1, detector=0)
    assert image.metadata["zero_point_source"] == "matched"
    assert np.median(image.image.array[light > 50] / light[light > 50]) == pytest.approx(1.0, abs=0.05)
    again = run_realbogus(*ingest, "--template", template)
    assert again.exit_code == 1 and "has templates already" in again.output
    nothing = run_realbogus(*ingest)
    assert nothing.exit_code == 2 and "give SCIENCE images" in nothing.output


@pytest.mark.slow
def test_defect_10_the_command_that_is_printed_without_templates_does_what_is_said(tmp_path: Path) -> None:
    said = run_realbogus(
        "survey", "ingest", tmp_path / "repo", *two_images(tmp_path), "--instrument", "Cam", "--band", "r"
    )
    assert said.exit_code == 0, said.output
    assert "make fake supernovae and to inject them" in said.output
    command = said.output[said.output.index("pipetask run") :].replace("\\\n", " ").replace("$USER", "me")
    result = CliRunner().invoke(pipetask, shlex.split(command)[1:])
    assert result.exit_code == 0, result.output
    butler = Butler.from_config(tmp_path / "repo", collections="u/me/fakes")
    for name in ("fake_supernova_catalog", "injected_preliminary_visit_image"):
        assert len(butler.query_datasets(name)) == 2
