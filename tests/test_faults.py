"""Runs that were interrupted are finished by the same command, and nothing grows in a long one.

The full ones are `benchmarks/faults.py` and `benchmarks/soak.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import faults
import pytest
from breaking.workshop import Fault, NotTriedError, Workshop
from lsst.daf.butler import Butler, Config
from scaling import ROOT, EmptyTask, find_stand_ins, make_survey, measure_run
from soak import TASKS, Notes, growth, soak

from lsst.meas.realbogus.tasks.rb_classifier import RbClassifierTask
from small_survey import COLLECTION

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def workshop(small_run: Path, tmp_path_factory: pytest.TempPathFactory) -> Workshop:
    return Workshop(tmp_path_factory.mktemp("faults"), small_run)


def assert_survived(found: Iterator[Fault]) -> None:
    tried = list(found)
    assert tried
    for fault in tried:
        assert not fault.wrong, f"{fault.name}: {fault.wrong}"


def test_a_run_that_is_killed_twice_ends_with_the_same_tables(workshop: Workshop) -> None:
    assert_survived(faults.kills(workshop, 2))


def test_a_repository_that_cannot_be_written_to_stays_as_it_is(workshop: Workshop) -> None:
    try:
        assert_survived(faults.read_only(workshop))
    except NotTriedError as reason:
        pytest.skip(str(reason))


def test_an_image_that_was_cut_off_is_named_and_made_again(workshop: Workshop) -> None:
    assert_survived(faults.cut_image(workshop))


def test_what_is_lost_doubled_or_altered_is_no_survival(workshop: Workshop) -> None:
    """The judge itself."""
    expected = workshop.part
    found = dict(expected.contents)
    key = next(key for key in found if key.startswith("dia_source_reliability"))
    altered = faults.differences({**found, key: "0"}, expected.contents)
    del found[key]
    lost = faults.differences({**found, "more": "0"}, expected.contents)
    assert altered.startswith("other: dia_source_reliability")
    assert "lost: dia_source_reliability" in lost and "too many: more" in lost


def test_memory_and_open_files_do_not_grow_with_the_quanta(small_run: Path, tmp_path: Path) -> None:
    with Butler.from_config(small_run, collections=COLLECTION) as butler:
        stand_ins = find_stand_ins(butler)
    notes = soak(tmp_path, stand_ins, 24)
    assert len(notes) == TASKS
    figures = growth(notes, warm_up=2)
    assert figures["soak_quanta"] == 24
    assert figures["soak_rss_growth"] < 1.05
    assert figures["soak_open_files_growth"] <= 0


def test_a_quantum_costs_more_than_the_scoring_in_it(small_run: Path, tmp_path: Path) -> None:
    with Butler.from_config(small_run, collections=COLLECTION) as butler:
        files, region = find_stand_ins(butler)
    seed = Config(str(ROOT / "config" / "butler" / "embedded.yaml"))
    survey = make_survey(tmp_path / "survey", seed, files, region, 4, None)
    graph, quantum, scoring, same_work = measure_run(survey, RbClassifierTask, 4, "u/scored")
    assert quantum > 1.05 * scoring > 0 and min(graph, same_work) > 0
    assert measure_run(survey, EmptyTask, 4, "u/empty")[1] < 0.7 * quantum


def test_what_grows_is_seen() -> None:
    still = Notes(memory=100, files=20, seconds=1.0, same_work=1.0)
    leaking = [
        Notes(memory=100 + i, files=20 + i // 50, seconds=1 + 0.01 * i, same_work=1.0) for i in range(110)
    ]
    loaded = [Notes(memory=100, files=20, seconds=1 + i, same_work=1.0 + i) for i in range(110)]
    assert growth({"on a machine that grows slower": loaded})["soak_time_growth"] == 1
    figures = growth({"still": [still] * 110, "leaking": leaking})
    assert figures["soak_rss_growth"] > 1.2 and figures["soak_time_growth"] > 1.2
    assert figures["soak_open_files_growth"] == 1
