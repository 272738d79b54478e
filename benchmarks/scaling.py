"""What scoring costs as runs grow: building graphs, running quanta, registering what jobs have written.

The main job runs once on a simulated detector of 512 x 512 pixels. Its images and its DIA source table then
stand for those of every detector of a survey of 100 visits with 100 detectors: the repository has 40,000
datasets, which are the same four files. ``RbClassifierTask`` runs on 10, 100, 1,000 and 10,000 of the
detectors, and beside it a task with the same inputs that reads nothing and writes an empty table; with the
registry in SQLite, and in PostgreSQL where it is installed. CPU seconds are those of this process and of the
database server together.

DATABASE_graph_ms_N
    CPU milliseconds of building the quantum graph of N quanta, for each quantum.
DATABASE_quantum_ms_N, DATABASE_empty_ms_N
    CPU milliseconds of a quantum from the end of the one before to its own, of ours and of the empty task;
    the first quantum, which imports and loads the model, is left out.
scoring_ms
    Of these, what cutting and scoring the stamps takes (``score_cpu_seconds`` of the task's metadata).
quantum_cost_growth
    The largest ``quantum_ms`` of a database over its smallest, the larger of the databases; each in units
    of the time that a work that is always the same took between its quanta.
overhead_over_empty
    ``quantum_ms`` without ``scoring_ms`` over ``empty_ms``, SQLite, at the largest N: mostly reading images.
DATABASE_job_ms, DATABASE_register_ms
    The same quanta as a job of ``bps submit`` runs them, without the registry (``run-qbb``), and what
    ``butler aggregate-graph`` then takes for each to register them; at the largest N up to 1,000.
rss_mb_growth
    Peak memory after the largest N over that after the smallest, SQLite, graph and quanta in one process.
sources
    DIA sources of a quantum.
"""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import psutil
from astropy.table import Table
from click.testing import CliRunner
from judging.memory import peak_megabytes
from judging.same_work import time_same_work
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler, Config, DatasetRef, DatasetType, FileDataset
from lsst.daf.butler.cli.butler import cli as butler_command
from lsst.pipe.base import (
    Pipeline,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
    connectionTypes,
)
from lsst.pipe.base.simple_pipeline_executor import SimplePipelineExecutor
from lsst.sphgeom import Region

from lsst.meas.realbogus.survey import PRESETS, RealBogusCam, simulate_survey
from lsst.meas.realbogus.tasks.rb_classifier import DIMENSIONS, RbClassifierTask

ROOT = Path(__file__).resolve().parents[1]
STAND_INS = {
    "preliminary_visit_image": "VisitImage",
    "template_detector": "VisitImage",
    "difference_image": "DifferenceImage",
    "dia_source_unstandardized": "ArrowAstropy",
    "injected_preliminary_visit_image_catalog": "ArrowAstropy",
}
PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
INPUTS = "RealBogusCam/input"
MOST = 1_000


def _input(name: str, storage_class: str) -> connectionTypes.Input:
    return connectionTypes.Input(
        doc=name, name=name, storageClass=storage_class, dimensions=DIMENSIONS, deferLoad=True
    )


class EmptyConnections(PipelineTaskConnections, dimensions=DIMENSIONS):
    science = _input("preliminary_visit_image", "VisitImage")
    template = _input("template_detector", "VisitImage")
    difference = _input("difference_image", "DifferenceImage")
    diaSources = _input("dia_source_unstandardized", "ArrowAstropy")
    nothing = connectionTypes.Output(
        doc="An empty table.", name="nothing", storageClass="ArrowAstropy", dimensions=DIMENSIONS
    )


class EmptyConfig(PipelineTaskConfig, pipelineConnections=EmptyConnections):
    pass


class EmptyTask(PipelineTask):
    ConfigClass = EmptyConfig
    _DefaultName = "empty"

    def run(self, **inputs: object) -> Struct:
        return Struct(nothing=Table({"id": np.zeros(0, np.int64)}))


@dataclasses.dataclass(frozen=True)
class Survey:
    """A repository in which few files stand for many."""

    root: Path
    detectors: int
    server: psutil.Process | None

    def query(self, n: int) -> str:
        visits = -(-n // self.detectors)
        return f"instrument='RealBogusCam' AND visit <= {visits} AND detector < {min(n, self.detectors)}"

    def cpu_seconds(self) -> float:
        seconds = time.process_time()
        if self.server is not None:
            for process in [self.server, *self.server.children()]:
                with contextlib.suppress(psutil.NoSuchProcess):
                    times = process.cpu_times()
                    # A backend that has ended counts with the children of the server.
                    seconds += times.user + times.system
                    if process is self.server:
                        seconds += times.children_user + times.children_system
        return seconds

    def cost(self, work: Callable[[], object]) -> float:
        start = self.cpu_seconds()
        work()
        return self.cpu_seconds() - start


def run_main_job(root: Path) -> tuple[dict[str, Path], Region]:
    """Return a file of each dataset type that scores are made from, and where on the sky the detector is."""
    inputs = simulate_survey(root, PRESETS["small"].replace(n_search_visits=1))
    pipeline = Pipeline.from_uri(
        "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml#injection,differencing"
    )
    pipeline.addConfigOverride("parameters", "science", "preliminary_visit_image")
    butler = SimplePipelineExecutor.prep_butler(str(root), inputs=[inputs], output="u/once")
    where = "instrument='RealBogusCam' AND skymap='realbogus'"
    executor = SimplePipelineExecutor.from_pipeline(pipeline, where=where, butler=butler)
    executor.run(register_dataset_types=True)
    return find_stand_ins(executor.butler)


def find_stand_ins(butler: Butler) -> tuple[dict[str, Path], Region]:
    """Return the files of the first image of a run, and where on the sky it is."""
    found = {}
    for name in STAND_INS:
        ref = min(butler.query_datasets(name), key=lambda ref: tuple(ref.dataId.required_values))
        found[name] = Path(butler.getURI(ref).ospath)
    return found, butler.registry.expandDataId(ref.dataId).region


def make_survey(
    root: Path,
    config: Config,
    files: dict[str, Path],
    region: Region,
    n: int,
    server: psutil.Process | None,
) -> Survey:
    """Make a repository for N images."""
    detectors = min(n, 100)
    visits = range(1, -(-n // detectors) + 1)
    Butler.makeRepo(root, config=config)
    camera = RealBogusCam()
    with Butler.from_config(root, writeable=True, run=camera.input_run) as butler:
        register_images(butler, camera, visits, detectors, region)
        data_ids = list(butler.registry.queryDataIds(DIMENSIONS).expanded())
        for dataset, storage_class in STAND_INS.items():
            dataset_type = DatasetType(dataset, DIMENSIONS, storage_class, universe=butler.dimensions)
            butler.registry.registerDatasetType(dataset_type)
            refs = [DatasetRef(dataset_type, data_id, run=camera.input_run) for data_id in data_ids]
            butler.ingest(*(FileDataset(files[dataset], [ref]) for ref in refs), transfer="direct")
    return Survey(root, detectors, server)


def register_images(
    butler: Butler, camera: RealBogusCam, visits: range, detectors: int, region: Region
) -> None:
    """Insert the records of visits with many detectors, which all lie in the same place."""
    registry, instrument = butler.registry, {"instrument": camera.getName()}
    camera.register(registry)
    camera.register_parts(registry, detectors=range(detectors), filters={"r_sim": "r"})
    registry.insertDimensionData("day_obs", {**instrument, "id": 20260101})
    shared = {**instrument, "physical_filter": "r_sim", "day_obs": 20260101}
    records = {
        "group": [{**instrument, "name": str(i)} for i in visits],
        "exposure": [{**shared, "id": i, "obs_id": str(i), "group": str(i)} for i in visits],
        "visit": [{**shared, "id": i, "name": str(i), "region": region} for i in visits],
        # Queries for visits join what defines them.
        "visit_definition": [{**instrument, "visit": i, "exposure": i} for i in visits],
        "visit_system_membership": [{**instrument, "visit": i, "visit_system": 0} for i in visits],
        "visit_detector_region": [
            {**instrument, "visit": i, "detector": detector, "region": region}
            for i in visits
            for detector in range(detectors)
        ],
    }
    for element, rows in records.items():
        registry.insertDimensionData(element, *rows)


def make_executor(survey: Survey, task: type[PipelineTask], n: int, output: str) -> SimplePipelineExecutor:
    butler = SimplePipelineExecutor.prep_butler(str(survey.root), inputs=[INPUTS], output=output)
    return SimplePipelineExecutor.from_task_class(task, where=survey.query(n), butler=butler)


def measure_run(survey: Survey, task: type[PipelineTask], n: int, output: str) -> tuple[float, ...]:
    """Return CPU milliseconds of a quantum in the graph, in the run, of scoring, and of the same work."""
    executors: list[SimplePipelineExecutor] = []
    graph = survey.cost(lambda: executors.append(make_executor(survey, task, n, output)))
    quanta = executors[0].as_generator(register_dataset_types=True)
    spent, same_work, before = [], [], survey.cpu_seconds()
    for _ in quanta:
        spent.append(survey.cpu_seconds() - before)
        same_work.append(time_same_work())
        before = survey.cpu_seconds()
    if len(spent) != n:
        raise SystemExit(f"{len(spent)} quanta have run, not {n}")
    scoring = np.nan
    if task is RbClassifierTask:
        refs = executors[0].butler.query_datasets("rbClassifier_metadata", limit=min(n, 100), explain=False)
        times = [executors[0].butler.get(ref)["rbClassifier"]["score_cpu_seconds"] for ref in refs]
        scoring = float(np.median(times))
    return 1e3 * graph / n, 1e3 * np.mean(spent[1:]), 1e3 * scoring, 1e3 * np.median(same_work)


def measure_job(survey: Survey, n: int, folder: Path) -> tuple[float, float]:
    """Return CPU milliseconds of a quantum as a job runs it, and of its registration."""
    graph, repo = folder / "job.qg", str(survey.root)

    def command(program: str, *words: str) -> float:
        commands = {"pipetask": pipetask, "butler": butler_command}

        def invoke() -> None:
            result = CliRunner().invoke(commands[program], words)
            if result.exit_code:
                raise SystemExit(f"{program} {words} failed: {result.output}")

        return 1e3 * survey.cost(invoke) / n

    task = f"{RbClassifierTask.__module__}.{RbClassifierTask.__qualname__}:rbClassifier"
    collections = ["-i", INPUTS, "-o", "u/job", "--output-run", "u/job/run"]
    command(
        *("pipetask", "qgraph", "-b", repo, *collections, "-t", task, "-d", survey.query(n)),
        *("--save-qgraph", str(graph), "--qgraph-datastore-records"),
    )
    command("pipetask", "pre-exec-init-qbb", repo, str(graph))
    job = command("pipetask", "run-qbb", repo, str(graph), "-j", "1", "--no-existing-outputs")
    return job, command("butler", "aggregate-graph", str(graph), repo, "--register-dataset-types", "-j", "1")


def measure(survey: Survey, database: str, counts: list[int], folder: Path) -> dict[str, float]:
    figures = {}
    make_executor(survey, RbClassifierTask, counts[0], "u/warm").run(register_dataset_types=True)
    for n in counts:
        # A few quanta take no longer than the machine's moods.
        repeats = max(1, 20 // n)
        for name, task in (("quantum", RbClassifierTask), ("empty", EmptyTask)):
            runs = [measure_run(survey, task, n, f"u/{name}{n}-{i}") for i in range(repeats)]
            graph, quantum, scoring, same_work = np.median(runs, axis=0)
            figures[f"{database}_{name}_ms_{n}"] = quantum
            if name == "quantum":
                figures[f"{database}_quantum_over_same_work_{n}"] = quantum / same_work
                figures[f"{database}_graph_ms_{n}"] = graph
                figures["scoring_ms"] = scoring
                figures[f"{database}_rss_mb_{n}"] = peak_megabytes()
        print(f"{database:10} {n:6} quanta: {figures[f'{database}_quantum_ms_{n}']:.1f} ms", flush=True)
    n = max(n for n in counts if n <= MOST)
    figures[f"{database}_job_ms"], figures[f"{database}_register_ms"] = measure_job(survey, n, folder)
    return figures


@contextlib.contextmanager
def databases(folder: Path) -> Iterator[dict[str, tuple[str, psutil.Process | None]]]:
    """Yield the configuration of a repository, and the database server, by name."""
    sys.path.insert(0, str(ROOT / "tools"))
    from with_postgresql import find_server, running_server

    with contextlib.ExitStack() as stack:
        found: dict[str, tuple[str, psutil.Process | None]] = {"sqlite": ("embedded.yaml", None)}
        if find_server() is None:
            print("PostgreSQL is not installed: SQLite only")
        else:
            os.environ.update(stack.enter_context(running_server(folder / "server")))
            pid = int((folder / "server" / "data" / "postmaster.pid").read_text().split()[0])
            found["postgresql"] = ("postgresql.yaml", psutil.Process(pid))
        yield found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10 and 20 quanta")
    parser.add_argument("--counts", default="10,100,1000,10000", help="numbers of quanta")
    parser.add_argument("--json", type=Path, help="write the figures here")
    arguments = parser.parse_args()
    counts = [10, 20] if arguments.quick else sorted(map(int, arguments.counts.split(",")))
    figures: dict[str, float] = {}
    growth = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)  # the server may run as another user
        files, region = run_main_job(folder / "once")
        with databases(folder) as found:
            for database, (config, server) in found.items():
                seed = Config(str(ROOT / "config" / "butler" / config))
                survey = make_survey(folder / database, seed, files, region, counts[-1], server)
                figures |= measure(survey, database, counts, folder)
                costs = [figures[f"{database}_quantum_over_same_work_{n}"] for n in counts]
                growth.append(max(costs) / min(costs))
        figures["sources"] = len(Table.read(files["dia_source_unstandardized"], format="parquet"))
    ours, last = figures[f"sqlite_quantum_ms_{counts[-1]}"], counts[-1]
    figures["quantum_cost_growth"] = max(growth)
    figures["overhead_over_empty"] = (ours - figures["scoring_ms"]) / figures[f"sqlite_empty_ms_{last}"]
    figures["rss_mb_growth"] = figures[f"sqlite_rss_mb_{last}"] / figures[f"sqlite_rss_mb_{counts[0]}"]
    for key, value in figures.items():
        print(f"{key:32} {value:10.4g}")
    if arguments.json:
        arguments.json.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
