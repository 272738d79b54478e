"""Batches are decided by the seed and the number of the epoch, and turn stamps without mixing them."""

from __future__ import annotations

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import ArrayBatches, Batch, TrainingConfig, balanced_weights


def _set(n: int = 50, columns: int = 10) -> tuple[np.ndarray, np.ndarray]:
    inputs = generator(3, "test-batches").normal(size=(n, 5, columns, 1)).astype(np.float32)
    return inputs, (np.arange(n) % 3 == 0).astype(np.int8)


def _content(batches: list[Batch]) -> list[bytes]:
    return [batch.inputs.tobytes() + batch.row.tobytes() for batch in batches]


def test_an_epoch_has_every_row_once_and_depends_on_its_number_only() -> None:
    batches = ArrayBatches(*_set(), batch_size=16, seed=7, turn=True)
    third = _content(list(batches.epoch(3)))
    assert len(third) == batches.n_steps == 4
    first = list(batches.epoch(0))
    assert _content(list(batches.epoch(3))) == third != _content(first)
    np.testing.assert_array_equal(np.sort(np.concatenate([batch.row for batch in first])), np.arange(50))


def test_rows_name_the_stamps_and_labels() -> None:
    inputs, label = _set()
    for batch in ArrayBatches(inputs, label, batch_size=16, seed=7).epoch(1):
        np.testing.assert_array_equal(batch.inputs, inputs[batch.row])
        np.testing.assert_array_equal(batch.label, label[batch.row])


def test_without_a_seed_the_order_stays() -> None:
    (batch,) = ArrayBatches(*_set(), batch_size=50).epoch(0)
    np.testing.assert_array_equal(batch.row, np.arange(50))


def test_stamps_side_by_side_are_turned_each_on_its_own_and_alike() -> None:
    inputs, label = _set()
    inputs[:, :, 5:] = 2 * inputs[:, :, :5]
    (batch,) = ArrayBatches(inputs, label, batch_size=50, seed=7, turn=True).epoch(0)
    np.testing.assert_array_equal(batch.inputs[:, :, 5:], 2 * batch.inputs[:, :, :5])
    np.testing.assert_array_equal(
        np.sort(batch.inputs[:, :, :5].reshape(50, -1)), np.sort(inputs[batch.row][:, :, :5].reshape(50, -1))
    )
    assert (batch.inputs != inputs[batch.row]).any(axis=(1, 2, 3)).mean() > 0.7


def test_both_classes_weigh_the_same_and_one_class_alone_weighs_one() -> None:
    _, label = _set()
    weight = balanced_weights(label)
    assert weight[label == 1].sum() == pytest.approx(weight[label == 0].sum())
    assert weight.mean() == pytest.approx(1.0)
    np.testing.assert_array_equal(balanced_weights(np.ones(3, np.int8)), 1.0)


def test_a_kind_that_counts_more_does_so_within_its_class_alone() -> None:
    _, label = _set()
    kind = np.where(np.arange(len(label)) % 5 < 2, "noise", "star")
    weight = balanced_weights(label, TrainingConfig(kind_weights=("noise=4", "ghost=2")).count(kind))
    for value in (0, 1):
        assert weight[label == value].sum() == pytest.approx(len(label) / 2)
        of = {name: weight[(label == value) & (kind == name)] for name in ("noise", "star")}
        np.testing.assert_allclose(of["noise"], 4 * of["star"][0], rtol=1e-6)
    for bad in ("noise", "4", "=4", "noise=0", "noise=-1", "noise=inf", "noise=many"):
        with pytest.raises(InvalidInputError, match="kind_weights must be pairs KIND=WEIGHT"):
            TrainingConfig(kind_weights=(bad,))


def test_what_cannot_be_batched_is_refused() -> None:
    inputs, label = _set(columns=7)
    with pytest.raises(InvalidInputError, match=r"50, 49 and 49"):
        ArrayBatches(inputs, label[:-1], batch_size=8)
    with pytest.raises(InvalidInputError, match=r"\(50, 5, 7, 1\)"):
        ArrayBatches(inputs, label, batch_size=8, seed=1, turn=True)
