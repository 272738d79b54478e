"""What went wrong, in one line and an exit code: the one place where errors become messages."""

from __future__ import annotations

__all__ = ("EXIT_CODES", "ExitCode", "Failure", "explain")

import enum
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path

import click

from ..errors import RealBogusError


class ExitCode(enum.IntEnum):
    """How a command ends."""

    DONE = 0
    FAILED = 1
    USAGE = 2
    PARTIAL = 3
    NOTHING_SCORED = 4
    CHECK_FAILED = 5
    FAULT = 70
    INTERRUPTED = 130


EXIT_CODES: Mapping[ExitCode, str] = {
    ExitCode.DONE: "done",
    ExitCode.FAILED: "an input, an output or a repository cannot be used; the message says which and why",
    ExitCode.USAGE: "wrong command line",
    ExitCode.PARTIAL: "done, but inputs were left out",
    ExitCode.NOTHING_SCORED: "done, but not one source could be scored",
    ExitCode.CHECK_FAILED: "done, but a check failed (`--strict`)",
    ExitCode.FAULT: "a fault of the program",
    ExitCode.INTERRUPTED: "interrupted",
}
"""What the exit codes mean, for people."""


class Failure(click.ClickException):
    """An error that the message explains."""

    exit_code = int(ExitCode.FAILED)


class Fault(Failure):
    """An error that should not have come so far."""

    exit_code = int(ExitCode.FAULT)


class Interrupted(Failure):
    """Somebody stopped the command."""

    exit_code = int(ExitCode.INTERRUPTED)


def explain(error: BaseException) -> Failure | None:
    """Say what an error means for whoever gave the command.

    Parameters
    ----------
    error
        What a command raised.

    Returns
    -------
    Failure or None
        What to show, or `None` for what is no error but a way of ending (`SystemExit`, click's own).
    """
    if isinstance(error, click.exceptions.Exit | click.ClickException | SystemExit | BrokenPipeError):
        return None
    if isinstance(error, KeyboardInterrupt | click.Abort):
        return Interrupted("interrupted; no output is left half-written")
    if isinstance(error, RealBogusError):
        return Failure(_one_line(error))
    if isinstance(error, MemoryError):
        return Failure(f"not enough memory: {_one_line(error)}; do less at a time")
    if isinstance(error, OSError) and error.errno is not None:
        place = f"{error.filename}: " if error.filename else ""
        return Failure(f"{place}{error.strerror or _one_line(error)}")
    if isinstance(error, ModuleNotFoundError) and not str(error.name).startswith("lsst.meas.realbogus"):
        return Failure(f"{error.name} is not installed; install the package that has it")
    if _is_of_repository(error):
        cause = getattr(error, "orig", None) or error  # sqlalchemy's own text repeats the statement
        return Failure(f"the repository refuses: {_one_line(cause)}")
    where = traceback.extract_tb(error.__traceback__)[-1]
    place = f"{Path(where.filename).name}, line {where.lineno}"
    return Fault(
        f"{type(error).__name__}: {_one_line(error)} ({place}). This is a fault of the program; give the "
        "command again with --debug and report what it shows",
    )


def _one_line(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def _is_of_repository(error: BaseException) -> bool:
    """Tell what the Butler and its database raise, without importing them where nothing else did."""
    kinds = [
        getattr(sys.modules.get(module), name, None)
        for module, name in (
            ("lsst.daf.butler", "ButlerUserError"),
            ("lsst.daf.butler.registry", "RegistryError"),
            ("lsst.daf.butler.registry", "ConflictingDefinitionError"),
            ("sqlalchemy.exc", "SQLAlchemyError"),
        )
    ]
    return isinstance(error, tuple(kind for kind in kinds if kind is not None))
