"""A model by its options: what the command and the task do."""

from __future__ import annotations

__all__ = ("ModelOptions", "ordered_contract", "ordered_split", "train_ordered_model")

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy.typing as npt

from ..model import PRESETS, Contract, Model, preset_contract
from ..options import Options, option
from ._augmentation import Augmentation
from ._config import TrainingConfig
from ._fit import Watcher
from ._splits import Split, split_stamps
from ._stamp_set import StampSet
from ._train_model import train_model, transfer_contract


@dataclass(frozen=True)
class ModelOptions(Options):
    """What model to train, from which stamps, and how."""

    network: str = option(
        "compact", "Network, as preset_contract knows it; a model to go on from has its own.", choices=PRESETS
    )
    filters: tuple[int, ...] = option((), "Filters of each stage of the network; none: as published.", min=1)
    stamp_size: int | None = option(None, "Rows and columns of its stamps (pixels); none: its own.", min=5)
    inputs: tuple[str, ...] = option(
        (), "Images that it looks at, in order; none: its own.", choices=("difference", "science", "template")
    )
    psf: str = option(
        "own",
        "How it is told the PSF: by a profile, by its width, or not (none); own: as usual for the network.",
        choices=("own", "none", "profile", "width"),
    )
    name: str = option("mine", "What to call the model.")
    version: str = option("1", "Its version, at most 7 characters.")
    split_by: tuple[str, ...] = option(
        ("cell", "host", "object", "visit"),
        "What must not be on two sides of the split, see split_stamps.",
        choices=("cell", "host", "object", "visit", "group", "source"),
        fewest=1,
    )
    fractions: tuple[float, float, float] = option(
        (0.7, 0.15, 0.15), "Fractions of the stamps to learn from, choose by and judge by.", above=0.0
    )
    split_seed: int = option(1, "Seed of the split.", min=0)
    training: TrainingConfig = option(TrainingConfig, "How to train.")
    augmentation: Augmentation = option(Augmentation, "What is done to the stamps before each epoch.")


def ordered_contract(options: ModelOptions, start: Model | None = None) -> Contract:
    """Return the contract of the model that is asked for.

    Parameters
    ----------
    options
        What is asked for.
    start
        Model to go on from.

    Returns
    -------
    Contract
        That of `start` under a new name, or that of the network.
    """
    if start is not None:
        return transfer_contract(start, options.name, options.version)
    changes: dict[str, Any] = {}
    if options.stamp_size is not None:
        changes["stamp_size"] = options.stamp_size
    if options.inputs:
        changes["inputs"] = options.inputs
    if options.psf != "own":
        changes["psf"] = None if options.psf == "none" else {"form": options.psf}
    return preset_contract(options.network, options.name, options.version, filters=options.filters, **changes)


def ordered_split(options: ModelOptions, columns: Mapping[str, npt.NDArray[Any]]) -> Split:
    """Split stamps as is asked for.

    Parameters
    ----------
    options
        What is asked for.
    columns
        Columns of the stamps.

    Returns
    -------
    Split
        The split.
    """
    return split_stamps(columns, by=options.split_by, fractions=options.fractions, seed=options.split_seed)


def train_ordered_model(
    options: ModelOptions,
    stamps: StampSet,
    path: Path,
    *,
    start: Model | None = None,
    split: Split | None = None,
    checkpoint: Path | None = None,
    watchers: Sequence[Watcher] = (),
) -> dict[str, Any]:
    """Train the model that is asked for, and write its file.

    Parameters
    ----------
    options
        What is asked for.
    stamps
        The stamps.
    path
        Model file to write.
    start
        Model to go on from.
    split
        What the stamps are for; default: `ordered_split`.
    checkpoint, watchers
        As for `train_model`.

    Returns
    -------
    dict
        The training card.
    """
    return train_model(
        ordered_contract(options, start),
        stamps,
        split=split or ordered_split(options, stamps.columns()),
        config=options.training,
        augmentation=options.augmentation,
        path=path,
        start=start,
        checkpoint=checkpoint,
        watchers=watchers,
    )
