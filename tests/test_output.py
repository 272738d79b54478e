"""Files appear whole or not at all, one run at a time, and replace others only when told to."""

from __future__ import annotations

import errno
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lsst.meas.realbogus.errors import InvalidInputError, OutputError
from lsst.meas.realbogus.tables import atomic_output

HOLD = """
import sys, time
from lsst.meas.realbogus.tables import atomic_output
with atomic_output(sys.argv[1]) as place:
    place.write_text("half")
    print("holding", flush=True)
    time.sleep(60)
"""


def contents(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir()}


def test_defect_15_a_file_appears_when_it_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with atomic_output(path) as place:
        assert place.name == "a.txt"
        place.write_text("whole")
        assert not path.exists()
    assert contents(tmp_path) == {"a.txt": "whole"}


def test_defect_15_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    for content in (None, "before"):
        if content is not None:
            path.write_text(content)
        with pytest.raises(KeyboardInterrupt), atomic_output(path, overwrite=True) as place:
            place.write_text("half")
            raise KeyboardInterrupt
        assert contents(tmp_path) == ({} if content is None else {"a.txt": content})


def test_defect_15_nothing_is_replaced_unless_told(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text("before")
    with pytest.raises(OutputError, match=r"a\.txt exists"), atomic_output(path):
        pytest.fail("the work must not begin")
    with atomic_output(path, overwrite=True) as place:
        place.write_text("after")
    assert contents(tmp_path) == {"a.txt": "after"}


def test_defect_15_a_file_made_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(OutputError, match="exists"), atomic_output(path) as place:
        place.write_text("ours")
        path.write_text("theirs")
    assert contents(tmp_path) == {"a.txt": "theirs"}


def test_defect_15_two_runs_do_not_write_one_output(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    with subprocess.Popen([sys.executable, "-c", HOLD, path], stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None and other.stdout.readline() == "holding\n"
        with pytest.raises(OutputError, match="being written by another run"), atomic_output(path):
            pytest.fail("the work must not begin")
        assert (tmp_path / ".a.txt.writing").exists()
        other.kill()
    # A run that was killed stands in nobody's way, and nothing of it is left.
    with atomic_output(path) as place:
        assert not place.exists()
        place.write_text("ours")
    assert contents(tmp_path) == {"a.txt": "ours"}


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT, errno.EROFS])
def test_defect_15_a_full_disk_is_said_with_the_file(tmp_path: Path, code: int) -> None:
    path = tmp_path / "a.txt"
    with pytest.raises(OutputError, match=rf"a\.txt cannot be written: {os.strerror(code)}"):
        with atomic_output(path) as place:
            place.touch()
            raise OSError(code, os.strerror(code), str(place))
    assert contents(tmp_path) == {}


def test_defect_15_faults_of_what_is_read_are_not_blamed_on_the_output(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError), atomic_output(tmp_path / "a.txt"):
        (tmp_path / "input").read_text()


def test_defect_14_places_where_no_file_can_be(tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "none" / "a.txt")
    for path, reason in (
        (tmp_path, "is a folder"),
        (tmp_path / "none" / "a.txt", r"there is no folder .*none"),
        (Path("/dev/null"), "is not a plain file"),
        (tmp_path / ("a" * 300), "cannot be written"),
        (Path("/sys/a.txt"), "cannot be written"),
        (tmp_path / "dangling", "cannot be written"),
    ):
        with pytest.raises(InvalidInputError, match=reason), atomic_output(path):
            pytest.fail("the work must not begin")


def test_a_link_keeps_its_place(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    link = tmp_path / "a.txt"
    link.symlink_to(tmp_path / "folder" / "b.txt")
    with atomic_output(link) as place:
        place.write_text("whole")
    assert link.is_symlink() and (tmp_path / "folder" / "b.txt").read_text() == "whole"


def test_many_runs_to_one_output_leave_one_whole_file(tmp_path: Path) -> None:
    path, code = tmp_path / "a.txt", HOLD.replace("time.sleep(60)", "time.sleep(0.01)")
    runs = [
        subprocess.Popen([sys.executable, "-c", code, path], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for _ in range(4)
    ]
    deadline = time.monotonic() + 60
    errors = [run.communicate(timeout=deadline - time.monotonic())[1].decode() for run in runs]
    assert sum(run.returncode == 0 for run in runs) == 1
    assert all(not error or "OutputError" in error for error in errors)
    assert contents(tmp_path) == {"a.txt": "half"}
