"""Tables made input by input, so that a run that stops can go on, and nothing comes twice or out of order.

Finished rows are kept in parts beside the output. Each part says where in the inputs it begins and ends, and
counts only if it begins where the one before it ends: whatever options a later run has, and wherever an
earlier one stopped, the parts that count hold every row up to some place once. The run goes on from there.
"""

from __future__ import annotations

__all__ = ("Input", "Result", "run")

import contextlib
import dataclasses
import json
import logging
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence, Sized
from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
from astropy.table import Table

from ..errors import InvalidInputError, OutputError
from ..model import count_unscored
from ..tables import atomic_output
from ._failures import ExitCode
from ._score_tables import RUN_KEY, TableSink, arrow_table, count_complete, open_sink, read_meta

_LOG = logging.getLogger(__name__)
_PART_KEY = b"RBPART"

type Place = tuple[int, int]
"""Number of an input and of a row in it, up to which everything is done."""


@dataclasses.dataclass(frozen=True)
class Input[B: Sized]:
    """Something that sources come from.

    Parameters
    ----------
    name
        What it is called.
    batches
        Reads its sources from a row on, in order. What cannot be read is an `InvalidInputError`.
    """

    name: str
    batches: Callable[[int], Iterator[B]]


@dataclasses.dataclass
class Result:
    """What became of a run."""

    output: Path
    n_rows: int = 0
    resumed: int = 0
    unscored: Counter[str] = dataclasses.field(default_factory=Counter)
    left_out: list[str] = dataclasses.field(default_factory=list)
    was_complete: bool = False

    @property
    def n_unscored(self) -> int:
        """How many sources have no score."""
        return sum(self.unscored.values())

    @property
    def exit_code(self) -> ExitCode:
        """How the command ends."""
        if self.n_rows and self.n_unscored == self.n_rows:
            return ExitCode.NOTHING_SCORED
        return ExitCode.PARTIAL if self.left_out else ExitCode.DONE

    def summary(self) -> str:
        """Say it in a sentence or two."""
        if self.was_complete:
            text = f"{self.output} is complete already: "
            text += f"{self.n_rows} sources, {self.n_unscored} without a score."
        else:
            text = f"{self.n_rows} sources, {self.n_unscored} without a score, in {self.output}."
        if self.resumed:
            text += f" {self.resumed} of them had been scored before."
        for reason in self.left_out:
            text += f"\nLeft out: {reason}"
        return text


@dataclasses.dataclass(frozen=True)
class _Part:
    """A part as its file tells of it."""

    path: Path
    begin: Place
    end: Place
    segments: tuple[tuple[int, int], ...]
    left_out: Mapping[int, str]


class _Journal:
    """The parts of a run."""

    def __init__(self, folder: Path, identity: str, anew: bool) -> None:
        self._folder = folder
        plan = folder / "run.json"
        other = folder.exists() and _identity_in(plan) != identity
        if other and not anew:
            _LOG.warning("%s is of another run (inputs, models or options have changed): begun anew.", folder)
        if other or anew:
            shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True, exist_ok=True)
        plan.write_text(json.dumps({"identity": identity}))
        self.parts: list[_Part] = []

    @property
    def place(self) -> Place:
        return self.parts[-1].end if self.parts else (0, 0)

    @property
    def left_out(self) -> dict[int, str]:
        """Inputs that could not be read, and why."""
        return {number: reason for part in self.parts for number, reason in part.left_out.items()}

    def recover(self, keep_going: bool) -> None:
        """Find the parts that follow each other; throw away what comes after."""
        files = sorted(self._folder.glob("part-*.parquet"))
        for path in files:
            part = _read_part(path)
            if part is None or part.begin != self.place:
                break
            self.parts.append(part)
        if not keep_going and self.left_out:
            # What was left out is tried again: from the first part that it touches.
            bad = set(self.left_out)
            keep = next(
                i
                for i, part in enumerate(self.parts)
                if bad & ({number for number, _ in part.segments} | set(part.left_out))
            )
            del self.parts[keep:]
        for path in files[len(self.parts) :]:
            path.unlink()

    def add(
        self,
        tables: Sequence[Table],
        segments: Sequence[tuple[int, int]],
        end: Place,
        left_out: dict[int, str],
    ) -> None:
        path = self._folder / f"part-{len(self.parts):09d}.parquet"
        part = _Part(path, self.place, end, tuple(segments), dict(left_out))
        note = {
            "begin": part.begin,
            "end": part.end,
            "segments": part.segments,
            "left_out": [[number, reason] for number, reason in part.left_out.items()],
        }
        content = arrow_table(tables).replace_schema_metadata({_PART_KEY: json.dumps(note)})
        temporary = path.with_suffix(".writing")
        pyarrow.parquet.write_table(content, temporary, compression="zstd")
        temporary.replace(path)
        self.parts.append(part)

    def rows(self) -> Iterator[pyarrow.Table]:
        """Read the rows of all inputs that could be read to their end, part by part."""
        bad = self.left_out
        for part in self.parts:
            content = pyarrow.parquet.read_table(part.path).replace_schema_metadata(None)
            if bad and part.segments:
                good, n_rows = zip(*((number not in bad, n) for number, n in part.segments), strict=True)
                content = content.filter(pyarrow.array(np.repeat(good, n_rows)))
            yield content

    def close(self, *, done: bool) -> None:
        if done or not any(part.segments for part in self.parts):
            shutil.rmtree(self._folder, ignore_errors=True)


def _identity_in(plan: Path) -> str | None:
    try:
        return str(json.loads(plan.read_text())["identity"])
    except (OSError, ValueError, KeyError):
        return None


def _read_part(path: Path) -> _Part | None:
    try:
        note = json.loads((pyarrow.parquet.read_schema(path).metadata or {})[_PART_KEY])
    except (OSError, KeyError, ValueError, pyarrow.ArrowException):
        return None
    begin, end = tuple(note["begin"]), tuple(note["end"])
    segments = tuple((number, n_rows) for number, n_rows in note["segments"])
    return _Part(path, begin, end, segments, {number: reason for number, reason in note["left_out"]})


class _Scorer[B: Sized]:
    """Collects batches until there are enough to score, and scores until there are enough to keep."""

    def __init__(
        self, journal: _Journal, score: Callable[[Sequence[B]], Table], batch_rows: int, part_rows: int
    ) -> None:
        self._journal, self._score = journal, score
        self._batch_rows, self._part_rows = batch_rows, part_rows
        self._waiting: list[tuple[Place, B]] = []
        self._n_waiting = 0
        self._tables: list[Table] = []
        self._segments: list[tuple[int, int]] = []
        self._place = journal.place
        self.left_out: dict[int, str] = {}

    def add(self, batch: B, end: Place) -> None:
        self._waiting.append((end, batch))
        self._n_waiting += len(batch)
        if self._n_waiting >= self._batch_rows:
            self.score()
            if sum(map(len, self._tables)) >= self._part_rows:
                self.keep()

    def leave_out(self, number: int, reason: str) -> None:
        self.score()
        self.left_out[number] = reason
        self._place = (number + 1, 0)

    def score(self) -> None:
        if not self._waiting:
            return
        self._tables.append(self._score([batch for _, batch in self._waiting]))
        for place, batch in self._waiting:
            if self._segments and self._segments[-1][0] == place[0]:
                self._segments[-1] = (place[0], self._segments[-1][1] + len(batch))
            else:
                self._segments.append((place[0], len(batch)))
        self._place = self._waiting[-1][0]
        self._waiting, self._n_waiting = [], 0

    def keep(self) -> None:
        """Keep what has been scored; what waits to be is left for another time."""
        if self._tables or self.left_out:
            tables = self._tables or [self._score([])]
            self._journal.add(tables, self._segments, self._place, self.left_out)
            self._tables, self._segments, self.left_out = [], [], {}


def run[B: Sized](
    inputs: Sequence[Input[B]],
    score: Callable[[Sequence[B]], Table],
    output: Path,
    identity: str,
    meta: Callable[[Sequence[tuple[str, str]]], Mapping[str, str]],
    *,
    batch_rows: int = 256,
    part_rows: int = 4096,
    overwrite: bool = False,
    keep_going: bool = False,
    quiet: bool = False,
) -> Result:
    """Score inputs one after the other, going on where an earlier run stopped.

    Parameters
    ----------
    inputs
        What to score, in order.
    score
        Makes the table of consecutive batches, and an empty one of none.
    output
        File to write.
    identity
        What decides the result: the output and the parts of another run are not mixed with this one's.
    meta
        Makes the metadata of the output, of the names of inputs that were left out and why.
    batch_rows
        Sources scored at a time.
    part_rows
        Sources kept at a time.
    overwrite
        Begin anew and replace the output.
    keep_going
        Leave out inputs that cannot be read to their end.
    quiet
        Show no progress.

    Returns
    -------
    Result
        How it went.

    Raises
    ------
    InvalidInputError
        If an input (with ``keep_going``: every one) cannot be read. What has been scored is kept.
    OutputError
        If the output is of another run, or cannot be written.
    """
    result = Result(output)
    if output.is_file() and not overwrite:
        found = read_meta(output)
        if found.get(RUN_KEY) != identity:
            raise OutputError(f"{output} exists and is of another run; replace it with --overwrite")
        result.n_rows, result.unscored = count_complete(output)
        result.left_out = [f"{item['reason']}" for item in json.loads(found.get("RBLEFT", "[]"))]
        result.was_complete = True
        return result
    with atomic_output(output, overwrite=overwrite) as place:
        sink = open_sink(place, output)
        journal = _Journal(output.with_name(output.name + ".partial"), identity, overwrite)
        try:
            journal.recover(keep_going)
            result.resumed = sum(n for part in journal.parts for _, n in part.segments)
            _score_all(inputs, score, journal, batch_rows, part_rows, keep_going, quiet)
            bad = journal.left_out
            if bad and len(bad) == len(inputs):
                raise InvalidInputError("no input can be read: " + "; ".join(bad.values()))
            result.left_out = list(bad.values())
            _write(journal, score([]), sink, meta([(inputs[i].name, bad[i]) for i in bad]), result)
        except BaseException:
            journal.close(done=False)
            raise
    journal.close(done=True)
    return result


def _score_all[B: Sized](
    inputs: Sequence[Input[B]],
    score: Callable[[Sequence[B]], Table],
    journal: _Journal,
    batch_rows: int,
    part_rows: int,
    keep_going: bool,
    quiet: bool,
) -> None:
    scorer = _Scorer(journal, score, min(batch_rows, part_rows), part_rows)
    first, row = journal.place
    try:
        with _progress(quiet) as advance:
            for number, source in list(enumerate(inputs))[first:]:
                try:
                    for batch in source.batches(row):
                        row += len(batch)
                        scorer.add(batch, (number, row))
                        advance(source.name, len(batch))
                except InvalidInputError as error:
                    if not keep_going:
                        scorer.score()
                        raise
                    scorer.leave_out(number, str(error))
                row = 0
            scorer.score()
    finally:
        scorer.keep()


def _write(journal: _Journal, empty: Table, sink: TableSink, meta: Mapping[str, str], result: Result) -> None:
    with sink.writing(empty, meta) as write:
        for rows in journal.rows():
            write(rows)
            result.n_rows += rows.num_rows
            result.unscored.update(count_unscored(Table({n: rows[n].to_numpy() for n in rows.column_names})))


@contextlib.contextmanager
def _progress(quiet: bool) -> Iterator[Callable[[str, int], None]]:
    """Show a bar on a terminal; give a function to call with the name and the number of sources."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
    except ModuleNotFoundError:  # scores do not need it
        yield lambda name, rows: None
        return
    console = Console(stderr=True)
    current = TextColumn("{task.fields[current]}", markup=False)
    columns = [current, BarColumn(), TextColumn("{task.completed} sources")]
    disable = quiet or not console.is_terminal
    with Progress(*columns, TimeElapsedColumn(), console=console, disable=disable) as bar:
        task = bar.add_task("", total=None, current="")
        yield lambda name, rows: bar.update(task, advance=rows, current=name)
