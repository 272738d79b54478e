"""Tables made part by part, so that an interrupted run can go on."""

from __future__ import annotations

__all__ = ("Part", "Result", "fingerprint", "run_parts")

import contextlib
import hashlib
import json
import shutil
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table, vstack

from ..errors import InvalidInputError

_KEY = "RBRUN"


@dataclass(frozen=True)
class Part:
    """A part of a table: a key for its file, what to call it, and how to make it."""

    key: str
    name: str
    make: Callable[[], Table]


@dataclass
class Result:
    """What became of a run."""

    output: Path
    n_rows: int = 0
    n_unscorable: int = 0
    resumed: int = 0
    skipped: list[str] = field(default_factory=list)
    was_complete: bool = False

    def summary(self) -> str:
        """Say it in a sentence or two."""
        if self.was_complete:
            return f"{self.output} is complete already: {self.n_rows} sources."
        text = f"{self.n_rows} sources, {self.n_unscorable} without a score, in {self.output}."
        if self.resumed:
            text += f" {self.resumed} of them had been scored before."
        for reason in self.skipped:
            text += f"\nLeft out: {reason}"
        return text


def fingerprint(files: Iterable[Path], hashes: Iterable[str], options: Iterable[str]) -> str:
    """Identify a run by its files (path, size and time of change), models and options.

    Parameters
    ----------
    files
        What is read.
    hashes
        Hashes of the models.
    options
        Whatever else decides the result or its parts.

    Returns
    -------
    str
        Hexadecimal digest.
    """
    stats = [(str(path.resolve()), path.stat().st_size, path.stat().st_mtime_ns) for path in files]
    content = json.dumps([stats, list(hashes), list(options)])
    return hashlib.blake2b(content.encode(), digest_size=16).hexdigest()


def run_parts(
    parts: Iterable[Part],
    output: Path,
    identity: str,
    *,
    overwrite: bool = False,
    keep_going: bool = False,
    quiet: bool = False,
) -> Result:
    """Make the parts that are not there yet, then the table.

    Parameters
    ----------
    parts
        The parts of the table, in order.
    output
        File to write.
    identity
        The run's `fingerprint`: parts of another run are thrown away.
    overwrite
        Begin anew and replace the output.
    keep_going
        Leave out parts whose input cannot be read.
    quiet
        Show no progress.

    Returns
    -------
    Result
        How it went.

    Raises
    ------
    InvalidInputError
        If the output exists and is of another run, or an input (with ``keep_going``: every one) cannot be
        read.
    """
    result = Result(output)
    if output.exists() and not overwrite:
        if _identity_of(output) == identity:
            result.n_rows, result.was_complete = len(Table.read(output)), True
            return result
        raise InvalidInputError(f"{output} exists and is of another run; replace it with --overwrite")
    writer = _WRITERS.get(output.suffix)
    if writer is None:
        raise InvalidInputError(f"{output}: the output must be one of {', '.join(_WRITERS)}")
    folder = output.with_name(output.name + ".partial")
    _prepare(folder, identity, overwrite)
    done = []
    with _progress(quiet) as advance:
        for part in parts:
            file = folder / f"{part.key}.parquet"
            if file.exists():
                table = Table.read(file)
                result.resumed += len(table)
            else:
                try:
                    table = part.make()
                except InvalidInputError as error:
                    if not keep_going:
                        raise
                    result.skipped.append(str(error))
                    continue
                _write_atomically(_write_parquet, table, file, identity)
            done.append(table)
            advance(part.name, len(table))
    if not done:
        raise InvalidInputError(
            "there is no source in " + ("what could be read" if result.skipped else "the input")
        )
    table = vstack(done, metadata_conflicts="silent")
    _write_atomically(writer, table, output, identity)
    shutil.rmtree(folder)
    result.n_rows, result.n_unscorable = len(table), int(np.sum(table["flag_unscorable"]))
    return result


def _prepare(folder: Path, identity: str, anew: bool) -> None:
    plan = folder / "run.json"
    if folder.exists() and (
        anew or not plan.exists() or json.loads(plan.read_text())["identity"] != identity
    ):
        shutil.rmtree(folder)
    folder.mkdir(parents=True, exist_ok=True)
    plan.write_text(json.dumps({"identity": identity}))


def _write_atomically(
    writer: Callable[[Table, Path, str], None], table: Table, path: Path, identity: str
) -> None:
    """Write beside the place first: a run that is killed leaves no half file under the name."""
    temporary = path.with_name(f".{path.stem}.writing{path.suffix}")
    writer(table, temporary, identity)
    temporary.replace(path)


def _write_parquet(table: Table, path: Path, identity: str) -> None:
    import pyarrow
    import pyarrow.parquet

    columns = {name: np.asarray(table[name]) for name in table.colnames}
    widths = {  # what astropy looks for when it reads strings back
        f"table::len::{name}": str(column.dtype.itemsize // 4)
        for name, column in columns.items()
        if column.dtype.kind == "U"
    }
    arrow = pyarrow.table(columns).replace_schema_metadata({_KEY: identity, **widths})
    pyarrow.parquet.write_table(arrow, path, compression="zstd")


def _write_astropy(table: Table, path: Path, identity: str) -> None:
    table = table.copy(copy_data=False)
    table.meta[_KEY] = identity
    table.write(path, overwrite=True)


_WRITERS: dict[str, Callable[[Table, Path, str], None]] = {
    ".parquet": _write_parquet,
    ".parq": _write_parquet,
    ".ecsv": _write_astropy,
    ".csv": _write_astropy,
    ".fits": _write_astropy,
}


def _identity_of(path: Path) -> str | None:
    if path.suffix in (".parquet", ".parq"):
        import pyarrow.parquet

        metadata = pyarrow.parquet.read_schema(path).metadata or {}
        value = metadata.get(_KEY.encode())
        return value.decode() if value else None
    if path.suffix == ".csv":
        return None
    meta: dict[str, Any] = Table.read(path).meta
    return meta.get(_KEY)


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Show a bar on a terminal; give a function to call with the name and the rows of each finished part."""
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    console = Console(stderr=True)
    columns = [TextColumn("{task.fields[current]}"), BarColumn(), TextColumn("{task.completed} sources")]
    disable = quiet or not console.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=disable) as bar:
        task = bar.add_task("", total=None, current="")
        yield lambda name, rows: bar.update(task, advance=rows, current=name)
