"""The real ip_diffim as judge, and real DECam frames."""

from __future__ import annotations

from pathlib import Path

import astropy.io.fits
import astropy.units as u
import numpy as np
import pytest
from judging.differences import agreement, judge
from lsst.images import Box, Image, Mask, MaskedImage

from lsst.meas.realbogus.diffim import subtract
from lsst.meas.realbogus.imaging import KernelField
from lsst.meas.realbogus.measurement import detect_and_measure
from lsst.meas.realbogus.measurement._measured_frame import MeasuredFrame, forced_fluxes
from lsst.meas.realbogus.survey._pixels import MASK_SCHEMA

pytestmark = pytest.mark.slow

BBOX = Box.factory[0:256, 0:256]


@pytest.mark.parametrize("visit", ["42", "43"])
def test_sources_of_ip_diffim_are_found_with_their_fluxes(stack_data: Path, visit: str) -> None:
    verdict = judge(stack_data, visit)
    numbers = agreement(verdict)
    assert numbers["theirs"] >= 15
    assert numbers["found"] >= 0.95 * numbers["theirs"]
    assert numbers["flux_ratio"] == pytest.approx(1.0, abs=0.05)
    assert numbers["scatter_in_errors"] < 1.2
    # What was injected is better known than what either measures.
    isolated = verdict.truth[(verdict.truth["comment"] == "isolated") & (verdict.truth["ours"] >= 0)]
    flux = np.asarray(verdict.ours["psfFlux"][isolated["ours"]]) / isolated["flux"]
    assert np.median(flux) == pytest.approx(1.0, abs=0.02)
    assert (verdict.truth["ours"][verdict.truth["theirs"] >= 0] >= 0).all()


def _moffat(fwhm: float) -> KernelField:
    steps = np.arange(-20, 21.0)
    core = fwhm / 2 / np.sqrt(2 ** (1 / 3.5) - 1)
    kernel = (1 + (steps**2 + steps[:, np.newaxis] ** 2) / core**2) ** -3.5
    return KernelField(BBOX, (kernel / kernel.sum())[np.newaxis])


def _decam(folder: Path, names: list[str]) -> tuple[MaskedImage, KernelField, float]:
    """Average frames; the PSF is a Moffat of the headers' mean width."""
    hdus = [astropy.io.fits.open(folder / f"DEC-OBS{name}.mini.fits")[0] for name in names]
    counts = np.mean([hdu.data - np.median(hdu.data) for hdu in hdus], axis=0)
    rms = 1.4826 * np.median(np.abs(counts))
    gain = hdus[0].header["GAIN"] * len(hdus)
    mask = Mask(0, schema=MASK_SCHEMA, bbox=BBOX)
    mask.set("SATURATED", np.max([h.data / h.header["SATURATE"] for h in hdus], axis=0) > 0.9)
    image = MaskedImage(
        Image(counts.astype(np.float32), bbox=BBOX, unit=u.nJy),
        mask=mask,
        variance=Image((rms**2 + np.maximum(counts, 0) / gain).astype(np.float32), bbox=BBOX),
    )
    return image, _moffat(float(np.mean([h.header["FWHM"] for h in hdus]))), gain


@pytest.mark.parametrize("letter", list("abcde"))
def test_fakes_in_decam_frames_are_found(shared_data: Path, letter: str) -> None:
    folder = shared_data / "images" / "decam"
    science, psf, gain = _decam(folder, [f"04{letter}"])
    template, template_psf, _ = _decam(folder, [f"18{name}" for name in "abcde"])
    rng = np.random.default_rng(ord(letter))
    x, y = np.meshgrid(np.arange(32.0, 240, 48), np.arange(32.0, 240, 48))
    x, y = x.ravel() + rng.uniform(-9, 9, x.size), y.ravel() + rng.uniform(-9, 9, y.size)
    noise = np.sqrt(np.median(science.variance.array) / np.sum(psf.middle() ** 2))
    flux = rng.uniform(7, 40, x.size) * noise
    for xi, yi, fi, stamp in zip(x, y, flux, psf.stamps(x, y, 15), strict=True):
        row, column = int(np.floor(yi + 0.5)), int(np.floor(xi + 0.5))
        box = Box.factory[row - 15 : row + 16, column - 15 : column + 16]
        light = np.maximum(fi * stamp, 0)
        science[box].image.array += rng.poisson(light * gain) / gain
        science[box].variance.array += (light / gain).astype(np.float32)
    result = subtract(science, template, psf, template_psf)
    assert abs(result.kernel.middle().sum() - 1) < 0.15 and np.abs(result.kernel.middle()).sum() < 2
    catalog = detect_and_measure(
        result.difference,
        science,
        result.template,
        difference_psf=result.psf,
        science_psf=psf,
        template_psf=result.template_psf,
    )
    frame = MeasuredFrame.make(result.difference, result.psf, variance_factor=catalog.score_rms**2)
    expected = flux / forced_fluxes(frame, x, y)[1]
    found = (
        np.hypot(np.subtract.outer(x, catalog.sources["x"]), np.subtract.outer(y, catalog.sources["y"])) < 2
    ).any(axis=1)
    assert (expected > 7).sum() >= 15
    assert found[expected > 7].mean() >= 0.95
    assert len(catalog.sources) - found.sum() < 30
