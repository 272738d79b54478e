"""Nothing is on two sides of a split, and a split can be made and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import SIDES, split_stamps

Columns = dict[str, npt.NDArray[Any]]


def _columns(n: int = 3000, seed: int = 1, n_cells: int = 400) -> Columns:
    """Sources of a few surveys; hosts, objects and cells are fixed to each other, visits are not."""
    rng = generator(seed, "test-splits")
    group = np.sort(rng.integers(0, 3, n))
    cell = rng.integers(0, n_cells, n) + 1000 * group
    object_id = np.where(rng.random(n) < 0.7, cell * 10 + rng.integers(0, 5, n), -1)
    host_id = np.where(rng.random(n) < 0.4, cell * 10 + rng.integers(5, 9, n), -1)
    visit = rng.integers(0, 8, n)
    return {"group": group, "cell": cell, "object_id": object_id, "host_id": host_id, "visit": visit}


def _on_one_side(side: npt.NDArray[np.int8], key: npt.NDArray[Any]) -> bool:
    return all(len(set(side[key == value])) == 1 for value in np.unique(key[key != -1]))


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(30, 1000))
def test_no_cell_object_or_host_is_on_two_sides(data: int, seed: int, n_cells: int) -> None:
    columns = _columns(1500, data, n_cells)
    split = split_stamps(columns, by=("cell", "host", "object"), seed=seed)
    assert _on_one_side(split.side, columns["cell"])
    scoped = columns["group"] * 10**6
    objects = np.concatenate([scoped + columns[name] for name in ("object_id", "host_id")])
    known = np.concatenate([columns[name] for name in ("object_id", "host_id")]) >= 0
    assert _on_one_side(np.tile(split.side, 2), np.where(known, objects, -1))
    sizes = np.bincount(split.side, minlength=3) / 1500
    assert np.abs(sizes - (0.7, 0.15, 0.15)).max() < 0.08


def test_keys_chain_and_what_is_unknown_keeps_nothing_together() -> None:
    nothing = np.full(9, -1)
    columns = {
        "group": np.zeros(9, int), "cell": np.array([1, 1, 2, 3, -1, -1, 6, 7, 8]),
        "object_id": np.array([-1, 5, 5, -1, -1, -1, -1, -1, -1]),
        "host_id": np.array([-1, -1, -1, 5, -1, -1, -1, -1, -1]), "visit": nothing,
    }  # fmt: skip
    component = split_stamps(columns, fractions=(0.4, 0.3, 0.3)).component
    assert component.tolist() == [0, 0, 0, 0, 1, 2, 3, 4, 5]
    apart = split_stamps(columns, by=("cell", "object"), fractions=(0.4, 0.3, 0.3)).component
    assert apart.tolist() == [0, 0, 0, 1, 2, 3, 4, 5, 6]


def test_objects_and_visits_are_those_of_their_group_but_the_sky_is_one() -> None:
    group = np.repeat(np.arange(6), 10)
    same = {"group": group, "object_id": np.full(60, 4), "host_id": np.full(60, -1), "visit": np.full(60, 7)}
    assert split_stamps({**same, "cell": group}).component.max() == 5
    with pytest.raises(InvalidInputError, match="60 stamps hang together in 1 sets"):
        split_stamps({**same, "cell": np.zeros(60, int)})


def test_visits_of_one_sky_cannot_be_kept_apart_and_the_message_says_what_to_do() -> None:
    columns = _columns()
    columns["group"][:] = 0
    with pytest.raises(InvalidInputError, match="leave 'visit' out .* or add surveys"):
        split_stamps(columns)
    assert set(split_stamps(columns, by=("cell", "host", "object")).side) == {0, 1, 2}


def test_a_split_depends_on_its_seed_alone_and_is_read_as_it_was_written(tmp_path: Path) -> None:
    columns = _columns()
    by = ("cell", "host", "object")
    first, again, other = (split_stamps(columns, by=by, seed=seed) for seed in (5, 5, 6))
    np.testing.assert_array_equal(first.side, again.side)
    assert (first.side != other.side).mean() > 0.2
    label = (np.arange(3000) % 2).astype(np.int8)
    first.save(tmp_path / "split.csv", label)
    read = type(first).load(tmp_path / "split.csv", columns)
    np.testing.assert_array_equal(read.side, first.side)
    np.testing.assert_array_equal(read.component, first.component)
    assert read.summary() == first.summary()
    counts = first.summary(label)["sides"]
    assert sum(counts[side]["stamps"] for side in SIDES) == 3000
    assert sum(counts[side]["real"] for side in SIDES) == 1500
    columns["cell"][7] += 1
    with pytest.raises(InvalidInputError, match="a split of other stamps"):
        type(first).load(tmp_path / "split.csv", columns)


def test_a_split_by_source_is_made_with_a_warning() -> None:
    columns = _columns(300)
    with pytest.warns(UserWarning, match="split source by source"):
        split = split_stamps(columns, by=("source",))
    assert np.bincount(split.side).tolist() == [210, 45, 45]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": ("cell", "night")}, "some of cell, host"),
        ({"by": ()}, "some of cell, host"),
        ({"by": ("source", "cell")}, "keeps nothing together"),
        ({"fractions": (0.5, 0.5)}, "fractions of learn, choose, judge"),
        ({"fractions": (0.8, 0.2, 0.2)}, "of sum 1"),
    ],
)
def test_what_cannot_be_split_by_is_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        split_stamps(_columns(30), **arguments)
