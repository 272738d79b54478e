"""The real lsst.source_injection as judge: from the same input the same pixels, masks, flags and rows."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import astropy.units as u
import numpy as np
import pytest
from astropy.table import Table
from astropy.time import Time
from lsst.images import Box, DetectorFrame, Image, MaskedImage, NoOverlapError, SkyProjection, VisitImage
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import PointSpreadFunction
from scipy import ndimage

from lsst.meas.realbogus.injection import FLAG_BITS, Injection, InjectionOptions, inject
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._visit_image import make_visit_image

OPTIONS = InjectionOptions(add_noise=False, renderer="galsim", calib_flux_radius=12.0)


class ServedPsf(PointSpreadFunction):
    """Kernels that the stack evaluated at the sources, shifted to sub-pixel positions by splines."""

    def __init__(self, at_sources: Path, elsewhere: Path, bounds: Box) -> None:
        sources, stamps = np.load(at_sources), np.load(elsewhere)
        near = np.hypot(stamps["x"] - stamps["avg_pos"][0], stamps["y"] - stamps["avg_pos"][1]).argsort()[:2]
        # The kernel nearest to the average position, scaled to the flux within 12 pixels that it has there.
        self._middle = stamps["kernel"][near[0]] * stamps["ap12_avg"] / stamps["ap12"][near[0]]
        self._x, self._y, self._kernels, self._bounds = sources["x"], sources["y"], sources["kernel"], bounds

    @property
    def bounds(self) -> Box:
        return self._bounds

    @property
    def kernel_bbox(self) -> Box:
        reach = self._kernels.shape[1] // 2
        return Box.factory[-reach : reach + 1, -reach : reach + 1]

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        distance = np.hypot(self._x - x, self._y - y)
        nearest = int(distance.argmin())
        array = self._kernels[nearest] if distance[nearest] < 0.01 else self._middle
        return Image(array.copy(), bbox=self.kernel_bbox)

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        reach, xi, yi = self._kernels.shape[1] // 2 + 1, int(np.floor(x + 0.5)), int(np.floor(y + 0.5))
        return Box.factory[yi - reach : yi + reach + 1, xi - reach : xi + reach + 1]

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        bbox = self.compute_stellar_bbox(x=x, y=y)
        kernel = np.pad(self.compute_kernel_image(x=x, y=y).array, 1)
        return Image(ndimage.shift(kernel, (y - bbox.y.center, x - bbox.x.center), order=5), bbox=bbox)


@dataclasses.dataclass
class Case:
    """One visit: what went in, what the stack made of it, and what we do."""

    science: VisitImage
    theirs: MaskedImage
    their_catalog: Table
    catalog: Table
    gain_map: list[dict[str, float]]
    sources: dict[str, np.ndarray]
    ours: Injection


def _leave_whole_pixels(
    catalog: Table, sources: dict[str, np.ndarray], projection: SkyProjection[DetectorFrame]
) -> None:
    """Move sources on whole pixels by 1e-6 pixel to where the stack's rounding errors had them.

    Both round positions down to find a source's own pixel; the two projections agree to 1e-9 pixel.
    """
    moved = []
    for value in (sources["x"], sources["y"]):
        whole = np.round(value)
        on = np.abs(value - whole) < 1e-6
        moved.append(np.where(on, whole + np.where(value < whole, -1e-6, 1e-6), value))
    rows = np.searchsorted(catalog["injection_id"], sources["injection_id"])
    sky = projection.pixel_to_sky(x=moved[0], y=moved[1])
    catalog["ra"][rows], catalog["dec"][rows] = sky.ra.deg, sky.dec.deg


@pytest.fixture(scope="module", params=[("", 42, 4), ("_43", 43, 7)], ids=["visit42", "visit43"])
def case(request: pytest.FixtureRequest, shared_data: Path) -> Case:
    suffix, visit, detector = request.param
    folder = shared_data / "stack" / "injection"
    path = str(shared_data / "stack" / "images" / f"science{suffix}.fits")
    pixels = MaskedImage.read_legacy(path)
    frame = DetectorFrame(instrument="OracleCam", visit=visit, detector=detector, bbox=pixels.bbox)
    projection = MaskedImage.read_legacy(path, component="image", fits_wcs_frame=frame).sky_projection
    camera = CameraGeometry.single("OracleCam", detector, pixels.bbox, 0.2)
    gain_map = json.loads((folder / f"gain_map{suffix}.json").read_text())
    science = make_visit_image(
        pixels.image.array,
        pixels.variance.array,
        pixels.mask,
        projection=projection,
        psf=ServedPsf(
            folder / f"psf_at_sources{suffix}.npz",
            shared_data / "stack" / "images" / f"psf_stamps{suffix}.npz",
            pixels.bbox,
        ),
        detector=make_detector(camera, detector, visit, gains=(1.7, 1.5)),
        scaling=ChebyshevField(pixels.bbox, np.array([[1.0]]), unit=u.nJy / u.adu),
        visit=visit,
        band="r",
        physical_filter="r_oracle",
        begin=Time("2025-11-22", scale="tai"),
        exposure_time=30.0,
    )
    sources = dict(np.load(folder / f"psf_at_sources{suffix}.npz"))
    catalog = Table.read(folder / f"injection_catalog{suffix}.ecsv")
    _leave_whole_pixels(catalog, sources, projection)
    return Case(
        science=science,
        theirs=MaskedImage.read_legacy(str(folder / f"injected_nonoise{suffix}.fits")),
        their_catalog=Table.read(folder / f"injected_nonoise_catalog{suffix}.ecsv"),
        catalog=catalog,
        gain_map=gain_map,
        sources=sources,
        ours=inject(science, catalog, OPTIONS, seed=1),
    )


def test_same_rows_and_flags(case: Case) -> None:
    theirs, ours = case.their_catalog, case.ours.catalog
    np.testing.assert_array_equal(ours["injection_id"], theirs["injection_id"])
    np.testing.assert_array_equal(ours["injection_flag"], theirs["injection_flag"])
    np.testing.assert_array_equal(ours["injection_draw_size"], theirs["injection_draw_size"])
    assert case.ours.n_dropped == len(case.catalog) - len(theirs)
    assert {k: v for k, v in theirs.meta.items() if k in FLAG_BITS} == FLAG_BITS
    assert len(set(case.catalog["comment"])) == 10
    np.testing.assert_allclose(ours["x"], case.sources["x"], atol=1e-5)
    np.testing.assert_allclose(ours["y"], case.sources["y"], atol=1e-5)


@pytest.mark.parametrize("plane", ["INJECTED", "INJECTED_CORE"])
def test_same_mask_pixels(case: Case, plane: str) -> None:
    np.testing.assert_array_equal(case.ours.image.mask.get(plane), case.theirs.mask.get(plane))


def test_same_gains(case: Case) -> None:
    from lsst.meas.realbogus.injection._gain import gain_regions

    regions = gain_regions(case.science, OPTIONS.bad_planes)
    theirs = [entry["gain_map_value"] for entry in case.gain_map]
    np.testing.assert_allclose([region.slope for region in regions], theirs, rtol=1e-6)


def _compare(case: Case, ours: VisitImage) -> tuple[np.ndarray, np.ndarray]:
    """Return |residual| / peak and the flux ratio of every source about which there are enough pixels."""
    added = ours.image.array.astype(float) - case.science.image.array
    theirs = case.theirs.image.array.astype(float) - case.science.image.array
    np.testing.assert_array_equal(np.isnan(added), np.isnan(theirs))
    residuals, ratios = [], []
    for row in np.flatnonzero(np.asarray(case.ours.catalog["injection_flag"]) == 0):
        xi, yi = int(case.sources["x"][row]), int(case.sources["y"][row])
        try:
            box = Box.factory[yi - 8 : yi + 9, xi - 8 : xi + 9].intersection(case.science.bbox)
        except NoOverlapError:
            continue
        a, b = added[box.slice_within(case.science.bbox)], theirs[box.slice_within(case.science.bbox)]
        good = np.isfinite(a) & np.isfinite(b)
        peak = np.abs(b[good]).max(initial=0.0)
        if peak < 20.0:  # float32 pixels of a bright galaxy round more than 0.5 % of this
            continue
        residuals.append(np.abs(a - b)[good].max() / peak)
        ratios.append(a[good].sum() / b[good].sum())
    assert len(residuals) > 30
    return np.array(residuals), np.array(ratios)


def test_same_light(case: Case) -> None:
    residuals, ratios = _compare(case, case.ours.image)
    assert residuals.max() < 0.001  # 0.005 is what we promise
    np.testing.assert_allclose(ratios, 1.0, atol=2e-3)


def test_light_of_the_default_renderer(case: Case) -> None:
    """Same fluxes; PsfEx's pixel noise, which GalSim smooths, stays in the peaks."""
    options = dataclasses.replace(OPTIONS, renderer="psf")
    residuals, ratios = _compare(case, inject(case.science, case.catalog, options, seed=1).image)
    assert np.median(residuals) < 0.01
    assert np.abs(ratios - 1.0)[residuals < 0.02].max() < 2e-3


def test_same_variance(case: Case) -> None:
    ours = case.ours.image.variance.array.astype(float) - case.science.variance.array
    theirs = case.theirs.variance.array.astype(float) - case.science.variance.array
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    for entry in case.gain_map:
        x0, y0, x1, y1 = entry["bbox"]  # type: ignore[misc]
        box = Box.factory[y0 : y1 + 1, x0 : x1 + 1].slice_within(case.science.bbox)
        assert np.nansum(ours[box]) == pytest.approx(np.nansum(theirs[box]), rel=2e-3)
        assert np.nanmax(np.abs(ours[box] - theirs[box])) < 0.01 * np.nanmax(theirs[box])
