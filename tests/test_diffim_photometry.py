"""Fluxes and positions of DIA sources against what was drawn: no bias, errors that describe the scatter."""

from __future__ import annotations

from collections.abc import Iterator

import astropy.units as u
import numpy as np
import pytest
from lsst.images import Box, Image, Mask, MaskedImage

from lsst.meas.realbogus.diffim import Subtraction, SubtractionOptions, subtract
from lsst.meas.realbogus.diffim._scaling import fit_scaling
from lsst.meas.realbogus.imaging import KernelField, robust_std
from lsst.meas.realbogus.measurement import DetectionOptions, DiaCatalog, detect_and_measure
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA

pytestmark = pytest.mark.slow

BBOX = Box.factory[0:400, 0:400]
WIDE = BBOX.padded(20)

type Objects = tuple[np.ndarray, np.ndarray, np.ndarray]


def _psf(fwhm: float) -> KernelField:
    steps = np.arange(-20.0, 21.0)
    core = fwhm / 2 / np.sqrt(2 ** (1 / 3.5) - 1)
    kernel = (1 + (steps**2 + steps[:, np.newaxis] ** 2) / core**2) ** -3.5
    return KernelField(WIDE, (kernel / kernel.sum())[np.newaxis])


def _draw(psf: KernelField, objects: Objects) -> np.ndarray:
    """Draw stars on the pixels of the wide box."""
    x, y, flux = objects
    margin = 45
    image = np.zeros((WIDE.y.size + 2 * margin, WIDE.x.size + 2 * margin))
    for xi, yi, fi, stamp in zip(x, y, flux, psf.stamps(x, y) if len(x) else [], strict=True):
        row, column = int(np.floor(yi + 0.5)) - WIDE.y.start, int(np.floor(xi + 0.5)) - WIDE.x.start
        image[row + 25 : row + 66, column + 25 : column + 66] += fi * stamp
    return image[margin:-margin, margin:-margin]


def _observe(expected: np.ndarray, noise: float, seed: int) -> MaskedImage:
    variance = noise**2 + 5 * np.maximum(expected, 0)
    pixels = np.random.default_rng(seed).normal(expected, np.sqrt(variance))
    return MaskedImage(
        Image(pixels.astype(np.float32), bbox=WIDE, unit=u.nJy),
        mask=Mask(0, schema=MASK_SCHEMA, bbox=WIDE),
        variance=Image(variance.astype(np.float32), bbox=WIDE),
    )


def _grid(step: float, rng: np.random.Generator) -> np.ndarray:
    """Return x and y of places apart, each at another fraction of a pixel."""
    grid = np.stack(np.meshgrid(np.arange(15.0, 390.0, step), np.arange(15.0, 390.0, step)))
    return np.asarray(grid.reshape(2, -1) + rng.uniform(-3, 3, (2, grid[0].size)))


def _join(*parts: Objects) -> Objects:
    x, y, flux = (np.concatenate(column) for column in zip(*parts, strict=True))
    return x, y, flux


def _catalog(science: MaskedImage, psf: KernelField, result: Subtraction) -> DiaCatalog:
    return detect_and_measure(
        result.difference,
        science,
        result.template,
        difference_psf=result.psf,
        science_psf=psf,
        template_psf=result.template_psf,
        options=DetectionOptions(background_box=0),
    )


def _pulls(catalog: DiaCatalog, new: Objects) -> np.ndarray:
    """Return (flux - truth) / error of the source nearest to each new object, NaN where there is none."""
    sources = catalog.sources
    distance = np.hypot(
        np.subtract.outer(new[0], np.asarray(sources["x"])),
        np.subtract.outer(new[1], np.asarray(sources["y"])),
    )
    nearest = distance.argmin(axis=1)
    pull = (np.asarray(sources["psfFlux"])[nearest] - new[2]) / np.asarray(sources["psfFluxErr"])[nearest]
    return np.where(distance.min(axis=1) < 2.0, pull, np.nan)


def test_defect_22_flux_scale_is_not_raised_by_what_is_new() -> None:
    """Galaxies with a supernova of 15 % of their light are off by little in each pixel."""
    rng = np.random.default_rng(3)
    x, y = _grid(32.0, rng)
    flux = 10 ** rng.uniform(3.7, 4.7, x.size)
    brighter = np.where(np.arange(x.size) % 8 == 0, 1.15, 1.0)
    psf, noise = _psf(4.4), 8.0
    truth = _draw(psf, (x, y, flux))
    image = _draw(psf, (x, y, flux * brighter)) + rng.normal(0, noise, truth.shape)
    scaling = fit_scaling(
        image.astype(np.float32),
        truth.astype(np.float32),
        np.full(truth.shape, noise**2, np.float32),
        np.zeros(truth.shape, dtype=bool),
        WIDE,
        model_variance=np.full(truth.shape, 1e-3, np.float32),
    )
    assert scaling.scale[0] == pytest.approx(1.0, abs=0.002)


def test_defect_22_neighbours_do_not_lend_light() -> None:
    psf = _psf(4.0)
    along, down = np.meshgrid(np.arange(30.0, 380.0, 40.0), np.arange(30.0, 380.0, 40.0))
    x, y = along.ravel() + 0.3, down.ravel() - 0.2
    flux = np.full(x.size, 8000.0)
    pairs = _join((x, y, flux), (x + 7.5, y + 2.5, 0.7 * flux))
    science = _observe(_draw(psf, pairs), 30.0, 5)[BBOX]
    blank = _observe(np.zeros(WIDE.shape), 10.0, 6)
    result = subtract(science, blank, psf, psf, SubtractionOptions(kernel_source="psf"))
    pulls = _pulls(_catalog(science, psf, result), pairs)
    pulls = pulls[np.isfinite(pulls)]
    assert len(pulls) > 0.95 * len(pairs[0])
    assert abs(np.median(pulls)) < 0.3 and robust_std(pulls) < 1.3


@pytest.fixture(scope="module")
def hosted() -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Pulls of isolated fakes, of fakes on stars' light with exact PSFs, and with a PSF that is too wide."""
    sharp, broad = _psf(3.3), _psf(4.4)
    out: list[list[np.ndarray]] = [[], [], []]
    for seed in range(4):
        rng = np.random.default_rng(seed)
        x, y = rng.permutation(_grid(28.0, rng), axis=1)
        hosts = x[:100], y[:100], 10 ** rng.uniform(3.5, 4.6, 100)
        turn, away = rng.uniform(0, 2 * np.pi, 12), rng.uniform(0, 3, 12)
        near = x[:12] + away * np.cos(turn), y[:12] + away * np.sin(turn), rng.uniform(2500, 8000, 12)
        apart = x[100:160], y[100:160], rng.uniform(1600, 8000, 60)
        template = _observe(_draw(sharp, hosts), 17.0, 200 + seed)
        science = _observe(_draw(broad, _join(hosts, near, apart)), 30.0, 300 + seed)[BBOX]
        for k, model in enumerate((broad, _psf(4.4 * 1.02))):
            result = subtract(science, template, model, sharp, SubtractionOptions(kernel_source="psf"))
            catalog = _catalog(science, model, result)
            if k == 0:
                out[0].append(_pulls(catalog, apart))
            out[1 + k].append(_pulls(catalog, near))
    pulls = [np.concatenate(part) for part in out]
    yield tuple(part[np.isfinite(part)] for part in pulls)


def test_defect_22_pulls_of_isolated_fakes(hosted: tuple[np.ndarray, ...]) -> None:
    pulls = hosted[0]
    assert len(pulls) > 200
    assert 0.9 < robust_std(pulls) < 1.1
    assert abs(np.median(pulls)) < 0.1


def test_defect_22_pulls_of_fakes_on_hosts(hosted: tuple[np.ndarray, ...]) -> None:
    pulls = hosted[1]
    assert len(pulls) > 40
    assert 0.85 < robust_std(pulls) < 1.2
    assert abs(np.mean(pulls)) < 0.3


def test_defect_22_errors_grow_where_the_psf_is_wrong(hosted: tuple[np.ndarray, ...]) -> None:
    pulls = hosted[2]
    assert len(pulls) > 40
    assert robust_std(pulls) < 1.5
