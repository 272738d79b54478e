"""What rubin-env, the environment of the Science Pipelines, does not have is not needed to process images."""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
import tomllib
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[1]
ABSENT = ("keras", "onnx", "onnxruntime", "optuna", "rich", "sncosmo", "tensorflow", "umap")
COMMANDS = sorted(path.stem for path in (ROOT / "python/lsst/meas/realbogus/cli").glob("[!_]*.py"))

_BLOCK = f"""
import importlib.abc, sys

class Absent(importlib.abc.MetaPathFinder):
    # Packages that others import for themselves, as lsst.images does rich, are no business of ours.
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top in {ABSENT!r}:
            frame = sys._getframe(1)
            while frame.f_globals.get("__name__", "").startswith("importlib"):
                frame = frame.f_back
            if top != "rich" or frame.f_globals["__name__"].startswith("lsst.meas.realbogus"):
                raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)

sys.meta_path.insert(0, Absent())
"""


def run_without(code: str, *arguments: str) -> str:
    """Run code in a process that cannot import what rubin-env does not have; return what it prints."""
    done = subprocess.run(
        [sys.executable, "-c", _BLOCK + textwrap.dedent(code), *arguments], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def requirements(lines: list[str]) -> dict[str, Requirement]:
    texts = (line.partition("#")[0].strip() for line in lines)
    found = (Requirement(text) for text in texts if text)
    return {requirement.name: requirement for requirement in found}


def test_the_blocked_packages_cannot_be_imported() -> None:
    run_without(f"""
        for name in {ABSENT!r}:
            try:
                exec(f"import {{name}}", {{"__name__": "lsst.meas.realbogus.any"}})
            except ModuleNotFoundError:
                continue
            raise AssertionError(name)
    """)


def test_every_dependency_is_in_rubin_env_or_known_to_be_absent() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    there = requirements((ROOT / "requirements-rubin-env.txt").read_text().splitlines())
    for name, ours in requirements(project["dependencies"]).items():
        assert (name in there) != (name in ABSENT), name
        if name in there:
            (least,) = (s.version for s in there[name].specifier if s.operator == ">=")
            assert ours.specifier.contains(least), f"{ours} does not allow {name} {least}"


@pytest.mark.slow
def test_the_main_job_runs_without_them(tmp_path: Path) -> None:
    printed = run_without(
        """
        import dataclasses, logging, sys
        from pathlib import Path
        from lsst.daf.butler import Butler
        from lsst.meas.realbogus.survey import PRESETS, simulate_survey
        sys.path.insert(0, sys.argv[2])
        from small_survey import COLLECTION, make_executor

        logging.basicConfig(level=logging.INFO)
        repo = Path(sys.argv[1])
        simulate_survey(repo, PRESETS["small"].replace(n_search_visits=1))
        models = {"dia": "package:dia", "nodia": "package:nodia"}
        make_executor(repo, COLLECTION, models).run(register_dataset_types=True)
        with Butler.from_config(repo, collections=COLLECTION) as butler:
            for name in ("injected_preliminary_visit_image_catalog", "difference_image", "dia_source_match",
                         "dia_source_cutouts", "dia_source_reliability"):
                (ref,) = butler.query_datasets(name)
                made = butler.get(ref)
                print(name, len(made) if name != "difference_image" else made.bbox.area)
            (ref,) = butler.query_datasets("rbClassifier_metadata")
            print("engine", butler.get(ref)["rbClassifier"]["engine"])
        """,
        str(tmp_path / "repo"),
        str(ROOT / "tests"),
    )
    made = dict(line.split() for line in printed.splitlines())
    assert made.pop("engine").startswith(("torch-", "numpy-"))
    assert len(made) == 5 and all(int(count) > 0 for count in made.values()), made


@pytest.mark.slow
def test_scores_of_files_are_made_without_them(tmp_path: Path) -> None:
    rng = np.random.Generator(np.random.PCG64(1))
    stamps = {
        name: rng.normal(0, 1, (3, 41, 41)).astype(np.float32)
        for name in ("science", "template", "difference")
    }
    np.savez(tmp_path / "stamps.npz", **stamps)
    run_without(
        """
        import sys
        from lsst.meas.realbogus.cli import main
        main(["score", sys.argv[1], "-o", sys.argv[2]], standalone_mode=False)
        """,
        str(tmp_path / "stamps.npz"),
        str(tmp_path / "scores.parquet"),
    )
    assert np.isfinite(Table.read(tmp_path / "scores.parquet")["score"]).all()


@pytest.mark.slow
def test_every_command_has_its_help_without_them() -> None:
    printed = run_without(
        """
        import sys
        from click.testing import CliRunner
        from lsst.meas.realbogus.cli import main
        for words in ([], *([name] for name in sys.argv[1:])):
            done = CliRunner().invoke(main, [*words, "--help"])
            assert done.exit_code == 0, (words, done.output, done.exception)
            print(done.output)
        """,
        *COMMANDS,
    )
    assert len(re.findall(r"^Usage: ", printed, re.M)) == len(COMMANDS) + 1
