"""Matching kernels, decorrelation, flux scale and whole subtractions: known skies come out blank."""

from __future__ import annotations

from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
import scipy.signal
from astro_metadata_translator import ObservationInfo
from astropy.wcs import WCS
from lsst.images import (
    Box,
    DetectorFrame,
    DifferenceImage,
    Image,
    Mask,
    MaskedImage,
    SkyProjection,
    VisitImage,
)
from lsst.images.psfs import LegacyPointSpreadFunction, PointSpreadFunction
from lsst.images.serialization import read_archive, write_archive

from lsst.meas.realbogus.diffim import SubtractionOptions, subtract, subtract_visit
from lsst.meas.realbogus.diffim._decorrelation import decorrelation_kernel
from lsst.meas.realbogus.diffim._difference_mask import difference_mask
from lsst.meas.realbogus.diffim._kernel_basis import choose_basis, make_basis
from lsst.meas.realbogus.diffim._kernel_fit import fit_psf_models, to_convolution_kernel
from lsst.meas.realbogus.diffim._scaling import fit_scaling, shift_kernel
from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError, SubtractionError
from lsst.meas.realbogus.imaging import KernelField, convolve_image, psf_nodes, psf_width, robust_std
from lsst.meas.realbogus.imaging._convolution import convolve_field
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA

pytestmark = pytest.mark.slow

type Sky = tuple[np.ndarray, np.ndarray, np.ndarray]

BBOX = Box.factory[200:600, -50:350]
WIDE = BBOX.padded(20)


def _moffat(fwhm: float, ellipticity: float = 0.0, radius: int = 20) -> np.ndarray:
    steps = np.arange(-radius, radius + 1.0)
    core = fwhm / 2 / np.sqrt(2 ** (1 / 3.5) - 1)
    r2 = (steps * (1 + ellipticity)) ** 2 + (steps[:, np.newaxis] * (1 - ellipticity)) ** 2
    kernel = (1 + r2 / core**2) ** -3.5
    return np.asarray(kernel / kernel.sum())


def _psf(fwhm: float, variation: float = 0.0, bbox: Box = WIDE) -> KernelField:
    """A Moffat whose width and ellipticity vary over the image by this fraction."""
    x, y = psf_nodes(bbox, 5)
    along = (x - bbox.x.center) / bbox.x.size
    kernels = [_moffat(fwhm * (1 + variation * a), 0.2 * variation * a) for a in along]
    return KernelField.fit(np.stack(kernels), x, y, bbox, 2).normalized()


def _sky(
    count: int, seed: int, bbox: Box = WIDE, faintest: float = 3.5
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.uniform(bbox.x.min, bbox.x.max, count)
    y = rng.uniform(bbox.y.min, bbox.y.max, count)
    return x, y, 10 ** rng.uniform(faintest, 5.3, count)


def _observe(
    psf: KernelField,
    sky: tuple[np.ndarray, np.ndarray, np.ndarray],
    noise: float,
    seed: int,
    bbox: Box = WIDE,
) -> MaskedImage:
    x, y, flux = sky
    margin = 45
    image = np.zeros((bbox.y.size + 2 * margin, bbox.x.size + 2 * margin))
    stamps = psf.stamps(x, y) if len(x) else []
    for xi, yi, fi, stamp in zip(x, y, flux, stamps, strict=True):
        row, column = int(np.floor(yi + 0.5)) - bbox.y.start, int(np.floor(xi + 0.5)) - bbox.x.start
        image[row + margin - 20 : row + margin + 21, column + margin - 20 : column + margin + 21] += (
            fi * stamp
        )
    image = image[margin:-margin, margin:-margin]
    variance = noise**2 + 5 * np.maximum(image, 0)
    pixels = np.random.default_rng(seed).normal(image, np.sqrt(variance))
    return MaskedImage(
        Image(pixels.astype(np.float32), bbox=bbox, unit=u.nJy),
        mask=Mask(0, schema=MASK_SCHEMA, bbox=bbox),
        variance=Image(variance.astype(np.float32), bbox=bbox),
    )


def _significance(image: MaskedImage) -> np.ndarray:
    z = image.image.array / np.sqrt(image.variance.array)
    return np.asarray(z[np.isfinite(z)])


def test_only_the_first_basis_image_has_flux() -> None:
    basis = make_basis([0.7, 1.5, 3.0], [4, 2, 2], 12, delta=True)
    assert len(basis) == 1 + 15 + 6 + 6
    np.testing.assert_allclose(basis.images.sum(axis=(1, 2)), [1.0] + [0.0] * 27, atol=1e-10)


@pytest.mark.parametrize("ratio", [1.0, 1.02, 1.3, 2.0])
def test_kernel_of_two_models_takes_one_to_the_other(ratio: float) -> None:
    sharp, broad = _psf(3.4, 0.1), _psf(3.4 * ratio, -0.1 if ratio > 1.2 else 0.1)
    basis = choose_basis(psf_width(sharp.middle()), psf_width(broad.middle()))
    kernel = fit_psf_models(sharp, broad, basis, WIDE).kernel
    for x, y in ((-40.0, 250.0), (150.0, 400.0), (333.0, 590.0)):
        matched = scipy.signal.fftconvolve(sharp.at(x, y)[0], kernel.at(x, y)[0], mode="same")
        truth = broad.at(x, y)[0]
        assert np.abs(matched - truth).max() < 0.005 * truth.max()
        assert kernel.at(x, y)[0].sum() == pytest.approx(1.0, abs=1e-6)


def test_equal_psfs_give_the_identity() -> None:
    psf = _psf(3.6)
    basis = choose_basis(psf_width(psf.middle()), psf_width(psf.middle()))
    kernel = fit_psf_models(psf, psf, basis, WIDE).kernel.middle()
    middle = kernel.shape[0] // 2
    assert kernel[middle, middle] == pytest.approx(1.0, abs=1e-6)
    kernel[middle, middle] = 0
    assert np.abs(kernel).max() < 1e-6


def test_kernel_from_stars_holds_for_other_stars() -> None:
    sharp, broad = _psf(3.4, 0.05), _psf(4.4, -0.05)
    sky = _sky(90, 1, faintest=4.3)
    science, template = _observe(broad, sky, 30.0, 1)[BBOX], _observe(sharp, sky, 6.0, 2)
    options = SubtractionOptions(kernel_source="stars")
    result = subtract(science, template, _psf(4.4), _psf(3.4), options)
    assert result.summary["kernelSource"] == "stars" and result.summary["nKernelStamps"] > 15
    assert result.summary["kernelChi2"] < 1.6
    assert robust_std(_significance(result.difference)) == pytest.approx(1.0, abs=0.05)


def test_varying_kernel_convolves_as_its_local_kernel() -> None:
    rng = np.random.default_rng(2)
    kernel = _psf(4.0, 0.3, BBOX)
    image = np.zeros(BBOX.shape, np.float32)
    for row, column in rng.integers(60, 340, (20, 2)):
        out = convolve_field(_one(image, row, column), BBOX, kernel)
        local = kernel.at(column + BBOX.x.start, row + BBOX.y.start)[0]
        here = out[row - 20 : row + 21, column - 20 : column + 21]
        # The kernel belongs to the pixel that light goes to, which varies over its own width.
        assert np.abs(here - local).max() < 0.02 * local.max()


def _one(image: np.ndarray, row: int, column: int) -> np.ndarray:
    out = image.copy()
    out[row, column] = 1
    return out


def test_decorrelation_whitens_the_noise() -> None:
    rng = np.random.default_rng(3)
    science, template = rng.normal(0, 30, (600, 600)), rng.normal(0, 20, (600, 600))
    kernel = choose_basis(1.4, 2.2).images[0]
    raw = science - convolve_image(template.astype(np.float32), kernel)
    whitening = decorrelation_kernel(kernel, 400.0, 900.0)
    white = convolve_image(raw.astype(np.float32), whitening)[50:-50, 50:-50]
    assert white.std() == pytest.approx(np.sqrt(1300), rel=0.01)
    for lag in (1, 2):
        assert abs(np.mean(white[lag:] * white[:-lag]) / white.var()) < 0.02
    assert whitening.sum() == pytest.approx(1.0)


def test_scale_is_not_lowered_by_the_noise_of_the_model() -> None:
    rng = np.random.default_rng(4)
    truth = np.zeros((400, 400))
    truth[rng.integers(20, 380, 60), rng.integers(20, 380, 60)] = 10 ** rng.uniform(3, 4.5, 60)
    truth = convolve_image(truth.astype(np.float32), _moffat(4.5))
    noise = np.full(truth.shape, 40.0**2, np.float32)
    image = (0.9 * truth + 12 + rng.normal(0, 40, truth.shape)).astype(np.float32)
    model = (truth + rng.normal(0, 25, truth.shape)).astype(np.float32)
    scaling = fit_scaling(
        image, model, noise, truth < -1, BBOX, model_variance=np.full(truth.shape, 25.0**2, np.float32)
    )
    assert scaling.scale[0] == pytest.approx(0.9, abs=max(0.005, 3 * scaling.scale_error))
    assert scaling.background[0] == pytest.approx(12, abs=1.5)
    assert not scaling.is_shifted


@pytest.mark.parametrize("expected", [0.94, 1.0, 1.05])
def test_scale_does_not_follow_what_is_new(expected: float) -> None:
    rng = np.random.default_rng(5)
    truth, new = np.zeros((2, 400, 400))
    for light, count, brightness in ((truth, 60, (3, 4.5)), (new, 40, (3.5, 5))):
        light[rng.integers(20, 380, count), rng.integers(20, 380, count)] = 10 ** rng.uniform(
            *brightness, count
        )
    noise = np.full(truth.shape, 40.0**2, np.float32)
    before, after = (convolve_image(light.astype(np.float32), _moffat(4.5)) for light in (truth, truth + new))
    image, model = (light + rng.normal(0, 28, light.shape).astype(np.float32) for light in (before, after))
    scaling = fit_scaling(
        image, model, noise, truth < -1, BBOX, model_variance=noise / 2, expected_scale=expected
    )
    assert scaling.scale[0] == pytest.approx(1.0, abs=0.03)


def test_scale_is_that_of_what_both_images_show() -> None:
    rng = np.random.default_rng(7)

    def light(count: int) -> np.ndarray:
        points = np.zeros((400, 400))
        points[rng.integers(20, 380, count), rng.integers(20, 380, count)] = 10 ** rng.uniform(
            3.5, 4.5, count
        )
        return convolve_image(points.astype(np.float32), _moffat(4.5))

    common, only_model = light(25), light(50)
    noise = np.full(common.shape, 30.0**2, np.float32)
    image, model = ((part + rng.normal(0, 30, part.shape)).astype(np.float32)
                    for part in (0.9 * common, common + only_model))  # fmt: skip
    scaling = fit_scaling(
        image, model, 2 * noise, common < -1, BBOX, model_variance=noise, background_order=-1
    )
    assert scaling.scale[0] == pytest.approx(0.9, abs=0.03)


def test_shifted_kernel_moves_a_star() -> None:
    psf = _psf(3.4)
    moved = scipy.signal.fftconvolve(
        psf.middle(), shift_kernel(KernelField(WIDE, np.ones((1, 1, 1))), (0.4, -0.3)).middle(), mode="same"
    )
    truth = psf.stamps([150.4], [399.7], centre=(np.array([400]), np.array([150])))[0]
    assert np.abs(moved - truth).max() < 0.01 * truth.max()


@pytest.mark.parametrize("source", ["auto", "psf", "stars"])
def test_constant_sky_leaves_white_noise(source: str) -> None:
    sharp, broad = _psf(3.4, 0.1), _psf(4.5, 0.1)
    sky = _sky(80, 5)
    science, template = _observe(broad, sky, 30.0, 3)[BBOX], _observe(sharp, sky, 15.0, 4)
    result = subtract(science, template, broad, sharp, SubtractionOptions(kernel_source=source))
    z = _significance(result.difference)
    assert robust_std(z) == pytest.approx(1.0, abs=0.03)
    assert np.std(z) < 1.08 and result.summary["convolved"] == "template"
    assert result.summary["fluxScale"] == pytest.approx(1.0, abs=0.01)


@pytest.mark.parametrize("science_fwhm", [3.0, 4.19, 4.21])
def test_sharper_or_equal_science_image_does_not_ring(science_fwhm: float) -> None:
    broad, sharp = _psf(4.2, 0.05), _psf(science_fwhm, 0.05)
    sky = _sky(60, 6)
    science, template = _observe(sharp, sky, 30.0, 5)[BBOX], _observe(broad, sky, 12.0, 6)
    result = subtract(science, template, sharp, broad)
    assert result.summary["convolved"] == ("science" if science_fwhm < 4.2 else "template")
    edge = result.difference.mask.get("DETECTION_EDGE")
    z = (result.difference.image.array / np.sqrt(result.difference.variance.array))[~edge]
    assert robust_std(z) == pytest.approx(1.0, abs=0.04) and np.abs(z).max() < 8
    kernel = result.kernel.middle()
    assert np.abs(kernel).sum() < 1.6 * kernel.sum()


def test_flux_ratio_background_and_shift_are_found() -> None:
    sharp, broad = _psf(3.4), _psf(4.5)
    x, y, flux = _sky(80, 7)
    science = _observe(broad, (x + 0.4, y - 0.2, 0.8 * flux), 30.0, 7)[BBOX]
    science.image.array += 25 + 0.05 * np.arange(BBOX.x.size, dtype=np.float32)
    options = SubtractionOptions(kernel_source="psf")
    result = subtract(science, _observe(sharp, (x, y, flux), 12.0, 8), broad, sharp, options)
    assert result.summary["fluxScale"] == pytest.approx(0.8, abs=0.01)
    assert result.summary["shiftX"] == pytest.approx(0.4, abs=0.03)
    assert result.summary["shiftY"] == pytest.approx(-0.2, abs=0.03)
    assert result.kernel.middle().sum() == pytest.approx(0.8, abs=0.01)
    z = _significance(result.difference)
    assert abs(np.median(z)) < 0.05 and robust_std(z) == pytest.approx(1.0, abs=0.04)


def test_wrong_psf_models_are_overruled_by_stars() -> None:
    sharp, broad = _psf(3.4), _psf(4.5)
    sky = _sky(120, 8, faintest=4.3)
    science, template = _observe(broad, sky, 30.0, 9)[BBOX], _observe(sharp, sky, 6.0, 10)
    result = subtract(science, template, _psf(5.2), sharp)
    assert result.summary["kernelSource"] == "stars"
    right = subtract(science, template, broad, sharp)
    assert right.summary["kernelSource"] == "psf" and right.summary["kernelChi2"] < 1.5


def test_too_few_stars_are_an_error_that_says_so() -> None:
    psf = _psf(4.0)
    blank = _observe(psf, (np.zeros(0), np.zeros(0), np.zeros(0)), 30.0, 11)
    options = SubtractionOptions(kernel_source="stars")
    with pytest.raises(SubtractionError, match="3 are needed"):
        subtract(blank[BBOX], blank, psf, _psf(3.0), options)
    result = subtract(blank[BBOX], blank, psf, _psf(3.0))
    assert result.summary["kernelSource"] == "psf"
    assert result.summary["fluxScale"] == 1.0 and result.summary["shiftX"] == 0.0


def test_missing_pixels_are_missing_and_spread_only_by_the_kernel() -> None:
    sharp, broad = _psf(3.4), _psf(4.5)
    sky = _sky(60, 9)
    science, template = _observe(broad, sky, 30.0, 12)[BBOX], _observe(sharp, sky, 12.0, 13)
    science.image.array[50:53] = np.nan
    science.mask.set("NO_DATA", np.isnan(science.image.array))
    template.image.array[:60, :60] = np.nan
    template.mask.set("SATURATED", _square(template.bbox, 250, 5))
    result = subtract(science, template, broad, sharp)
    missing = result.difference.mask.get("NO_DATA")
    np.testing.assert_array_equal(missing, np.isnan(result.difference.image.array))
    np.testing.assert_array_equal(missing, np.isnan(result.difference.variance.array))
    assert missing[50:53].all() and missing[:40, :40].all() and not missing[200:, 200:].any()
    flagged = result.difference.mask.get("SAT_TEMPLATE")
    assert 25 < flagged.sum() < 25 * 25 and not result.difference.mask.get("SATURATED").any()
    assert robust_std(_significance(result.difference)) == pytest.approx(1.0, abs=0.04)


def _square(bbox: Box, place: int, size: int) -> np.ndarray:
    out = np.zeros(bbox.shape, dtype=bool)
    out[place : place + size, place : place + size] = True
    return out


def test_planes_of_the_template_get_names_of_their_own() -> None:
    from lsst.meas.realbogus.imaging import ensure_planes

    science = ensure_planes(Mask(0, schema=MASK_SCHEMA, bbox=BBOX), ["INJECTED"])
    template = ensure_planes(Mask(0, schema=MASK_SCHEMA, bbox=BBOX), ["INJECTED", "HIGH_VARIANCE"])
    science.set("INJECTED", _square(BBOX, 10, 3))
    science.set("DETECTED", _square(BBOX, 10, 3))
    for name in ("INJECTED", "SATURATED", "COSMIC_RAY", "DETECTED", "HIGH_VARIANCE"):
        template.set(name, _square(BBOX, 100, 3))
    mask = difference_mask(science, template, spread=2)
    assert mask.get("INJECTED").sum() == mask.get("INJECTED_TEMPLATE").sum() == 9
    again = ensure_planes(template, ["INJECTED_TEMPLATE"])
    again.set("INJECTED_TEMPLATE", _square(BBOX, 150, 3))  # as our own injection names it
    assert difference_mask(science, again, spread=2).get("INJECTED_TEMPLATE").sum() == 18
    assert mask.get("SAT_TEMPLATE").sum() == 49 and mask.get("HIGH_VARIANCE").sum() == 9
    assert not any(mask.get(name).any() for name in ("DETECTED", "SATURATED", "COSMIC_RAY"))


def test_images_must_fit_each_other() -> None:
    psf = _psf(4.0)
    image = _observe(psf, (np.zeros(0), np.zeros(0), np.zeros(0)), 30.0, 11)
    with pytest.raises(ImageMismatchError, match="does not cover"):
        subtract(image, image[BBOX], psf, psf)
    with pytest.raises(InvalidInputError, match="mode"):
        SubtractionOptions(mode="both")
    with pytest.raises(InvalidInputError, match="source"):
        SubtractionOptions(kernel_source="guess")


def _visit(image: MaskedImage, psf: KernelField) -> VisitImage:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [150.0, 400.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument="ToyCam", visit=1, detector=0, bbox=BBOX)
    return VisitImage(
        image.image,
        mask=image.mask,
        variance=image.variance,
        sky_projection=SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=image.bbox),
        psf=psf.to_psf(image.bbox),
        detector=make_detector(CameraGeometry.grid("ToyCam", (1, 1), (400, 400), 0, 0.2), 0, 1),
        obs_info=ObservationInfo(instrument="ToyCam", detector_num=0, physical_filter="r_toy", visit_id=1),
        band="r",
    )


def test_difference_and_kernel_survive_files(tmp_path: Path) -> None:
    sharp, broad = _psf(3.4, 0.1), _psf(4.5, 0.1)
    sky = _sky(60, 10)
    science = _visit(_observe(broad, sky, 30.0, 14)[BBOX], broad)
    products = subtract_visit(science, _visit(_observe(sharp, sky, 12.0, 15), sharp))
    write_archive(products.difference, str(tmp_path / "difference.fits"))
    again = read_archive(str(tmp_path / "difference.fits"), DifferenceImage)
    np.testing.assert_array_equal(again.image.array, products.difference.image.array)
    for x, y in ((-40, 250), (150, 400)):
        kernels = [d.kernel.compute_kernel_image(x=x, y=y).array for d in (again, products.difference)]
        np.testing.assert_allclose(*kernels)
        stars = [d.psf.compute_stellar_image(x=x, y=y).array for d in (again, products.difference)]
        np.testing.assert_allclose(*stars)
    matched = products.template.image.array
    np.testing.assert_array_equal(np.isnan(matched), products.difference.mask.get("NO_DATA"))


class Evaluated(LegacyPointSpreadFunction):
    """A PSF that no file can hold, as those that afw evaluates."""

    def __init__(self, psf: PointSpreadFunction) -> None:
        super().__init__(psf, psf.bounds)
        for name in ("kernel_bbox", "compute_kernel_image", "compute_stellar_image", "compute_stellar_bbox"):
            self.__dict__[name] = getattr(psf, name)


def test_a_template_that_is_not_convolved_can_be_stored_with_its_psf(tmp_path: Path) -> None:
    sharp, broad = _psf(3.4, 0.1), _psf(4.5, 0.1)
    sky = _sky(60, 10)
    science = _visit(_observe(sharp, sky, 30.0, 14)[BBOX], sharp)
    template = _visit(_observe(broad, sky, 12.0, 15), broad)
    products = subtract_visit(science, template, template_psf=Evaluated(template.psf))
    assert products.summary["convolved"] == "science"
    write_archive(products.template, str(tmp_path / "template.fits"))
    again = read_archive(str(tmp_path / "template.fits"), VisitImage)
    for x, y in ((-40, 250), (150, 400)):
        kernels = [psf.compute_kernel_image(x=x, y=y) for psf in (again.psf, template.psf)]
        box = kernels[0].bbox.intersection(kernels[1].bbox)
        np.testing.assert_allclose(*(kernel[box].array for kernel in kernels), atol=1e-4)


def test_kernel_of_lsst_images_is_the_same_kernel() -> None:
    kernel = _psf(4.0, 0.3, BBOX)
    lsst = to_convolution_kernel(kernel)
    for x, y in ((-40, 250), (150, 400), (333, 590)):
        np.testing.assert_allclose(lsst.compute_kernel_image(x=x, y=y).array, kernel.at(x, y)[0], atol=1e-14)
