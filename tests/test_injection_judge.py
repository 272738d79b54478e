"""The real lsst.source_injection as judge: from the same input the same pixels, masks, flags and rows."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest
from judging.added_light import OPTIONS, StoredInjection, compare_stored, read_injection
from lsst.images import Box

from lsst.meas.realbogus.injection import FLAG_BITS, inject


@pytest.fixture(scope="module", params=[42, 43], ids=["visit42", "visit43"])
def case(request: pytest.FixtureRequest, stack_data: Path) -> StoredInjection:
    return read_injection(stack_data, request.param)


def test_same_rows_and_flags(case: StoredInjection) -> None:
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
def test_same_mask_pixels(case: StoredInjection, plane: str) -> None:
    np.testing.assert_array_equal(case.ours.image.mask.get(plane), case.theirs.mask.get(plane))


def test_same_gains(case: StoredInjection) -> None:
    from lsst.meas.realbogus.injection._gain import gain_regions

    regions = gain_regions(case.science, OPTIONS.bad_planes)
    theirs = [entry["gain_map_value"] for entry in case.gain_map]
    np.testing.assert_allclose([region.slope for region in regions], theirs, rtol=1e-6)


def test_same_light(case: StoredInjection) -> None:
    residuals, ratios = compare_stored(case, case.ours.image)
    assert len(residuals) > 30
    assert residuals.max() < 0.001  # 0.005 is what we promise
    np.testing.assert_allclose(ratios, 1.0, atol=2e-3)


def test_light_of_the_default_renderer(case: StoredInjection) -> None:
    """Same fluxes; PsfEx's pixel noise, which GalSim smooths, stays in the peaks."""
    options = dataclasses.replace(OPTIONS, renderer="psf")
    residuals, ratios = compare_stored(case, inject(case.science, case.catalog, options, seed=1).image)
    assert len(residuals) > 30
    assert np.median(residuals) < 0.01
    assert np.abs(ratios - 1.0)[residuals < 0.02].max() < 2e-3


def test_same_variance(case: StoredInjection) -> None:
    ours = case.ours.image.variance.array.astype(float) - case.science.variance.array
    theirs = case.theirs.variance.array.astype(float) - case.science.variance.array
    np.testing.assert_array_equal(np.isnan(ours), np.isnan(theirs))
    for entry in case.gain_map:
        x0, y0, x1, y1 = entry["bbox"]  # type: ignore[misc]
        box = Box.factory[y0 : y1 + 1, x0 : x1 + 1].slice_within(case.science.bbox)
        assert np.nansum(ours[box]) == pytest.approx(np.nansum(theirs[box]), rel=2e-3)
        assert np.nanmax(np.abs(ours[box] - theirs[box])) < 0.01 * np.nanmax(theirs[box])
