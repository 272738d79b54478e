"""Detection and measurement on difference images: what is put in comes out, with honest errors."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from lsst.images import Box, GeneralFrame, Image, Mask, MaskedImage, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.imaging import DIFFERENCE_PLANES, KernelField, ensure_planes, smooth_background
from lsst.meas.realbogus.measurement import (
    DIA_SOURCE,
    DetectionOptions,
    DiaCatalog,
    SourceIds,
    detect_and_measure,
)
from lsst.meas.realbogus.measurement._detection import detect
from lsst.meas.realbogus.measurement._moments import weighted_moments
from lsst.meas.realbogus.measurement._score_map import score_map
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA

BBOX = Box.factory[-30:470, 1000:1500]
SIGMA, NOISE = 1.9, 40.0
PSF = KernelField.from_psf(GaussianPointSpreadFunction(SIGMA, bounds=BBOX, stamp_size=31), BBOX)
ONE_SIGMA = NOISE * np.sqrt(4 * np.pi * SIGMA**2)
"""Error of the PSF flux on blank sky."""


def _image(
    x: np.ndarray, y: np.ndarray, flux: np.ndarray, seed: int = 0, noise: float = NOISE
) -> MaskedImage:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 30.0], [1250.0, 200.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    image = np.zeros((BBOX.y.size + 60, BBOX.x.size + 60))
    for xi, yi, fi in zip(x, y, flux, strict=True):
        row = int(np.floor(yi + 0.5)) - BBOX.y.start + 30
        column = int(np.floor(xi + 0.5)) - BBOX.x.start + 30
        image[row - 15 : row + 16, column - 15 : column + 16] += fi * PSF.stamps(xi, yi)[0]
    image = image[30:-30, 30:-30]
    variance = np.full(BBOX.shape, NOISE**2) + 2 * np.abs(image)
    pixels = np.random.default_rng(seed).normal(image, np.sqrt(variance))
    return MaskedImage(
        Image(pixels.astype(np.float32), bbox=BBOX, unit=u.nJy),
        mask=ensure_planes(Mask(0, schema=MASK_SCHEMA, bbox=BBOX), DIFFERENCE_PLANES),
        variance=Image(variance.astype(np.float32), bbox=BBOX),
        sky_projection=SkyProjection.from_fits_wcs(wcs, GeneralFrame(unit=u.pix)),
    )


def _measure(image: MaskedImage, options: DetectionOptions | None = None) -> DiaCatalog:
    return detect_and_measure(
        image,
        image,
        image,
        difference_psf=PSF,
        science_psf=PSF,
        template_psf=PSF,
        ids=SourceIds(visit=7, detector=3, band="r", midpoint=60000.5, id_base=1 << 20),
        options=options,
    )


def _grid(step: float = 40.0) -> tuple[np.ndarray, np.ndarray]:
    """Places well apart, each at another fraction of a pixel."""
    x, y = np.meshgrid(np.arange(1025.0, 1480.0, step), np.arange(-5.0, 450.0, step))
    jitter = np.random.default_rng(1).uniform(-0.5, 0.5, (2, x.size))
    return x.ravel() + jitter[0], y.ravel() + jitter[1]


NOTHING = np.zeros(0)


@pytest.fixture(scope="module")
def bright() -> tuple[DiaCatalog, np.ndarray, np.ndarray, np.ndarray]:
    x, y = _grid()
    flux = np.random.default_rng(2).uniform(10, 60, x.size) * ONE_SIGMA
    flux[::4] *= -1
    return _measure(_image(x, y, flux)), x, y, flux


def _matched(catalog: DiaCatalog, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    sources = catalog.sources
    distance = np.hypot(np.subtract.outer(x, sources["x"]), np.subtract.outer(y, sources["y"]))
    assert (distance.min(axis=1) < 1.0).all()
    return np.asarray(distance.argmin(axis=1))


def test_score_of_blank_sky_has_unit_scatter() -> None:
    image = _image(NOTHING, NOTHING, NOTHING, seed=3)
    missing = np.zeros(BBOX.shape, dtype=bool)
    scores = score_map(image.image.array, image.variance.array, missing, PSF.middle())
    assert scores.rms == pytest.approx(1.0, abs=0.03)
    assert np.std(scores.score[10:-10, 10:-10]) == pytest.approx(1.0, abs=0.03)


def test_a_psf_as_wide_as_its_stamp_is_fitted_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    wide = GaussianPointSpreadFunction(7.0, bounds=BBOX, stamp_size=31)
    monkeypatch.setitem(globals(), "PSF", KernelField.from_psf(wide, BBOX))
    x, y = _grid(100.0)
    catalog = _measure(_image(x, y, np.full(x.size, 4e6)))
    flux = catalog.sources["psfFlux"][_matched(catalog, x, y)]
    assert np.median(flux) == pytest.approx(4e6, rel=0.05)


def test_wrong_variance_is_found_and_made_up_for() -> None:
    x, y = _grid(100.0)
    image = _image(x, y, np.full(x.size, 30 * ONE_SIGMA), seed=4)
    image.variance.array /= 1.44
    catalog = _measure(image)
    assert catalog.score_rms == pytest.approx(1.2, rel=0.03)
    right = _measure(_image(x, y, np.full(x.size, 30 * ONE_SIGMA), seed=4))
    ratio = (
        catalog.sources["psfFluxErr"][_matched(catalog, x, y)]
        / right.sources["psfFluxErr"][_matched(right, x, y)]
    )
    assert np.median(ratio) == pytest.approx(1.0, rel=0.03)


def test_blank_sky_gives_a_table_with_all_columns_and_no_rows() -> None:
    catalog = _measure(_image(NOTHING, NOTHING, NOTHING, seed=5), DetectionOptions(threshold=7.0))
    assert len(catalog.sources) == 0
    assert catalog.sources.colnames == list(DIA_SOURCE)
    for name, column in DIA_SOURCE.items():
        assert catalog.sources[name].dtype == column.numpy_dtype
        assert str(catalog.sources[name].unit or "") == (column.unit or "")
    assert not catalog.mask.get("DETECTED").any()


def test_wholly_missing_image_gives_no_rows() -> None:
    image = _image(NOTHING, NOTHING, NOTHING)
    image.image.array[:] = np.nan
    assert len(_measure(image).sources) == 0


def test_every_source_is_found_once_with_its_sign(
    bright: tuple[DiaCatalog, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    catalog, x, y, flux = bright
    rows = _matched(catalog, x, y)
    assert len(catalog.sources) == len(x) == len(set(rows))
    np.testing.assert_array_equal(catalog.sources["isNegative"][rows], flux < 0)
    assert not catalog.sources["isDipole"].any()
    on_source = tuple(np.rint([y - BBOX.y.start, x - BBOX.x.start]).astype(int))
    np.testing.assert_array_equal(catalog.mask.get("DETECTED")[on_source], flux > 0)
    np.testing.assert_array_equal(catalog.mask.get("DETECTED_NEGATIVE")[on_source], flux < 0)


@pytest.mark.parametrize("quantity", ["psfFlux", "x", "y"])
def test_pulls_are_standard_normal(
    bright: tuple[DiaCatalog, np.ndarray, np.ndarray, np.ndarray], quantity: str
) -> None:
    catalog, x, y, flux = bright
    sources = catalog.sources[_matched(catalog, x, y)]
    truth = {"psfFlux": flux, "x": x, "y": y}[quantity]
    pull = (np.asarray(sources[quantity]) - truth) / np.asarray(sources[f"{quantity}Err"])
    n = len(pull)
    assert abs(pull.mean()) < 3.5 / np.sqrt(n)
    assert abs(pull.std() - 1) < 3.5 / np.sqrt(2 * n)


def test_positions_on_the_sky_and_their_errors(
    bright: tuple[DiaCatalog, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    catalog, x, y, _ = bright
    sources = catalog.sources[_matched(catalog, x, y)]
    scale = 0.2 / 3600
    np.testing.assert_allclose(sources["raErr"], sources["xErr"] * scale, rtol=1e-3)
    np.testing.assert_allclose(sources["decErr"], sources["yErr"] * scale, rtol=1e-3)
    offset = (np.asarray(sources["dec"]) - 30.0) / scale - (np.asarray(sources["y"]) - 199.0)
    assert np.abs(offset).max() < 0.05


def test_other_measurements(bright: tuple[DiaCatalog, np.ndarray, np.ndarray, np.ndarray]) -> None:
    catalog, x, y, flux = bright
    sources = catalog.sources[_matched(catalog, x, y)]
    np.testing.assert_allclose(sources["scienceFlux"], sources["psfFlux"], atol=3 * ONE_SIGMA)
    assert np.median(np.abs(sources["apFlux"] - flux) / sources["apFluxErr"]) == pytest.approx(0.67, abs=0.3)
    assert np.median(sources["snr"] / np.abs(sources["psfFlux"] / sources["psfFluxErr"])) == pytest.approx(
        1, abs=0.1
    )
    assert np.median(sources["ixxPSF"]) == pytest.approx(SIGMA**2, rel=0.02)
    strong = np.abs(flux) > 30 * ONE_SIGMA
    assert np.median(sources["ixx"][strong]) == pytest.approx(SIGMA**2, rel=0.1)
    assert np.mean(sources["extendedness"][strong] == 0) > 0.9
    assert np.median(sources["psfChi2"] / sources["psfNdata"]) == pytest.approx(1.0, abs=0.1)


def test_identifiers_are_of_the_image(
    bright: tuple[DiaCatalog, np.ndarray, np.ndarray, np.ndarray],
) -> None:
    sources = bright[0].sources
    assert set(sources["visit"]) == {7} and set(sources["detector"]) == {3} and set(sources["band"]) == {"r"}
    assert len(set(sources["diaSourceId"])) == len(sources) and (sources["diaSourceId"] >> 20 == 1).all()
    assert set(sources["midpointMjdTai"]) == {60000.5}


def test_bright_source_is_one_source() -> None:
    x, y = np.array([1250.3]), np.array([200.7])
    catalog = _measure(_image(x, y, np.array([3000 * ONE_SIGMA])))
    assert len(catalog.sources) == 1
    assert catalog.sources["psfFlux"][0] == pytest.approx(3000 * ONE_SIGMA, rel=0.01)


def test_neighbours_are_told_apart() -> None:
    x, y = np.array([1250.3, 1257.9, 1100.0, 1103.0]), np.array([200.7, 200.1, 100.0, 106.5])
    flux = np.array([40.0, 25.0, 30.0, 30.0]) * ONE_SIGMA
    catalog = _measure(_image(x, y, flux))
    assert len(catalog.sources) == 4
    rows = _matched(catalog, x, y)
    assert np.abs(catalog.sources["psfFlux"][rows] / flux - 1).max() < 0.2


@pytest.mark.parametrize("shift", [0.3, 1.5])
def test_dipoles_are_one_source(shift: float) -> None:
    x, y = _grid(70.0)
    angle = np.linspace(0, 2 * np.pi, x.size)
    flux = 40 * ONE_SIGMA * max(1.0, 1.2 / shift)
    dx, dy = shift * np.cos(angle), shift * np.sin(angle)
    image = _image(
        np.r_[x + dx / 2, x - dx / 2], np.r_[y + dy / 2, y - dy / 2], np.repeat([flux, -flux], x.size), seed=6
    )
    catalog = _measure(image)
    rows = _matched(catalog, x, y)
    sources = catalog.sources[rows]
    assert len(catalog.sources) <= x.size + 2
    assert np.mean(sources["isDipole"]) > 0.9 and sources["dipoleFitAttempted"].all()
    dipole = sources["isDipole"]
    # Only the product of flux and length is well known for close lobes.
    moment = (sources["dipoleMeanFlux"] * sources["dipoleLength"])[dipole]
    assert np.median(moment) == pytest.approx(flux * shift * 0.2, rel=0.12)
    # x runs west, so the direction on the sky is the mirror image.
    turn = np.radians(sources["dipoleAngle"]) - np.arctan2(-dx, dy)
    assert np.median(np.abs(np.angle(np.exp(1j * turn[dipole])))) < 0.1


def test_pixel_flags_say_what_the_source_touches() -> None:
    x, y = np.array([1100.0, 1200.0, 1300.0, 1400.0, 1003.0]), np.array([100.0, 100.0, 100.0, 100.0, 300.0])
    image = _image(x, y, np.full(5, 40 * ONE_SIGMA))
    image.mask.set("SATURATED", _at(1100, 100))
    image.mask.set("COSMIC_RAY", _at(1203, 100))
    image.mask.set("SAT_TEMPLATE", _at(1300, 101))
    image.mask.set("DETECTION_EDGE", _at(1003, 300))
    sources = _measure(image, DetectionOptions(bad_flags=())).sources
    flagged = {
        name: set(np.rint(sources["x"][sources[name]] / 100).astype(int))
        for name in sources.colnames
        if name.startswith("pixelFlags_")
    }
    assert flagged["pixelFlags_saturated"] == flagged["pixelFlags_saturatedCenter"] == {11}
    assert flagged["pixelFlags_cr"] == {12} and not flagged["pixelFlags_crCenter"]
    assert flagged["pixelFlags_sat_template"] == flagged["pixelFlags_sat_templateCenter"] == {13}
    assert flagged["pixelFlags_edge"] == {10}
    assert not flagged["pixelFlags_bad"] and not sources["pixelFlags"].any()


def _at(x: int, y: int) -> np.ndarray:
    out = np.zeros(BBOX.shape, dtype=bool)
    out[y - BBOX.y.start, x - BBOX.x.start] = True
    return out


def test_removed_sources_are_counted() -> None:
    x, y = np.array([1100.0, 1200.0, 1300.0]), np.array([100.0, 100.0, 100.0])
    image = _image(x, y, np.full(3, 40 * ONE_SIGMA))
    for place in (1100, 1200):
        image.mask.set("SATURATED", _at(place, 100))
    image.mask.set("BAD", _at(1100, 100))
    catalog = _measure(image, DetectionOptions(bad_flags=("badCenter", "saturatedCenter")))
    assert catalog.removed == {"badCenter": 1, "saturatedCenter": 1}
    assert len(catalog.sources) == 1
    with pytest.raises(InvalidInputError, match="no pixel flag 'silly'"):
        _measure(image, DetectionOptions(bad_flags=("silly",)))


def test_missing_rows_do_not_hide_or_make_sources() -> None:
    x, y = _grid(60.0)
    image = _image(x, y, np.full(x.size, 30 * ONE_SIGMA), seed=8)
    image.image.array[200:203] = np.nan
    image.mask.set("NO_DATA", np.isnan(image.image.array))
    catalog = _measure(image)
    assert len(catalog.sources) == x.size
    near = np.abs(y - (201 + BBOX.y.start)) < 4
    clear = ~near
    _matched(catalog, x[clear], y[clear])


def test_smooth_light_is_taken_away() -> None:
    x, y = _grid(60.0)
    image = _image(x, y, np.full(x.size, 20 * ONE_SIGMA), seed=9)
    glow = 60 * np.sin(np.arange(BBOX.x.size) / 60)
    image.image.array += glow.astype(np.float32)
    catalog = _measure(image)
    assert np.abs(catalog.background[40:-40, 40:-40] - glow[40:-40]).max() < 25
    flux = catalog.sources["psfFlux"][_matched(catalog, x, y)]
    assert np.median(flux) == pytest.approx(20 * ONE_SIGMA, rel=0.05)
    assert not smooth_background(image.image.array[:30, :30], np.zeros((30, 30), bool), 40).any()


def test_peaks_of_either_sign_have_their_own_footprints() -> None:
    score = np.zeros((60, 60), np.float32)
    score[20:23, 20:23], score[20:23, 23:26] = 8.0, -9.0
    found = detect(score, 5.0)
    assert sorted(found.score) == [-9.0, 8.0] and set(found.n_pixels) == {9}
    assert set(np.unique(found.footprint)) == {0, 1, 2}


@pytest.mark.parametrize("size", [1.5, 2.5])
def test_moments_of_gaussians_do_not_depend_on_the_weight(size: float) -> None:
    steps = np.arange(-12, 13)
    image = np.exp(
        -0.5 * ((steps - 0.3) ** 2 / size**2 + (steps[:, np.newaxis] + 0.2) ** 2 / (1.2 * size) ** 2)
    )
    ixx, iyy, ixy = weighted_moments(image[np.newaxis], np.array([0.3]), np.array([-0.2]), SIGMA)[:, 0]
    assert (ixx, iyy, ixy) == pytest.approx((size**2, (1.2 * size) ** 2, 0.0), rel=0.02, abs=1e-6)
