"""Augmentation shows the same source in another way: what it is stays, and what is missing is known."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsst.meas.realbogus.model import (
    Contract,
    NormalizationChoice,
    Output,
    pixel_cover,
    prepare,
    resampling_matrix,
)
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import Augmentation, Augmented, LabelledStamps, augment, measure_features
from lsst.meas.realbogus.training._views import View, show

NOTHING = Augmentation(
    turn=False, resampled=0.0, noisy=0.0, gaps=0.0, borders=0.0, smaller=0.0, sign=0.0, without_psf=0.0
)
FWHM = 2 * np.sqrt(2 * np.log(2))


def _stamps(n: int = 60, side: int = 41, sigma: float = 2.0) -> LabelledStamps:
    """Make stars in the science image, noise in the template."""
    rng = generator(3, "test-augmentation")
    place = np.arange(side) - side // 2
    star = 50 * np.exp(-0.5 * (place[:, None] ** 2 + place**2) / sigma**2)
    template, science = rng.normal(size=(2, n, side, side)).astype(np.float32)
    science += star.astype(np.float32)
    return LabelledStamps(
        {"difference": science - template, "science": science, "template": template}, np.ones(n, np.int8),
        snr=np.full(n, 50.0), psf_fwhm=np.full(n, FWHM * sigma), pixel_scale=np.full(n, 0.2),
    )  # fmt: skip


def _augment(stamps: LabelledStamps, size: int = 31, **changes: Any) -> Augmented:
    return augment(stamps, np.arange(len(stamps)), size, NOTHING.replace(**changes), seed=5, epoch=1)


def _width(stamps: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """Sigma of round sources on no background."""
    place = np.arange(stamps.shape[1]) - stamps.shape[1] // 2
    weight = stamps / stamps.sum(axis=(1, 2), keepdims=True)
    return np.asarray(np.sqrt((weight * (place[:, None] ** 2 + place**2)).sum(axis=(1, 2)) / 2))


@pytest.mark.parametrize("size", [30, 31, 41, 45])
def test_nothing_is_done_where_nothing_is_asked_for(size: int) -> None:
    stamps = _stamps()
    shown = _augment(stamps, size)
    for role, pixels in shown.pixels.items():
        assert pixels.shape == (60, size, size)
        np.testing.assert_array_equal(pixels, stamps.padded(size).pixels[role])
    np.testing.assert_array_equal(shown.psf_fwhm, stamps.psf_fwhm)


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 7), st.sampled_from([20, 21]), st.sampled_from([20, 25]))
def test_turned_stamps_have_the_same_pixels_about_the_same_centre(element: int, side: int, size: int) -> None:
    stamps = generator(1, "turned", side).normal(size=(3, side, side)).astype(np.float32)
    shown = show(stamps, View(element), size)
    centre, half = size // 2, 9
    assert (shown[:, centre, centre] == stamps[:, side // 2, side // 2]).all()
    inner = shown[:, centre - half : centre + half + 1, centre - half : centre + half + 1]
    place = slice(side // 2 - half, side // 2 + half + 1)
    np.testing.assert_array_equal(np.sort(inner.ravel()), np.sort(stamps[:, place, place].ravel()))


def test_the_eight_turns_differ_and_each_is_drawn_about_equally_often() -> None:
    stamp = generator(1, "turns").normal(size=(1, 9, 9)).astype(np.float32)
    turns = [show(stamp, View(element), 9).tobytes() for element in range(8)]
    assert len(set(turns)) == 8
    many = LabelledStamps({"science": np.repeat(stamp, 4000, axis=0)}, np.ones(4000, np.int8))
    shown = _augment(many, 9, turn=True).pixels["science"]
    counts = [sum(one.tobytes() == turn for one in shown) for turn in turns]
    assert sum(counts) == 4000 and max(np.abs(np.array(counts) - 500)) < 100


@pytest.mark.parametrize("zoom", [0.6, 0.8, 1.0, 1.3, 1.6])
def test_zoom_and_shift_change_size_and_place_by_what_they_say(zoom: float) -> None:
    stamps = _stamps(side=61, sigma=2.5)
    clean = stamps.pixels["difference"] * 0 + np.mean(stamps.pixels["difference"], axis=0)
    shift = (0.4, -0.3)
    shown = show(np.clip(clean, 1, None) - 1, View(0, zoom, shift), 31)
    place = np.arange(31) - 15
    weight = shown[0] / shown[0].sum()
    assert (weight.sum(axis=1) @ place, weight.sum(axis=0) @ place) == pytest.approx(shift, abs=0.08)
    assert shown.max() == pytest.approx(clean.max(), rel=0.15)  # surface brightness stays
    told = augment(
        stamps,
        np.arange(60),
        31,
        NOTHING.replace(resampled=1.0, zoom=(zoom, zoom), shift=0.0),
        seed=1,
        epoch=0,
    )
    assert np.allclose(told.pixel_scale, 0.2 / zoom)
    mean = np.clip(told.pixels["difference"].mean(axis=0) - 0.3, 0, None)
    assert told.psf_fwhm[0] / FWHM == pytest.approx(_width(mean[None])[0], rel=0.06)


def test_pixels_that_lie_on_missing_ones_are_missing_and_others_are_not_touched_by_them() -> None:
    stamps = _stamps(side=61)
    holed = LabelledStamps({name: pixels.copy() for name, pixels in stamps.pixels.items()}, stamps.label)
    for pixels in holed.pixels.values():
        pixels[:, 20:24, 35:40] = np.nan
    for element, zoom in ((0, 0.7), (3, 1.0), (5, 1.4)):
        view = View(element, zoom, (0.2, 0.4))
        whole = show(stamps.pixels["science"], view, 31)
        found = show(holed.pixels["science"], view, 31)
        lost = np.isnan(found)
        assert not np.isnan(whole).any() and 8 < lost[0].sum() < 80
        assert (lost == lost[0]).all()
        assert np.abs(found - whole)[~lost].max() < 12  # splines ring into the next pixels
        assert np.median(np.abs(found - whole)[~lost]) < 1e-3
    small = show(stamps.pixels["science"][:, 20:41, 20:41], View(0, 0.6), 31)
    assert np.isnan(small[0]).sum() == pytest.approx(31**2 - (21 * 0.6) ** 2, rel=0.05)


@pytest.mark.filterwarnings("error")
def test_values_that_stand_for_none_are_missing_to_augmentation_and_to_features() -> None:
    # ZTF's templates end in the largest float32; the sum of such a stamp is finite or infinite.
    stamps, fill = _stamps(40, side=61), np.finfo(np.float32).max
    several, one = (slice(None), slice(10, 14), slice(20, 40)), (slice(None), slice(10, 11), slice(20, 21))
    for hole in (several, one):
        filled, holed = stamps[np.arange(40)], stamps[np.arange(40)]
        for part, value in ((filled, fill), (holed, np.nan)):
            for pixels in part.pixels.values():
                pixels[hole] = value
        shown = [
            augment(part, np.arange(40), 31, Augmentation(), seed=1, epoch=0) for part in (filled, holed)
        ]
        for role, pixels in shown[0].pixels.items():
            np.testing.assert_array_equal(pixels, shown[1].pixels[role])
        for name, values in measure_features(filled).items():
            np.testing.assert_array_equal(values, measure_features(holed)[name], err_msg=name)


def test_added_noise_is_in_the_difference_too_and_leaves_the_source_detectable() -> None:
    stamps = _stamps(400)
    shown = _augment(stamps, 41, noisy=1.0, noise=2.0)
    added = {role: shown.pixels[role] - stamps.pixels[role] for role in shown.pixels}
    np.testing.assert_allclose(added["difference"], added["science"] - added["template"], atol=1e-4)
    in_science, in_template = (added[role].std(axis=(1, 2)) for role in ("science", "template"))
    assert ((in_science > 0) ^ (in_template > 0)).mean() > 0.98
    assert 1.8 < np.maximum(in_science, in_template).max() < 2.8
    faint = dataclasses.replace(stamps, snr=np.full(400, 5.5))
    limited = _augment(faint, 41, noisy=1.0, noise=2.0).pixels["science"] - stamps.pixels["science"]
    assert limited.std(axis=(1, 2)).max() < 1.5 * np.sqrt(1.1**2 - 1)
    unknown = dataclasses.replace(stamps, snr=np.full(400, np.nan))
    np.testing.assert_array_equal(
        _augment(unknown, 41, noisy=1.0).pixels["science"], stamps.pixels["science"]
    )


def test_gaps_borders_and_smaller_stamps_never_take_the_centre() -> None:
    stamps = _stamps(400)
    for changes in ({"gaps": 1.0}, {"borders": 1.0}, {"smaller": 1.0}, {"smaller": 1.0, "smallest": 31}):
        shown = _augment(stamps, **changes)
        for role, pixels in shown.pixels.items():
            missing = np.isnan(pixels)
            assert not missing[:, 14:17, 14:17].any()
            kept = pixels[~missing] == stamps.padded(31).pixels[role][~missing]
            assert kept.all()
        hit = np.isnan(shown.pixels["difference"]).any(axis=(1, 2)).mean()
        assert hit > 0.85 if changes.get("smallest") != 31 else hit == 0
    sides = np.sqrt((~np.isnan(_augment(stamps, smaller=1.0).pixels["science"])).sum(axis=(1, 2)))
    assert set(sides) == set(range(21, 32))
    one = np.isnan(_augment(stamps, gaps=1.0).pixels["template"]).any(axis=(1, 2))
    assert 0.3 < one.mean() < 0.7


def test_a_source_that_changes_its_sign_is_shown_to_flipping_models_as_before() -> None:
    stamps = _stamps()
    shown = _augment(stamps, 41, sign=0.5)
    changed = shown.is_negative
    assert 0.3 < changed.mean() < 0.7
    np.testing.assert_array_equal(shown.pixels["science"][changed], stamps.pixels["template"][changed])
    np.testing.assert_array_equal(shown.pixels["difference"][changed], -stamps.pixels["difference"][changed])
    contract = Contract(
        name="toy", version="1", inputs=("difference", "science", "template"), layout="channels",
        stamp_size=31, normalization=NormalizationChoice(name="asinh-1"), negative="flip",
        output=Output(size=1, real=0),
    )  # fmt: skip
    before = prepare(contract, stamps.pixels, None, stamps.is_negative).inputs
    np.testing.assert_array_equal(prepare(contract, shown.pixels, None, shown.is_negative).inputs, before)


def test_the_psf_is_told_of_some_stamps_only() -> None:
    shown = _augment(_stamps(400), without_psf=0.25)
    assert np.isnan(shown.psf_fwhm).mean() == pytest.approx(0.25, abs=0.08)


def test_the_same_names_give_the_same_stamps_and_other_epochs_others() -> None:
    stamps = _stamps(40)
    key = np.arange(40)
    whole = augment(stamps, key, 31, Augmentation(), seed=1, epoch=0)
    rows = np.array([33, 2, 7])
    part = augment(stamps[rows], rows, 31, Augmentation(), seed=1, epoch=0)
    other = augment(stamps, key, 31, Augmentation(), seed=1, epoch=1)
    for role in stamps.pixels:
        np.testing.assert_allclose(part.pixels[role], whole.pixels[role][rows], rtol=1e-5, atol=1e-4)
        same = np.nan_to_num(other.pixels[role]) == np.nan_to_num(whole.pixels[role])
        assert same.all(axis=(1, 2)).mean() < 0.3


@pytest.mark.parametrize("factor", [0.5, 0.9, 1.0, 1.4, 2.0])
def test_matrices_that_resample_keep_constants_and_follow_their_offset(factor: float) -> None:
    matrix = resampling_matrix(41, factor, 11, 0.3)
    np.testing.assert_allclose(matrix.sum(axis=1), 1, atol=1e-9)
    centres = matrix @ (np.arange(41.0) - 20)
    np.testing.assert_allclose(centres, (np.arange(11) - 5) * factor + 0.3, atol=0.1 if factor > 1 else 1e-3)
    np.testing.assert_allclose(pixel_cover(41, factor, 11, 0.3).sum(axis=1), 1, atol=1e-9)
