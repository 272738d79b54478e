"""The main job of a small survey, given again until it is done, and what it leaves in the repository."""

from __future__ import annotations

import dataclasses
import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table
from lsst.ctrl.mpexec.cli.pipetask import cli as pipetask
from lsst.daf.butler import Butler, Config, DatasetRef
from lsst.daf.butler.cli.butler import cli as butler_command

from lsst.meas.realbogus.repository import how_to_go_on, pipetask_command
from lsst.meas.realbogus.survey import PRESETS, simulate_survey

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
INPUTS = "RealBogusCam/input"
QUERY = "instrument='RealBogusCam' AND skymap='realbogus'"
_BOOKKEEPING = ("_config", "_log", "packages")
_EMPTY = "QuantumGraph was empty"


@dataclasses.dataclass(frozen=True)
class Job:
    """A `pipetask run`.

    Parameters
    ----------
    repo
        The repository.
    output
        Output collection.
    inputs
        Input collection.
    pipeline
        Pipeline, with its subset.
    config
        Overrides of its configuration.
    """

    repo: Path
    output: str
    inputs: str = INPUTS
    pipeline: str = PIPELINE
    config: Mapping[str, str] = dataclasses.field(default_factory=lambda: {"parameters:fakeFraction": "0.5"})

    def run(self) -> int:
        """Give the command in this process, and give it again as the manual says if the run has begun.

        Returns
        -------
        int
            Its exit status.
        """
        with Butler.from_config(self.repo) as butler:
            options = how_to_go_on(butler, self.output)
        command = pipetask_command(
            self.repo,
            inputs=self.inputs,
            output=self.output,
            pipeline=self.pipeline,
            query=QUERY,
            config=self.config,
            options=options,
        )
        try:
            pipetask.main(command[1:], prog_name="pipetask")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        return 0

    def contents(self) -> dict[str, str]:
        """Read what is in the output collection.

        Returns
        -------
        dict
            By dataset type and data id a digest of the columns of a table or the planes of an image, and of
            metadata, which tell of times, that they are there. Configurations and logs are left out.
        """
        found = {}
        with Butler.from_config(self.repo) as butler:
            for ref in butler.query_all_datasets(self.output, find_first=True, limit=None):
                name = ref.datasetType.name
                if ref.run.startswith(f"{self.output}/") and not name.endswith(_BOOKKEEPING):
                    is_metadata = name.endswith("_metadata")
                    key = f"{name} {dict(ref.dataId.required)}"
                    found[key] = "there" if is_metadata and butler.stored(ref) else _digest(butler, ref)
        return found

    def count_runs(self) -> int:
        """Return how many runs the output collection has."""
        with Butler.from_config(self.repo) as butler:
            children = butler.collections.get_info(self.output).children
        return sum(child.startswith(f"{self.output}/") for child in children)

    def files_left(self) -> list[Path]:
        """Return the files in the folders of the runs that belong to no dataset."""
        with Butler.from_config(self.repo) as butler:
            refs = butler.query_all_datasets(f"{self.output}*", find_first=False, limit=None)
            known = {Path(butler.getURI(ref).ospath) for ref in refs}
        folder = self.repo / self.output
        return sorted(path for path in folder.rglob("*") if path.is_file() and path not in known)


def _digest(butler: Butler, ref: DatasetRef) -> str:
    content = butler.get(ref)
    digest = hashlib.blake2b(digest_size=16)
    for name, values in _arrays(content).items():
        digest.update(f"{name} {values.dtype} {values.shape}".encode())
        digest.update(
            np.ascontiguousarray(values).tobytes()
            if values.dtype != object
            else repr(values.tolist()).encode()
        )
    return digest.hexdigest()


def _arrays(content: Any) -> dict[str, np.ndarray[Any, Any]]:
    if isinstance(content, Table):
        return {name: np.asarray(content[name]) for name in content.colnames}
    planes = {name: getattr(content, name, None) for name in ("image", "mask", "variance")}
    return {name: np.asarray(plane.array) for name, plane in planes.items() if plane is not None}


def differences(found: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """Say in what the contents of two collections differ.

    Parameters
    ----------
    found, expected
        As `Job.contents` gives them.

    Returns
    -------
    str
        Empty if they do not.
    """
    other = [key for key in found.keys() & expected.keys() if found[key] != expected[key]]
    parts = {
        "lost": expected.keys() - found.keys(),
        "too many": found.keys() - expected.keys(),
        "other": other,
    }
    return "; ".join(f"{name}: {', '.join(sorted(keys))}" for name, keys in parts.items() if keys)


def says_it_is_done(output: str) -> bool:
    """Tell whether the last lines of `pipetask run` say that all is done."""
    return _EMPTY in output or " 0 failed and 0 remain out of total" in output


def simulate(repo: Path) -> None:
    """Make a repository with the small survey."""
    simulate_survey(repo, PRESETS["small"])


def prune(repo: Path, output: str, visit: int) -> None:
    """Remove the difference images of a visit, and the note that they are done, as the manual says."""
    with Butler.from_config(repo) as butler:
        (run, *_) = butler.collections.get_info(output).children
    for name in ("difference_image", "detectAndMeasureDiaSource_metadata"):
        words = [
            repo,
            run,
            "--purge",
            run,
            "--datasets",
            name,
            "--where",
            f"{QUERY.split(' AND ')[0]} AND visit={visit}",
            "--no-confirm",
        ]
        butler_command.main(["prune-datasets", *map(str, words)], standalone_mode=False)


def copy_to(source: Path, target: Path) -> None:
    """Copy a repository to one whose registry is in a PostgreSQL database."""
    seed = Config(str(Path(__file__).resolve().parents[2] / "config" / "butler" / "postgresql.yaml"))
    Butler.makeRepo(target, config=seed)
    with Butler.from_config(source) as old, Butler.from_config(target, writeable=True) as new:
        refs = old.query_all_datasets("*", find_first=False, limit=None)
        new.transfer_from(old, refs, transfer="copy", register_dataset_types=True, transfer_dimensions=True)
        info = old.collections.get_info("u/whole")
        new.collections.register(info.name, info.type)
        new.collections.redefine_chain(info.name, info.children)
