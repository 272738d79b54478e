"""What a difference image is like where sources should be."""

from __future__ import annotations

import astropy.units as u
import numpy as np
import pytest
from astropy.wcs import WCS
from lsst.images import Box, DetectorFrame, Image, Mask, MaskedImage, MaskPlane, MaskSchema, SkyProjection
from lsst.images.psfs import GaussianPointSpreadFunction

from lsst.meas.realbogus.truth import DifferencePlanes, measure_conditions, noise_equivalent_area

BOX = Box.factory[500:560, 1000:1080]
SIGMA = 2.0


def _planes() -> tuple[Mask, Image, GaussianPointSpreadFunction]:
    schema = MaskSchema([MaskPlane("SATURATED", "s"), MaskPlane("DETECTION_EDGE", "e")], dtype=np.uint8)
    mask = Mask(0, schema=schema, bbox=BOX)
    pixels = np.zeros(BOX.shape, bool)
    pixels[30, 40] = True
    mask.set("SATURATED", pixels)
    border = np.zeros(BOX.shape, bool)
    border[:5] = True
    mask.set("DETECTION_EDGE", border)
    variance = Image(np.full(BOX.shape, 100.0, np.float32), bbox=BOX, unit=u.nJy**2)
    return mask, variance, GaussianPointSpreadFunction(SIGMA, bounds=BOX, stamp_size=33)


def test_places_are_parent_coordinates() -> None:
    mask, variance, psf = _planes()
    x = [1041.0, 1041.0, 1060.0, 40.0, np.nan]
    y = [531.0, 503.0, 540.0, 30.0, 530.0]
    here = measure_conditions(x, y, mask=mask, variance=variance, psf=psf)
    assert here.on_image.tolist() == [True, True, True, False, False]
    assert here.masked.tolist() == [True, False, False, False, False]
    assert here.edge.tolist() == [False, True, False, False, False]
    assert np.isnan(here.flux_error[3:]).all()
    # The image reaches from 999.5 to 1079.5 and from 499.5 to 559.5.
    assert here.edge_distance == pytest.approx([28.5, 3.5, 19.5, -959.5, np.nan], nan_ok=True)


OFF_ONE_SIDE = ((999.0, 530.0), (1080.0, 530.0), (1040.0, 499.0), (1040.0, 560.0))


@pytest.mark.parametrize(("x", "y"), OFF_ONE_SIDE)
def test_a_place_beside_the_image_is_not_on_it(x: float, y: float) -> None:
    mask, variance, psf = _planes()
    here = measure_conditions([x], [y], mask=mask, variance=variance, psf=psf)
    assert not here.on_image.any() and not here.edge.any()
    assert np.isnan(here.flux_error).all() and (here.edge_distance < 0).all()


def test_the_flux_error_is_that_of_a_psf_fit() -> None:
    mask, variance, psf = _planes()
    assert noise_equivalent_area(psf, 1040.0, 530.0) == pytest.approx(4 * np.pi * SIGMA**2, rel=0.01)
    here = measure_conditions([1060.0], [540.0], mask=mask, variance=variance, psf=psf)
    assert here.flux_error == pytest.approx([10 * np.sqrt(4 * np.pi) * SIGMA], rel=0.01)


def test_one_bad_pixel_of_the_variance_does_not_decide() -> None:
    mask, variance, psf = _planes()
    variance.array[40, 60], variance.array[39, 60] = np.nan, 1e9
    here = measure_conditions([1060.0], [540.0], mask=mask, variance=variance, psf=psf)
    assert here.flux_error == pytest.approx([10 * np.sqrt(4 * np.pi) * SIGMA], rel=0.01)


def test_without_a_psf_the_noise_is_unknown() -> None:
    mask, variance, _ = _planes()
    assert np.isnan(measure_conditions([1060.0], [540.0], mask=mask, variance=variance).flux_error).all()


def test_the_width_of_the_psf_is_that_of_the_image_in_arcsec() -> None:
    mask, variance, psf = _planes()
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = ["RA---TAN", "DEC--TAN"], [150.0, 2.0], [1040.0, 530.0]
    wcs.wcs.cdelt = [-0.2 / 3600, 0.2 / 3600]
    frame = DetectorFrame(instrument="ToyCam", visit=5, detector=1, bbox=BOX)
    image = MaskedImage(
        Image(np.zeros(BOX.shape, np.float32), bbox=BOX, unit=u.nJy),
        mask=mask,
        variance=variance,
        sky_projection=SkyProjection.from_fits_wcs(wcs, frame, pixel_bounds=BOX),
    )
    assert DifferencePlanes.of(image).fwhm is None
    image.psf = psf  # type: ignore[attr-defined]
    assert DifferencePlanes.of(image).fwhm == pytest.approx(2.355 * SIGMA * 0.2, rel=0.01)
