"""From labelled stamps to a model file: the networks of Acero-Cuellar et al. (2023), trained and packed."""

from __future__ import annotations

__all__ = ("SPECIFICATIONS", "pack_images", "train_model", "unpack_images")

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_score, recall_score, roc_auc_score

from ..errors import InvalidInputError
from ..model import (
    Contract,
    ImageName,
    NormalizationChoice,
    Output,
    Prior,
    build_keras,
    make_model,
    named_architecture,
    prepare,
    weights_from_keras,
    write_model,
)
from ..randomness import generator
from ..tables import atomic_output
from ._stamps import LabelledStamps
from ._standard import TrainingConfig, fit

SPECIFICATIONS: Mapping[str, tuple[ImageName, ...]] = {
    "dia": ("difference", "science", "template"),
    "nodia": ("science", "template"),
}
"""The images that each packaged network looks at, in order."""

_GOLDEN_ROWS = 48
_SNR_BINS = (0.0, 6.0, 8.0, 12.0, 20.0, np.inf)


def train_model(
    name: str,
    version: str,
    stamps: LabelledStamps,
    *,
    choose: Sequence[int],
    judge: Sequence[int],
    config: TrainingConfig,
    path: Path,
    group_names: Mapping[int, str] | None = None,
    pixel_scale: float | None = None,
    report: Callable[[int, float, float], None] | None = None,
) -> dict[str, Any]:
    """Train one of the packaged networks and write its model file.

    Parameters
    ----------
    name
        ``"dia"`` or ``"nodia"``.
    version
        Version of the model, at most seven characters.
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
    pixel_scale
        Typical pixel scale of the stamps [arcsec], if there is one.
    report
        Called after each epoch, see `fit`.

    Returns
    -------
    dict
        The training card that the model carries.

    Raises
    ------
    InvalidInputError
        Raised if there is no such network, if a group is to choose and to judge, or if the scorable stamps to
        learn from, to choose by or to judge by are not of both classes.
    """
    if name not in SPECIFICATIONS:
        raise InvalidInputError(f"no packaged network is called {name!r}; there are {sorted(SPECIFICATIONS)}")
    architecture = named_architecture(name)
    contract = Contract(
        name=name,
        version=version,
        description=f"{name} network of Acero-Cuellar et al. (2023), trained on simulated surveys",
        inputs=SPECIFICATIONS[name],
        layout="side_by_side",
        stamp_size=architecture.input_shape[0],
        pixel_scale=pixel_scale,
        normalization=NormalizationChoice(name="acero-cuellar-3sigma-1"),
        negative="flip",
        output=Output(size=2, real=0),
        prior=Prior(training=0.5, intended=0.5),
        architecture=architecture,
    )
    parts = _split(contract, stamps, choose, judge)
    (learnt, learn_stamps), (chosen, choose_stamps), (_, judge_stamps) = parts.values()
    network = build_keras(architecture)
    history = fit(
        network,
        learnt,
        learn_stamps.label,
        (chosen, choose_stamps.label),
        layout=pack_images,
        real_index=0,
        config=config,
        report=report,
    )
    weights = weights_from_keras(network, architecture)
    golden = _golden_rows(judge_stamps, config.seed)
    model = make_model(contract, weights, stamps=golden)
    score = model.classifier().score(judge_stamps.pixels, is_negative=judge_stamps.is_negative).score
    card = {
        "training": dataclasses.asdict(config),
        "groups": {name: _describe(part, group_names or {}) for name, (_, part) in parts.items()},
        "chosen_epoch": history.best,
        "choose_loss": history.loss,
        "judge": _figures(score, judge_stamps),
    }
    model = make_model(contract.model_copy(update={"card": card}), weights, stamps=golden)
    with atomic_output(path, overwrite=True) as place:
        place.write_bytes(write_model(model))
    return card


def _split(
    contract: Contract, stamps: LabelledStamps, choose: Sequence[int], judge: Sequence[int]
) -> dict[str, tuple[npt.NDArray[np.float32], LabelledStamps]]:
    """Return normalised images and stamps to learn from, to choose the epoch by and to judge by."""
    if both := set(choose) & set(judge):
        raise InvalidInputError(f"groups {sorted(both)} are to choose the epoch and to judge the model")
    learn = sorted(set(stamps.group.tolist()) - set(choose) - set(judge))
    parts = {}
    for name, groups in {"learn": learn, "choose": choose, "judge": judge}.items():
        images, part = _scorable(contract, stamps.in_groups(groups))
        n_real = int(part.label.sum())
        if not 0 < n_real < len(part):
            raise InvalidInputError(
                f"groups {sorted(groups)}, to {name} by, have {n_real} real and {len(part) - n_real} bogus "
                "scorable stamps; both classes are needed"
            )
        parts[name] = images, part
    return parts


def _describe(stamps: LabelledStamps, names: Mapping[int, str]) -> dict[str, Any]:
    groups = sorted(set(stamps.group.tolist()))
    return {
        "groups": [names.get(group, str(group)) for group in groups],
        "stamps": len(stamps),
        "real": int(stamps.label.sum()),
    }


def unpack_images(inputs: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn side-by-side inputs ``(n, h, k h, 1)`` into stacked images ``(n, h, h, k)``.

    Parameters
    ----------
    inputs
        What a network is fed.
    """
    n, height, width, _ = inputs.shape
    images: npt.NDArray[np.float32] = inputs.reshape(n, height, width // height, height)
    return np.ascontiguousarray(images.transpose(0, 1, 3, 2))


def pack_images(images: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Turn stacked images ``(n, h, h, k)`` into side-by-side inputs ``(n, h, k h, 1)``.

    Parameters
    ----------
    images
        Normalised stamps.
    """
    n, height, _, count = images.shape
    return np.ascontiguousarray(images.transpose(0, 1, 3, 2)).reshape(n, height, height * count, 1)


def _scorable(contract: Contract, stamps: LabelledStamps) -> tuple[npt.NDArray[np.float32], LabelledStamps]:
    prepared = prepare(contract, stamps.pixels, None, stamps.is_negative)
    rows = ~prepared.flag_unscorable
    return unpack_images(prepared.inputs[rows]), stamps[rows]


def _golden_rows(
    stamps: LabelledStamps, seed: int
) -> tuple[dict[str, npt.NDArray[np.float32]], npt.NDArray[np.bool_]]:
    """Choose as many real as bogus stamps."""
    rng = generator(seed, "golden-rows")
    rows = np.concatenate(
        [rng.permutation(np.flatnonzero(stamps.label == label))[: _GOLDEN_ROWS // 2] for label in (1, 0)]
    )
    chosen = stamps[rows]
    return chosen.pixels, chosen.is_negative


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
