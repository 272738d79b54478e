#!/usr/bin/env python
"""Train the models that come with the package again, from simulated surveys alone.

Simulates training surveys (`realbogus survey simulate --preset training-N`), runs the embedded pipeline up to
stamps and labels on each, and gathers them in one set. Every survey has its role: five of seven are learnt
from, one chooses epochs and calibration, one judges what was chosen and nothing else. Then trains

* dia, nodia: compact networks on stamps of 51 pixels;
* acero-cuellar-dia, acero-cuellar-nodia: the networks of Acero-Cuellar et al. (2023), on the same stamps.

Everything is keyed by the numbers of the surveys and the seeds below. What each step made stays in the
folder, and a run that was interrupted goes on where it stopped. Where there is a GPU, training uses it.

    python tools/train_packaged_models.py FOLDER [--surveys 56] [--epochs N] [--models dia ...] [--jobs 2]
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path

from lsst.meas.realbogus.model import Contract, MissingRule, TrainedOn, preset_contract
from lsst.meas.realbogus.repository import export_labelled_stamps, run_to_stamps
from lsst.meas.realbogus.survey import (
    find_preset,
    simulate_survey,
    suited_pipeline,
    training_regime,
    training_role,
)
from lsst.meas.realbogus.training import (
    Augmentation,
    EpochFigures,
    StampSelection,
    StampSet,
    TrainingConfig,
    assigned_split,
    train_model,
)

OUTPUT = "training"
VERSION = "2"
REGIMES = TrainedOn(pixel_scale=(0.16, 1.1), psf_fwhm=(1.6, 10.5), stamp_size=(21, 63))
"""What the surveys cover, and the sizes of stamps that augmentation makes of theirs."""
STAMP_SIZE = 51
SELECTION = StampSelection(most_of_a_kind=25, with_company=False, kinds_in_context=("clouds",))
AUGMENTATION = Augmentation(without_psf=0.35, smaller=0.5)
KIND_WEIGHTS = ("noise=4", "galaxy=2", "variable=2", "agn=2")
"""Surveys are crowded with fakes and artefacts. Of what real ones detect, a third is noise at the limit, and
what changes on a star is more often the star itself."""
TRAINING = TrainingConfig(kind_weights=KIND_WEIGHTS)


def compact(name: str, *images: str) -> Contract:
    """Return the contract of one of our own models."""
    return preset_contract(
        "compact",
        name,
        VERSION,
        inputs=images,
        stamp_size=STAMP_SIZE,
        missing=MissingRule(rule="ignore", maximum_fraction=0.85, show=True),
        description=f"Compact network on {', '.join(images)}; trained on simulated surveys of many cameras.",
        trained=REGIMES,
    )


def acero_cuellar(network: str) -> Contract:
    """Return the contract of one of the networks of Acero-Cuellar et al. (2023)."""
    return preset_contract(
        network,
        f"acero-cuellar-{network}",
        VERSION,
        description=f"{network} network of Acero-Cuellar et al. (2023), trained on simulated surveys.",
        pixel_scale=None,
        trained=REGIMES.model_copy(update={"stamp_size": (36, 63)}),
    )


MODELS: dict[str, tuple[Callable[[], Contract], TrainingConfig]] = {
    "dia": (
        partial(compact, "dia", "difference", "science", "template"),
        TRAINING.replace(epochs=14),
    ),
    "nodia": (partial(compact, "nodia", "science", "template"), TRAINING.replace(epochs=12)),
    "acero-cuellar-dia": (partial(acero_cuellar, "dia"), TRAINING.replace(epochs=3)),
    "acero-cuellar-nodia": (partial(acero_cuellar, "nodia"), TRAINING.replace(epochs=3)),
}


def make_run(folder: Path, number: int) -> Path:
    """Simulate one survey and run the pipeline on it up to stamps and labels; return its repository."""
    repo = folder / f"survey-{number:03d}"
    done = repo / "stamps.done"
    if done.exists():
        return repo
    config = find_preset(f"training-{number}")
    if not repo.exists():
        simulate_survey(repo, config)
    run_to_stamps(
        repo,
        OUTPUT,
        folder / f"pipetask-{number:03d}.log",
        instrument=config.instrument,
        skymap=config.skymap,
        config=suited_pipeline(config),
    )
    done.touch()
    print(f"survey {number} ({training_regime(number)}, to {training_role(number)}) is done", flush=True)
    return repo


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


def make_model(folder: Path, output: Path, epochs: int | None, surveys: int, name: str) -> str:
    """Train one model; return what it is like."""
    roles = {number: training_role(number) for number in range(surveys)}
    sides = {side: [n for n, role in roles.items() if role == side] for side in ("choose", "judge")}
    stamps = StampSet(folder / "stamps")
    make_contract, config = MODELS[name]
    card = train_model(
        make_contract(),
        stamps,
        split=assigned_split(stamps.columns(), **sides),
        config=config if epochs is None else config.replace(epochs=epochs),
        augmentation=AUGMENTATION,
        path=output / f"{name}-{VERSION}.rbmodel",
        notes={"surveys": {f"training-{n}": f"{training_regime(n)}, to {roles[n]}" for n in roles}},
        checkpoint=folder / f"checkpoints-{name}",
        watchers=[PrintedFigures(name)],
    )
    return f"{name}: {json.dumps(card['judge'], indent=1)}"


def main() -> None:
    """Make the stamps, train and write the models."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("folder", type=Path, help="where surveys, stamps and logs are kept")
    parser.add_argument("--surveys", type=int, default=56, help="at least 7: each role needs one")
    parser.add_argument("--epochs", type=int, help="of each model (default: those of the packaged ones)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=list(MODELS))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--output", type=Path, help="folder of the models (default: the package's own)")
    arguments = parser.parse_args()
    if arguments.surveys < 7:
        parser.error("--surveys must be at least 7: to learn from, to choose by, to judge by")
    folder, package = arguments.folder, Path(__file__).parents[1] / "python/lsst/meas/realbogus"
    output = arguments.output or package / "resources/models"
    for place in (folder, output):
        place.mkdir(parents=True, exist_ok=True)
    with ProcessPoolExecutor(arguments.jobs, mp_context=get_context("spawn")) as pool:
        runs = list(pool.map(partial(make_run, folder), range(arguments.surveys)))
        if not (folder / "stamps" / "groups.json").exists():
            counts = export_labelled_stamps(
                [(repo, OUTPUT) for repo in runs], folder / "stamps", selection=SELECTION
            )
            print(f"{sum(counts.values())} stamps of {len(counts)} surveys", flush=True)
        train = partial(make_model, folder, output, arguments.epochs, arguments.surveys)
        for figures in pool.map(train, arguments.models):
            print(figures, flush=True)


if __name__ == "__main__":
    main()
