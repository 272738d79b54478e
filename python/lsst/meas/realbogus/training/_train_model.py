"""From labelled stamps to a model file."""

from __future__ import annotations

__all__ = ("train_model",)

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from ..errors import InvalidInputError
from ..model import Architecture, Contract, Prior, TrainedOn, make_model, prepare, write_model
from ..randomness import generator
from ..tables import atomic_output
from ._batches import ArrayBatches, Batches
from ._config import TrainingConfig
from ._fit import TrainingHistory, Watcher, fit
from ._learner import Network
from ._stamps import LabelledStamps

_GOLDEN_ROWS = 48
_SNR_BINS = (0.0, 6.0, 8.0, 12.0, 20.0, np.inf)
_PREDICTED_TOGETHER = 512


def train_model(
    contract: Contract,
    stamps: LabelledStamps,
    *,
    choose: Sequence[int],
    judge: Sequence[int],
    config: TrainingConfig,
    path: Path,
    group_names: Mapping[int, str] | None = None,
    checkpoint: Path | None = None,
    watchers: Sequence[Watcher] = (),
) -> dict[str, Any]:
    """Train a network and write its model file.

    Where several networks learn together, one more learns from their mean answer, and is the one written.

    Parameters
    ----------
    contract
        What the model is to promise, with its layers, such as `preset_contract` makes. Prior and card are
        filled in here, and ``trained`` where it is not given.
    stamps
        Stamps of all three kinds of groups. Those of groups in neither `choose` nor `judge` are learnt from.
    choose
        Groups by which the epoch is chosen whose weights stay.
    judge
        Groups that nothing was learnt from or chosen by: the card's figures and the golden scores are theirs.
    config
        How to train.
    path
        Model file to write; one that exists is replaced.
    group_names
        What the groups are called in the card; by default their numbers.
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
        Raised if the contract has no layers, if a group is to choose and to judge, or if the scorable stamps
        to learn from, to choose by or to judge by are not of both classes.
    """
    if contract.architecture is None:
        raise InvalidInputError(f"the layers of {contract.name!r} are not known: there is nothing to train")
    parts = _split(contract, stamps, choose, judge)
    (learn_inputs, learn_stamps), (choose_inputs, choose_stamps), (_, judge_stamps) = parts.values()
    learn = ArrayBatches(
        learn_inputs, learn_stamps.label, batch_size=config.batch_size, seed=config.seed, turn=True
    )
    chosen = ArrayBatches(choose_inputs, choose_stamps.label, batch_size=_PREDICTED_TOGETHER)
    network, history = _fit_one(contract, contract.architecture, learn, chosen, config, checkpoint, watchers)
    (weights,) = network.members
    if contract.trained is None:
        contract = contract.model_copy(update={"trained": _trained_on(contract, learn_stamps)})
    golden = _golden_rows(judge_stamps, config.seed)
    contract = contract.model_copy(update={"prior": Prior(training=0.5, intended=0.5)})
    shown = (golden.pixels, golden.is_negative)
    score = (
        make_model(contract, weights, stamps=shown, psf_fwhm=golden.psf_fwhm)
        .classifier()
        .score(judge_stamps.pixels, is_negative=judge_stamps.is_negative, psf_fwhm=judge_stamps.psf_fwhm)
        .score
    )
    card = {
        "training": dataclasses.asdict(config),
        "groups": {name: _describe(part, group_names or {}) for name, (_, part) in parts.items()},
        "chosen_epoch": history.best,
        "epochs": [dataclasses.asdict(figures) for figures in history.epochs],
        "judge": _figures(score, judge_stamps),
    }
    contract = contract.model_copy(update={"card": card})
    model = make_model(contract, weights, stamps=shown, psf_fwhm=golden.psf_fwhm)
    with atomic_output(path, overwrite=True) as place:
        place.write_bytes(write_model(model))
    return card


def _fit_one(
    contract: Contract,
    architecture: Architecture,
    learn: Batches,
    choose: Batches,
    config: TrainingConfig,
    checkpoint: Path | None,
    watchers: Sequence[Watcher],
) -> tuple[Network, TrainingHistory]:
    """Train by the strategy; where that makes several networks, train one on what they say."""

    def run(file: str, teacher: Network | None = None) -> tuple[Network, TrainingHistory]:
        state = None if checkpoint is None else checkpoint / file
        return fit(
            architecture,
            contract.output,
            learn,
            choose,
            config,
            teacher=teacher,
            checkpoint=state,
            watchers=watchers,
        )

    network, history = run("learning.npz")
    return (network, history) if len(network.members) == 1 else run("distillation.npz", network)


def _split(
    contract: Contract, stamps: LabelledStamps, choose: Sequence[int], judge: Sequence[int]
) -> dict[str, tuple[npt.NDArray[np.float32], LabelledStamps]]:
    """Return inputs and stamps to learn from, to choose the epoch by and to judge by."""
    if both := set(choose) & set(judge):
        raise InvalidInputError(f"groups {sorted(both)} are to choose the epoch and to judge the model")
    learn = sorted(set(stamps.group.tolist()) - set(choose) - set(judge))
    parts = {}
    for name, groups in {"learn": learn, "choose": choose, "judge": judge}.items():
        inputs, part = _scorable(contract, stamps.in_groups(groups))
        n_real = int((part.label == 1).sum())
        if not 0 < n_real < len(part):
            raise InvalidInputError(
                f"groups {sorted(groups)}, to {name} by, have {n_real} real and {len(part) - n_real} bogus "
                "scorable stamps; both classes are needed"
            )
        parts[name] = inputs, part
    return parts


def _scorable(contract: Contract, stamps: LabelledStamps) -> tuple[npt.NDArray[np.float32], LabelledStamps]:
    prepared = prepare(contract, stamps.pixels, is_negative=stamps.is_negative, psf_fwhm=stamps.psf_fwhm)
    rows = ~prepared.flag_unscorable
    return prepared.inputs[rows], stamps[rows]


def _trained_on(contract: Contract, stamps: LabelledStamps) -> TrainedOn:
    def span(values: npt.NDArray[np.float32]) -> tuple[float, float] | None:
        known = values[np.isfinite(values)]
        return (float(known.min()), float(known.max())) if known.size else None

    rows, columns = next(iter(stamps.pixels.values())).shape[1:]
    size = min(rows, columns, contract.stamp_size)
    return TrainedOn(
        pixel_scale=span(stamps.pixel_scale), psf_fwhm=span(stamps.psf_fwhm), stamp_size=(size, size)
    )


def _describe(stamps: LabelledStamps, names: Mapping[int, str]) -> dict[str, Any]:
    groups = sorted(set(stamps.group.tolist()))
    return {
        "groups": [names.get(group, str(group)) for group in groups],
        "stamps": len(stamps),
        "real": int((stamps.label == 1).sum()),
    }


def _golden_rows(stamps: LabelledStamps, seed: int) -> LabelledStamps:
    """Choose as many real as bogus stamps."""
    rng = generator(seed, "golden-rows")
    is_real = stamps.label == 1
    rows = [rng.permutation(np.flatnonzero(which))[: _GOLDEN_ROWS // 2] for which in (is_real, ~is_real)]
    return stamps[np.concatenate(rows)]


def _figures(score: npt.NDArray[np.float32], stamps: LabelledStamps) -> dict[str, Any]:
    """Sum up how the stamps to judge by are scored."""
    real = stamps.label == 1
    called = score >= 0.5
    by_snr = {
        f"{low:g}-{high:g}": round(float(called[inside].mean()), 4)
        for low, high in zip(_SNR_BINS, _SNR_BINS[1:], strict=False)
        if (inside := real & (stamps.snr >= low) & (stamps.snr < high)).any()
    }
    by_reason = {
        str(reason): [int(rows.sum()), round(float(called[rows].mean()), 4)]
        for reason in np.unique(stamps.reason)
        if (rows := stamps.reason == reason).any()
    }
    return {
        "stamps": len(stamps),
        "real": int(real.sum()),
        "area_under_roc": round(float(roc_auc_score(real, score)), 4),
        "completeness_at_0.5": round(float(recall_score(real, called)), 4),
        "purity_at_0.5": round(float(precision_score(real, called)), 4),
        "completeness_at_0.5_by_snr": by_snr,
        "number_and_fraction_above_0.5_by_reason": by_reason,
    }
