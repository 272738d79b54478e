"""Whatever goes in, what happens is what the table of bad input says; the manual shows the same table."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("onnx", reason="ONNX is not installed")

import write_bad_input

from bad_input import CASES, TABLES, Refused
from bad_input.within_limits import RESIDENT, TIME
from lsst.meas.realbogus.errors import RealBogusError

ROOT = Path(__file__).parents[1]
BOMBS = [name for name, case in CASES.items() if case.bomb]

pytestmark = [pytest.mark.filterwarnings("ignore"), pytest.mark.onnx]


@pytest.mark.parametrize("name", [name for name in CASES if name not in BOMBS])
def test_bad_input_does_what_the_table_says(name: str, tmp_path: Path) -> None:
    assert str(CASES[name].outcome(tmp_path)) == str(CASES[name].then)


@pytest.fixture(scope="module")
def bombs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[str, int]]:
    """What became of each bomb, and the memory in use at its highest until then [MB]."""
    search = os.pathsep.join([str(ROOT / "tests"), *sys.path])
    done = subprocess.run(
        [sys.executable, "-m", "bad_input.within_limits", str(tmp_path_factory.mktemp("bombs"))],
        capture_output=True,
        text=True,
        timeout=20 * TIME,
        env=os.environ | {"PYTHONPATH": search, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"},
    )
    lines = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("[")]
    found = {name: (outcome, megabytes) for name, outcome, megabytes in lines}
    for name in BOMBS:
        found.setdefault(
            name, (f"the process ended before it, with {done.returncode}: {done.stderr[-300:]}", 0)
        )
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_bombs_do_what_the_table_says_within_limits(name: str, bombs: dict[str, tuple[str, int]]) -> None:
    outcome, megabytes = bombs[name]
    assert outcome == str(CASES[name].then)
    assert megabytes < RESIDENT


def test_the_table_is_what_it_is_said_to_be() -> None:
    assert len(CASES) >= 300
    assert len(BOMBS) >= 20
    refused = [case.then for case in CASES.values() if isinstance(case.then, Refused)]
    assert all(issubclass(then.error, RealBogusError) and len(then.says) > 2 for then in refused)
    assert len(TABLES) == len({table.title for table in TABLES})


def test_the_page_is_current() -> None:
    assert write_bad_input.PAGE.read_text() == write_bad_input.page(), "run python tools/write_bad_input.py"
