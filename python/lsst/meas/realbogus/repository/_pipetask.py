"""Run `pipetask run` as a user would, and follow it."""

from __future__ import annotations

__all__ = ("Outcome", "how_to_go_on", "pipetask_command", "run_pipetask", "shell_text")

import contextlib
import dataclasses
import fcntl
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TextIO

from lsst.daf.butler import Butler, MissingCollectionError

from ..errors import InvalidInputError, OutputError

_EXECUTED = re.compile(
    r"Executed (\d+) quanta successfully, (\d+) failed and (\d+) remain out of total (\d+)"
)
_EMPTY = "QuantumGraph was empty"

#: Called with the numbers of quanta done, failed and in all.
Follow = Callable[[int, int, int], None]


@dataclasses.dataclass(frozen=True)
class Outcome:
    """How a run of pipetask ended.

    Parameters
    ----------
    code
        Its exit status.
    done, failed, total
        Numbers of quanta.
    empty
        Whether there was nothing to run.
    tail
        Its last lines.
    """

    code: int
    done: int
    failed: int
    total: int
    empty: bool
    tail: tuple[str, ...]


def how_to_go_on(butler: Butler, output: str) -> list[str]:
    """Return the options by which `pipetask run` goes on where an earlier one stopped.

    Parameters
    ----------
    butler
        The repository.
    output
        Output collection of both.

    Returns
    -------
    list of str
        None if there is no such collection. If the earlier one came no further than to make an empty chain,
        what fills it; otherwise what keeps all that is done and does the rest.
    """
    try:
        children = butler.collections.get_info(output).children
    except MissingCollectionError:
        return []
    has_begun = bool(children) and children[0].startswith(f"{output}/")
    return ["--extend-run", "--skip-existing", "--clobber-outputs"] if has_begun else ["--rebase"]


def pipetask_command(
    repo: Path,
    *,
    inputs: str,
    output: str,
    pipeline: str,
    query: str,
    config: Mapping[str, str],
    options: Sequence[str] = (),
) -> list[str]:
    """Put together a `pipetask run` command.

    Parameters
    ----------
    repo
        Butler repository.
    inputs, output
        Collections.
    pipeline
        File or URI of the pipeline, with a subset after ``#`` if wanted.
    query
        Data query.
    config
        Overrides, ``label:field`` to value.
    options
        Further options, such as `how_to_go_on` gives.

    Returns
    -------
    list of str
        The command and its arguments.
    """
    command = ["pipetask", "run", "-j", "1", "-b", str(repo), "-i", inputs, "-o", output, "-p", pipeline]
    command += ["-d", query, "--register-dataset-types"]
    for name, value in config.items():
        command += ["-c", f"{name}={value}"]
    return [*command, *options]


def shell_text(command: Sequence[str]) -> str:
    """Write a command so that it can be copied to a shell.

    Parameters
    ----------
    command
        Words of the command.

    Returns
    -------
    str
        The command, quoted where need be.
    """
    return " ".join(_quoted(word) for word in command)


def _quoted(word: str) -> str:
    # Single quotes within double ones can be read; what `shlex` makes of them cannot.
    if "'" in word and not set(word) & set('"$`\\!'):
        return f'"{word}"'
    return shlex.quote(word)


def run_pipetask(command: Sequence[str], log: Path, follow: Follow | None = None) -> Outcome:
    """Run a command, write what it says to a file, and follow its progress.

    Parameters
    ----------
    command
        The command; its program is looked for beside the running Python first.
    log
        File to which its output is added; locked as long as the command runs, also where this process ends
        before it does. Two runs into one RUN collection would take each other's outputs away.
    follow
        Called whenever a quantum has ended.

    Returns
    -------
    Outcome
        Counts and exit status.

    Raises
    ------
    InvalidInputError
        Raised if the program is not installed.
    OutputError
        Raised if another run writes to the same file.
    """
    beside = Path(sys.executable).with_name(command[0])
    program = str(beside) if beside.exists() else shutil.which(command[0])
    if program is None:
        raise InvalidInputError(f"the program {command[0]} is not installed")
    done = failed = total = 0
    empty = False
    tail: list[str] = []
    environment = os.environ | {"OMP_NUM_THREADS": os.environ.get("OMP_NUM_THREADS", "1")}
    with (
        _locked(log) as file,
        subprocess.Popen(
            [program, *command[1:]],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=environment,
            pass_fds=[file.fileno()],
        ) as process,
    ):
        assert process.stdout is not None
        print(f"$ {shell_text(command)}", file=file, flush=True)
        for line in process.stdout:
            file.write(line)
            tail = [*tail[-19:], line.rstrip()]
            empty |= _EMPTY in line
            if match := _EXECUTED.search(line):
                done, failed, _, total = map(int, match.groups())
                if follow is not None:
                    follow(done, failed, total)
    return Outcome(process.returncode, done, failed, total, empty, tuple(tail))


@contextlib.contextmanager
def _locked(log: Path) -> Iterator[TextIO]:
    """Open a file to add to it, which nobody else has open here."""
    with log.open("a", encoding="utf-8", buffering=1) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise OutputError(f"another run writes to {log}; wait until it ends, or end it") from error
        except OSError:
            pass  # a file system without locks
        yield file
