"""Match tables of the AP pipeline as labels and fates: no match is 0 or -1, and everything adds up."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from click.testing import CliRunner
from judging.differences import same_matches

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.evaluation import summarize
from lsst.meas.realbogus.repository import LabelSource, read_collection
from lsst.meas.realbogus.tables import NO_ID, read_table_file
from lsst.meas.realbogus.truth import (
    DIA_SOURCE_MATCH,
    INJECTED_FATE,
    loss_budget,
    read_ap_matches,
)
from table_repository import table_repository

SOURCES = Table(
    {
        "diaSourceId": [500, 501, 502, 503],
        "ra": [10.0, 10.01, 10.02, 10.03],
        "dec": np.zeros(4),
        "x": np.arange(4.0),
        "y": np.arange(4.0),
        "psfFlux": [3e3, 4e3, -5e3, 6e3],
        "psfFluxErr": np.full(4, 100.0),
    }
)


def _matched(ids: list[int], distance: list[float] | None = None) -> Table:
    n = len(ids)
    table = Table({"injection_id": np.arange(n), "ra": 10 + 0.01 * np.arange(n), "dec": np.zeros(n)})
    table["mag"], table["diaSourceId"] = np.full(n, 22.0), np.array(ids, np.int64)
    if distance is not None:
        table["dist_diaSrc"] = distance
    return table


@pytest.mark.parametrize("nothing", [0, -1])
@pytest.mark.parametrize("with_distance", [True, False])
def test_no_match_is_0_or_minus_1(nothing: int, with_distance: bool) -> None:
    table = _matched([500, nothing, 502], [0.1, -1.0, 0.2] if with_distance else None)
    read = read_ap_matches(table, SOURCES)
    assert read.fates["fate"].tolist() == ["found", "undetected", "found"]
    assert read.fates["diaSourceId"].tolist() == [500, NO_ID, 502]
    assert read.sources["label"].tolist() == [1, -1, 1, -1]
    assert read.sources["injection_id"].tolist() == [0, NO_ID, 2, NO_ID]
    assert read.sources["match_distance"][0] == pytest.approx(0.1 if with_distance else np.nan, nan_ok=True)
    assert read.fates.colnames == list(INJECTED_FATE)
    assert set(DIA_SOURCE_MATCH) <= set(read.sources.colnames)


def test_sources_name_the_hosts_of_what_was_injected_and_none_where_there_is_none() -> None:
    table = _matched([500, 0, 502, 503])
    table["host_id"] = [1, 5, 0, 7_000_000_000]
    read = read_ap_matches(table, SOURCES)
    assert read.sources["host_id"].tolist() == [1, NO_ID, NO_ID, 7_000_000_000]


def test_what_no_injection_made_is_bogus_where_asked() -> None:
    labels = read_ap_matches(_matched([500, 0]), SOURCES, unmatched_is_bogus=True).sources
    assert labels["label"].tolist() == [1, 0, 0, 0]
    assert labels["label_reason"].tolist() == ["injected"] + ["unmatched"] * 3


def test_flags_and_forced_fluxes_say_why_a_source_was_lost() -> None:
    table = _matched([0, 0, 0, 0, 503])
    table["injection_flag"] = [0, 0, 0, 8, 0]
    table["forced_base_PixelFlags_flag_saturatedCenter"] = [True, False, False, False, True]
    table["forced_base_PsfFlux_instFlux_SNR"] = [90.0, 3.0, 40.0, 0.0, 20.0]
    read = read_ap_matches(table, SOURCES)
    assert read.fates["fate"].tolist() == ["masked", "below_threshold", "undetected", "not_drawn", "found"]
    budget = loss_budget(read.fates, read.sources).table()
    assert budget["n"].sum() == 5 and budget["n"][-1] == 1


def test_twins_are_one_source() -> None:
    table = _matched([500, 500])
    with pytest.raises(InvalidCatalogError, match="diaSourceId 500 matches more than one injected source"):
        read_ap_matches(table, SOURCES)
    table["injection_id"], table["twin_id"] = [7, 8], [8, 7]
    table["isVisitSource"], table["isTemplateSource"] = [True, False], [False, True]
    table["mag"] = [21.0, 22.0]
    read = read_ap_matches(table, SOURCES)
    assert read.fates["is_primary"].tolist() == [True, False]
    assert read.sources["injection_id"].tolist() == [7, NO_ID, NO_ID, NO_ID]
    assert read.fates["flux"][0] == pytest.approx(10 ** (0.4 * (31.4 - 21)) - 10 ** (0.4 * (31.4 - 22)))


@pytest.mark.parametrize("visit", ["", "_43"])
def test_the_matches_of_the_real_task_are_ours(stack_data: Path, visit: str) -> None:
    folder = stack_data
    table = read_table_file(folder / "match" / f"matched_trim0{visit}.ecsv")
    sources = read_table_file(folder / "diffim" / f"dia_sources{visit}.parquet")
    read = read_ap_matches(table, sources)
    theirs = np.asarray(read.fates["fate"]) == "found"
    assert theirs.sum() == np.sum(table["diaSourceId"] != 0) == np.sum(read.sources["label"] == 1) > 10
    counts = same_matches(folder, visit)
    assert counts["matched"] == counts["matched_alike"] == counts["matched_ours"] == theirs.sum()


def test_a_run_of_the_ap_pipeline_is_read_with_its_own_labels(tmp_path: Path) -> None:
    scores = Table({"id": SOURCES["diaSourceId"], "score": np.array([0.9, 0.2, 0.3, 0.1], np.float32)})
    tables = {
        # As ap_pipe calls them; matched before sources are filtered, when there was a source 777.
        "fakes_goodSeeingDiff_matchDiaSrc": _matched([500, 0, 502, 777], [0.1, -1.0, 0.2, 0.3]),
        "dia_source_unstandardized": SOURCES,
        "dia_source_reliability": scores,
    }
    with table_repository(tmp_path / "repo", tables, (3,), run="u/ap") as butler:
        for name, table in tables.items():
            butler.put(table, name, instrument="RealBogusCam", visit=3, detector=0)
    name = "fakes_goodSeeingDiff_matchDiaSrc"
    labels = LabelSource(name, unmatched_is_bogus=True)
    results = read_collection(tmp_path / "repo", "u/ap", labels=labels)
    assert results.sources["label"].tolist() == [1, 0, 1, 0]
    assert (summarize(results).n_found, summarize(results).n_injected) == (3, 4)
    words = ["truth", "budget", str(tmp_path / "repo"), "u/ap", "--match", name]
    output = CliRunner().invoke(main, words).output
    lines = [line.split() for line in output.splitlines()]
    assert ["detected", "undetected", "1", "25.0%", "3"] in lines, output
    assert ["above", "threshold", "below", "threshold", "1", "25.0%", "1"] in lines, output
    assert ["injected", "4", "100.0%"] in lines
    missing = CliRunner().invoke(main, [*words[:-1], "fakes_deepDiff_matchDiaSrc"])
    assert missing.exit_code == 1
    assert "no injected sources (no injected_supernova_fate or fakes_deepDiff_matchDiaSrc)" in missing.output
    command = ["evaluate", str(tmp_path / "repo"), "u/ap", "-o", str(tmp_path / "out"), "-c", "n_resamples=0"]
    result = CliRunner().invoke(main, [*command, "--match", name, "--unmatched-is-bogus"])
    assert result.exit_code == 0, result.output
    judged = read_table_file(tmp_path / "out" / "sources.ecsv")
    assert judged["label"].tolist() == [1, 0, 1, 0, 1]  # and the injected source that was not detected
    assert judged["is_detected"].tolist() == [True] * 4 + [False]
    for wrong in (["--unmatched-is-bogus"], ["--match", "no_such_type"]):
        assert CliRunner().invoke(main, [*command, "--overwrite", *wrong]).exit_code != 0
