"""Stamps of simulated training surveys: made once, kept in a folder, split by survey."""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path

from lsst.daf.butler import Butler

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.repository import pipetask_command, run_pipetask
from lsst.meas.realbogus.survey import SurveyConfig, find_preset, simulate_survey, training_role
from lsst.meas.realbogus.training import LabelledStamps

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
STEPS = (
    "createFakeSupernovae,injectVisit,assembleTemplate,buildTemplate,subtractImages,"
    "detectAndMeasureDiaSource,matchDiaSources,extractCutouts"
)
OUTPUT = "training"
QUICK = {"detector_grid": (1, 1), "detector_size": (512, 512), "n_search_visits": 2}
QUICK_SURVEYS = (0, 5, 6)
"""One to learn from, one to choose by, one to judge by."""
ROLES = ("learn", "choose", "judge")


def stamp_file(folder: Path, number: int) -> Path:
    """Where the stamps of a survey are kept."""
    return folder / f"stamps-{number:03d}.npz"


def numbers_in(folder: Path) -> list[int]:
    """Numbers of the surveys whose stamps are there."""
    return sorted(int(path.stem.removeprefix("stamps-")) for path in folder.glob("stamps-*.npz"))


def make_stamps(folder: Path, number: int, *, quick: bool = False) -> Path:
    """Simulate a training survey, run the pipeline on it, and keep its labelled stamps alone."""
    out = stamp_file(folder, number)
    if out.exists():
        return out
    config: SurveyConfig = find_preset(f"training-{number}")
    if quick:
        config = config.replace(**QUICK)
    repo = folder / f"survey-{number:03d}"
    shutil.rmtree(repo, ignore_errors=True)
    simulate_survey(repo, config)
    command = pipetask_command(
        repo,
        inputs=f"{config.instrument}/input",
        output=OUTPUT,
        pipeline=f"{PIPELINE}#{STEPS}",
        query=f"instrument='{config.instrument}' AND skymap='{config.skymap}'",
        config={"createFakeSupernovae:options.hosted.fraction": "0.3"},
        resume=False,
    )
    outcome = run_pipetask(command, folder / f"pipetask-{number:03d}.log")
    if outcome.code and not outcome.empty:
        raise InvalidInputError(f"survey {number}: pipetask failed:\n" + "\n".join(outcome.tail))
    with Butler.from_config(str(repo), collections=OUTPUT) as butler:
        stamps = LabelledStamps.concatenate(
            LabelledStamps.from_tables(
                butler.get(ref),
                butler.get("dia_source_match", ref.dataId),
                butler.get("dia_source_unstandardized", ref.dataId),
                number,
                visit=int(ref.dataId["visit"]),
                band=str(butler.registry.expandDataId(ref.dataId)["band"]),
            )
            for ref in sorted(butler.query_datasets("dia_source_cutouts"))
        )
    stamps.save(out)
    shutil.rmtree(repo)
    return out


def read_roles(folder: Path, numbers: Iterable[int]) -> dict[str, LabelledStamps]:
    """Read the stamps of surveys by what they are for: to learn from, to choose by, to judge by."""
    parts: dict[str, list[LabelledStamps]] = {role: [] for role in ROLES}
    for number in numbers:
        parts[training_role(number)].append(LabelledStamps.load(stamp_file(folder, number)))
    return {role: LabelledStamps.concatenate(part) for role, part in parts.items() if part}
