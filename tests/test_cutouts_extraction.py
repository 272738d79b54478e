"""Stamps hold the pixels around their position, whatever the boxes, sizes and gaps."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.nddata import Cutout2D
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.images import Box, Image, Mask, MaskPlane, MaskSchema

from lsst.meas.realbogus.cutouts import PLANES, extract, plane_bits, plane_names, translate
from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError

SCHEMA = MaskSchema([MaskPlane(n, n) for n in ("DETECTED", "NO_DATA", "OF_OUR_OWN", "SATURATED")])
BOX = Box.factory[500:540, 1000:1060]
RAMP = Image(np.arange(40 * 60, dtype=np.float32).reshape(40, 60), bbox=BOX)


@given(
    x=st.floats(990, 1070),
    y=st.floats(490, 550),
    height=st.integers(1, 24),
    width=st.integers(1, 24),
)
@settings(deadline=None, max_examples=200)
def test_stamp_is_the_cutout_of_astropy(x: float, y: float, height: int, width: int) -> None:
    stamps = extract(RAMP, [x], [y], (height, width))
    try:
        theirs = Cutout2D(RAMP.array, (x - 1000, y - 500), (height, width), mode="partial", fill_value=np.nan)
    except ValueError:  # no overlap, which is an answer here
        assert stamps.missing.all()
        return
    np.testing.assert_array_equal(stamps.pixels[0], theirs.data.astype(np.float32))


@given(st.lists(st.tuples(st.floats(allow_nan=True, allow_infinity=True), st.floats()), max_size=20))
@settings(deadline=None)
def test_every_position_gives_a_row(positions: list[tuple[float, float]]) -> None:
    x, y = np.array(positions).reshape(-1, 2).T
    stamps = extract(RAMP, x, y, 7)
    assert len(stamps) == len(positions)
    np.testing.assert_array_equal(stamps.missing, np.isnan(stamps.pixels))
    np.testing.assert_allclose(stamps.fraction_missing, stamps.missing.mean(axis=(1, 2)) if len(x) else [])
    nowhere = ~(np.isfinite(x) & np.isfinite(y))
    assert stamps.missing[nowhere].all() and not stamps.centered_on_image[nowhere].any()


@pytest.mark.parametrize("planes", [4, 12, 20, 30, 90])
def test_mask_planes_keep_their_meaning(planes: int) -> None:
    """Whatever the number of bytes a pixel, and wherever in them the file keeps a plane."""
    names = [*(f"OTHER{i}" for i in range(planes - 3)), "NO_DATA", "SATURATED", "INJECTED"]
    mask = Mask(0, schema=MaskSchema([MaskPlane(n, n) for n in names]), bbox=BOX)
    where = np.zeros(BOX.shape, bool)
    where[20, 30] = True
    for name in ("SATURATED", "OTHER0"):
        mask.set(name, where)
    mask.set("NO_DATA", np.roll(where, 1, axis=1))
    stamps = extract(RAMP, [1030, 1010, 1000], [520, 510, 500], 5, mask=mask)
    assert plane_names(stamps.mask_center[0]) == ("SATURATED",)
    assert plane_names(stamps.mask_any[0]) == ("SATURATED", "NO_DATA")
    assert stamps.missing[0, 2, 3] and stamps.missing[0].sum() == 1
    assert stamps.mask_any[1] == stamps.mask_any[2] == 0
    assert stamps.leaves_image.tolist() == [False, False, True]


def test_mask_may_be_larger_but_not_smaller() -> None:
    mask = Mask(0, schema=SCHEMA, bbox=BOX.padded(20))
    assert len(extract(RAMP, [1010], [510], 5, mask=mask)) == 1
    with pytest.raises(ImageMismatchError, match="does not cover"):
        extract(RAMP, [1010], [510], 5, mask=Mask(0, schema=SCHEMA, bbox=Box.factory[500:530, 1000:1060]))


def test_infinite_pixels_are_missing() -> None:
    array = np.ones((9, 9), np.float32)
    array[4, 4] = np.inf
    stamps = extract(array, [4], [4], 3)
    assert stamps.missing.sum() == 1 and np.isnan(stamps.pixels[0, 1, 1])


def test_the_image_is_not_changed() -> None:
    array = np.ones((9, 9), np.float32)
    mask = Mask(0, schema=SCHEMA, shape=(9, 9))
    mask.set("NO_DATA", ...)
    extract(array, [4], [4], 9, mask=mask)
    assert (array == 1).all()


def test_strict_names_the_rows() -> None:
    with pytest.raises(InvalidInputError, match="2 of 3 stamps of 5x5 .* rows 0, 2"):
        extract(RAMP, [1000, 1030, np.nan], [520, 520, 520], 5, mode="strict")
    assert len(extract(RAMP, [1030], [520], 5, mode="strict")) == 1


def test_trim_gives_the_part_on_the_image() -> None:
    corner, inner, outside = extract(RAMP, [1000, 1030, 0], [500, 520, 0], 5, mode="trim")
    assert corner.box == Box.factory[500:503, 1000:1003]
    np.testing.assert_array_equal(corner.pixels, RAMP[corner.box].array)
    assert inner.pixels.shape == (5, 5)
    assert outside.box is None and outside.pixels.size == 0


@pytest.mark.parametrize("dtype", [np.float64, np.int16, ">f4"])
def test_any_type_of_pixel(dtype: str) -> None:
    array = np.arange(25).reshape(5, 5).astype(dtype)
    stamps = extract(array, [2], [2], 3)
    assert stamps.pixels.dtype == np.float32
    np.testing.assert_array_equal(stamps.pixels[0], array[1:4, 1:4])


def test_image_smaller_than_the_stamp() -> None:
    stamps = extract(np.ones((5, 5)), [2], [2], 9)
    assert stamps.leaves_image.all() and stamps.missing.sum() == 81 - 25


@pytest.mark.parametrize("size", [0, -3, (5, 0)])
def test_size_must_be_positive(size: int) -> None:
    with pytest.raises(InvalidInputError, match="at least one pixel"):
        extract(RAMP, [1010], [510], size)


def test_plane_numbers_are_frozen() -> None:
    """The numbers are stored in files: names may be added at the end, never moved."""
    assert PLANES[:9] == (
        "BAD",
        "SATURATED",
        "INTERPOLATED",
        "COSMIC_RAY",
        "DETECTION_EDGE",
        "DETECTED",
        "DETECTED_NEGATIVE",
        "SUSPECT",
        "NO_DATA",
    )
    assert PLANES.index("INJECTED_CORE_TEMPLATE") == 22 and PLANES.index("SENSOR_EDGE") == 26
    assert len(PLANES) <= 32 and len(set(PLANES)) == len(PLANES)
    with pytest.raises(InvalidInputError, match="unknown mask plane 'SAT'"):
        plane_bits(["SAT"])
    assert translate(SCHEMA.bitmask("OF_OUR_OWN"), SCHEMA).item() == 0
