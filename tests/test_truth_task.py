"""The task that matches DIA sources."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from astropy.table import Table
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.tasks.match_dia_sources import (
    MatchDiaSourcesConnections,
    MatchDiaSourcesTask,
)
from lsst.meas.realbogus.truth import DIA_SOURCE_MATCH, INJECTED_FATE


def _tables() -> tuple[Table, Table]:
    x = np.array([100.0, 200.0, 300.0])
    sky = {"ra": 50 + x / 18000, "dec": np.full(3, -5.0), "x": x, "y": x}
    sources = Table(
        sky
        | {
            "diaSourceId": [11, 12, 13],
            "psfFlux": [3000.0] * 3,
            "psfFluxErr": [100.0] * 3,
            "pixelFlags_injectedCenter": [True, False, False],
        }
    )
    injected = Table(sky | {"injection_id": [1, 2, 3], "flux": [3000.0] * 3, "injection_flag": [0, 0, 1]})
    return sources, injected


def test_connections_are_well_formed() -> None:
    lintConnections(MatchDiaSourcesConnections)


def test_counts_go_to_the_metadata_and_missing_injected_light_is_noticed(
    caplog: pytest.LogCaptureFixture,
) -> None:
    task = MatchDiaSourcesTask()
    with caplog.at_level(logging.WARNING):
        result = task.run(*_tables())
    assert result.match.colnames == list(DIA_SOURCE_MATCH)
    assert result.fates.colnames == list(INJECTED_FATE)
    assert task.metadata["n_real"] == 2
    assert task.metadata["n_undecided"] == 1
    assert task.metadata["n_injected_found"] == 2
    assert task.metadata["n_injected_not_drawn"] == 1
    assert task.metadata["n_matched_without_injected_flag"] == 1
    assert "1 sources match injected ones but have no injected light" in caplog.text


def test_images_without_sources_or_without_fakes_have_tables_too() -> None:
    sources, injected = _tables()
    result = MatchDiaSourcesTask().run(sources[:0], injected)
    assert len(result.match) == 0
    assert result.fates["fate"].tolist() == ["undetected", "undetected", "not_drawn"]
    result = MatchDiaSourcesTask().run(sources, injected[:0])
    assert len(result.fates) == 0
    assert result.match["label"].tolist() == [-1, -1, -1]
