"""The label of the mask: injected light under a source, and where it contradicts that of the position."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from lsst.images import Box, Mask, MaskPlane, MaskSchema

from lsst.meas.realbogus.truth import compare_labels, flag_labels, labels_differ, mask_labels

BOX = Box.factory[500:560, 1000:1080]


def _mask(**planes: list[tuple[slice, slice]]) -> Mask:
    schema = MaskSchema([MaskPlane(name, name) for name in planes], dtype=np.uint8)
    mask = Mask(0, schema=schema, bbox=BOX)
    for name, windows in planes.items():
        pixels = np.zeros(BOX.shape, bool)
        for window in windows:
            pixels[window] = True
        mask.set(name, pixels)
    return mask


def test_the_core_of_what_was_injected_labels_centre_and_footprint() -> None:
    # A footprint of 20 x 7 pixels with the core of a fake at its left end, another without.
    mask = _mask(
        DETECTED=[(slice(10, 17), slice(10, 30)), (slice(40, 47), slice(40, 47))],
        INJECTED=[(slice(5, 50), slice(5, 60))],
        INJECTED_CORE=[(slice(12, 15), slice(11, 14))],
    )
    # At the fake, 2 pixels off, the other end, the other footprint, blank sky, off the image, nowhere.
    x = [1012.0, 1014.0, 1027.0, 1043.0, 1070.0, 20.0, np.nan]
    y = [513.0, 513.0, 513.0, 543.0, 505.0, 20.0, 500.0]
    assert mask_labels(x, y, mask).tolist() == [1, 1, -1, 0, 0, -1, -1]


@pytest.mark.parametrize(("x", "y"), [(999.0, 530.0), (1080.0, 530.0), (1040.0, 499.0), (1040.0, 560.0)])
def test_the_mask_labels_no_source_beside_the_image(x: float, y: float) -> None:
    assert mask_labels([x], [y], _mask(INJECTED_CORE=[(slice(None), slice(None))])).tolist() == [-1]


def test_a_source_without_a_position_has_no_label_wherever_the_image_lies() -> None:
    mask = Mask(
        1, schema=MaskSchema([MaskPlane("INJECTED_CORE", "")], np.uint8), bbox=Box.factory[-5:5, -5:5]
    )
    assert mask_labels([np.nan, 0.0, -1.0], [0.0, np.nan, -1.0], mask).tolist() == [-1, -1, 1]


def test_light_injected_into_the_template_counts_too() -> None:
    mask = _mask(INJECTED_CORE=[], INJECTED_CORE_TEMPLATE=[(slice(12, 15), slice(11, 14))])
    assert mask_labels([1012.0, 1050.0], [513.0, 513.0], mask).tolist() == [1, 0]


def test_without_cores_the_stamps_label_and_without_planes_nothing_does() -> None:
    mask = _mask(INJECTED=[(slice(5, 20), slice(5, 20))])
    assert mask_labels([1008.0, 1050.0], [508.0, 513.0], mask).tolist() == [1, 0]
    assert mask_labels([1008.0], [508.0], _mask(DETECTED=[])).tolist() == [-1]


def test_flags_stand_in_for_the_mask() -> None:
    table = Table({"pixelFlags_injectedCenter": [True, False, False]})
    assert flag_labels(table).tolist() == [1, 0, 0]
    table["pixelFlags_injected_templateCenter"] = [False, True, False]
    assert flag_labels(table).tolist() == [1, 1, 0]
    assert flag_labels(Table({"x": [1.0]})).tolist() == [-1]


def test_the_comparison_adds_up_and_names_what_differs() -> None:
    sources = Table(
        {
            "label_reason": ["injected", "injected", "injected", "noise", "noise", "near_real", "star"],
            "mask_label": np.array([1, 1, 0, 0, 0, 1, -1], np.int8),
        }
    )
    assert labels_differ(sources).tolist() == [False, False, True, False, False, True, False]
    table = compare_labels(sources)
    assert table["n"].sum() == len(sources)
    assert [tuple(row) for row in table] == [
        ("injected", 1, 2, False),
        ("injected", 0, 1, True),
        ("noise", 0, 2, False),
        ("near_real", 1, 1, True),
        ("star", -1, 1, False),
    ]
    assert table["n"][table["differ"]].sum() == labels_differ(sources).sum()
    assert len(compare_labels(sources[:0])) == 0


@pytest.mark.parametrize("size", [0, 3])
def test_every_source_gets_a_label(size: int) -> None:
    labels = mask_labels(np.full(size, 1010.0), np.full(size, 510.0), _mask(INJECTED_CORE=[]))
    assert labels.shape == (size,) and labels.dtype == np.int8
