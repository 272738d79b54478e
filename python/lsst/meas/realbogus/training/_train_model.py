"""From labelled stamps to a model file."""

from __future__ import annotations

__all__ = ("train_model", "transfer_contract")

import dataclasses
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..model import Architecture, Contract, Model, Prior, TrainedOn, Weights, make_model, write_model
from ..randomness import generator
from ..tables import atomic_output
from ._augmentation import Augmentation
from ._batches import Batches
from ._calibration import fit_calibration
from ._card import describe_stamps, figures_of_scores
from ._config import TrainingConfig
from ._fit import TrainingHistory, Watcher, fit
from ._learner import Network
from ._splits import SIDES, Split
from ._stamp_batches import StampBatches
from ._stamp_set import StampSet
from ._stamps import LabelledStamps

type Rows = npt.NDArray[np.int64]
type Columns = Mapping[str, npt.NDArray[Any]]

_GOLDEN_ROWS = 48
_SCORED_TOGETHER = 512


def train_model(
    contract: Contract,
    stamps: LabelledStamps | StampSet,
    *,
    split: Split,
    config: TrainingConfig,
    path: Path,
    augmentation: Augmentation | None = None,
    start: Model | None = None,
    notes: Mapping[str, Any] | None = None,
    checkpoint: Path | None = None,
    watchers: Sequence[Watcher] = (),
) -> dict[str, Any]:
    """Train a network and write its model file.

    Where several networks learn together, one more learns from their mean answer, and is the one written. The
    same arguments give the same file on the same machine.

    Parameters
    ----------
    contract
        What the model is to promise, with its layers, such as `preset_contract` and `transfer_contract` make.
        Calibration, prior and card are filled in here, and ``trained`` where it is not given.
    stamps
        Labelled stamps, in memory or on disk.
    split
        Which stamps to learn from, to choose the best epoch and the calibration by, and to judge by. The
        card's figures and the golden scores are of those to judge by, which decide nothing else.
    config
        How to train.
    path
        Model file to write; one that exists is replaced.
    augmentation
        What is done to the stamps before each epoch; default: all of `Augmentation`.
    start
        Model whose weights are gone on from, with the layers of `contract`.
    notes
        What else the card is to say, such as where the stamps are from.
    checkpoint
        Folder that the state of the training is kept in, see `fit`.
    watchers
        What is told of steps and epochs.

    Returns
    -------
    dict
        The training card that the model carries.

    Raises
    ------
    InvalidInputError
        Raised if the contract has no layers or others than `start`, if the split is of another number of
        stamps, or if a side has not both classes.
    """
    if contract.architecture is None:
        raise InvalidInputError(f"the layers of {contract.name!r} are not known: there is nothing to train")
    columns = stamps.columns() if isinstance(stamps, StampSet) else stamps.columns
    config = config.resolved(goes_on=start is not None)
    parts = _parts(columns["label"], split)
    count = config.count(columns["kind"])
    learning = StampBatches(
        stamps,
        contract,
        augmentation or Augmentation(),
        batch_size=config.batch_size,
        seed=config.seed,
        rows=parts["learn"],
        count=count,
    )
    choosing = StampBatches(stamps, contract, batch_size=_SCORED_TOGETHER, rows=parts["choose"], count=count)
    network, history = _fit_one(
        contract, contract.architecture, learning, choosing, config, _start(contract, start), checkpoint,
        watchers,
    )  # fmt: skip
    (weights,) = network.members
    golden = _load(stamps, _golden_rows(columns["label"], parts["judge"], config.seed))

    def assemble(contract: Contract) -> Model:
        shown = (golden.pixels, golden.is_negative)
        return make_model(contract, weights, stamps=shown, psf_fwhm=golden.psf_fwhm)

    trained = contract.trained or _trained_on(contract, stamps, columns, parts["learn"])
    bare = contract.model_copy(update={"calibration": None, "prior": None, "trained": trained})
    contract = _calibrated(bare, assemble(bare), stamps, columns["label"], parts["choose"], config)
    score = _score(assemble(contract), stamps, parts["judge"])
    card = {
        **contract.card,
        **(notes or {}),
        "training": dataclasses.asdict(config),
        "augmentation": dataclasses.asdict(augmentation or Augmentation()),
        "split": split.summary(columns["label"]),
        "stamps": {name: describe_stamps(_of(columns, rows)) for name, rows in parts.items()},
        "chosen_epoch": history.best,
        "epochs": [dataclasses.asdict(figures) for figures in history.epochs],
        **({} if history.start is None else {"start": dataclasses.asdict(history.start)}),
        "judge": figures_of_scores(score, _of(columns, parts["judge"])),
    }
    card = dict(json.loads(json.dumps(card)))  # as a reader of the model finds it
    model = assemble(contract.model_copy(update={"card": card}))
    with atomic_output(path, overwrite=True) as place:
        place.write_bytes(write_model(model))
    return card


def transfer_contract(start: Model, name: str, version: str) -> Contract:
    """Return the contract of a model that goes on from another one.

    Parameters
    ----------
    start
        The model to go on from.
    name, version
        What to call the new one.

    Returns
    -------
    Contract
        That of `start` without calibration and prior; the card says where it came from.

    Raises
    ------
    InvalidInputError
        Raised if the layers of the model are not known.
    """
    old = start.contract
    if start.weights is None:
        raise InvalidInputError(
            f"the layers of model {old.name!r} are not known (an ONNX graph): nothing can be learnt on"
        )
    changes = {
        "name": name,
        "version": version,
        "description": f"{old.name} {old.version}, trained further",
        "calibration": None,
        "prior": None,
        "trained": None,
        "members": {},
        "card": {"started_from": f"{old.name} {old.version}, sha256 {start.content_hash}"},
    }
    return Contract.model_validate(old.model_dump() | changes)


def _start(contract: Contract, start: Model | None) -> Weights | None:
    if start is None:
        return None
    if start.weights is None or start.contract.architecture != contract.architecture:
        raise InvalidInputError(
            f"{contract.name!r} cannot go on from {start.contract.name!r}: their layers differ; "
            "make its contract with transfer_contract"
        )
    return start.weights


def _parts(label: npt.NDArray[np.int8], split: Split) -> dict[str, Rows]:
    """Return the rows of each side, checked."""
    if len(split.side) != len(label):
        raise InvalidInputError(f"the split is of {len(split.side)} stamps; there are {len(label)}")
    parts = {side: split.rows(side) for side in SIDES}
    for name, rows in parts.items():
        n_real = int((label[rows] == 1).sum())
        if not 0 < n_real < len(rows):
            raise InvalidInputError(
                f"the stamps to {name} by are {n_real} real and {len(rows) - n_real} bogus ones; both "
                "classes are needed"
            )
    return parts


def _fit_one(
    contract: Contract,
    architecture: Architecture,
    learn: Batches,
    choose: Batches,
    config: TrainingConfig,
    start: Weights | None,
    checkpoint: Path | None,
    watchers: Sequence[Watcher],
) -> tuple[Network, TrainingHistory]:
    """Train by the strategy; where that makes several networks, train one on what they say."""

    def run(file: str, teacher: Network | None = None) -> tuple[Network, TrainingHistory]:
        return fit(
            architecture,
            contract.output,
            learn,
            choose,
            config,
            start=start,
            teacher=teacher,
            checkpoint=None if checkpoint is None else checkpoint / file,
            watchers=watchers,
        )

    network, history = run("learning.npz")
    return (network, history) if len(network.members) == 1 else run("distillation.npz", network)


def _calibrated(
    contract: Contract,
    model: Model,
    stamps: LabelledStamps | StampSet,
    label: npt.NDArray[np.int8],
    rows: Rows,
    config: TrainingConfig,
) -> Contract:
    prior = Prior(training=0.5, intended=config.real_fraction)
    calibration = None
    if config.calibration != "none":
        score = _score(model, stamps, rows)
        calibration = fit_calibration(score, label[rows] == 1, method=config.calibration)
    return contract.model_copy(update={"calibration": calibration, "prior": prior})


def _score(model: Model, stamps: LabelledStamps | StampSet, rows: Rows) -> npt.NDArray[np.float32]:
    """Score some stamps, reading a part of them at a time."""
    classifier = model.classifier()
    score = np.full(len(stamps), np.nan, np.float32)
    for found, part in _read(stamps, rows):
        score[found] = classifier.score(
            part.pixels, is_negative=part.is_negative, psf_fwhm=part.psf_fwhm
        ).score
    return score[rows]


def _read(stamps: LabelledStamps | StampSet, rows: Rows) -> Iterator[tuple[Rows, LabelledStamps]]:
    rows = np.unique(rows)
    if isinstance(stamps, StampSet):
        for number, block in enumerate(stamps.blocks):
            found = rows[slice(*np.searchsorted(rows, (block.start, block.stop)))]
            if found.size:
                yield found, stamps.read(number)[found - block.start]
    else:
        for first in range(0, len(rows), _SCORED_TOGETHER):
            found = rows[first : first + _SCORED_TOGETHER]
            yield found, stamps[found]


def _load(stamps: LabelledStamps | StampSet, rows: Rows) -> LabelledStamps:
    return stamps.load(rows) if isinstance(stamps, StampSet) else stamps[rows]


def _of(columns: Columns, rows: Rows) -> Columns:
    return {name: values[rows] for name, values in columns.items()}


def _golden_rows(label: npt.NDArray[np.int8], rows: Rows, seed: int) -> Rows:
    """Choose as many real as bogus stamps."""
    rng = generator(seed, "golden-rows")
    is_real = label[rows] == 1
    return np.concatenate(
        [rng.permutation(rows[which])[: _GOLDEN_ROWS // 2] for which in (is_real, ~is_real)]
    )


def _trained_on(
    contract: Contract, stamps: LabelledStamps | StampSet, columns: Columns, rows: Rows
) -> TrainedOn:
    """Return the ranges of what was learnt from, as it was before augmentation."""

    def span(values: npt.NDArray[np.float32]) -> tuple[float, float] | None:
        known = values[rows][np.isfinite(values[rows])]
        return (round(float(known.min()), 4), round(float(known.max()), 4)) if known.size else None

    shape = next(iter(_load(stamps, rows[:1]).pixels.values())).shape[1:]
    size = min(*shape, contract.stamp_size)
    return TrainedOn(
        pixel_scale=span(columns["pixel_scale"]), psf_fwhm=span(columns["psf_fwhm"]), stamp_size=(size, size)
    )
