"""Stamps of simulated training surveys: made once, kept as a set in a folder, split by survey."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np

from lsst.meas.realbogus.repository import export_labelled_stamps, run_to_stamps
from lsst.meas.realbogus.survey import (
    SurveyConfig,
    find_preset,
    simulate_survey,
    suited_pipeline,
    training_role,
)
from lsst.meas.realbogus.training import LabelledStamps, StampSet

OUTPUT = "training"
QUICK = {"detector_grid": (1, 1), "detector_size": (400, 400), "n_search_visits": 2}
QUICK_SURVEYS = (0, 5, 6)
"""One to learn from, one to choose by, one to judge by."""
ROLES = ("learn", "choose", "judge")


def make_stamps(folder: Path, number: int, *, quick: bool = False) -> Path:
    """Simulate a training survey, run the pipeline on it, and keep its labelled stamps alone."""
    out = folder / f"{number:04d}.parquet"
    if out.exists():
        return out
    config: SurveyConfig = find_preset(f"training-{number}")
    if quick:
        config = config.replace(**QUICK)
    repo = folder / f"survey-{number:03d}"
    shutil.rmtree(repo, ignore_errors=True)
    simulate_survey(repo, config)
    run_to_stamps(
        repo,
        OUTPUT,
        folder / f"pipetask-{number:03d}.log",
        instrument=config.instrument,
        skymap=config.skymap,
        config=suited_pipeline(config),
    )
    export_labelled_stamps([(repo, OUTPUT)], folder, first_group=number)
    shutil.rmtree(repo)
    return out


def read_roles(folder: Path) -> dict[str, LabelledStamps]:
    """Read the stamps of surveys by what they are for: to learn from, to choose by, to judge by.

    The group of a stamp is the number of its survey, as `make_stamps` and ``make models`` write it.
    """
    if not any(folder.glob("*.parquet")):
        return {}
    stamps = StampSet(folder)
    groups, index = np.unique(stamps.columns(["group"])["group"], return_inverse=True)
    role = np.array([training_role(int(number)) for number in groups])[index]
    return {name: stamps.load(np.flatnonzero(role == name)) for name in ROLES if (role == name).any()}
