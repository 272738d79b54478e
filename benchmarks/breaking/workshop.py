"""Where runs are interrupted: copies of a repository in which the main job has run once undisturbed."""

from __future__ import annotations

import dataclasses
import functools
import itertools
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from breaking.job import PIPELINE, Job, differences, says_it_is_done
from breaking.processes import Attempt, Child, Moment

WHOLE, AGAIN = "u/whole", "u/again"


@dataclasses.dataclass(frozen=True)
class Fault:
    """A fault, and what is wrong after the command was given again; nothing if it was survived."""

    name: str
    wrong: str = ""
    remark: str = ""


@dataclasses.dataclass(frozen=True)
class Undisturbed:
    """A run that nothing interrupts."""

    contents: dict[str, str]
    seconds: float
    changes: int


class Workshop:
    """A repository with a run of the main job, and copies of it in which runs are interrupted.

    Parameters
    ----------
    folder
        Where the copies go.
    repo
        The repository.
    """

    def __init__(self, folder: Path, repo: Path) -> None:
        self.folder, self.repo = folder, repo
        self._numbers = itertools.count()

    @functools.cached_property
    def whole(self) -> Undisturbed:
        """The main job."""
        return self._undisturbed(Job(self.repo, WHOLE))

    @functools.cached_property
    def part(self) -> Undisturbed:
        """What labels, cuts stamps and scores."""
        return self._undisturbed(self._labels(self.repo, "u/labels"))

    def job(self, *, whole: bool = False) -> tuple[Job, Undisturbed]:
        """Return a job in a copy of the repository, and what it should make."""
        expected = self.whole if whole else self.part
        repo = self.folder / f"copy{next(self._numbers)}" / "repo"
        shutil.copytree(self.repo, repo)
        return (Job(repo, AGAIN) if whole else self._labels(repo, AGAIN)), expected

    def give(
        self,
        work: Callable[[], object],
        moment: Moment | None = None,
        seconds: float | None = None,
    ) -> Attempt:
        """Do something in a child and wait for its end."""
        return self.start(work, moment).wait(seconds)

    def start(self, work: Callable[[], object], moment: Moment | None = None) -> Child:
        """Begin to do something in a child."""
        return Child(work, self.folder / f"{next(self._numbers)}.log", self.folder, moment)

    def finish(
        self, name: str, job: Job, expected: Undisturbed, *said: tuple[str, str], runs: int = 1
    ) -> Fault:
        """Give the command again, and say what is wrong with what it leaves.

        What has been printed is to contain what it is given with in `said`; there may be so many `runs`.
        """
        last = self.give(job.run)
        wrong = [f"nothing says {phrase!r}" for output, phrase in said if phrase not in output]
        if not says_it_is_done(last.output):
            wrong.append(f"the command ends with {last.result}: {last.output[-300:]}")
        wrong.append(differences(job.contents(), expected.contents))
        if (found := job.count_runs()) > runs:
            wrong.append(f"{found} runs in the output collection")
        left = len(job.files_left())
        shutil.rmtree(job.repo.parent, ignore_errors=True)
        return Fault(name, "; ".join(filter(None, wrong)), f"{left} files of no dataset left" if left else "")

    def _labels(self, repo: Path, output: str) -> Job:
        return Job(repo, output, WHOLE, f"{PIPELINE}#labelling,scoring")

    def _undisturbed(self, job: Job) -> Undisturbed:
        start = time.monotonic()
        attempt = self.give(job.run)
        seconds = time.monotonic() - start
        if attempt.result != 0:
            raise SystemExit(f"the undisturbed run fails:\n{attempt.output}")
        return Undisturbed(job.contents(), seconds, attempt.changes)


class NotTriedError(Exception):
    """A fault that this machine does not allow to make."""
