"""Many quanta in one process: whether memory, open files and time grow.

The part of the main job that labels DIA sources, cuts stamps and scores runs on as many images as it takes
for a thousand quanta, in one process, as a job of ``bps submit`` or ``pipetask run -j 1`` would. The images
are few files that stand for many. After each quantum the memory that belongs to the process alone, its open
files and its CPU time are noted, and the CPU time of a work that is always the same: machines on which others
work grow slower and faster. Of each task, the first hundred quanta after some to warm up are compared with
its last hundred; figures are the largest of the tasks:

soak_rss_growth, soak_time_growth
    Median of the last over that of the first; times are those of the quanta over that of the same work.
soak_open_files_growth
    Most open files among the last less the most among the first.
soak_rss_mb, soak_open_files, soak_quanta
    The most memory and open files after any quantum, and how many quanta there were.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
from judging.same_work import time_same_work
from lsst.daf.butler import Config
from lsst.pipe.base import Pipeline
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.sphgeom import Region
from scaling import INPUTS, PIPELINE, ROOT, make_survey, run_main_job

TASKS = 3
WARM_UP = 10


@dataclasses.dataclass(frozen=True)
class Notes:
    """The state of the process after a quantum."""

    memory: int
    files: int
    seconds: float
    same_work: float

    @property
    def time(self) -> float:
        """CPU time in units of what the same work took just then."""
        return self.seconds / self.same_work


def run(repo: Path, where: str, output: str) -> Iterator[tuple[str, Notes]]:
    """Run the quanta; yield the task of each, and how the process is afterwards."""
    pipeline = Pipeline.from_uri(f"{PIPELINE}#labelling,scoring")
    pipeline.addConfigOverride("parameters", "science", "preliminary_visit_image")
    butler = SimplePipelineExecutor.prep_butler(str(repo), inputs=[INPUTS], output=output)
    executor = SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)
    process = psutil.Process()
    before = time.process_time()
    for quantum in executor.as_generator(register_dataset_types=True):
        now = time.process_time()
        memory = process.memory_full_info().uss
        notes = Notes(memory, process.num_fds(), now - before, time_same_work())
        yield quantum.taskName.rpartition(".")[-1], notes
        before = time.process_time()


def soak(folder: Path, stand_ins: tuple[dict[str, Path], Region], quanta: int) -> dict[str, list[Notes]]:
    """Make a survey of so many images, and run; return the notes of each task."""
    images = -(-quanta // TASKS)
    seed = Config(str(ROOT / "config" / "butler" / "embedded.yaml"))
    survey = make_survey(folder / "survey", seed, *stand_ins, images, None)
    notes: dict[str, list[Notes]] = defaultdict(list)
    for task, note in run(survey.root, survey.query(images), "u/soak"):
        notes[task].append(note)
    return dict(notes)


def growth(notes: dict[str, list[Notes]], warm_up: int = WARM_UP) -> dict[str, float]:
    """Compare the last quanta of each task with the first; return the figures."""
    ratios, files = defaultdict(list), []
    for of_task in notes.values():
        n = min(100, (len(of_task) - warm_up) // 2)
        first, last = of_task[warm_up : warm_up + n], of_task[-n:]
        for name in ("memory", "time"):
            before, after = (np.median([getattr(note, name) for note in part]) for part in (first, last))
            ratios[name].append(float(after / before))
        files.append(max(note.files for note in last) - max(note.files for note in first))
    every = [note for of_task in notes.values() for note in of_task]
    return {
        "soak_rss_growth": max(ratios["memory"]),
        "soak_time_growth": max(ratios["time"]),
        "soak_open_files_growth": float(max(files)),
        "soak_rss_mb": max(note.memory for note in every) / 2**20,
        "soak_open_files": float(max(note.files for note in every)),
        "soak_quanta": float(len(every)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 quanta")
    parser.add_argument("--quanta", type=int, default=1000, help="how many")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        quanta = 100 if arguments.quick else arguments.quanta
        figures = growth(soak(folder, run_main_job(folder / "once"), quanta))
    for key, value in figures.items():
        print(f"{key:24} {value:10.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
