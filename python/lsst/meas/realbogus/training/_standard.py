"""Train one network: AdamW, one cycle of the learning rate, turned and mirrored stamps."""

from __future__ import annotations

__all__ = ("TrainingConfig", "TrainingHistory", "fit")

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, roc_auc_score

from ..errors import InvalidInputError
from ..options import Options, option
from ..randomness import generator
from ._stamps import dihedral, random_elements

type Layout = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]


@dataclass(frozen=True)
class TrainingConfig(Options):
    """How to train."""

    epochs: int = option(16, "Passes over the training stamps.", min=1)
    batch_size: int = option(64, "Stamps a step.", min=1)
    peak_learning_rate: float = option(
        1.5e-3,
        "Learning rate at the top of the cycle, reached after warm_up of the steps; then it falls as a "
        "cosine to zero.",
        above=0.0,
    )
    warm_up: float = option(0.25, "Fraction of the steps spent rising.", min=0.0, max=1.0)
    weight_decay: float = option(1e-4, "Decoupled weight decay of AdamW (Loshchilov & Hutter 2019).", min=0.0)
    seed: int = option(
        1, "Seed of the order of the stamps, of augmentation, of dropout and of the first weights.", min=0
    )

    def learning_rate(self, step: int, n_steps: int) -> float:
        """Return the learning rate of a step.

        Parameters
        ----------
        step
            Number of the step, from 0.
        n_steps
            Steps in the whole training.

        Returns
        -------
        float
            Learning rate.
        """
        rise = max(1.0, self.warm_up * n_steps)
        if step < rise:
            return self.peak_learning_rate * (step + 1) / rise
        phase = (step - rise) / max(1.0, n_steps - rise)
        return self.peak_learning_rate * 0.5 * (1 + math.cos(math.pi * phase))


@dataclass
class TrainingHistory:
    """What happened in each epoch, on the validation stamps.

    Parameters
    ----------
    loss, auc
        Loss and area under the ROC curve, one number for each epoch.
    """

    loss: list[float] = field(default_factory=list)
    auc: list[float] = field(default_factory=list)

    @property
    def best(self) -> int:
        """Number of the epoch of least loss, from 0."""
        return int(np.argmin(self.loss))


def fit(
    network: Any,
    images: npt.NDArray[np.float32],
    label: npt.NDArray[np.int8],
    validation: tuple[npt.NDArray[np.float32], npt.NDArray[np.int8]],
    *,
    layout: Layout,
    real_index: int,
    config: TrainingConfig,
    report: Callable[[int, float, float], None] | None = None,
) -> TrainingHistory:
    """Train a two-way softmax network in place; the weights of the epoch of least validation loss stay.

    Parameters
    ----------
    network
        A Keras model whose output has two classes.
    images
        Normalised stamps, float32 of shape ``(n, h, h, n_images)``.
    label
        1 real, 0 bogus, shape ``(n,)``. The two classes weigh the same in the loss, whatever their numbers.
    validation
        Images and labels to judge each epoch by; from other fields than the training stamps.
    layout
        Turns stacked images into the network's input.
    real_index
        Which output is "real".
    config
        How to train.
    report
        Called after each epoch with its number, validation loss and area under the ROC curve.

    Returns
    -------
    TrainingHistory
        Validation loss and area under the curve of each epoch.

    Raises
    ------
    InvalidInputError
        Raised if a class is missing from the training stamps.
    """
    import keras

    counts = np.bincount(label.astype(np.int64), minlength=2)
    if not counts.all():
        raise InvalidInputError(
            f"training needs both classes; got {counts[1]} real and {counts[0]} bogus stamps"
        )
    keras.utils.set_random_seed(config.seed)
    network.compile(
        optimizer=keras.optimizers.AdamW(config.peak_learning_rate, weight_decay=config.weight_decay),
        loss=keras.losses.SparseCategoricalCrossentropy(),
    )
    target = np.where(label == 1, real_index, 1 - real_index).astype(np.int32)
    weight = (0.5 * len(label) / counts)[label.astype(np.int64)].astype(np.float32)
    steps = int(np.ceil(len(label) / config.batch_size))
    history = TrainingHistory()
    best: tuple[float, list[npt.NDArray[np.float32]]] | None = None
    for epoch in range(config.epochs):
        order = generator(config.seed, "training-order", epoch).permutation(len(label))
        turned = dihedral(images, random_elements(config.seed, epoch, len(label)))
        for step in range(steps):
            rows = order[step * config.batch_size : (step + 1) * config.batch_size]
            network.optimizer.learning_rate = config.learning_rate(
                epoch * steps + step, config.epochs * steps
            )
            network.train_on_batch(layout(turned[rows]), target[rows], sample_weight=weight[rows])
        score = _predict(network, layout, validation[0])[:, real_index]
        loss = float(log_loss(validation[1], score, sample_weight=_balance(validation[1]), labels=[0, 1]))
        auc = float(roc_auc_score(validation[1], score))
        history.loss.append(loss)
        history.auc.append(auc)
        if report is not None:
            report(epoch, loss, auc)
        if best is None or loss < best[0]:
            best = (loss, [w.copy() for w in network.get_weights()])
    if best is not None:
        network.set_weights(best[1])
    return history


def _balance(label: npt.NDArray[np.int8]) -> npt.NDArray[np.float64]:
    counts = np.maximum(np.bincount(label.astype(np.int64), minlength=2), 1)
    weights: npt.NDArray[np.float64] = (0.5 * len(label) / counts)[label.astype(np.int64)]
    return weights


def _predict(
    network: Any, layout: Layout, images: npt.NDArray[np.float32], block: int = 512
) -> npt.NDArray[np.float64]:
    parts = [
        np.asarray(network(layout(images[start : start + block]), training=False))
        for start in range(0, len(images), block)
    ]
    return np.concatenate(parts).astype(np.float64)
