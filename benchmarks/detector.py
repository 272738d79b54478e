"""What a full detector costs, task by task: memory, CPU time and storage.

A visit of two detectors of 4096 x 4096 pixels and three template visits are simulated. Each task of
``Embedded/RealBogus.yaml`` then runs on them in a process of its own, and at last all in one but
``assembleTemplate``, as a job of ``bps submit`` runs them.

TASK_rss_mb
    Peak memory of the process, imports and graph building included.
TASK_cpu_s
    CPU seconds of a quantum, reading and writing included.
start_cpu_s
    CPU seconds of a process beside its quanta: imports, graph building, models.
job_rss_mb, job_over_task
    Peak memory of that job, and that over the largest of its tasks.
DATASET_mb
    Size of a dataset in the repository: of images for each detector, of coadds for each patch.
cutouts_bytes_per_source, tables_bytes_per_source
    Size of stored stamps, and of scores, labels and DIA source tables together, for each source.
sources_per_detector
    DIA sources of a detector, with those of injected supernovae.

``config/bps/jobs.yaml`` asks for the memory that this measures.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

# The middleware is imported when all has run: a new process counts the memory of the one that starts it.

TASKS = (
    "createFakeSupernovae",
    "injectVisit",
    "assembleTemplate",
    "buildTemplate",
    "subtractImages",
    "detectAndMeasureDiaSource",
    "matchDiaSources",
    "extractCutouts",
    "rbClassifier",
)
TABLES = ("dia_source_unstandardized", "dia_source_match", "dia_source_reliability")
INPUTS, TASK_BY_TASK, JOB = "RealBogusCam/input", "u/tasks", "u/job"
PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"


def run(log: Path, program: str, *words: str) -> tuple[float, float]:
    """Run a program beside this Python; return its CPU seconds and its peak memory in MiB."""
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    with log.open("a") as file:
        process = subprocess.Popen(
            [Path(sys.executable).with_name(program), *words], env=environment, stdout=file, stderr=file
        )
        _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{program} {' '.join(words)} failed; see {log}")
    return usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def run_pipeline(repo: Path, log: Path, inputs: str, output: str, labels: str) -> tuple[float, float]:
    words = ["run", "-b", str(repo), "-i", inputs, "-o", output, "-p", f"{PIPELINE}#{labels}"]
    if (repo / output).exists():
        words.append("--extend-run")
    query = "instrument='RealBogusCam' AND skymap='realbogus'"
    return run(log, "pipetask", *words, "-d", query, "--register-dataset-types", "-j", "1")


def simulate(repo: Path, log: Path, side: int) -> None:
    numbers = repo.with_name("survey.yaml")
    numbers.write_text(
        f"detector_size: [{side}, {side}]\ndetector_grid: [2, 1]\nn_template_visits: 3\nn_search_visits: 1\n"
    )
    run(log, "realbogus", "survey", "simulate", str(repo), "--config", str(numbers))


def read_costs(repo: Path, cpu: dict[str, float]) -> dict[str, float]:
    """Read from the repository what its quanta took and what their outputs fill."""
    from lsst.daf.butler import Butler

    figures, starts = {}, []
    with Butler.from_config(repo, collections=TASK_BY_TASK) as butler:

        def find(name: str) -> list:
            return butler.query_datasets(name, explain=False)

        def megabytes(name: str) -> list[float]:
            return [butler.getURI(ref).size() / 2**20 for ref in find(name)]

        for label in TASKS:
            quanta = [butler.get(ref)["quantum"] for ref in find(f"{label}_metadata")]
            seconds = [quantum["endCpuTime"] - quantum["prepCpuTime"] for quantum in quanta]
            figures[f"{label}_cpu_s"] = statistics.mean(seconds)
            starts.append(cpu[label] - sum(seconds))
        figures["start_cpu_s"] = statistics.median(starts)
        for name in ("preliminary_visit_image", "template_coadd", "template_detector", "difference_image"):
            figures[f"{name}_mb"] = statistics.mean(megabytes(name))
        scores = [butler.get(ref) for ref in find("dia_source_reliability")]
        n_sources = sum(map(len, scores))
        figures["sources_per_detector"] = n_sources / len(scores)
        tables = sum(sum(megabytes(name)) for name in TABLES)
        figures["cutouts_bytes_per_source"] = sum(megabytes("dia_source_cutouts")) * 2**20 / n_sources
        figures["tables_bytes_per_source"] = tables * 2**20 / n_sources
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="512 pixels a side, without the job")
    parser.add_argument(
        "--folder", type=Path, help="keep the repository here, and use the survey that is there"
    )
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.folder or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        repo, log = folder / "repo", folder / "detector.log"
        if not repo.exists():
            simulate(repo, log, 512 if arguments.quick else 4096)
        figures, cpu = {}, {}
        for label in TASKS:
            cpu[label], figures[f"{label}_rss_mb"] = run_pipeline(repo, log, INPUTS, TASK_BY_TASK, label)
        if not arguments.quick:
            job = [label for label in TASKS if label != "assembleTemplate"]
            largest = max(figures[f"{label}_rss_mb"] for label in job)
            _, figures["job_rss_mb"] = run_pipeline(repo, log, TASK_BY_TASK, JOB, ",".join(job))
            figures["job_over_task"] = figures["job_rss_mb"] / largest
        figures |= read_costs(repo, cpu)
    for name, value in figures.items():
        print(f"{name:40} {value:10.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
