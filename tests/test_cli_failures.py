"""What users can get wrong ends in one line that says what and what to do, and in a documented exit code."""

from __future__ import annotations

import errno
import gzip
import re
import shlex
from pathlib import Path

import click
import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
from astropy.io import fits
from astropy.table import Table
from click.testing import CliRunner, Result
from lsst.daf.butler import Butler

from lsst.meas.realbogus.cli import _failures, main
from lsst.meas.realbogus.cli._command import Command, Group
from lsst.meas.realbogus.errors import InvalidInputError, ModelFormatError

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parents[1] / "doc" / "command_line.md"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files that are damaged, of another kind, or fine."""
    folder = tmp_path_factory.mktemp("mistakes")
    rng = np.random.default_rng(1)
    header = fits.Header({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0, "CRVAL2": 0.0})
    header.update({"CRPIX1": 50, "CRPIX2": 50, "CDELT1": -5e-5, "CDELT2": 5e-5})
    pixels = rng.normal(size=(100, 100)).astype(np.float32)
    fits.PrimaryHDU(pixels, header).writeto(folder / "plain.fits")
    plain = (folder / "plain.fits").read_bytes()
    (folder / "cut.fits").write_bytes(plain[: len(plain) // 2])
    (folder / "start.fits").write_bytes(plain[:1000])
    packed = gzip.compress(plain)
    (folder / "cut.fits.gz").write_bytes(packed[: len(packed) // 2])
    (folder / "damaged.fits.gz").write_bytes(packed[:5000] + bytes(50) + packed[5050:])
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(pixels, header)]).writeto(folder / "tiles.fits")
    tiles = (folder / "tiles.fits").read_bytes()
    (folder / "damaged_tiles.fits").write_bytes(tiles[:9000] + bytes(9000) + tiles[18000:])
    table = pyarrow.table({"id": range(3000), "ra": rng.normal(size=3000)})
    pyarrow.parquet.write_table(table, folder / "table.parquet")
    (folder / "cut.parquet").write_bytes((folder / "table.parquet").read_bytes()[:9000])
    Table({"diaSourceId": [1, 2], "x": [30.0, 40.0], "y": [30.0, 40.0]}).write(folder / "catalogue.csv")
    Table({"ra": [1.0], "dec": [1.0], "mag": [20.0]}).write(folder / "fakes.csv")
    (folder / "broken.yaml").write_text("a: [1,\n")
    (folder / "list.yaml").write_text("- 1\n")
    (folder / "broken.json").write_text("{")
    (folder / "text").write_text("text")
    (folder / "empty").mkdir()
    Butler.makeRepo(folder / "repo")
    with Butler.from_config(folder / "repo", writeable=True) as butler:
        for run in ("u/me/first", "u/me/second"):
            butler.collections.register(run)
    return folder


def run(folder: Path, line: str, monkeypatch: pytest.MonkeyPatch) -> Result:
    monkeypatch.chdir(folder)
    return CliRunner().invoke(main, shlex.split(line))


NO_REPOSITORY = "is no Butler repository: there is no butler.yaml"
FRAMES = "--instrument Mine --band r"
MISTAKES = [
    ("cutouts show nowhere u/x -o a.html", NO_REPOSITORY),
    ("cutouts show empty u/x -o a.html", NO_REPOSITORY),
    ("cutouts show text u/x -o a.html", NO_REPOSITORY),
    ("fakes show nowhere -i u/x -o a.html", NO_REPOSITORY),
    ("fakes ingest nowhere fakes.csv --run u/f --band r", NO_REPOSITORY),
    ("model list nowhere", NO_REPOSITORY),
    ("truth budget nowhere u/x", NO_REPOSITORY),
    ("truth labels repo u/me/first", "u/me/first has no dia_source_unstandardized"),
    ("truth budget repo u/me/first --match fakes_x", "u/me/first has no dia_source_unstandardized"),
    ("truth dc2 repo u/me/first --supernovae fakes.csv", "u/me/first has no dia_source_unstandardized"),
    ("model ingest nowhere package:dia", NO_REPOSITORY),
    ("cutouts show repo u/me/frist -o a.html", "repo has no collection u/me/frist; .*u/me/first"),
    ("fakes show repo -i u/none -o a.html", "repo has no collection u/none"),
    ("cutouts show repo u/me/first -o a.html", "u/me/first has no dia_source_cutouts"),
    ("fakes show repo -i u/me/first -o a.html", "u/me/first has no injected_preliminary_visit_image_catalog"),
    ("cutouts show repo u/me/first -o none/a.html", "none/a.html cannot be written: there is no folder none"),
    ("cutouts show repo u/me/first -o empty", "empty.* is a directory"),
    ("cutouts show repo u/me/first -o /sys/a.html", "/sys/a.html cannot be written"),
    (
        "fakes ingest repo fakes.csv --run u/f --band q",
        "fakes.csv has rows of band q; the repository knows none",
    ),
    ("fakes ingest repo fakes.csv --run u/f", "fakes.csv: there is no column band"),
    ("fakes ingest repo fakes.csv --run 'u f*' --band r", "'u f.*cannot name a collection"),
    ("fakes make plain.fits catalogue.csv -o a.csv", "plain.fits cannot be read as a VisitImage"),
    ("fakes make catalogue.csv catalogue.csv -o a.csv", "catalogue.csv cannot be read as a VisitImage"),
    ("fakes make cut.fits catalogue.csv -o a.csv", "cut.fits cannot be read as a VisitImage"),
    ("model import broken.json --architecture dia -o a.rbmodel", "HDF5"),
    (
        "model import text --architecture dia --architecture-json broken.json -o a.rbmodel",
        "broken.json.*JSON",
    ),
    ("model import text --architecture dia -o none/a.rbmodel", "there is no folder none"),
    ("model verify package:dia --against text", "text is not a readable zip file"),
    ("survey simulate new --config broken.yaml", "broken.yaml cannot be read as YAML"),
    ("survey simulate new --config list.yaml", "list.yaml must map names to values"),
    ("survey simulate text --preset small", "text exists and is not a Butler repository"),
    (f"survey ingest new cut.fits {FRAMES}", "cut.fits cannot be read as an image: File may have been trunc"),
    (f"survey ingest new start.fits {FRAMES}", "start.fits cannot be read as an image"),
    (
        f"survey ingest new cut.fits.gz {FRAMES}",
        "cut.fits.gz cannot be read as an image: Compressed file ended",
    ),
    (f"survey ingest new damaged.fits.gz {FRAMES}", "damaged.fits.gz cannot be read as an image"),
    (f"survey ingest new damaged_tiles.fits {FRAMES}", "damaged_tiles.fits cannot be read as an image"),
    (f"survey ingest new catalogue.csv {FRAMES}", "catalogue.csv cannot be read as an image"),
    (f"survey ingest text plain.fits {FRAMES}", "text exists and is not a Butler repository"),
    ("demo text/x", "text/x: Not a directory"),
    ("demo new --data empty", "empty holds no files"),
]
USAGE = [
    ("fakes show repo -i u/me/first --size 0", "0 is not in the range"),
    ("fakes show repo -i u/me/first --size 100000000", "is not in the range"),
    ("fakes check fakes.csv --min-separation nan", "not a finite number"),
    ("fakes check missing.csv", "'missing.csv' does not exist"),
    ("model verify package:dia --tolerance nan", "not a finite number"),
    ("model export package:dia -o text", "'text' is a file"),
    (f"survey ingest new plain.fits {FRAMES} --gain nan", "not a finite number"),
    (f"survey ingest new plain.fits {FRAMES} --gain 0", "not in the range"),
    ("demo new --fakes 5", "not in the range"),
    ("no such command", "No such command"),
]


@pytest.mark.parametrize(
    ("line", "instead"),
    [
        ("survey simulate s3://b/x --preset small", "make the repository locally and copy"),
        ("survey ingest s3://b/x --instrument Mine --band r", "make the repository locally and copy"),
        ("demo s3://b/x", "give a local folder"),
        ("report repo u/x -o s3://b/x", "write a local file and copy it"),
    ],
)
def test_other_machines_are_no_folders(
    line: str, instead: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(tmp_path, line, monkeypatch)
    said = " ".join(result.output.split())
    assert result.exit_code == 2 and f"s3://b/x is not a path on this machine: {instead}" in said, said
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("line", "reason"), MISTAKES, ids=[line for line, _ in MISTAKES])
def test_defect_14_mistakes_end_in_one_line(
    folder: Path, line: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(folder, line, monkeypatch)
    message = result.stderr.strip().splitlines()[-1]
    if "empty" in reason:
        assert result.exit_code in (1, 2) and re.search(reason, message), message
        return
    assert result.exit_code == 1, result.output
    assert message.startswith("Error: ") and re.search(reason, message), message
    assert "Traceback" not in result.output and "Aborted" not in result.output
    assert not list(folder.glob("a.*")) and not (folder / "new").exists()


@pytest.mark.parametrize(("line", "reason"), USAGE, ids=[line for line, _ in USAGE])
def test_defect_14_values_out_of_range_are_told_before_any_work(
    folder: Path, line: str, reason: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    result = run(folder, line, monkeypatch)
    assert result.exit_code == 2 and reason in result.output


@pytest.mark.parametrize("where", ["visit = = 3", "vsit = 3", "visit = 'a'"])
def test_defect_14_bad_expressions_are_named(where: str, folder: Path) -> None:
    from lsst.daf.butler import DatasetType

    from lsst.meas.realbogus.repository import find_datasets, open_repository

    with open_repository(folder / "repo", run="u/me/first") as butler:
        kind = DatasetType("stamps", ("visit", "detector"), "ArrowAstropy", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
        assert find_datasets(butler, "stamps", "instrument = 'A' AND visit = 3") == []
        assert find_datasets(butler, "never_heard_of", "visit = 3") == []
        with pytest.raises(InvalidInputError, match=re.escape(f"cannot select by {where!r}")):
            find_datasets(butler, "stamps", where)


def test_defect_14_fakes_are_ingested_once(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Butler.from_config(folder / "repo", writeable=True) as butler:
        butler.registry.insertDimensionData("instrument", {"name": "A"})
        record = {"instrument": "A", "name": "g-a", "band": "g"}
        butler.registry.insertDimensionData("physical_filter", record)
    line = "fakes ingest repo fakes.csv --run u/me/fakes --band g"
    assert run(folder, line, monkeypatch).exit_code == 0
    again = run(folder, line, monkeypatch)
    assert again.exit_code == 1
    assert "u/me/fakes has 1 datasets injection_catalog already; give another run" in again.output
    other = run(folder, f"{line} --dataset-type 'no name'", monkeypatch)
    assert other.exit_code == 1 and "'no name' cannot name a dataset type" in other.output


@pytest.mark.parametrize(
    ("error", "code", "message"),
    [
        (ModelFormatError("two\nlines"), 1, "Error: two lines"),
        (
            OSError(errno.ENOSPC, "No space left on device", "x.csv"),
            1,
            "Error: x.csv: No space left on device",
        ),
        (MemoryError("1 PiB"), 1, "Error: not enough memory: 1 PiB"),
        (EOFError("Compressed file ended"), 70, "Error: EOFError: Compressed file ended"),
        (ZeroDivisionError("division by zero"), 70, "This is a fault of the program"),
        (KeyboardInterrupt(), 130, "Error: interrupted"),
        (click.Abort(), 130, "Error: interrupted"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseException) else "",
)
def test_defect_14_every_error_has_a_line_and_a_code(error: BaseException, code: int, message: str) -> None:
    @click.group(cls=Group)
    def program() -> None:
        pass

    @program.command("fail")
    def fail() -> None:
        raise error

    result = CliRunner().invoke(program, ["fail"])
    assert result.exit_code == code and message in result.output
    assert "Traceback" not in result.output and "Aborted" not in result.output
    if not isinstance(error, KeyboardInterrupt | EOFError | click.Abort):
        for words in (["fail", "--debug"], ["--debug", "fail"]):
            shown = CliRunner().invoke(program, words)
            assert shown.exception is error  # Python shows its traceback


def test_defect_14_the_exit_codes_are_documented() -> None:
    rows = dict(re.findall(r"^\| (\d+) \| (.*) \|$", DOCS.read_text(), re.MULTILINE))
    assert {int(code): meaning for code, meaning in rows.items()} == _failures.EXIT_CODES


def _commands(group: click.Group, path: tuple[str, ...] = ()) -> dict[tuple[str, ...], click.Command]:
    context, found = click.Context(group), {path: group}
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        if isinstance(command, click.Group):
            found |= _commands(command, (*path, name))
        else:
            found[*path, name] = command
    return found


COMMANDS = _commands(main)


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_defect_23_every_command_says_how_much_to_say_and_gives_examples(path: tuple[str, ...]) -> None:
    text = CliRunner().invoke(main, [*path, "--help"]).output
    for option in ("-v, --verbose", "--log-level", "-q, --quiet", "--debug", "-h, --help"):
        assert option in text, option
    assert re.search(r"^Examples:\n  realbogus ", text, re.MULTILINE)
    if path:
        assert f"\n  realbogus {' '.join(path)} " in text + " "


LINES = [line for c in COMMANDS.values() if isinstance(c, Command) for line in c.examples]


@pytest.mark.parametrize("line", LINES)
def test_defect_23_examples_parse(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Options and their values are right; files need not exist."""
    monkeypatch.setattr(click.Path, "convert", lambda self, value, param, ctx: value)
    words = shlex.split(line)
    assert words.pop(0) == "realbogus"
    command: click.Command = main
    context = click.Context(main)
    while isinstance(command, click.Group):
        name, found, words = command.resolve_command(context, words)
        assert found is not None, name
        command = found
    command.make_context("example", list(words))


def test_defect_23_messages_go_where_they_are_asked_for() -> None:
    import logging
    import warnings

    @click.group(cls=Group)
    def program() -> None:
        pass

    @program.command("talk")
    def talk() -> None:
        log = logging.getLogger("lsst.meas.realbogus.test")
        log.debug("in detail")
        log.info("what is done")
        for _ in range(2):
            warnings.warn("of a\nlibrary", UserWarning, stacklevel=1)
        log.error("at fault")

    def said(*words: str) -> list[str]:
        return CliRunner().invoke(program, ["talk", *words]).stderr.splitlines()

    usual = ["warning: of a library", "error: at fault"]
    assert said() == usual
    assert said("-q") == ["error: at fault"]
    assert said("-v") == said("--log-level", "info") == ["info: what is done", *usual]
    assert said("-vv") == said("--log-level", "DEBUG") == ["debug: in detail", "info: what is done", *usual]
    assert CliRunner().invoke(program, ["-q", "talk"]).stderr == "error: at fault\n"
    assert said() == usual
