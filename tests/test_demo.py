"""The command `realbogus demo`, apart from the run itself (see test_end_to_end)."""

from __future__ import annotations

import contextlib
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from click.testing import CliRunner
from lsst.daf.butler import Butler, CollectionType

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.errors import InvalidInputError, OutputError
from lsst.meas.realbogus.repository import how_to_go_on, pipetask_command, run_pipetask, shell_text
from lsst.meas.realbogus.survey import choose_images

PROGRAM = """
import sys
for done in range(4):
    counts = f"{done} quanta successfully, 1 failed and {3 - done} remain out of total 4 quanta"
    print(f"lsst.executor INFO: Executed {counts}.")
print("QuantumGraph was empty; ERROR logs above") if "empty" in sys.argv else None
sys.exit(len(sys.argv) - 1)
"""
RUN = """from lsst.meas.realbogus.repository import run_pipetask
run_pipetask(sys.argv[2:], Path(sys.argv[1]))"""


def test_images_are_told_apart_by_folders_or_by_patterns(tmp_path: Path) -> None:
    for name in (
        "b/science/1.fits",
        "b/science/2.fits.gz",
        "b/template/3.fits",
        "a/new1.fits",
        "a/old1.fits",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        fits.PrimaryHDU(
            np.zeros((2, 2)), fits.Header({"FILTER": "g.MP9401", "INSTRUME": "Mega Prime"})
        ).writeto(tmp_path / name)
    images = choose_images(tmp_path / "b")
    assert [path.name for path in images.science + images.template] == ["1.fits", "2.fits.gz", "3.fits"]
    assert (images.instrument, images.band) == ("MegaPrime", "g")
    images = choose_images(tmp_path / "a", "new*.fits", "old*.fits")
    assert [path.name for path in images.science + images.template] == ["new1.fits", "old1.fits"]
    with pytest.raises(InvalidInputError, match=r"no files science/.*with --science and --template"):
        choose_images(tmp_path / "a")
    with pytest.raises(InvalidInputError, match=r"new1.fits is a science image and a template"):
        choose_images(tmp_path / "a", "new*.fits", "*.fits")


def test_make_demo_knows_the_names_of_the_decam_frames(shared_data: Path) -> None:
    """What the Makefile passes for a folder is what ``config/demo`` says of folders of that name."""
    folder = shared_data / "images" / "decam"
    root = Path(__file__).parents[1]
    shown = subprocess.run(
        ["make", "--dry-run", "demo", f"DATA={folder}/"],
        cwd=root,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    (line,) = [line for line in shown.splitlines() if line.startswith("realbogus demo")]
    words = shlex.split(line)
    names = ("science", "template", "instrument")
    images = choose_images(folder, *(words[words.index(f"--{name}") + 1] for name in names))
    assert [path.name[9] for path in images.science] == list("abcde")
    assert (len(images.template), images.instrument, images.band) == (5, "DECam", "i")


def test_a_run_is_followed_and_logged(tmp_path: Path) -> None:
    program, log, seen = tmp_path / "program.py", tmp_path / "log", []
    program.write_text(PROGRAM)
    outcome = run_pipetask(
        [Path(sys.executable).name, str(program), "empty"], log, lambda *counts: seen.append(counts)
    )
    assert seen == [(done, 1, 4) for done in range(4)]
    assert (outcome.code, outcome.done, outcome.failed, outcome.total) == (1, 3, 1, 4)
    assert outcome.empty and outcome.tail[-1].startswith("QuantumGraph was empty")
    assert log.read_text().splitlines()[0].startswith("$ python")
    with pytest.raises(InvalidInputError, match="no-such-program is not installed"):
        run_pipetask(["no-such-program"], log)


def test_two_runs_with_one_log_keep_off_each_other_even_if_the_first_has_lost_its_parent(
    tmp_path: Path,
) -> None:
    log, parts = tmp_path / "log", f"import sys; from pathlib import Path; {RUN}"
    python, deadline = Path(sys.executable).name, time.monotonic() + 120
    waits = [python, "-c", "print('begun', flush=True); input()"]
    with subprocess.Popen([sys.executable, "-c", parts, log, *waits], stdin=subprocess.PIPE) as parent:
        while not log.exists() or "begun\n" not in log.read_text().splitlines(keepends=True):
            assert parent.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        with pytest.raises(OutputError, match="another run writes to"):
            run_pipetask([python, "-c", ""], log)
        parent.kill()
        parent.wait()
        with pytest.raises(OutputError, match="another run writes to"):
            run_pipetask([python, "-c", ""], log)
    while time.monotonic() < deadline:
        with contextlib.suppress(OutputError):  # its standard input has ended with the block above
            assert run_pipetask([python, "-c", ""], log).code == 0
            return
        time.sleep(0.05)
    pytest.fail("the log stays locked")


def test_a_run_goes_on_only_where_one_has_begun(tmp_path: Path) -> None:
    """A run that was killed between making its output collection and filling it left an empty chain."""
    Butler.makeRepo(tmp_path / "repo")
    with Butler.from_config(tmp_path / "repo", writeable=True) as butler:
        assert how_to_go_on(butler, "u/me") == []
        butler.collections.register("u/me", CollectionType.CHAINED)
        assert how_to_go_on(butler, "u/me") == ["--rebase"]
        butler.collections.register("u/me/1")
        butler.collections.redefine_chain("u/me", ["u/me/1"])
        assert "--extend-run" in how_to_go_on(butler, "u/me")


def test_the_command_can_be_copied_to_a_shell() -> None:
    command = pipetask_command(
        Path("a folder/repo"),
        inputs="Cam/input",
        output="u/demo",
        pipeline="$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml",
        query="instrument='Cam'",
        config={"rbClassifier:model_uri": "package:dia"},
        options=["--extend-run", "--skip-existing", "--clobber-outputs"],
    )
    text = shell_text(command)
    assert "'$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml'" in text
    assert "'a folder/repo'" in text
    assert """-d "instrument='Cam'" """ in text
    assert shlex.split(text) == command
    assert text.endswith("--extend-run --skip-existing --clobber-outputs")


def test_a_model_that_does_not_exist_stops_the_demo_before_anything_is_made(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["demo", str(tmp_path / "demo"), "--model", "package:nonesuch"])
    assert result.exit_code == 1
    assert "nonesuch" in result.output
    assert not (tmp_path / "demo" / "repo").exists()
