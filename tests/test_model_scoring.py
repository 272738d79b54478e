"""From images to the score table: every row once and in order, each with the flags that geometry demands."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest
from lsst.images import Box, Image, Mask, MaskPlane, MaskSchema

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import (
    SCORE_COLUMNS,
    Classifier,
    golden_stamps,
    initial_weights,
    load_classifier,
    make_model,
    named_architecture,
    preset_contract,
    score_sources,
    score_table,
)
from lsst.meas.realbogus.randomness import generator

pytestmark = pytest.mark.slow

SIZE = 220
ORIGIN = (500, 1000)  # y, x
HALF = 25


def make_classifier(name: str, version: str) -> Classifier:
    weights = initial_weights(named_architecture(name), 2)
    return make_model(preset_contract(name, name, version), weights).classifier()


@pytest.fixture(scope="module")
def dia() -> Classifier:
    return make_classifier("dia", "d-1")


@pytest.fixture(scope="module")
def nodia() -> Classifier:
    return make_classifier("nodia", "n-1")


@pytest.fixture(scope="module")
def images() -> dict[str, tuple[Image, Mask | None]]:
    """Science and difference on one box, the template 20 pixels larger; NaN rows, a NO_DATA corner."""
    rng = generator(8, "test-scoring")
    box = Box.from_shape((SIZE, SIZE), start=ORIGIN)
    larger = Box.from_shape((SIZE + 40, SIZE + 40), start=(ORIGIN[0] - 20, ORIGIN[1] - 20))
    schema = MaskSchema([MaskPlane("NO_DATA", "no data")])
    made: dict[str, tuple[Image, Mask | None]] = {}
    for name, where in (("science", box), ("template", larger), ("difference", box)):
        pixels = rng.normal(0, 10, where.shape).astype(np.float32)
        mask = Mask(schema=schema, bbox=where)
        bad = np.zeros(where.shape, bool)
        if name == "science":
            pixels[100:103] = np.nan
        if name == "template":
            bad[:60, :60] = True
        mask.set("NO_DATA", bad)
        made[name] = (Image(pixels, bbox=where), mask)
    return made


def positions() -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    y, x = np.mgrid[-30 : SIZE + 30 : 10, -30 : SIZE + 30 : 10].reshape(2, -1).astype(float)
    return x + ORIGIN[1], y + ORIGIN[0]


def test_flags_are_those_that_geometry_demands(
    dia: Classifier, images: dict[str, tuple[Image, Mask | None]]
) -> None:
    x, y = positions()
    (result,) = score_sources([dia], images, x, y)
    table = score_table(np.arange(len(x)), [result])
    column, row = x - ORIGIN[1], y - ORIGIN[0]
    edge = (np.minimum(column, row) < HALF) | (np.maximum(column, row) >= SIZE - HALF)
    np.testing.assert_array_equal(table["flag_edge"], edge)
    on_image = (column + HALF >= 0) & (column - HALF < SIZE)
    nan_rows = (row + HALF >= 100) & (row - HALF <= 102) & on_image
    unscorable = (table["fraction_missing"] > 0.5) | table["flag_degenerate"]
    np.testing.assert_array_equal(table["flag_unscorable"], unscorable)
    corner = (column - HALF < 40) & (row - HALF < 40) & (column + HALF >= -20) & (row + HALF >= -20)
    np.testing.assert_array_equal(table["flag_nan"], nan_rows | corner)
    np.testing.assert_array_equal(np.isnan(table["score"]), table["flag_unscorable"])
    np.testing.assert_array_equal(
        table["flag_unscorable"], (table["fraction_missing"] > 0.5) | table["flag_degenerate"]
    )
    assert table["flag_unscorable"].sum() > 0
    inside = ~edge & ~nan_rows & ~corner
    assert not table["fraction_missing"][inside].any()
    assert np.isfinite(table["score"][inside]).all()


def test_every_source_leaves_once_and_in_order(
    dia: Classifier, nodia: Classifier, images: dict[str, tuple[Image, Mask | None]]
) -> None:
    rng = generator(9, "test-positions")
    n = 700
    x, y = rng.uniform(-50, SIZE + 50, (2, n)) + np.array(ORIGIN[::-1])[:, None]
    x[5], y[6] = np.nan, np.inf
    ids = rng.integers(1, 2**62, n)
    table = score_table(ids, score_sources([dia, nodia], images, x, y))
    assert table.colnames == list(SCORE_COLUMNS)
    np.testing.assert_array_equal(table["id"], ids)
    assert table["id"].dtype == np.int64 and table["score"].dtype == np.float32
    assert set(table["version"]) == {"d-1"}
    np.testing.assert_array_equal(table["score"], table["score_dia"])
    assert table["flag_unscorable"][[5, 6]].all()
    order = rng.permutation(n)
    shuffled = score_table(ids[order], score_sources([dia, nodia], images, x[order], y[order]))
    for name in ("score_dia", "score_nodia"):
        np.testing.assert_allclose(shuffled[name], table[name][order], atol=1e-6, equal_nan=True)


def test_a_nodia_model_needs_no_difference(
    dia: Classifier, nodia: Classifier, images: dict[str, tuple[Image, Mask | None]]
) -> None:
    two = {name: images[name] for name in ("science", "template")}
    table = score_table([7], score_sources([nodia], two, [1100.0], [570.0]))
    assert "score_dia" not in table.colnames
    assert table["version"][0] == "n-1"
    assert np.isfinite(table["score"][0])
    with pytest.raises(InvalidInputError, match="difference"):
        score_sources([dia], two, [1100.0], [570.0])


def test_no_sources_make_an_empty_table(
    dia: Classifier, images: dict[str, tuple[Image, Mask | None]]
) -> None:
    table = score_table([], score_sources([dia], images, [], []))
    assert len(table) == 0
    assert table["version"].dtype.kind == "U"
    assert table["flag_edge"].dtype == bool


_SCRIPT = """
import hashlib, sys
from lsst.meas.realbogus.model import golden_stamps, initial_weights, make_model, named_architecture
from lsst.meas.realbogus.model._importing import preset_contract
model = make_model(preset_contract("nodia", "n", "1"), initial_weights(named_architecture("nodia"), 2))
stamps, is_negative = golden_stamps(51, 100, seed=3)
scores = model.classifier().score(stamps, is_negative=is_negative).score
print(model.content_hash, hashlib.sha256(scores.tobytes()).hexdigest())
assert not {"tensorflow", "astropy", "lsst.images"} & set(sys.modules)
"""


def test_two_processes_give_the_same_bytes_and_load_little() -> None:
    outputs = {
        subprocess.run([sys.executable, "-c", _SCRIPT], check=True, capture_output=True, text=True).stdout
        for _ in range(2)
    }
    assert len(outputs) == 1


@pytest.mark.slow
def test_ten_thousand_sources_on_a_large_image(nodia: Classifier) -> None:
    rng = generator(3, "test-large")
    images = {n: Image(rng.normal(0, 5, (4096, 4096)).astype(np.float32)) for n in ("science", "template")}
    x, y = rng.uniform(0, 4096, (2, 10_000))
    (result,) = score_sources([nodia], images, x, y)
    again = score_sources([nodia], images, x[9_000:], y[9_000:])[0]
    np.testing.assert_allclose(again.scores.score, result.scores.score[9_000:], atol=1e-6, equal_nan=True)
    there = np.isfinite(result.scores.score)
    assert len(there) == 10_000
    np.testing.assert_array_equal(~there, result.scores.flag_unscorable)
    assert (~there).sum() < 200


def test_fill_values_are_missing_pixels() -> None:
    stamps, is_negative = golden_stamps(51, n=8)
    classifier = load_classifier("package:dia")
    filled, holes = ({role: pixels.copy() for role, pixels in stamps.items()} for _ in range(2))
    for stamp, value in ((filled, np.finfo(np.float32).max), (holes, np.nan)):
        stamp["template"][:, :9, :12] = value
        stamp["science"][3, 40, 40] = -value
    scores = [classifier.score(part, is_negative=is_negative) for part in (filled, holes)]
    np.testing.assert_array_equal(scores[0].score, scores[1].score)
    assert np.isfinite(scores[0].score).all() and scores[0].flag_nan.all()
