"""How every file is written: whole or not at all, by one run at a time, over another only when told to."""

from __future__ import annotations

__all__ = ("atomic_output",)

import contextlib
import errno
import fcntl
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from ..errors import OutputError

# What a place for files can run into while one is written to it; other OSErrors are not the output's.
_FAULTS_OF_PLACE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG, errno.EIO, errno.ENAMETOOLONG}


@contextlib.contextmanager
def atomic_output(path: str | Path, *, overwrite: bool = False) -> Iterator[Path]:
    """Give a place to write a file to, and put the file where it belongs once it is complete.

    Enter this before the work whose result is written, so that a wrong name is told before the work, and a
    second run to the same output is refused for as long as the first one lasts.

    Parameters
    ----------
    path
        File to make. Its folder must exist.
    overwrite
        Replace the file if it exists.

    Yields
    ------
    pathlib.Path
        File of the same name in a hidden folder beside ``path``, to be written in any way. At the end of the
        block it becomes ``path``; if the block raises, it is removed and ``path`` stays as it was.

    Raises
    ------
    OutputError
        Raised if the file exists and is not to be replaced, the path is a folder, its folder does not exist
        or cannot be written to, another run is writing the file, or the disk is full.

    Examples
    --------
    >>> import tempfile
    >>> notes = Path(tempfile.mkdtemp()) / "notes.txt"
    >>> with atomic_output(notes) as place:
    ...     _ = place.write_text("all of it")
    >>> notes.read_text()
    'all of it'
    """
    path = Path(path)
    target = Path(os.path.realpath(path))  # a link keeps its place, what it points to is replaced
    _check(path, overwrite)
    with _reserved(path, target.with_name(f".{target.name}.writing")) as folder:
        try:
            yield folder / target.name
            _settle(folder / target.name)
            _check(path, overwrite)
            (folder / target.name).replace(target)
            _settle(target.parent)
        except OSError as error:
            if error.errno in _FAULTS_OF_PLACE:
                raise _cannot_write(path, error) from error
            raise


def _check(path: Path, overwrite: bool) -> None:
    """Refuse a path to which no file may be written."""
    try:
        if path.is_dir():
            raise OutputError(f"{path} is a folder; name a file to write")
        if not path.parent.is_dir():
            raise OutputError(f"{path} cannot be written: there is no folder {path.parent}; make it first")
        if path.exists() and not path.is_file():
            raise OutputError(f"{path} is not a plain file; name another output")
        if path.exists() and not overwrite:
            raise OutputError(f"{path} exists; name another output, or replace it (--overwrite)")
    except OSError as error:
        raise _cannot_write(path, error) from error


@contextlib.contextmanager
def _reserved(path: Path, folder: Path) -> Iterator[Path]:
    """Make the hidden folder, or take over one that a killed run has left; remove it in the end."""
    file = _lock(path, folder)
    try:
        for left in folder.iterdir():
            if left.name != "lock":
                shutil.rmtree(left) if left.is_dir() else left.unlink()
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(file)


def _lock(path: Path, folder: Path) -> int:
    while True:
        try:
            folder.mkdir(exist_ok=True)
            file = os.open(folder / "lock", os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError as error:
            if folder.parent.is_dir():  # the run before has just removed its folder
                continue
            raise _cannot_write(path, error) from error
        except OSError as error:
            raise _cannot_write(path, error) from error
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(file)
            raise OutputError(
                f"{path} is being written by another run; wait for it, or name another output"
            ) from error
        except OSError:
            return file  # a file system without locks: the last run to end wins
        with contextlib.suppress(OSError):
            if os.path.samestat(os.fstat(file), (folder / "lock").stat()):
                return file
        os.close(file)  # locked what the run before has just removed


def _settle(path: Path) -> None:
    """Wait until a file or folder is on the disk: a rename must not get there before the content."""
    file = os.open(path, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _cannot_write(path: Path, error: OSError) -> OutputError:
    return OutputError(f"{path} cannot be written: {error.strerror or error}")
