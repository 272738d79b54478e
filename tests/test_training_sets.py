"""Sets of stamps on disk come back as written, and batches show every stamp once, in little memory."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import numpy as np
import pytest

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import Contract, MissingRule, NormalizationChoice, Output, PsfInput, prepare
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.training import (
    Augmentation,
    Batch,
    LabelledStamps,
    StampBatches,
    StampSet,
    StampWriter,
)

CONTRACT = Contract(
    name="toy",
    version="1",
    inputs=("difference", "science", "template"),
    layout="channels",
    stamp_size=9,
    normalization=NormalizationChoice(name="asinh-1", parameters={"softening": 3.0}),
    negative="flip",
    missing=MissingRule(rule="ignore", show=True, maximum_fraction=0.9),
    psf=PsfInput(form="width"),
    output=Output(size=1, real=0),
)
SIDE_BY_SIDE = Contract(
    name="seeds",
    version="1",
    inputs=("science", "template"),
    layout="side_by_side",
    stamp_size=9,
    normalization=NormalizationChoice(name="acero-cuellar-3sigma-1"),
    negative="flip",
    output=Output(size=2, real=0),
)


def _stamps(n: int, first: int = 0, side: int = 13) -> LabelledStamps:
    """Make stamps whose science images say which row they are of."""
    row = first + np.arange(n)
    rng = generator(4, "toy-set", first)
    pixels = {
        name: rng.normal(size=(n, side, side)).astype(np.float32)
        for name in ("science", "template", "difference")
    }
    return LabelledStamps(
        pixels, (row % 3 == 0).astype(np.int8), kind=np.where(row % 3, "ghost", "fake"), snr=np.full(n, 9.0),
        is_negative=row % 5 == 0, psf_fwhm=np.where(row % 7, 3.0, np.nan), object_id=row, visit=row // 50,
        band=np.full(n, "r"), cell=row // 4, group=np.full(n, first),
    )  # fmt: skip


def _write(path: Path, sizes: list[int], pixel_type: str = "float32") -> LabelledStamps:
    path.mkdir()
    parts = []
    for number, size in enumerate(sizes):
        part = _stamps(size, sum(sizes[:number]))
        with StampWriter(path / f"{number:03d}.parquet", pixel_type) as writer:  # type: ignore[arg-type]
            for start in range(0, size, 100):
                writer.write(part[start : start + 100])
        parts.append(part)
    return LabelledStamps.concatenate(parts)


def _rows(batches: list[Batch]) -> np.ndarray:
    return np.concatenate([batch.row for batch in batches])


@pytest.mark.parametrize("pixel_type", ["float32", "float16"])
def test_a_set_comes_back_as_it_was_written(tmp_path: Path, pixel_type: str) -> None:
    whole = _write(tmp_path / "set", [300, 5, 700], pixel_type)
    stamps = StampSet(tmp_path / "set")
    assert len(stamps) == 1005 and [len(block) for block in stamps.blocks] == [256, 44, 5, 256, 256, 188]
    rows = np.array([900, 3, 302, 3, 299])
    for found, wanted in ((stamps.load(), whole), (stamps.load(rows), whole[rows])):
        for name, values in wanted.arrays().items():
            tolerance = 1e-3 if pixel_type == "float16" and values.ndim == 3 else 0
            if values.dtype.kind == "U":
                assert found.arrays()[name].tolist() == values.tolist()
            else:
                np.testing.assert_allclose(found.arrays()[name], values, rtol=tolerance, atol=tolerance)
    np.testing.assert_array_equal(stamps.columns(["object_id"])["object_id"], np.arange(1005))
    assert not len(stamps.load(np.zeros(1005, bool)))


def test_missing_pixels_and_npz_files_and_unknown_columns_come_along(tmp_path: Path) -> None:
    stamps = _stamps(20)
    stamps.pixels["template"][3] = np.nan
    plain = LabelledStamps(stamps.pixels, stamps.label)
    (tmp_path / "set").mkdir()
    plain.save(tmp_path / "set" / "a.npz")
    with StampWriter(tmp_path / "set" / "b.parquet", "float16") as writer:
        writer.write(stamps)
    both = StampSet(tmp_path / "set")
    assert np.isnan(both.load().pixels["template"][[3, 23]]).all()
    assert both.columns(["visit", "kind"])["visit"].tolist() == [-1] * 20 + [0] * 20
    assert both.columns(["kind"])["kind"][0] == "" and both.columns(["kind"])["kind"][20] == "fake"


def test_what_is_no_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"there is no \.parquet or \.npz file"):
        StampSet(tmp_path)
    np.savez(tmp_path / "x.npz", science=np.zeros((3, 5, 5)))
    with pytest.raises(InvalidInputError, match="no array label"):
        StampSet(tmp_path)
    with pytest.raises(InvalidInputError, match="no stamps to write"), StampWriter(tmp_path / "y.parquet"):
        pass
    with StampWriter(tmp_path / "z.parquet") as writer:
        writer.write(_stamps(300))
        with pytest.raises(InvalidInputError, match=r"\(11, 11\).* after stamps of .*\(13, 13\)"):
            writer.write(_stamps(300, side=11))
    assert not (tmp_path / "y.parquet").exists()


@pytest.mark.parametrize("on_disk", [True, False])
@pytest.mark.parametrize("contract", [CONTRACT, SIDE_BY_SIDE], ids=["channels", "side_by_side"])
def test_an_epoch_shows_every_stamp_once_in_an_order_of_its_own(
    tmp_path: Path, on_disk: bool, contract: Contract
) -> None:
    whole = _write(tmp_path / "set", [300, 400])
    source = StampSet(tmp_path / "set") if on_disk else whole
    batches = StampBatches(source, contract, Augmentation(), batch_size=64, seed=3, buffer=150)
    epochs = [list(batches.epoch(number)) for number in (0, 1, 0)]
    assert all(len(epoch) == batches.n_steps == 11 for epoch in epochs)
    assert [len(batch) for batch in epochs[0]] == [64] * 10 + [60]
    for epoch in epochs:
        assert sorted(_rows(epoch)) == list(range(700))
        for batch in epoch:
            assert batch.inputs.shape[1:] == contract.input_shape and np.isfinite(batch.inputs).all()
            np.testing.assert_array_equal(batch.label, whole.label[batch.row])
    assert (_rows(epochs[0]) != _rows(epochs[1])).mean() > 0.9
    assert (np.diff(_rows(epochs[0])) == 1).mean() < 0.05
    for first, again in zip(epochs[0], epochs[2], strict=True):
        np.testing.assert_array_equal(first.row, again.row)
        np.testing.assert_array_equal(first.inputs, again.inputs)


def test_augmentation_of_a_stamp_does_not_depend_on_the_stamps_beside_it(tmp_path: Path) -> None:
    whole = _write(tmp_path / "set", [300, 400])
    disk = StampSet(tmp_path / "set")
    some = np.arange(0, 700, 3)
    shown = {}
    for name, batches in {
        "disk": StampBatches(disk, CONTRACT, Augmentation(), batch_size=64, seed=3, buffer=150),
        "memory": StampBatches(whole, CONTRACT, Augmentation(), batch_size=7, seed=3, rows=some),
    }.items():
        epoch = list(batches.epoch(2))
        inputs = np.concatenate([batch.inputs for batch in epoch])
        shown[name] = inputs[np.argsort(_rows(epoch))]
    np.testing.assert_allclose(shown["memory"], shown["disk"][some], rtol=1e-4, atol=1e-4)


def test_without_a_seed_stamps_are_what_is_scored_in_their_order(tmp_path: Path) -> None:
    whole = _write(tmp_path / "set", [300, 100])
    batches = StampBatches(StampSet(tmp_path / "set"), CONTRACT, batch_size=50)
    epoch = list(batches.epoch(0))
    assert _rows(epoch).tolist() == list(range(400))
    wanted = prepare(CONTRACT, whole.pixels, None, whole.is_negative, psf_fwhm=whole.psf_fwhm).inputs
    np.testing.assert_allclose(np.concatenate([batch.inputs for batch in epoch]), wanted, atol=1e-6)
    with pytest.raises(InvalidInputError, match="augmentation needs a seed"):
        StampBatches(whole, CONTRACT, Augmentation())


def test_classes_count_the_same_by_weights_or_by_repeats() -> None:
    stamps = _stamps(90)
    for balance in ("weights", "repeats"):
        batches = StampBatches(stamps, CONTRACT, batch_size=16, seed=1, balance=balance, rows=stamps.snr > 0)  # type: ignore[arg-type]
        epoch = list(batches.epoch(0))
        label, weight = (
            np.concatenate([getattr(batch, name) for batch in epoch]) for name in ("label", "weight")
        )
        assert weight[label == 1].sum() == pytest.approx(weight[label == 0].sum(), rel=1e-5)
        assert set(_rows(epoch)) == set(range(90))
        assert len(epoch) == batches.n_steps
    assert (label == 1).sum() == (label == 0).sum() == 60
    told = StampBatches(stamps, CONTRACT, seed=1, label=1 - stamps.label, balance="none")
    for batch in told.epoch(0):
        np.testing.assert_array_equal(batch.label, 1 - stamps.label[batch.row])
        assert set(batch.weight) == {1.0}


def test_stamps_of_several_sizes_go_into_one_epoch(tmp_path: Path) -> None:
    (tmp_path / "set").mkdir()
    for side, first in ((13, 0), (8, 50)):
        with StampWriter(tmp_path / "set" / f"{side}.parquet") as writer:
            writer.write(_stamps(50, first, side))
    (batch,) = StampBatches(StampSet(tmp_path / "set"), CONTRACT, seed=1).epoch(0)
    missing = batch.inputs[..., -1].mean(axis=(1, 2))
    of_small = np.isin(batch.row, np.arange(50))  # files in the order of their names: 13 before 8
    assert missing[of_small].max() == 0 and missing[~of_small].min() == pytest.approx(1 - 64 / 81)
    with pytest.raises(InvalidInputError, match="different images"):
        LabelledStamps.concatenate([_stamps(2), LabelledStamps({}, np.zeros(2, np.int8))])


def test_stamps_without_a_score_have_no_weight() -> None:
    stamps = _stamps(30)
    stamps.pixels["template"][4] = np.nan
    (batch,) = StampBatches(stamps, CONTRACT, seed=1).epoch(0)
    assert batch.row[batch.weight == 0].tolist() == [4]


def test_memory_stays_the_same_while_the_set_grows_tenfold(tmp_path: Path) -> None:
    peaks = []
    for number, n_files in enumerate((1, 10)):
        _write(tmp_path / f"set{number}", [1024] * n_files)
        tracemalloc.start()
        batches = StampBatches(
            StampSet(tmp_path / f"set{number}"), CONTRACT, Augmentation(), batch_size=64, seed=1, buffer=256
        )
        for _ in batches.epoch(0):
            pass
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    pixels = 9 * 1024 * 3 * 13 * 13 * 4
    assert peaks[1] - peaks[0] < 0.1 * pixels
