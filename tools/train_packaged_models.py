#!/usr/bin/env python
"""Train the packaged models "dia" and "nodia" again.

Simulates surveys that differ from each other in seeing, depth, crowding, pixel scale and artefacts, and
from the demo's in every random number; runs the embedded pipeline up to stamps and labels on each. Two
sixths of the surveys are kept out of training: one chooses the epoch, the other, the last, judges the model
that was chosen, and nothing else. Trains the networks of Acero-Cuellar et al. and writes ``.rbmodel`` files
whose cards say which surveys were for what, with figures and golden scores of the judging surveys. Everything
is keyed by the seeds below. What each step made stays in the folder, and a run that was interrupted goes on
where it stopped.

    python tools/train_packaged_models.py FOLDER [--surveys 12] [--preset demo] [--epochs 16] [--version 1]
"""

from __future__ import annotations

import argparse
import json
import os
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import numpy as np
from lsst.daf.butler import Butler

from lsst.meas.realbogus.model import preset_contract
from lsst.meas.realbogus.randomness import uniform
from lsst.meas.realbogus.repository import pipetask_command, run_pipetask
from lsst.meas.realbogus.survey import PRESETS, SurveyConfig, simulate_survey
from lsst.meas.realbogus.training import (
    EpochFigures,
    LabelledStamps,
    TrainingConfig,
    assigned_split,
    train_model,
)

PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
STEPS = (
    "createFakeSupernovae,injectVisit,assembleTemplate,buildTemplate,subtractImages,"
    "detectAndMeasureDiaSource,matchDiaSources,extractCutouts"
)
OUTPUT = "training"
FIRST_SEED = 7001
FAKE_FRACTION = 0.3
# What the numbers of a training survey are drawn from; a survey's own ranges cover a part of RANGES.
RANGES = {
    "seeing": (0.6, 1.5),
    "template_seeing": (0.55, 1.0),
    "sky_brightness": (19.4, 21.4),
    "moffat_beta": (2.4, 4.6),
}
NUMBERS = {
    "pixel_scale": (0.17, 0.27),
    "star_density": (15_000.0, 70_000.0),
    "galaxy_density": (60_000.0, 140_000.0),
    "cosmic_rays": (8.0, 30.0),
    "bad_columns": (1.0, 6.0),
    "satellites": (0.2, 0.8),
    "ghosts": (0.1, 0.6),
    "astrometric_jitter": (0.1, 0.4),
    "psf_changes": (0.1, 0.4),
    "psf_ellipticity": (0.01, 0.06),
    "template_artefact_factor": (0.1, 0.6),
}


def survey_config(number: int, preset: str) -> SurveyConfig:
    """Draw the numbers of one training survey."""
    seed = FIRST_SEED + number
    draws = iter(uniform(seed, "training-survey", [number], 2 * len(RANGES) + len(NUMBERS))[0])
    overrides: dict[str, object] = {"seed": seed, "ra": 20.0 + 17.0 * number, "dec": -40.0 + 5.0 * number}
    for name, (low, high) in RANGES.items():
        middle, width = next(draws), 0.15 + 0.35 * next(draws)
        ends = np.clip([middle - width, middle + width], 0.0, 1.0)
        overrides[name] = tuple((low + ends * (high - low)).tolist())
    for name, (low, high) in NUMBERS.items():
        overrides[name] = float(low + next(draws) * (high - low))
    return PRESETS[preset].replace(**overrides)


def make_stamps(folder: Path, preset: str, number: int) -> Path:
    """Simulate one survey, run the pipeline on it, and keep its labelled stamps in one file."""
    out = folder / f"stamps-{number:03d}.npz"
    if out.exists():
        return out
    repo = folder / f"survey-{number:03d}"
    config = survey_config(number, preset)
    if not (repo / "done").exists():
        simulate_survey(repo, config)
        (repo / "done").touch()
    with Butler.from_config(str(repo)) as butler:
        resume = OUTPUT in butler.collections.query("*")
    command = pipetask_command(
        repo,
        inputs=f"{config.instrument}/input",
        output=OUTPUT,
        pipeline=f"{PIPELINE}#{STEPS}",
        query=f"instrument='{config.instrument}' AND skymap='{config.skymap}'",
        config={"createFakeSupernovae:options.hosted.fraction": str(FAKE_FRACTION)},
        resume=resume,
    )
    outcome = run_pipetask(command, folder / f"pipetask-{number:03d}.log")
    if outcome.code and not outcome.empty:
        raise SystemExit(f"survey {number}: pipetask failed:\n" + "\n".join(outcome.tail))
    stamps = read_stamps(repo, number)
    stamps.save(out)
    return out


def read_stamps(repo: Path, group: int) -> LabelledStamps:
    """Read the labelled stamps of all detectors of a repository."""
    with Butler.from_config(str(repo), collections=OUTPUT) as butler:
        return LabelledStamps.concatenate(
            LabelledStamps.from_tables(
                butler.get(ref),
                butler.get("dia_source_match", ref.dataId),
                butler.get("dia_source_unstandardized", ref.dataId),
                group,
            )
            for ref in sorted(butler.query_datasets("dia_source_cutouts"))
        )


def split_surveys(count: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the surveys that choose the epoch and those that judge: a sixth each, at least one."""
    size = max(1, count // 6)
    return tuple(range(count - 2 * size, count - size)), tuple(range(count - size, count))


class PrintedFigures:
    """Prints the figures of each epoch."""

    def __init__(self, name: str) -> None:
        self.name = name

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        """Print nothing."""

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        """Print what matters."""
        print(
            f"{self.name} epoch {epoch}: loss {figures.loss:.4f}, area under ROC {figures.auc:.4f}, "
            f"TPR at 1 % FPR {figures.tpr:.4f}",
            flush=True,
        )


def main() -> None:
    """Make the stamps, train and write both models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where surveys, stamps and logs are kept")
    parser.add_argument("--surveys", type=int, default=12, help="at least 3: the last sixth judges")
    parser.add_argument("--preset", default="demo", choices=sorted(PRESETS), help="size of a survey")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--version", default="1")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="folder of the models (default: the package's own)")
    arguments = parser.parse_args()
    if arguments.surveys < 3:
        parser.error("--surveys must be at least 3: to learn from, to choose the epoch by, to judge by")
    arguments.folder.mkdir(parents=True, exist_ok=True)

    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        files = list(
            pool.map(partial(make_stamps, arguments.folder, arguments.preset), range(arguments.surveys))
        )
    stamps = LabelledStamps.concatenate(LabelledStamps.load(file) for file in files)
    choose, judge = split_surveys(arguments.surveys)
    print(f"{len(stamps)} stamps, {int((stamps.label == 1).sum())} real", flush=True)
    package = Path(__file__).parents[1] / "python/lsst/meas/realbogus/resources/models"
    output = arguments.output or package
    output.mkdir(parents=True, exist_ok=True)
    for name in ("dia", "nodia"):
        contract = preset_contract(
            name,
            name,
            arguments.version,
            description=f"{name} network of Acero-Cuellar et al. (2023), trained on simulated surveys",
            pixel_scale=sum(NUMBERS["pixel_scale"]) / 2,
        )
        card = train_model(
            contract,
            stamps,
            split=assigned_split(stamps.columns, choose=choose, judge=judge),
            notes={"surveys": {str(n): f"seed {FIRST_SEED + n}" for n in range(arguments.surveys)}},
            config=TrainingConfig(epochs=arguments.epochs * (1 if name == "dia" else 2)),
            path=output / f"{name}-{arguments.version}.rbmodel",
            checkpoint=arguments.folder / f"checkpoints-{name}",
            watchers=[PrintedFigures(name)],
        )
        print(json.dumps(card, indent=1))


if __name__ == "__main__":
    main()
