"""The commands that README and manual show, as a shell would split them."""

from __future__ import annotations

import os
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import click
from lsst.ctrl.bps.cli.bps import cli as bps
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler.cli.butler import cli as butler

from lsst.meas.realbogus.cli import main as realbogus

ROOT = Path(__file__).parents[1]
PAGES = [
    ROOT / "README.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / name / "README.md" for name in ("benchmarks", "notebooks")),
    *sorted(page for page in (ROOT / "doc").rglob("*.md") if page.parent.name not in ("changes", "gallery")),
]
PROGRAMS: dict[str, click.Group] = {
    "realbogus": realbogus,
    "pipetask": pipetask,
    "butler": butler,
    "bps": bps,
}
"""Programs of which every command is looked at."""
STAND_FOR = {"INSTRUMENT": "RealBogusCam", "VISIT": "1000", "20260601": "20260208", "u/$USER/": "u/me/"}
"""Placeholders, and what stands for them in the repository of the tests."""


class Shown(NamedTuple):
    """A command of a page."""

    page: str
    text: str


def shown_in(page: Path) -> list[Shown]:
    """Return the commands of a page's fenced blocks, in order, with continued lines joined."""
    found = []
    for block in re.findall(r"^ *```\w*\n(.*?)^ *```", page.read_text(), flags=re.M | re.S):
        for line in block.replace("\\\n", " ").splitlines():
            text = " ".join(line.removeprefix("$ ").split())
            if text.split(" ")[0] in (
                *PROGRAMS,
                "make",
                "pip",
                "python",
                "setup",
                "jupyter",
                "pip-audit",
                "zizmor",
            ):
                found.append(Shown(str(page.relative_to(ROOT)), text.partition(" #")[0].strip()))
    return found


def all_shown() -> dict[str, Shown]:
    """Return every command once, by its text as it runs in the tests, with the last page that has it."""
    return {as_run(shown.text): shown for page in PAGES for shown in shown_in(page)}


def as_run(text: str) -> str:
    """Put names of the tests' repository in place of placeholders."""
    for name, value in STAND_FOR.items():
        text = text.replace(name, value)
    return text


def split(text: str, folder: Path) -> list[str]:
    """Split a command into words as bash does in a folder, patterns of files expanded."""
    script = f"words() {{ printf '%s\\0' \"$@\"; }}; words {text}"
    done = subprocess.run(["bash", "-c", script], cwd=folder, env=os.environ, capture_output=True, check=True)
    return done.stdout.decode().split("\0")[:-1]


def understand(words: Sequence[str]) -> click.Context:
    """Parse a command of one of our programs as it does itself; files need not exist."""
    command: click.Command = PROGRAMS[words[0]]
    context, rest = click.Context(command, info_name=words[0]), list(words[1:])
    while isinstance(command, click.Group) and rest and not rest[0].startswith("-"):
        name, found, rest = command.resolve_command(context, rest)
        assert found is not None, name
        command = found
        context = click.Context(found, info_name=name, parent=context)
    command.parse_args(context, list(rest))
    return context
