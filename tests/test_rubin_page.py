"""The tools understand the commands of ``doc/rubin.md``, and its pipelines and subsets exist."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.pipe.base import Pipeline

from lsst.meas.realbogus.cli import main
from stand_ins.pipelines import stand_in_stack  # noqa: F401

PAGE = (Path(__file__).parents[1] / "doc" / "rubin.md").read_text()
BLOCKS = re.findall(r"^```\n(.*?)^```", PAGE, re.M | re.S)
COMMANDS = [
    line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines() if not line.startswith("#")
]
PIPETASK = [command for command in COMMANDS if command.startswith("pipetask run")]
REALBOGUS = [command for command in COMMANDS if command.startswith("realbogus")]


def test_the_page_has_commands() -> None:
    assert len(PIPETASK) >= 9 and REALBOGUS
    known = ("pipetask", "realbogus", "setup", "pip")
    assert all(command.split()[0] in known for command in COMMANDS)


@pytest.mark.usefixtures("stand_in_stack")
@pytest.mark.parametrize("command", PIPETASK)
def test_pipetask_understands(command: str) -> None:
    _, name, *words = shlex.split(command)
    context = click.Context(pipetask)
    subcommand = pipetask.get_command(context, name)
    assert subcommand is not None
    given = subcommand.make_context(name, list(words), parent=context).params
    assert given["butler_config"] == "REPO" and given["input"] and given["output"]
    (pipeline,) = [words[i + 1] for i, word in enumerate(words) if word == "-p"]
    loaded = Pipeline.from_uri(pipeline)
    assert loaded.task_labels
    for i, word in enumerate(words):
        if word == "-c":
            label, _, setting = words[i + 1].partition(":")
            assert (
                label == "parameters" and setting.partition("=")[0] in loaded._pipelineIR.parameters.mapping
            )


@pytest.mark.parametrize("command", REALBOGUS)
def test_realbogus_understands(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    words = shlex.split(command)[1:]
    monkeypatch.chdir(tmp_path)
    for word in words:
        if Path(word).suffix == ".db":
            Path(word).touch()  # files that are read must exist
    subcommand: click.Command = main
    context = click.Context(main, info_name="realbogus")
    while isinstance(subcommand, click.Group):
        found = subcommand.get_command(context, words[0])
        assert found is not None, words[0]
        subcommand, name, words = found, words[0], words[1:]
        context = click.Context(subcommand, info_name=name, parent=context)
    subcommand.parse_args(context, words)


def test_tables_of_the_page_name_files_and_classes_that_exist() -> None:
    from lsst.meas.realbogus.tasks import reliability

    root = Path(__file__).parents[1] / "pipelines"
    for name in re.findall(r"`(\w+ReliabilityTask)`", PAGE):
        assert hasattr(reliability, name)
    for row in re.findall(r"^\| (`\S+\.yaml`.*?) \|", PAGE, re.M):
        for name in re.findall(r"`(\S+?\.yaml)`", row):
            assert (root / name).exists() or (root / "HSC" / name).exists(), name
