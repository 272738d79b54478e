"""Tracts, warping, coadds and templates: flux, positions and PSFs survive the way from pixels to pixels."""

from __future__ import annotations

import json

import astropy.units as u
import numpy as np
import pytest
import scipy.ndimage
from astro_metadata_translator import ObservationInfo
from astropy.coordinates import SkyCoord
from astropy.wcs import WCS
from lsst.images import Box, DetectorFrame, Image, MaskedImage, SkyProjection, VisitImage
from lsst.images.cells import CellCoadd, PatchDefinition
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.images.serialization import read_archive, write_archive

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.imaging import KernelField, dilate_bits, psf_nodes
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA
from lsst.meas.realbogus.templates import (
    CoaddInput,
    Tract,
    assemble_coadd,
    build_template,
    prepare_input,
    warp_image,
)
from lsst.meas.realbogus.templates._warp import map_pixels, warp_kernel

SIZE = 300
BBOX = Box.factory[40 : 40 + SIZE, -20 : SIZE - 20]
DETECTOR = make_detector(CameraGeometry.grid("ToyCam", (1, 1), (SIZE, SIZE), 0, 0.2), 0, 1)
OBS_INFO = ObservationInfo(instrument="ToyCam", detector_num=0, physical_filter="r_toy", visit_id=1)
FLUX = 1e5


def _wcs(crpix: tuple[float, float] = (150.0, 150.0), degrees: float = 0.0, scale: float = 0.2) -> WCS:
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], crpix
    cos, sin = np.cos(np.radians(degrees)), np.sin(np.radians(degrees))
    wcs.wcs.cd = np.array([[-cos, sin], [sin, cos]]) * scale / 3600
    return wcs


def _projection(wcs: WCS, bbox: Box = BBOX) -> SkyProjection[DetectorFrame]:
    frame = DetectorFrame(instrument="ToyCam", visit=1, detector=0, bbox=bbox)
    return SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=bbox)


def _stars(count: int = 40, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return np.random.default_rng(seed).uniform(-0.0055, 0.0055, (2, count)) + np.array([[150.0], [2.0]])


def _draw(
    projection: SkyProjection[DetectorFrame], bbox: Box, sigma: float, flux: float = FLUX
) -> np.ndarray:
    """Draw stars of one flux as Gaussians."""
    ra, dec = _stars()
    pixels = projection.sky_to_pixel(SkyCoord(ra, dec, unit="deg"))
    image = np.zeros(bbox.shape)
    for x, y in zip(pixels.x, pixels.y, strict=True):
        along_x = np.exp(-0.5 * ((bbox.x.arange - x) / sigma) ** 2)
        along_y = np.exp(-0.5 * ((bbox.y.arange - y) / sigma) ** 2)
        image += FLUX * np.outer(along_y, along_x) / (2 * np.pi * sigma**2)
    return image


def _visit(wcs: WCS, sigma: float = 1.6, noise: float = 0.0, seed: int = 0) -> VisitImage:
    projection = _projection(wcs)
    image = _draw(projection, BBOX, sigma) + np.random.default_rng(seed).normal(0, 1, BBOX.shape) * noise
    return VisitImage(
        Image(image.astype(np.float32), bbox=BBOX, unit=u.nJy),
        mask_schema=MASK_SCHEMA,
        variance=Image(np.full(BBOX.shape, max(noise, 1.0) ** 2, np.float32), bbox=BBOX),
        sky_projection=projection,
        obs_info=OBS_INFO,
        psf=GaussianPointSpreadFunction(sigma, bounds=BBOX, stamp_size=33),
        detector=DETECTOR,
        band="r",
    )


def _tract(border: int = 0) -> Tract:
    bbox = Box.factory[-50:400, -100:350]
    return Tract.from_wcs("toy", 3, _wcs((151.3, 148.9), 4.0), bbox, 200, 50, border_cells=border)


def test_tract_survives_json() -> None:
    tract = _tract(border=1)
    again = Tract.from_dict(json.loads(json.dumps(tract.to_dict())))
    assert again == tract
    assert again.projection == tract.projection


def test_patches_cover_the_tract_once() -> None:
    tract = _tract(border=1)
    count = np.zeros(tract.bbox.shape, dtype=int)
    for patch in tract.patches:
        count[patch.inner_bbox.slice_within(tract.bbox)] += 1
        assert patch.outer_bbox.contains(patch.inner_bbox) and tract.bbox.contains(patch.outer_bbox)
        assert tract.patch(patch.id) is patch
    assert (count == 1).all()


def test_vertices_are_the_corners_of_pixels() -> None:
    tract = _tract()
    ra, dec = np.array(tract.tract_vertices()).T
    pixels = tract.projection.sky_to_pixel(SkyCoord(ra, dec, unit="deg"))
    np.testing.assert_allclose(pixels.x, [-100.5, 349.5, 349.5, -100.5], atol=1e-6)
    np.testing.assert_allclose(pixels.y, [-50.5, -50.5, 399.5, 399.5], atol=1e-6)


@pytest.mark.parametrize(("patch_size", "cell_size"), [(120, 50), (0, 50), (50, 0)])
def test_sizes_of_a_tract_must_fit(patch_size: int, cell_size: int) -> None:
    with pytest.raises(InvalidInputError):
        Tract.from_wcs("toy", 0, _wcs(), BBOX, patch_size, cell_size)


def test_warping_is_accurate_and_conserves_flux() -> None:
    source, target = _visit(_wcs()), _projection(_wcs((161.2, 143.7), 12.0))
    box = Box.factory[90:290, 40:240]
    warped = warp_image(source, target, box)
    assert warped is not None and warped.bbox == box and not warped.mask.get("NO_DATA").any()
    truth = _draw(target, box, 1.6)
    assert np.abs(warped.image.array - truth).max() < 0.003 * truth.max()
    assert warped.image.array.sum() == pytest.approx(truth.sum(), rel=1e-4)


def test_flux_is_conserved_when_the_pixels_change_size() -> None:
    source, target = _visit(_wcs(), sigma=2.0), _projection(_wcs((200.0, 200.0), 3.0, scale=0.15))
    box = Box.factory[80:330, 80:330]
    warped = warp_image(source, target, box)
    assert warped is not None
    assert warped.image.array.sum() == pytest.approx(_draw(target, box, 2.0 * 0.2 / 0.15).sum(), rel=1e-3)


@pytest.mark.parametrize("shift", [(0, 0), (17, -8)])
def test_whole_shifts_copy_pixels(shift: tuple[int, int]) -> None:
    source = _visit(_wcs(), noise=10.0)
    source.image.array[5, 7] = np.nan
    target = _projection(_wcs((150.0 + shift[0], 150.0 + shift[1])))
    box = Box.factory[
        BBOX.y.start + shift[1] : BBOX.y.stop + shift[1], BBOX.x.start + shift[0] : BBOX.x.stop + shift[0]
    ]
    warped = warp_image(source, target, box)
    assert warped is not None
    np.testing.assert_array_equal(warped.image.array, source.image.array)
    np.testing.assert_array_equal(warped.variance.array[0], source.variance.array[0])
    assert warped.mask.get("NO_DATA").sum() == 1


def test_missing_pixels_stay_missing_and_do_not_ring() -> None:
    source = _visit(_wcs())
    source.image.array[100:103] = np.nan
    source.image.array[:40, :40] = np.nan
    source.mask.set("SATURATED", np.isnan(source.image.array))
    target = _projection(_wcs((161.2, 143.7), 12.0))
    box = Box.factory[30:350, -40:290]
    warped = warp_image(source, target, box)
    assert warped is not None
    missing = warped.mask.get("NO_DATA")
    np.testing.assert_array_equal(np.isnan(warped.image.array), missing)
    assert missing[0, 0] and (warped.mask.get("SATURATED") & missing).any()
    off = np.abs(warped.image.array - _draw(target, box, 1.6))[~missing]
    assert off.max() < 0.02 * source.image.array[~np.isnan(source.image.array)].max()


def test_no_overlap_is_none() -> None:
    assert warp_image(_visit(_wcs()), _projection(_wcs((5000.0, 150.0))), BBOX) is None


def test_noise_on_the_scale_of_the_psf_is_what_the_variance_says() -> None:
    source = _visit(_wcs(), noise=30.0)
    source.image.array -= _draw(source.sky_projection, BBOX, 1.6).astype(np.float32)
    warped = warp_image(source, _projection(_wcs((151.3, 148.6), 2.0)), Box.factory[70:310, 10:250])
    assert warped is not None
    expected = np.sqrt(warped.variance.array.mean() / (4 * np.pi * 1.6**2))
    assert scipy.ndimage.gaussian_filter(warped.image.array, 1.6).std() == pytest.approx(expected, rel=0.06)


def test_a_warped_kernel_is_the_kernel_of_warped_stars() -> None:
    source, target = _projection(_wcs()), _projection(_wcs((150.0, 150.0), 30.0, scale=0.17))
    pixels = map_pixels(target, BBOX, source)
    assert pixels is not None
    kernel = GaussianPointSpreadFunction(1.6, bounds=BBOX, stamp_size=33).compute_kernel_image(x=0, y=0).array
    warped = warp_kernel(kernel, pixels.jacobian(100, 100), 16)
    sigma = 1.6 * 0.2 / 0.17
    steps = np.arange(-16, 17)
    truth = np.exp(-0.5 * (steps[:, np.newaxis] ** 2 + steps**2) / sigma**2) / (2 * np.pi * sigma**2)
    assert np.abs(warped - truth).max() < 0.005 * truth.max()


def test_bits_spread_by_the_radius() -> None:
    bits = np.zeros((11, 11, 1), dtype=np.uint8)
    bits[5, 5] = 4
    wide = dilate_bits(bits, 2)
    assert (wide > 0).sum() == 25 and wide.max() == 4


def test_a_kernel_field_is_the_same_as_a_piff_psf() -> None:
    x, y = psf_nodes(BBOX, 5)
    kernels = np.stack(
        [
            GaussianPointSpreadFunction(1.5 + 0.001 * a - 0.0005 * b, bounds=BBOX, stamp_size=31)
            .compute_kernel_image(x=0, y=0)
            .array
            for a, b in zip(x, y, strict=True)
        ]
    )
    field = KernelField.fit(kernels, x, y, BBOX, 3)
    assert np.abs(field.at(x, y) - kernels).max() < 1e-3 * kernels.max()
    psf = field.to_psf(BBOX)
    for place in ((33.2, 80.9), (250.7, 300.1)):
        image = psf.compute_stellar_image(x=place[0], y=place[1])
        stamp = field.stamps(place[0], place[1])[0]
        assert np.abs(image.array / image.array.sum() - stamp).max() < 0.003 * stamp.max()


def test_stamps_may_be_cut_about_another_pixel() -> None:
    psf = GaussianPointSpreadFunction(1.7, bounds=BBOX, stamp_size=41)
    field = KernelField.from_psf(psf, BBOX)
    centre = np.array([103]), np.array([58])
    stamp = field.stamps([60.3], [101.6], 10, centre)[0]
    whole = psf.compute_stellar_image(x=60.3, y=101.6)[Box.factory[93:114, 48:69]].array
    assert np.abs(stamp - whole).max() < 0.001 * whole.max()


def test_slopes_are_derivatives() -> None:
    field = KernelField.from_psf(GaussianPointSpreadFunction(1.7, bounds=BBOX, stamp_size=41), BBOX)
    _, by_x, by_y = field.stamps_with_slopes([60.3], [101.6])
    step = 1e-4
    numeric = (field.stamps([60.3 + step], [101.6]) - field.stamps([60.3 - step], [101.6])) / (2 * step)
    np.testing.assert_allclose(by_x, numeric, atol=1e-6)
    numeric = (field.stamps([60.3], [101.6 + step]) - field.stamps([60.3], [101.6 - step])) / (2 * step)
    np.testing.assert_allclose(by_y, numeric, atol=1e-6)


@pytest.fixture(scope="module")
def visits() -> list[VisitImage]:
    return [
        _visit(_wcs((150.0 + 6 * k, 150.0 - 4 * k), 1.5 * k), sigma=1.5 + 0.1 * k, noise=5.0 + k, seed=k)
        for k in range(3)
    ]


def _inputs(series: list[VisitImage], tract: Tract, patch: PatchDefinition) -> list[CoaddInput]:
    return [item for item in (prepare_input(v, tract, patch) for v in series) if item is not None]


@pytest.fixture(scope="module")
def coadds(visits: list[VisitImage]) -> list[CellCoadd]:
    tract = _tract()
    out = []
    for patch in tract.patches:
        inputs = _inputs(visits, tract, patch)
        if inputs:
            out.append(assemble_coadd(inputs, tract, patch, band="r"))
    return out


def test_coadd_leaves_out_what_one_visit_shows(visits: list[VisitImage]) -> None:
    tract, patch = _tract(), _tract().patch(4)
    spoiled = visits[1].copy()
    place = map_pixels(tract.projection, patch.outer_bbox, spoiled.sky_projection)
    assert place is not None
    row, column = round(place.y[60, 60]) - BBOX.y.start, round(place.x[60, 60]) - BBOX.x.start
    spoiled.image.array[row, column - 10 : column + 10] += 5000
    clean, dirty = (
        assemble_coadd(
            [i for i in (prepare_input(v, tract, patch) for v in series) if i], tract, patch, band="r"
        )
        for series in (visits, [visits[0], spoiled, visits[2]])
    )
    off = np.abs(clean.image.array - dirty.image.array)
    by_three = clean.variance.array < 1.01 * np.nanmin(clean.variance.array)
    blank = by_three & (np.abs(clean.image.array) < 100)
    assert off[blank].max() < 60 and dirty.mask.get("CLIPPED")[58:63, 55:65].any()


def test_psf_of_a_coadd_is_the_mean_of_its_inputs(coadds: list[CellCoadd]) -> None:
    coadd = coadds[len(coadds) // 2]
    kernel = coadd.psf.compute_kernel_image(x=coadd.bbox.x.center, y=coadd.bbox.y.center).array
    assert kernel.sum() == pytest.approx(1.0)
    radius = kernel.shape[0] // 2
    steps = np.arange(-radius, radius + 1)
    variance = (kernel * steps**2).sum()
    assert 1.5**2 < variance < 1.7**2


def test_noise_of_a_coadd_is_that_of_the_mean(coadds: list[CellCoadd]) -> None:
    covered = np.concatenate([c.variance.array[~c.mask.get("NO_DATA")].ravel() for c in coadds])
    assert covered.min() == pytest.approx(1 / sum(1 / (5.0 + k) ** 2 for k in range(3)), rel=0.02)


def test_template_is_on_the_pixels_of_the_image(coadds: list[CellCoadd]) -> None:
    projection = _projection(_wcs((140.0, 155.0), 20.0))
    template = build_template(coadds, BBOX, projection, detector=DETECTOR, obs_info=OBS_INFO, band="r")
    assert template is not None and template.bbox == BBOX.padded(20)
    covered = ~template.mask.get("NO_DATA")
    np.testing.assert_array_equal(np.isfinite(template.image.array), covered)
    assert 0.5 < covered.mean() < 1.0
    truth = sum(_draw(projection, template.bbox, 1.5 + 0.1 * k) / (5.0 + k) ** 2 for k in range(3)) / sum(
        1 / (5.0 + k) ** 2 for k in range(3)
    )
    inner = covered[60:-60, 60:-60]
    off = (template.image.array - truth)[60:-60, 60:-60][inner]
    assert np.abs(off).max() < 0.01 * truth.max() + 8 * np.sqrt(np.nanmedian(template.variance.array))


def test_coadd_and_template_survive_files(coadds: list[CellCoadd], tmp_path: object) -> None:
    projection = _projection(_wcs((140.0, 155.0), 20.0))
    template = build_template(coadds, BBOX, projection, detector=DETECTOR, obs_info=OBS_INFO, band="r")
    assert template is not None
    write_archive(template, f"{tmp_path}/template.fits")
    write_archive(coadds[0], f"{tmp_path}/coadd.fits")
    again = read_archive(f"{tmp_path}/template.fits", VisitImage)
    np.testing.assert_array_equal(again.image.array, template.image.array)
    for x, y in ((10.2, 60.7), (200.0, 300.0)):
        np.testing.assert_allclose(
            again.psf.compute_stellar_image(x=x, y=y).array,
            template.psf.compute_stellar_image(x=x, y=y).array,
        )
    coadd = read_archive(f"{tmp_path}/coadd.fits", CellCoadd)
    assert coadd.patch == coadds[0].patch and coadd.sky_projection == coadds[0].sky_projection


def test_no_coadd_near_the_detector_is_none(coadds: list[CellCoadd]) -> None:
    projection = _projection(_wcs((9000.0, 155.0)))
    assert build_template(coadds, BBOX, projection, detector=DETECTOR, obs_info=OBS_INFO, band="r") is None


def test_masked_image_without_projection_is_refused() -> None:
    image = MaskedImage(Image(np.zeros((9, 9), np.float32)), mask_schema=MASK_SCHEMA)
    with pytest.raises(InvalidInputError):
        warp_image(image, _projection(_wcs()), BBOX)


def test_defect_22_stars_of_the_sharpest_visit_are_not_clipped() -> None:
    tract = _tract()
    patch = tract.patch(0)
    inputs = _inputs(
        [_visit(_wcs(), sigma, 10.0, seed) for seed, sigma in enumerate((1.7, 1.65, 1.3))], tract, patch
    )
    coadd = assemble_coadd(inputs, tract, patch, band="r")
    mean = np.mean([item.image.image.array for item in inputs], axis=0)
    known = np.isfinite(mean) & ~coadd.mask.get("REJECTED")
    bright = known & (mean > 500.0)
    assert bright.sum() > 100
    assert not coadd.mask.get("CLIPPED")[bright].any()
    np.testing.assert_allclose(coadd.image.array[bright].sum(), mean[bright].sum(), rtol=1e-3)
