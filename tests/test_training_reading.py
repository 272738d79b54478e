"""Labelled stamps are read from files of any make and from runs; wrong labels are as many as wanted."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pyarrow.parquet
import pytest
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from lsst.daf.butler.formatters.parquet import astropy_to_arrow

from lsst.meas.realbogus.cutouts import ROLES
from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.randomness import generator
from lsst.meas.realbogus.repository import export_labelled_stamps, run_to_stamps
from lsst.meas.realbogus.training import (
    LabelledStamps,
    StampSelection,
    StampSet,
    changes_elsewhere,
    corrupt_labels,
    read_labelled_stamps,
    shows_company,
)
from table_repository import table_repository

TYPES = ("dia_source_cutouts", "dia_source_match", "dia_source_unstandardized")


def _columns(n: int = 12) -> dict[str, np.ndarray]:
    rng = generator(6, "test-reading")
    stamps = {role: rng.normal(size=(n, 7, 7)).astype(np.float32) for role in ROLES}
    return {
        **stamps, "label": np.resize([1, 0, -1], n), "label_source": np.full(n, "eye"),
        "isdiffpos": np.resize([True, True, False, False], n), "objectId": np.full(n, "ZTF19x"),
        "ra": np.linspace(10, 12, n), "dec": np.full(n, 3.0), "psfFlux": np.full(n, -4.0),
        "templateFlux": np.full(n, 8.0), "visit": np.arange(n), "psf_fwhm": np.full(n, 2.5),
    }  # fmt: skip


@pytest.mark.parametrize("suffix", [".npz", ".parquet"])
def test_stamp_files_of_any_make_are_read_with_what_they_know(tmp_path: Path, suffix: str) -> None:
    columns = _columns()
    path = tmp_path / f"stamps{suffix}"
    if suffix == ".npz":
        np.savez(path, **columns)  # type: ignore[arg-type]
    else:
        pyarrow.parquet.write_table(astropy_to_arrow(Table(columns)), path)
    stamps = LabelledStamps.concatenate(read_labelled_stamps(path, group=4, size=5))
    kept = np.flatnonzero(columns["label"] >= 0)
    assert stamps.label.tolist() == columns["label"][kept].tolist()
    sign = np.where(columns["isdiffpos"], 1, -1)[kept, None, None]
    np.testing.assert_array_equal(stamps.pixels["difference"], columns["difference"][kept] * sign)
    np.testing.assert_array_equal(stamps.is_negative, ~columns["isdiffpos"][kept])
    assert stamps.visit.tolist() == kept.tolist() and len(set(stamps.cell)) == 8
    assert set(stamps.flux_ratio) == {0.5} and set(stamps.psf_fwhm) == {2.5}
    assert set(stamps.reason) == {"eye"} and set(stamps.group) == {4}
    assert set(stamps.object_id) == {-1} and np.isnan(stamps.snr).all()


def test_stamps_without_labels_are_refused(tmp_path: Path) -> None:
    columns = _columns()
    del columns["label"]
    np.savez(tmp_path / "x.npz", **columns)  # type: ignore[arg-type]
    with pytest.raises(InvalidInputError, match=r"x\.npz: the stamps have no labels"):
        next(read_labelled_stamps(tmp_path / "x.npz"))


def _repo(root: Path, *, with_match: bool = True) -> Path:
    with table_repository(root, TYPES, (3, 7), run="u/run") as butler:
        for visit in (3, 7):
            columns, ids = _columns(), 100 * visit + np.arange(12)
            for name in TYPES:
                if name == "dia_source_match" and not with_match:
                    continue
                table = Table({"diaSourceId": ids, "isNegative": np.zeros(12, bool), "snr": np.full(12, 9.0)})
                if name == "dia_source_cutouts":
                    for role in ROLES:
                        table[role] = columns[role]
                if name == "dia_source_match":
                    table["label"], table["label_reason"] = columns["label"].astype(np.int8), "injected"
                butler.put(table, name, instrument="RealBogusCam", detector=0, visit=visit)
    return root


def test_runs_are_exported_to_a_set_whose_groups_they_are(tmp_path: Path) -> None:
    runs = [(_repo(tmp_path / name), "u/run") for name in ("a", "b")]
    counts = export_labelled_stamps(runs, tmp_path / "set")
    assert counts == {"0000.parquet": 16, "0001.parquet": 16}
    stamps = StampSet(tmp_path / "set").load()
    assert stamps.group.tolist() == [0] * 16 + [1] * 16
    assert stamps.visit.tolist() == ([3] * 8 + [7] * 8) * 2
    kept = _columns()["label"] >= 0
    np.testing.assert_array_equal(stamps.pixels["science"][:8], _columns()["science"][kept])
    only = export_labelled_stamps(runs[:1], tmp_path / "one", where="visit = 7")
    assert only == {"0000.parquet": 8}


def test_a_run_is_added_to_a_set_by_the_number_of_its_group(tmp_path: Path) -> None:
    runs = [(_repo(tmp_path / name), "u/run") for name in ("a", "b")]
    export_labelled_stamps(runs[:1], tmp_path, first_group=4)
    assert export_labelled_stamps(runs[1:], tmp_path, first_group=11) == {"0011.parquet": 16}
    assert StampSet(tmp_path).load().group.tolist() == [4] * 16 + [11] * 16
    assert list(json.loads((tmp_path / "groups.json").read_text())) == ["4", "11"]


def test_runs_that_cannot_be_exported_leave_no_file(tmp_path: Path) -> None:
    repo = _repo(tmp_path / "a", with_match=False)
    with pytest.raises(InvalidInputError, match=r"stamps of .*visit: 3.*, but no dia_source_match"):
        export_labelled_stamps([(repo, "u/run")], tmp_path / "set")
    with pytest.raises(InvalidInputError, match="has no dia_source_cutouts where visit = 8"):
        export_labelled_stamps([(repo, "u/run")], tmp_path / "set", where="visit = 8")
    assert not list((tmp_path / "set").glob("*.parquet"))


@settings(max_examples=40, deadline=None)
@given(st.floats(0, 0.4), st.floats(0, 0.4), st.integers(0, 99))
def test_as_many_labels_are_wrong_as_wanted(hidden: float, flipped: float, seed: int) -> None:
    label = np.repeat(np.array([1, 0], np.int8), (900, 600))
    wrong = corrupt_labels(label, hidden_reals=hidden, seed=seed)
    assert (wrong[900:] == 0).all()
    bogus = wrong == 0
    assert (label[bogus] == 1).mean() == pytest.approx(hidden, abs=2e-3)
    both = corrupt_labels(label, flipped=flipped, seed=seed)
    for value in (0, 1):
        assert (both[label == value] != value).mean() == pytest.approx(flipped, abs=2e-3)
    np.testing.assert_array_equal(wrong, corrupt_labels(label, hidden_reals=hidden, seed=seed))


def test_more_reals_than_there_are_cannot_be_hidden() -> None:
    label = np.repeat(np.array([1, 0], np.int8), (10, 90))
    with pytest.raises(InvalidInputError, match="takes 22 reals; there are 10"):
        corrupt_labels(label, hidden_reals=0.2, seed=1)
    with pytest.raises(InvalidInputError, match="fractions of labels"):
        corrupt_labels(label, flipped=1.0, seed=1)


def test_a_run_to_stamps_that_fails_says_where_it_is_written(tmp_path: Path) -> None:
    repo, log = _repo(tmp_path / "a"), tmp_path / "run.log"
    with pytest.raises(InvalidInputError, match=r"pipetask failed, see .*run.log:\n"):
        run_to_stamps(repo, "u/new", log, instrument="NoCam", skymap="none", config={})
    assert "NoCam" in log.read_text()


def test_no_kind_of_bogus_fills_an_image(tmp_path: Path) -> None:
    repo = _repo(tmp_path / "a")
    whole, thin = tmp_path / "whole", tmp_path / "thin"
    export_labelled_stamps([(repo, "u/run")], whole)
    three = StampSelection(most_of_a_kind=3)
    counts = [export_labelled_stamps([(repo, "u/run")], thin, selection=three) for _ in range(2)]
    every, kept = StampSet(whole).load(), StampSet(thin).load()
    assert counts[0] == counts[1] == {"0000.parquet": len(kept)}
    for visit in (3, 7):
        for kind in np.unique(every.kind):
            for label, most in ((0, 3), (1, len(every))):
                there, left = (
                    np.sum((some.visit == visit) & (some.kind == kind) & (some.label == label))
                    for some in (every, kept)
                )
                assert left == min(there, most)
    first = every[every.visit == 3]
    assert len(StampSelection(most_of_a_kind=1000).of(first, 1)) == len(first)
    again = three.of(first, 0, 3, 0)
    np.testing.assert_array_equal(again.snr, kept[kept.visit == 3].snr)
    with pytest.raises(InvalidInputError, match="most_of_a_kind"):
        StampSelection(most_of_a_kind=0)


def _scene(*sources: tuple[int, float, float], width: float = 1.3) -> LabelledStamps:
    """Stamps of one sky: column, and flux in science image and template, of each source."""
    rows, columns = np.mgrid[:51, :51]
    noise = generator(3, "test-company").normal(size=(2, 51, 51))
    science, template = noise[0], noise[1]
    for column, in_science, in_template in sources:
        profile = np.exp(-((columns - column) ** 2 + (rows - 25) ** 2) / (2 * width**2))
        science, template = science + in_science * profile, template + in_template * profile
    pixels = {"science": science, "template": template, "difference": science - template}
    return LabelledStamps.from_arrays(
        {name: image[np.newaxis].astype(np.float32) for name, image in pixels.items()}
        | {"label": np.ones(1, np.int8), "psf_fwhm": np.full(1, 2.355 * width, np.float32)}
    )


@pytest.mark.parametrize(
    ("other", "shown"),
    [
        ((45, 30.0, 0.0), True),  # a second flash
        ((5, 0.0, 30.0), True),  # something that is gone
        ((45, 500.0, 470.0), False),  # the residual of a star
        ((45, 500.0, 500.0), False),
        ((28, 30.0, 0.0), False),  # the source itself, drawn out
    ],
)
def test_company_is_what_one_image_alone_shows(other: tuple[int, float, float], shown: bool) -> None:
    stamps = _scene((25, 40.0, 0.0), other)
    assert shows_company(stamps).tolist() == [shown]
    assert len(StampSelection(with_company=False).of(stamps)) == (not shown)
    assert len(StampSelection().of(stamps)) == 1
    bogus = LabelledStamps.from_arrays(stamps.arrays() | {"label": np.zeros(1, np.int8)})
    assert len(StampSelection(with_company=False).of(bogus)) == 1


def test_kinds_that_context_alone_tells_are_kept_with_it() -> None:
    alone, beside = _scene((25, 40.0, 90.0)), _scene((25, 40.0, 90.0), (45, 60.0, 140.0))
    dimmed = LabelledStamps.from_arrays(
        LabelledStamps.concatenate([alone, beside]).arrays()
        | {"label": np.zeros(2, np.int8), "kind": np.full(2, "clouds")}
    )
    assert changes_elsewhere(dimmed).tolist() == [False, True]
    assert len(StampSelection(kinds_in_context=("clouds",)).of(dimmed)) == 1
    assert len(StampSelection(kinds_in_context=("star",)).of(dimmed)) == 2
    variables = LabelledStamps.from_arrays(dimmed.arrays() | {"label": np.ones(2, np.int8)})
    assert len(StampSelection(kinds_in_context=("clouds",)).of(variables)) == 2
