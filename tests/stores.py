"""What the tests of runs beyond one machine share: the tables, and the commands of users."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from astropy.table import Table
from click.testing import CliRunner
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler
from lsst.daf.butler.cli.butler import cli as butler_command

from small_survey import PIPELINE, WHERE, job_parameters

TABLES = (
    "fake_supernova_catalog",
    "injected_preliminary_visit_image_catalog",
    "dia_source_unstandardized",
    "dia_source_match",
    "injected_supernova_fate",
    "dia_source_cutouts",
    "dia_source_reliability",
)
N_QUANTA = 17
"""Quanta of the main job on the small survey."""


def job_options(models: Mapping[str, str], where: str = WHERE) -> list[str]:
    """Return what `pipetask` is told of the main job, as on its command line."""
    words = ["-i", "RealBogusCam/input", "-p", PIPELINE, "-d", where]
    for name, value in job_parameters(models).items():
        words += ["-c", f"parameters:{name}={value}"]
    return words


def command(*words: object) -> str:
    """Run `pipetask` or `butler` in this process; return what they print."""
    program, *rest = map(str, words)
    result = CliRunner().invoke({"pipetask": pipetask, "butler": butler_command}[program], rest)
    assert result.exit_code == 0, f"{program} {rest}: {result.output}"
    return result.output


def read_tables(repo: Path | str, collection: str) -> dict[tuple[str, int, int], Table]:
    """Return the tables of a run by dataset type, visit and detector."""
    tables = {}
    with Butler.from_config(str(repo), collections=collection) as butler:
        for name in TABLES:
            for ref in butler.query_datasets(name, explain=False):
                tables[name, ref.dataId["visit"], ref.dataId["detector"]] = butler.get(ref)
    return tables


def assert_same_tables(
    tables: Mapping[tuple[str, int, int], Table], expected: Mapping[tuple[str, int, int], Table]
) -> None:
    """Compare every value of every table."""
    assert tables.keys() == expected.keys()
    for key, table in expected.items():
        assert tables[key].colnames == table.colnames, key
        for name in table.colnames:
            np.testing.assert_array_equal(tables[key][name], table[name], err_msg=f"{key} {name}")
