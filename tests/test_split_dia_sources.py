"""Tables of tracts become tables of images, every row once."""

from __future__ import annotations

import numpy as np
import pytest
from astropy.table import Table
from lsst.pipe.base.testUtils import lintConnections

from lsst.meas.realbogus.errors import InvalidCatalogError
from lsst.meas.realbogus.tasks.split_dia_sources import (
    SplitDiaSourcesConfig,
    SplitDiaSourcesConnections,
    SplitDiaSourcesTask,
)


def _tract(first: int, visits: list[int], detectors: list[int]) -> Table:
    ids = np.arange(first, first + len(visits))[::-1]
    return Table({"diaSourceId": ids, "visit": visits, "detector": detectors})


def test_rows_go_to_their_image_once_and_sorted() -> None:
    tables = [_tract(10, [1, 2, 1, 1], [0, 0, 3, 0]), _tract(50, [1, 1], [3, 7])]
    task = SplitDiaSourcesTask()
    first, second, third = task.run(tables=tables, visit=1, detectors=[0, 3, 5]).diaSources
    assert list(first["diaSourceId"]) == [10, 13] and list(second["diaSourceId"]) == [11, 51]
    assert not len(third) and third.colnames == first.colnames
    assert task.metadata["n_sources"] == 4 and task.metadata["n_of_other_detectors"] == 1


def test_a_source_in_two_tracts_is_a_problem_of_its_image_alone() -> None:
    tables = [_tract(10, [1, 1], [0, 2]), _tract(11, [1], [0])]
    split = SplitDiaSourcesTask().run(tables=tables, visit=1, detectors=[0, 2])
    assert split.diaSources[0] is None and list(split.diaSources[1]["diaSourceId"]) == [10]
    (problem,) = split.problems
    assert problem == "diaSourceId 11 of visit 1, detector 0 is in more than one row"


def test_missing_columns_are_named() -> None:
    with pytest.raises(InvalidCatalogError, match="column detector is missing"):
        SplitDiaSourcesTask().run(tables=[Table({"diaSourceId": [1], "visit": [1]})], visit=1, detectors=[0])


def test_tables_may_be_of_visits() -> None:
    config = SplitDiaSourcesConfig()
    config.table_dimensions = ["instrument", "visit"]
    connections = SplitDiaSourcesConnections(config=config)
    assert set(connections.tables.dimensions) == {"instrument", "visit"}
    lintConnections(SplitDiaSourcesConnections)
