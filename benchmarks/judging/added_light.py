"""Light that injections added: what `lsst.source_injection` stored of its own, and ours of the same."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from astropy.time import Time
from lsst.images import Box, DetectorFrame, Image, MaskedImage, NoOverlapError, SkyProjection, VisitImage
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import PointSpreadFunction
from scipy import ndimage

from lsst.meas.realbogus.injection import Injection, InjectionOptions, inject
from lsst.meas.realbogus.survey._camera import CameraGeometry, make_detector
from lsst.meas.realbogus.survey._visit_image import make_visit_image

OPTIONS = InjectionOptions(add_noise=False, renderer="galsim", calib_flux_radius=12.0)
"""What makes our injections as those of VisitInjectTask without noise."""
VISITS = {42: (4, ""), 43: (7, "_43")}
"""Detector of each stored visit, and what ends the names of its files."""
_HALF_BOX = 8
_LEAST_PEAK = 20.0


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
class StoredInjection:
    """One visit: what went in, what the stack made of it, and what we do."""

    science: VisitImage
    theirs: MaskedImage
    their_catalog: Table
    catalog: Table
    gain_map: list[dict[str, float]]
    sources: dict[str, np.ndarray]
    ours: Injection


def read_injection(stack: Path, visit: int) -> StoredInjection:
    """Read a visit of the stored results of VisitInjectTask, and inject the same catalogue."""
    detector, suffix = VISITS[visit]
    folder = stack / "injection"
    path = str(stack / "images" / f"science{suffix}.fits")
    pixels = MaskedImage.read_legacy(path)
    frame = DetectorFrame(instrument="OracleCam", visit=visit, detector=detector, bbox=pixels.bbox)
    projection = MaskedImage.read_legacy(path, component="image", fits_wcs_frame=frame).sky_projection
    camera = CameraGeometry.single("OracleCam", detector, pixels.bbox, 0.2)
    science = make_visit_image(
        pixels.image.array,
        pixels.variance.array,
        pixels.mask,
        projection=projection,
        psf=ServedPsf(
            folder / f"psf_at_sources{suffix}.npz",
            stack / "images" / f"psf_stamps{suffix}.npz",
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
    return StoredInjection(
        science=science,
        theirs=MaskedImage.read_legacy(str(folder / f"injected_nonoise{suffix}.fits")),
        their_catalog=Table.read(folder / f"injected_nonoise_catalog{suffix}.ecsv"),
        catalog=catalog,
        gain_map=json.loads((folder / f"gain_map{suffix}.json").read_text()),
        sources=sources,
        ours=inject(science, catalog, OPTIONS, seed=1),
    )


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


def compare_light(
    before: VisitImage,
    ours: npt.NDArray[np.floating],
    theirs: npt.NDArray[np.floating],
    x: npt.ArrayLike,
    y: npt.ArrayLike,
) -> tuple[np.ndarray, np.ndarray]:
    """Compare the light that two injections added about sources.

    Parameters
    ----------
    before
        The image into which both were made.
    ours, theirs
        Its pixels after them.
    x, y
        Sources, parent coordinates.

    Returns
    -------
    tuple
        Largest residual over peak, and ratio of the fluxes (ours over theirs), of every source with light
        enough: float32 pixels of a bright galaxy round more than 0.5 % of 20 nJy.
    """
    added = [after.astype(float) - before.image.array for after in (ours, theirs)]
    np.testing.assert_array_equal(*(np.isnan(light) for light in added))
    residuals, ratios = [], []
    for xi, yi in zip(np.asarray(x).astype(int).tolist(), np.asarray(y).astype(int).tolist(), strict=True):
        box = Box.factory[yi - _HALF_BOX : yi + _HALF_BOX + 1, xi - _HALF_BOX : xi + _HALF_BOX + 1]
        try:
            inside = box.intersection(before.bbox).slice_within(before.bbox)
        except NoOverlapError:
            continue
        a, b = (light[inside] for light in added)
        good = np.isfinite(a) & np.isfinite(b)
        peak = np.abs(b[good]).max(initial=0.0)
        if peak >= _LEAST_PEAK:
            residuals.append(np.abs(a - b)[good].max() / peak)
            ratios.append(a[good].sum() / b[good].sum())
    return np.array(residuals), np.array(ratios)


def compare_stored(case: StoredInjection, ours: VisitImage) -> tuple[np.ndarray, np.ndarray]:
    """Compare the light of one of our injections with that of the stored one, see `compare_light`."""
    rows = np.asarray(case.ours.catalog["injection_flag"]) == 0
    return compare_light(
        case.science,
        ours.image.array,
        case.theirs.image.array,
        case.sources["x"][rows],
        case.sources["y"][rows],
    )
