"""What is left of a run that is interrupted, and whether the same command given again finishes it.

The main job of a small simulated survey runs once undisturbed. Then it, or the part of it that labels, cuts
stamps and scores, is given again and again in copies of the repository and is interrupted each time:

* killed by ``kill -9``, after a time that is drawn, or right before one of its changes of files and
  database, drawn as well; up to three times before it may finish;
* on a disk that is full (a small tmpfs), where files may not grow (``RLIMIT_FSIZE``), in a repository that
  cannot be written to (mounted read-only);
* with an image cut in half; with all connections to the PostgreSQL server cut; by a second run into the same
  output collection, begun at the same time or later;
* training is killed as well, and goes on from its checkpoint.

A fault is survived if the same command with the options for going on (``doc/interrupted.md``) ends by saying
that all is done, and the output collection then holds the datasets of the undisturbed run: none lost, none
doubled, every column of the tables and every plane of the images byte by byte the same (of training: the
model file); and if what went wrong was said. ``faults_tried`` counts the faults, ``faults_survived`` those
survived.

The commands run in children of a process that has imported what they need, so a kill during Python's own
start, before anything has been opened, is not tried. A kill leaves to the kernel what has been written: this
says nothing of power cuts.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import functools
import itertools
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

from breaking.job import Job, copy_to, differences, prune, says_it_is_done, simulate
from breaking.processes import Child, Moment, mount, take_own_mounts
from breaking.training import Training
from breaking.workshop import WHOLE, Fault, NotTriedError, Workshop

from lsst.meas.realbogus.randomness import generator

ROOT = Path(__file__).resolve().parents[1]
KILLS_BEFORE_THE_END = 5


def kills(workshop: Workshop, n: int, *, whole: bool = False) -> Iterator[Fault]:
    """Kill runs, half of them after some time and half before a change."""
    rng = generator(1 + whole, "faults-kills")
    for chain in itertools.count():
        if n <= 0:
            return
        job, expected = workshop.job(whole=whole)
        names: list[str] = []
        while len(names) < min(n, KILLS_BEFORE_THE_END):
            moment, seconds = _draw(rng, chain, expected.changes, expected.seconds)
            attempt = workshop.give(job.run, moment, seconds)
            if not attempt.killed:
                break  # it was done before
            when = _when(moment, seconds, expected.changes, expected.seconds)
            names.append(f"kill -9 of {'the main job' if whole else 'labels and scores'} {when}")
        n -= len(names)
        end = workshop.finish("", job, expected)
        yield from (dataclasses.replace(end, name=name) for name in names)


def kills_of_training(workshop: Workshop, n: int) -> Iterator[Fault]:
    """Kill training, which goes on from its checkpoint."""
    attempt = workshop.give(functools.partial(_kill_training, Training(workshop.folder / "training"), n))
    if attempt.result is None:
        raise SystemExit(f"the training fails:\n{attempt.output}")
    yield from attempt.result


def _kill_training(training: Training, n: int) -> list[Fault]:
    """Kill children of this process, which imports what training needs once for all of them."""
    training.prepare()
    rng, log = generator(3, "faults-training"), training.folder / "log"
    start = time.monotonic()
    first = Child(training.into("whole").run, log, training.folder, fork=True).wait()
    whole = time.monotonic() - start
    expected = training.into("whole").model()
    if not expected:
        raise RuntimeError(first.output)
    faults: list[Fault] = []
    for chain in itertools.count():
        if len(faults) >= n:
            return faults
        again = training.into(f"{chain}")
        names: list[str] = []
        while len(names) < min(n - len(faults), KILLS_BEFORE_THE_END):
            moment, seconds = _draw(rng, chain, first.changes, whole)
            if not Child(again.run, log, training.folder, moment, fork=True).wait(seconds).killed:
                break
            names.append(f"kill -9 of training {_when(moment, seconds, first.changes, whole)}")
        last = Child(again.run, log, training.folder, fork=True).wait()
        wrong = "" if again.model() == expected else f"another model: {last.output[-300:]}"
        faults += [Fault(name, wrong) for name in names]


def _draw(
    rng: np.random.Generator, chain: int, changes: int, seconds: float
) -> tuple[Moment | None, float | None]:
    """Draw when to kill: before a change or, in every other chain, after some time."""
    if chain % 2:
        return None, float(rng.uniform(0, seconds))
    return Moment(int(rng.integers(1, changes))), None


def _when(moment: Moment | None, seconds: float | None, changes: int, whole: float) -> str:
    if moment is None:
        return f"after {seconds:.1f} s of {whole:.1f}"
    return f"before change {moment.number} of {changes}"


def _on_a_small_disk(job: Job, place: Path, megabytes: float) -> tuple[str, str, dict[str, str], int, str]:
    """Run on a full disk and, once it has grown, again; return what was said, what there is, runs."""
    take_own_mounts()
    mount("-t", "tmpfs", "-o", f"size={int(1024 * megabytes)}k", "tmpfs", place)
    moved = dataclasses.replace(job, repo=place / "repo")
    shutil.copytree(job.repo, moved.repo)
    print("FIRST", moved.run(), flush=True)
    mount("-o", "remount,size=1g", place)
    print("AGAIN", moved.run(), flush=True)
    return moved.contents(), moved.count_runs()


def full_disk(workshop: Workshop) -> Iterator[Fault]:
    """Run where there is room for a part of what is to be written."""
    rng = generator(4, "faults-disk")
    job, expected = workshop.job()
    place = job.repo.parent / "disk"
    place.mkdir()
    size = sum(path.stat().st_size for path in job.repo.rglob("*") if path.is_file()) / 2**20
    for share in (0.1, float(rng.uniform(0.3, 0.9))):
        name = f"full disk (tmpfs), room for {share:.0%} of the output"
        attempt = workshop.give(functools.partial(_on_a_small_disk, job, place, size + 1 + share * 2))
        if attempt.result is None:
            raise NotTriedError("full disk", attempt.output)
        contents, runs = attempt.result
        first, _, again = attempt.output.partition("FIRST")
        wrong = [differences(contents, expected.contents)]
        if runs != 1:
            wrong.append(f"{runs} runs")
        if not any(phrase in first for phrase in ("No space left on device", "disk is full")):
            wrong.append("nothing says that the disk is full")
        if not says_it_is_done(again):
            wrong.append(f"the command ends so: {again[-300:]}")
        yield Fault(name, "; ".join(filter(None, wrong)))


def _with_small_files(job: Job, size: int) -> int:
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    return job.run()


def small_files(workshop: Workshop) -> Iterator[Fault]:
    """Run where no file, the registry among them, may become larger than the registry is."""
    job, expected = workshop.job()
    size = (job.repo / "gen3.sqlite3").stat().st_size
    attempt = workshop.give(functools.partial(_with_small_files, job, size))
    name = f"files of {size / 2**20:.1f} MiB at most (RLIMIT_FSIZE)"
    yield workshop.finish(name, job, expected, (attempt.output, "disk I/O error"))


def _read_only(job: Job) -> int:
    take_own_mounts()
    mount("--bind", job.repo, job.repo)
    mount("-o", "remount,bind,ro", job.repo)
    return job.run()


def read_only(workshop: Workshop) -> Iterator[Fault]:
    """Run where nothing may be written."""
    job, expected = workshop.job()
    before = _state(job.repo)
    attempt = workshop.give(functools.partial(_read_only, job))
    if attempt.result is None:
        raise NotTriedError("read-only repository", attempt.output)
    changed = "" if _state(job.repo) == before else "files have changed"
    fault = workshop.finish("read-only repository", job, expected, (attempt.output, "readonly"))
    yield dataclasses.replace(fault, wrong="; ".join(filter(None, (changed, fault.wrong))))


def _state(folder: Path) -> dict[str, tuple[int, int]]:
    return {str(path): (path.stat().st_size, path.stat().st_mtime_ns) for path in folder.rglob("*")}


def cut_image(workshop: Workshop) -> Iterator[Fault]:
    """Cut a difference image in half, and make it again."""
    job, expected = workshop.job()
    image = sorted((job.repo / WHOLE).rglob("difference_image/**/*.fits"))[0]
    with image.open("r+b") as file:
        file.truncate(image.stat().st_size // 2)
    attempt = workshop.give(job.run)
    visit = int(image.parts[image.parts.index("difference_image") :][-2])
    workshop.give(functools.partial(prune, job.repo, WHOLE, visit))
    made = workshop.give(Job(job.repo, WHOLE).run)
    said = [
        (attempt.output, image.name),
        (attempt.output, "does not match size recorded"),
        (made.output, " 1 quanta"),
    ]
    yield workshop.finish("difference image cut in half", job, expected, *said)


def two_at_once(workshop: Workshop, apart: float) -> Iterator[Fault]:
    """Give the same command twice."""
    job, expected = workshop.job()
    first = workshop.start(job.run)
    time.sleep(apart)
    second = workshop.start(job.run)
    outputs = [first.wait().output, second.wait().output]
    name = f"two runs into one chain, {apart:.1f} s apart"
    fault = workshop.finish(name, job, expected, runs=2)
    done = sum(map(says_it_is_done, outputs))
    yield dataclasses.replace(fault, remark=f"{done} of 2 finished; {fault.remark}")


def lost_connection(workshop: Workshop) -> Iterator[Fault]:
    """Cut all connections to the server of the registry."""
    sys.path.insert(0, str(ROOT / "tools"))
    from with_postgresql import find_server, running_server

    programs = find_server()
    if programs is None:
        raise NotTriedError("lost PostgreSQL connection", "PostgreSQL is not installed")
    rng = generator(5, "faults-postgresql")
    job, expected = workshop.job()
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.chmod(0o755)  # the server may run as another user
        os.environ.update(stack.enter_context(running_server(folder / "server")))
        there = dataclasses.replace(job, repo=job.repo.parent / "there")
        copied = workshop.give(functools.partial(copy_to, job.repo, there.repo))
        if copied.code:
            raise SystemExit(copied.output)
        moment = Moment(
            int(rng.integers(expected.changes // 2, expected.changes)),
            functools.partial(_cut_connections, programs),
        )
        attempt = workshop.give(there.run, moment)
        name = f"PostgreSQL connections cut before change {moment.number}"
        yield workshop.finish(name, there, expected, (attempt.output, "terminating connection"))


def _cut_connections(programs: Path) -> None:
    statement = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE usename = current_user AND pid <> pg_backend_pid()"
    )
    subprocess.run([programs / "psql", "-q", "-c", statement], check=True, stdout=subprocess.DEVNULL)


def try_all(folder: Path, *, quick: bool) -> Iterator[Fault]:
    """Make the faults, one after the other."""
    workshop = Workshop(folder, folder / "repo")
    workshop.give(functools.partial(simulate, workshop.repo))
    print(f"undisturbed: {len(workshop.whole.contents)} datasets, {workshop.whole.seconds:.0f} s", flush=True)
    faults: list[Iterator[Fault]] = [
        small_files(workshop),
        read_only(workshop),
        kills(workshop, 2 if quick else 30),
    ]
    if not quick:
        faults += [
            cut_image(workshop),
            two_at_once(workshop, 0.0),
            two_at_once(workshop, 0.5 * workshop.part.seconds),
            full_disk(workshop),
            lost_connection(workshop),
            kills_of_training(workshop, 12),
            kills(workshop, 8, whole=True),
        ]
    for group in faults:
        try:
            yield from group
        except NotTriedError as reason:
            print(f"not tried: {reason}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="two kills and two other faults")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    tried: list[Fault] = []
    with tempfile.TemporaryDirectory() as name:
        for fault in try_all(Path(name), quick=arguments.quick):
            tried.append(fault)
            state = f"NOT SURVIVED: {fault.wrong}" if fault.wrong else "survived"
            print(
                f"{len(tried):3} {fault.name}: {state}{f' ({fault.remark})' if fault.remark else ''}",
                flush=True,
            )
    survived = sum(not fault.wrong for fault in tried)
    print(f"{survived} of {len(tried)} faults survived")
    if arguments.json:
        figures = {"faults_tried": len(tried), "faults_survived": survived}
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
