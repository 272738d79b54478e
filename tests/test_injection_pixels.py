"""Light in pixels: fluxes and positions are unbiased, noise is what the variance says and never repeats."""

from __future__ import annotations

from pathlib import Path

import astropy.io.fits
import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import (
    Box,
    DetectorFrame,
    Image,
    Mask,
    MaskPlane,
    MaskSchema,
    SkyProjection,
    VisitImage,
    get_legacy_visit_image_mask_planes,
)
from lsst.images.fields import ChebyshevField
from lsst.images.fits import ExtensionKey, FitsOpaqueMetadata
from lsst.images.psfs import GaussianPointSpreadFunction
from lsst.images.serialization import read_archive

from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.injection import InjectionOptions, inject
from lsst.meas.realbogus.injection._gain import gain_regions
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._visit_image import make_visit_image
from lsst.meas.realbogus.tables import InjectionFlag

SIZE = 256
SIGMA = 2.0
QUIET = InjectionOptions(add_noise=False)


class FragilePsf(GaussianPointSpreadFunction):
    """Cannot be evaluated off the image."""

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        if not self.bounds.contains(x=x, y=y):
            raise ValueError("outside")
        return super().compute_stellar_image(x=x, y=y)


def make_image(
    *,
    visit: int = 42,
    detector: int = 3,
    slopes: tuple[float, ...] = (20.0,),
    unit: u.UnitBase = u.nJy,
    scale: float = 1.0,
    psf: type[GaussianPointSpreadFunction] = GaussianPointSpreadFunction,
    start: tuple[int, int] = (500, 1000),
) -> VisitImage:
    """An image whose variance is sky plus a slope times flux, by amplifier; two stars show the slope."""
    bbox = Box.from_shape((SIZE, SIZE), start)
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    flux = sum(3e5 * np.exp(-((x - cx) ** 2 + (y - 128) ** 2) / 60.0) for cx in (48, 208))
    variance = np.full((SIZE, SIZE), 900.0)
    for part, slope in zip(np.array_split(np.arange(SIZE), len(slopes)), slopes, strict=True):
        variance[:, part] += slope * flux[:, part]
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], [53.1, -27.8]
    wcs.wcs.crpix = [start[1] + SIZE / 2, start[0] + SIZE / 2]
    angle = np.deg2rad(37.0)
    wcs.wcs.cd = 0.2 / 3600 * np.array([[-np.cos(angle), np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    frame = DetectorFrame(instrument="ToyCam", visit=visit, detector=detector, bbox=bbox)
    image = make_visit_image(
        flux,
        variance,
        Mask(0, schema=MaskSchema(list(get_legacy_visit_image_mask_planes().values())), bbox=bbox),
        projection=SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=bbox),
        psf=psf(SIGMA, bounds=bbox, stamp_size=33),
        detector=make_detector(
            CameraGeometry.single("ToyCam", detector, bbox, 0.2), detector, visit, gains=(1.0,) * len(slopes)
        ),
        scaling=ChebyshevField(bbox, np.array([[scale]]), unit=u.nJy / u.adu),
        visit=visit,
        band="r",
        physical_filter="r",
        begin=Time("2026-01-01", scale="tai"),
        exposure_time=30.0,
    )
    return image if unit == u.nJy else image.convert_unit(unit)


def make_rows(image: VisitImage, x: np.ndarray, y: np.ndarray, mag: np.ndarray | float) -> Table:
    sky = image.sky_projection.pixel_to_sky(x=np.asarray(x, float), y=np.asarray(y, float))
    table = Table({"injection_id": np.arange(1, len(x) + 1), "ra": sky.ra.deg, "dec": sky.dec.deg})
    table["mag"] = np.broadcast_to(mag, len(x)).astype(float)
    return table


def _grid(n: int = 6) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(5)
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(1024, 1232, n), np.linspace(524, 732, n)))
    return x + rng.uniform(-0.5, 0.5, len(x)), y + rng.uniform(-0.5, 0.5, len(y))


@pytest.mark.parametrize("renderer", ["psf", "galsim"])
def test_flux_and_position_are_exact_without_noise(renderer: str) -> None:
    image = make_image()
    x, y = _grid()
    rows = make_rows(image, x, y, np.linspace(18.0, 23.0, len(x)))
    rows["draw_size"] = 40  # GalSim's own choice holds 99.5 % of the flux
    options = InjectionOptions(add_noise=False, renderer=renderer)
    result = inject(image, rows, options, seed=1)
    # Float32 pixels of the stars beneath would round more than faint fakes weigh: read the added variance.
    added = (result.image.variance.array.astype(float) - image.variance.array) / 20.0
    for row in result.catalog:
        if np.hypot(row["x"] - 1048, row["y"] - 628) < 60 or np.hypot(row["x"] - 1208, row["y"] - 628) < 60:
            continue
        xi, yi = round(row["x"]) - 1000, round(row["y"]) - 500
        stamp = added[yi - 16 : yi + 17, xi - 16 : xi + 17]
        offsets = np.arange(-16, 17)
        assert stamp.sum() == pytest.approx(row["flux"], rel=1e-3)
        assert stamp.sum(axis=0) @ offsets / stamp.sum() + xi + 1000 == pytest.approx(row["x"], abs=0.01)
        assert stamp.sum(axis=1) @ offsets / stamp.sum() + yi + 500 == pytest.approx(row["y"], abs=0.01)


def test_noise_has_the_variance_that_is_added() -> None:
    """Pulls of the PSF flux of many realisations are N(0, 1) within 3 %, and fluxes are unbiased."""
    image = make_image()
    n = 160
    x, y = _grid(5)
    keep = (np.hypot(x - 1048, y - 628) > 45) & (np.hypot(x - 1208, y - 628) > 45)
    x, y = x[keep], y[keep]
    pulls = []
    quiet = inject(image, make_rows(image, x, y, 21.0), QUIET, seed=0)
    light = quiet.image.image.array.astype(float) - image.image.array
    variance = quiet.image.variance.array.astype(float) - image.variance.array
    for seed in range(n):
        noisy = inject(image, make_rows(image, x, y, 21.0), seed=seed)
        noise = noisy.image.image.array.astype(float) - quiet.image.image.array
        for row in quiet.catalog:
            xi, yi = round(row["x"]) - 1000, round(row["y"]) - 500
            part = (slice(yi - 5, yi + 6), slice(xi - 5, xi + 6))
            profile = light[part] / row["flux"]
            weight = profile / variance[part]
            pulls.append((weight * noise[part]).sum() / np.sqrt((weight**2 * variance[part]).sum()))
    pulls = np.array(pulls)
    assert len(pulls) > 2000
    assert abs(pulls.mean()) < 0.06
    assert np.std(pulls) == pytest.approx(1.0, abs=0.03)


def test_noise_is_independent_between_detectors_visits_and_rows() -> None:
    """Correlations below 0.02 between the same rows on other images, and between rows on one image."""
    x, y = (a.ravel() for a in np.meshgrid(np.linspace(1020, 1235, 6), np.linspace(520, 735, 6)))
    noises = []
    for visit, detector in ((42, 3), (42, 4), (43, 3)):
        image = make_image(visit=visit, detector=detector)
        rows = make_rows(image, x, y, 12.0)
        quiet = inject(image, rows, QUIET, seed=0).image
        added = np.maximum(quiet.variance.array.astype(float) - image.variance.array, 1.0)
        noises.append(
            [
                (inject(image, rows, seed=seed).image.image.array.astype(float) - quiet.image.array)
                / np.sqrt(added)
                for seed in range(4)
            ]
        )
    bright = added > 1e4
    stacks = [np.concatenate([noise[bright] for noise in seeds]) for seeds in noises]
    correlation = np.corrcoef(stacks)
    assert len(stacks[0]) > 20_000
    assert np.abs(correlation[~np.eye(3, dtype=bool)]).max() < 0.02
    shifted = bright & np.roll(bright, 43, axis=1)  # 43 pixels are from one row's stamp to the next
    pairs = [(noise[shifted], np.roll(noise, 43, axis=1)[shifted]) for noise in noises[0]]
    assert abs(np.corrcoef(*(np.concatenate(side) for side in zip(*pairs, strict=True)))[0, 1]) < 0.02


@pytest.mark.parametrize("slope", [2.0, 20.0, 200.0])
def test_gain_does_not_change_the_flux(slope: float) -> None:
    image = make_image(slopes=(slope,))
    x, y = _grid(7)
    rows = make_rows(image, x, y, 19.0)
    expected = inject(image, rows, QUIET, seed=1).image.image.array.astype(float) - image.image.array
    noisy = inject(image, rows, seed=1).image.image.array.astype(float) - image.image.array
    error = np.sqrt(slope * expected.sum())
    assert abs(noisy.sum() - expected.sum()) < 4.0 * error
    assert expected.sum() == pytest.approx(rows_flux(rows), rel=2e-4)


def rows_flux(rows: Table) -> float:
    return float((10.0 ** (-0.4 * (np.asarray(rows["mag"]) - 31.4))).sum())


def test_each_amplifier_has_its_own_gain() -> None:
    image = make_image(slopes=(10.0, 30.0))
    slopes = [region.slope for region in gain_regions(image, ())]
    np.testing.assert_allclose(slopes, [10.0, 30.0], rtol=1e-3)
    # One star astride the two amplifiers.
    result = inject(image, make_rows(image, np.array([1127.5]), np.array([560.0]), 18.0), QUIET, seed=1)
    added = result.image.variance.array.astype(float) - image.variance.array
    flux = float(result.catalog["flux"][0])
    assert added[:, :128].sum() == pytest.approx(5.0 * flux, rel=2e-3)
    assert added[:, 128:].sum() == pytest.approx(15.0 * flux, rel=2e-3)


def test_images_in_counts_take_calibrated_fluxes() -> None:
    njy, counts = make_image(scale=4.0), make_image(scale=4.0, unit=u.adu)
    rows = make_rows(njy, np.array([1128.3]), np.array([560.2]), 18.0)
    added = [
        inject(image, rows, QUIET, seed=1).image.image.array.astype(float).sum()
        - image.image.array.astype(float).sum()
        for image in (njy, counts)
    ]
    assert added[0] == pytest.approx(4.0 * added[1], rel=1e-4)


@given(st.permutations(range(12)))
@settings(deadline=None, max_examples=10)
def test_order_of_rows_changes_no_pixel(order: list[int]) -> None:
    rows = make_rows(IMAGE, np.linspace(1100, 1130, 12), np.linspace(560, 600, 12), 19.0)
    result = inject(IMAGE, rows[order], seed=4)
    np.testing.assert_array_equal(result.image.image.array, REFERENCE.image.image.array)
    np.testing.assert_array_equal(result.image.variance.array, REFERENCE.image.variance.array)
    np.testing.assert_array_equal(result.catalog["injection_id"], rows["injection_id"][order])


IMAGE = make_image()
REFERENCE = inject(
    IMAGE, make_rows(IMAGE, np.linspace(1100, 1130, 12), np.linspace(560, 600, 12), 19.0), seed=4
)


def test_input_is_left_alone_and_the_result_says_what_was_done() -> None:
    image = make_image()
    before = image.image.array.copy()
    rows = make_rows(image, np.array([1128.0, 5000.0]), np.array([560.0, 560.0]), 20.0)
    result = inject(image, rows, seed=7, dataset_type="preliminary_visit_image")
    np.testing.assert_array_equal(image.image.array, before)
    assert "INJECTED" not in image.mask.schema.names and rows.colnames == ["injection_id", "ra", "dec", "mag"]
    assert result.n_dropped == 1 and result.n_drawn == 1
    meta = dict(result.image.metadata)
    assert meta["INJECTED"] == "preliminary_visit_image" and meta["INJECTION_SEED"] == 7
    assert all(isinstance(value, int | float | str | bool) for value in meta.values())
    assert result.image.mask.get("INJECTED").sum() == 33 * 33
    assert result.image.mask.get("INJECTED_CORE").sum() == 9


def test_an_image_that_another_task_has_injected_can_be_injected_again(tmp_path: Path) -> None:
    """lsst.source_injection leaves its keys in the FITS header, which is read-only afterwards."""
    image = make_image()
    header = astropy.io.fits.Header({"INJECTED": True, "OTHER": 3})
    image._opaque_metadata = FitsOpaqueMetadata(headers={ExtensionKey(): header})
    with pytest.raises(KeyError, match="would shadow"):
        image.metadata["INJECTED"] = "yes"
    rows = make_rows(image, np.array([1128.0]), np.array([560.0]), 20.0)
    once = inject(image, rows, seed=7, dataset_type="theirs").image
    twice = inject(once, rows, seed=8, dataset_type="ours").image
    twice.write(str(tmp_path / "image.fits"))
    read = read_archive(str(tmp_path / "image.fits")).metadata
    for metadata in (twice.metadata, read):
        assert (metadata["INJECTED"], metadata["INJECTION_SEED"], metadata["OTHER"]) == ("ours", 8, 3)


class PropertyList(dict[str, object]):
    """``lsst.daf.base.PropertyList``, which becomes the header of an afw exposure."""

    @staticmethod
    def from_astropy_header(header: astropy.io.fits.Header) -> dict[str, object]:
        return dict(header)


def test_what_was_injected_stands_in_the_header_of_an_afw_exposure() -> None:
    """There, metadata of lsst.images are numbered pairs of cards that nobody else reads."""
    image = make_image()
    rows = make_rows(image, np.array([1128.0]), np.array([560.0]), 20.0)
    injected = inject(image, rows, seed=7, dataset_type="visit_image").image
    header = PropertyList()
    injected._fill_legacy_metadata(header)
    assert header["INJECTED"] == "visit_image"
    assert (header["INJECTION_SEED"], header["INJECTION_N_DRAWN"]) == (7, 1)
    assert image._opaque_metadata is None  # headers are shared by copies: that of the input is left alone


def test_templates_have_planes_of_their_own() -> None:
    image = make_image()
    rows = make_rows(image, np.array([1128.0, 1128.0]), np.array([560.0, 700.0]), 20.0)
    rows["is_visit_source"], rows["is_template_source"] = [True, False], [False, True]
    options = InjectionOptions(target="template")
    result = inject(image, rows, options, seed=7)
    assert list(result.catalog["injection_id"]) == [2]
    assert result.image.mask.get("INJECTED_CORE_TEMPLATE").sum() == 9
    assert result.image.mask.get("INJECTED_TEMPLATE")[200, 128]


def test_rows_that_cannot_be_drawn_are_flagged() -> None:
    image = make_image()
    rows = make_rows(image, np.array([1128.0] * 4 + [950.0]), np.linspace(540, 700, 5), 20.0)
    rows["mag"][1] = np.nan
    rows["source_type"] = ["Star", "Star", "Sersic", "DeltaFunction", "Star"]
    rows["n"] = [1.0, 1.0, 9.0, 1.0, 1.0]
    result = inject(image, rows, QUIET, seed=1)
    flags = [InjectionFlag(int(flag)) for flag in result.catalog["injection_flag"]]
    extended = InjectionFlag.TYPE_UNKNOWN | InjectionFlag.SERSIC_EXTREME
    assert flags == [0, InjectionFlag.MAG_BAD, extended, 0, InjectionFlag.NO_OVERLAP]
    assert result.catalog.meta["PSF_COMPUTE_ERROR"] == 5


def test_the_nearest_valid_psf_is_taken_where_the_model_fails() -> None:
    """Its stamp keeps the sub-pixel phase: the same pixels as of a model that is valid everywhere."""
    rows = make_rows(make_image(), np.array([993.3, 1261.8]), np.array([600.2, 490.6]), 18.0)
    fragile, sturdy = (
        inject(make_image(psf=kind), rows, QUIET, seed=1)
        for kind in (FragilePsf, GaussianPointSpreadFunction)
    )
    assert list(fragile.catalog["injection_flag"]) == [0, 0]
    np.testing.assert_allclose(fragile.image.image.array, sturdy.image.image.array, rtol=1e-6)


def test_pixels_that_are_not_numbers_stay_so() -> None:
    image = make_image()
    image.image.array[100:103] = np.nan
    result = inject(image, make_rows(image, np.array([1128.0]), np.array([601.0]), 20.0), seed=1)
    np.testing.assert_array_equal(np.isnan(result.image.image.array), np.isnan(image.image.array))
    assert result.image.mask.get("INJECTED")[101, 128]


def test_faults_are_told_before_anything_is_drawn() -> None:
    image = make_image()
    rows = make_rows(image, np.array([1128.0, 1128.0]), np.array([560.0, 700.0]), 20.0)
    rows["injection_id"] = 7
    rows["mag"][1] = 99.0
    with pytest.raises(InvalidCatalogError) as error:
        inject(image, rows, seed=1, name="my.csv")
    assert "my.csv" in str(error.value) and len(error.value.reasons) == 2
    assert "more than once (rows 0, 1)" in str(error.value) and "(row 1)" in str(error.value)


@pytest.mark.parametrize("n_planes", [5, 6, 7, 8, 14, 15, 16])
def test_planes_of_the_input_keep_their_pixels(n_planes: int) -> None:
    """However many bytes the two new planes need."""
    image = make_image()
    names = [f"PLANE{i}" for i in range(n_planes)]
    schema = MaskSchema([MaskPlane(n, n) for n in names])
    mask = Mask(0, schema=schema, bbox=image.bbox, sky_projection=image.sky_projection)
    rng = np.random.default_rng(1)
    pixels = {name: rng.random((SIZE, SIZE)) < 0.1 for name in names}
    for name, where in pixels.items():
        mask.set(name, where)
    image.mask = mask
    result = inject(image, make_rows(image, np.array([1128.0]), np.array([560.0]), 20.0), seed=1).image.mask
    for name, where in pixels.items():
        np.testing.assert_array_equal(result.get(name), where)
    assert result.get("INJECTED").sum() == 33 * 33 and list(result.schema.names)[:n_planes] == names


def test_defect_03_fakes_in_radians_and_mmag_inject_the_same_light() -> None:
    image = make_image()
    x, y = _grid(3)
    rows = make_rows(image, x, y, 20.0)
    turned = rows.copy()
    for name, factor, unit in (("ra", np.pi / 180, u.rad), ("dec", np.pi / 180, u.rad), ("mag", 1e3, u.mmag)):
        turned[name] *= factor
        turned[name].unit = unit
    ours, theirs = (
        inject(image, table, InjectionOptions(add_noise=False), seed=1) for table in (rows, turned)
    )
    assert ours.n_drawn == theirs.n_drawn == 9
    np.testing.assert_allclose(theirs.catalog["flux"], ours.catalog["flux"], rtol=1e-12)
    np.testing.assert_allclose(theirs.image.image.array, ours.image.image.array, rtol=1e-5)


def test_defect_04_ids_key_the_noise_whatever_their_type() -> None:
    image = make_image()
    x, y = _grid(2)
    rows = make_rows(image, x, y, 20.0)
    rows["injection_id"] = np.arange(4)  # from 0, as lsst.source_injection's generator does
    text = rows.copy()
    text["injection_id"] = rows["injection_id"].astype(str)
    ours, theirs = (inject(image, table, seed=1) for table in (rows, text))
    np.testing.assert_array_equal(theirs.image.image.array, ours.image.image.array)
    rows["injection_id"] = [1, 2, -3, 4]
    with pytest.raises(InvalidCatalogError, match=r"injection_id is below 0: -3 \(row 2\)"):
        inject(image, rows, seed=1)
