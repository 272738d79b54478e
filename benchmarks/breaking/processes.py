"""Child processes that end when they are told to, as a power cut or `kill -9` would end them."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

LIMIT_S = 600.0
_WRITES = os.O_WRONLY | os.O_RDWR
_STATEMENTS = ("INSERT", "UPDATE", "DELETE", "CREATE")


def kill_myself() -> None:
    """End this process at once, without any cleaning up."""
    os.kill(os.getpid(), signal.SIGKILL)


@dataclasses.dataclass(frozen=True)
class Moment:
    """When to do something to a child.

    Parameters
    ----------
    number
        Before which of the changes that the child makes: files opened for writing, renamed or removed,
        folders made, statements that write to a database, and commits.
    act
        What is done in the child then.
    """

    number: int
    act: Callable[[], object] = kill_myself


@dataclasses.dataclass(frozen=True)
class Attempt:
    """How a child ended.

    Parameters
    ----------
    code
        Exit status, negative if a signal ended it.
    output
        What it printed.
    result
        What its work returned, if it came to that.
    changes
        How many changes it made, as `Moment` counts them.
    """

    code: int
    output: str
    result: Any = None
    changes: int = 0

    @property
    def killed(self) -> bool:
        """Whether it was killed."""
        return self.code == -signal.SIGKILL


@functools.cache
def start_server() -> None:
    """Start the process that children are forked from, with what they need imported."""
    multiprocessing.set_forkserver_preload(["breaking.warm"])
    # Of the module search path the server takes over only what is in the environment.
    here, before = str(Path(__file__).resolve().parents[1]), os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = here if before is None else f"{here}{os.pathsep}{before}"
    try:
        forkserver.ensure_running()
    finally:
        if before is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = before


class Child:
    """Work in a process of its own.

    Parameters
    ----------
    work
        What to do; a function of a module, or such a one with its arguments.
    log
        File for what it prints.
    folder
        Where changes of files count.
    moment
        When to interrupt it; default: never.
    fork
        Fork it from this process, with all that this one has imported, and not from the server.
    """

    def __init__(
        self,
        work: Callable[[], object],
        log: Path,
        folder: Path,
        moment: Moment | None = None,
        *,
        fork: bool = False,
    ) -> None:
        if not fork:
            start_server()
        log.touch()
        self._log = log
        context = multiprocessing.get_context("fork" if fork else "forkserver")
        self._results, results = context.Pipe(duplex=False)
        arguments = (work, log, str(folder), moment, dict(os.environ), results)
        self._process = context.Process(target=_child, args=arguments)
        self._process.start()
        results.close()

    def wait(self, seconds: float | None = None) -> Attempt:
        """Wait for the end, and kill after some time.

        Parameters
        ----------
        seconds
            When to kill; default: when something hangs, which is an error.

        Returns
        -------
        Attempt
            How it ended.

        Raises
        ------
        TimeoutError
            Raised if it has not ended after `LIMIT_S`.
        """
        if seconds is not None:
            self._process.join(seconds)
            self._process.kill()
        result, changes = None, 0
        if self._results.poll(None if seconds is not None else LIMIT_S):
            with contextlib.suppress(EOFError):
                result, changes = self._results.recv()
        self._process.join(10)
        if self._process.exitcode is None:
            self._process.kill()
            raise TimeoutError(f"a child has not ended; what it said is in {self._log}")
        return Attempt(self._process.exitcode, self._log.read_text(errors="replace"), result, changes)


def _child(
    work: Callable[[], object],
    log: Path,
    folder: str,
    moment: Moment | None,
    environment: Mapping[str, str],
    results: Any,
) -> None:
    file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(file, 1)
    os.dup2(file, 2)
    sys.stdout = sys.stderr = os.fdopen(file, "w", buffering=1)
    os.environ.update(environment)  # that of the server is older
    changes = _Changes(folder, moment)
    results.send((work(), changes.count))


class _Changes:
    """Counts what this process changes, and acts at a moment."""

    def __init__(self, folder: str, moment: Moment | None) -> None:
        from sqlalchemy import event
        from sqlalchemy.engine import Engine

        self.count, self._folder, self._moment = 0, folder, moment
        sys.addaudithook(self._hear)
        event.listen(Engine, "before_cursor_execute", self._execute)
        event.listen(Engine, "commit", lambda connection: self._note())

    def _hear(self, name: str, arguments: tuple[Any, ...]) -> None:
        if name == "open":
            path, mode, flags = arguments
            if not (flags & _WRITES if isinstance(flags, int) else mode and set(mode) & set("wax+")):
                return
        elif name in ("os.rename", "os.remove", "os.mkdir", "os.rmdir"):
            path = arguments[0]
        else:
            return
        if isinstance(path, str | os.PathLike) and str(path).startswith(self._folder):
            self._note()

    def _execute(self, connection: object, cursor: object, statement: str, *rest: object) -> None:
        if statement.lstrip().upper().startswith(_STATEMENTS):
            self._note()

    def _note(self) -> None:
        self.count += 1
        if self._moment is not None and self.count == self._moment.number:
            self._moment.act()


def take_own_mounts() -> None:
    """Let this process mount what no other one sees.

    Raises
    ------
    OSError
        Raised where that is not allowed.
    """
    if os.geteuid() == 0:
        os.unshare(os.CLONE_NEWNS)
    else:
        ids = {"uid_map": os.getuid(), "gid_map": os.getgid()}
        os.unshare(os.CLONE_NEWUSER | os.CLONE_NEWNS)
        Path("/proc/self/setgroups").write_text("deny")
        for name, number in ids.items():
            Path("/proc/self", name).write_text(f"0 {number} 1")
    mount("--make-rprivate", "/")


def mount(*words: object) -> None:
    """Run the program ``mount``.

    Parameters
    ----------
    *words
        Its arguments.

    Raises
    ------
    OSError
        Raised if it fails.
    """
    done = subprocess.run(["mount", *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise OSError(done.stderr.strip())
