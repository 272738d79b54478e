"""How to train: the options, and the recipes that others published."""

from __future__ import annotations

__all__ = ("RECIPES", "DistillationConfig", "StrategyConfig", "TrainingConfig", "TransferConfig")

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ..options import Options, option

_RATE, _RATE_GOING_ON = 1.5e-3, 1e-4

METRICS = ("loss", "auc", "tpr", "accuracy", "fnr")


@dataclass(frozen=True)
class StrategyConfig(Options):
    """How networks learn together, and what they make of labels that may be wrong."""

    name: str = option(
        "standard",
        "One network on all stamps (standard), several that do not know of each other (ensemble), or two "
        "that choose for each other what to learn from (co-teaching, asymmetric, stochastic).",
        choices=("standard", "ensemble", "co-teaching", "asymmetric", "stochastic"),
    )
    members: int = option(4, "Networks of an ensemble.", min=2)
    forget: float = option(
        0.16, "Co-teaching: fraction of a batch that is left out in the end.", min=0.0, below=1.0
    )
    forget_bogus: float = option(
        0.05, "Asymmetric: fraction of the stamps labelled bogus that is left out.", min=0.0, below=1.0
    )
    forget_real: float = option(
        0.01, "Asymmetric: fraction of the stamps labelled real that is left out.", min=0.0, below=1.0
    )
    forget_exponent: float = option(
        1.0, "The fractions are raised to this power while they grow to their end.", above=0.0
    )
    forget_epochs: int = option(
        13, "Epochs in which the fractions grow linearly from zero, counting both ends.", min=1
    )
    delay: int = option(15, "Stochastic: epochs before anything is left out.", min=0)
    ramp: int = option(10, "Stochastic: epochs in which the threshold then grows to its end.", min=1)


@dataclass(frozen=True)
class DistillationConfig(Options):
    """How one network learns from the answers of several (Hinton et al. 2015)."""

    temperature: float = option(
        2.0, "Logits of teacher and pupil are divided by this before they are compared.", above=0.0
    )
    teacher: float = option(
        1.0, "Weight of the teacher's answers in the loss; the rest is the labels'.", min=0.0, max=1.0
    )


@dataclass(frozen=True)
class TransferConfig(Options):
    """How a network that was trained elsewhere goes on learning."""

    layers: str = option(
        "all",
        "What learns: all layers, or the head: the fully connected layers behind the last pooling. Batch "
        "normalisation in layers that do not learn keeps its mean and variance.",
        choices=("all", "head"),
    )
    anchor: float = option(
        1e-3,
        "Weight in the loss of the squared distance of the weights from those at the start (Li et al. 2018, "
        "L2-SP).",
        min=0.0,
    )


@dataclass(frozen=True)
class TrainingConfig(Options):
    """How to train."""

    epochs: int = option(16, "Passes over the training stamps.", min=1)
    batch_size: int = option(64, "Stamps a step.", min=1)
    optimizer: str = option(
        "adamw", "What turns gradients into steps.", choices=("adamw", "adam", "sgd", "adadelta")
    )
    learning_rate: float | None = option(
        None,
        "Largest learning rate; none: 0.0015, and 0.0001 for a network that goes on learning, which more "
        "would make forget.",
        above=0.0,
    )
    schedule: str = option(
        "one-cycle",
        "Course of the learning rate. one-cycle: a rise over warm_up of the steps, then a cosine to zero "
        "(Smith & Topin 2018); constant; linear: constant over decay_start of the epochs, then a straight "
        "line to zero.",
        choices=("one-cycle", "constant", "linear"),
    )
    warm_up: float = option(0.25, "Fraction of the steps spent rising.", min=0.0, max=1.0)
    decay_start: float = option(
        0.0, "Fraction of the epochs before the linear decay begins.", min=0.0, max=1.0
    )
    late_beta_1: float | None = option(
        None, "Decay of the first moment of Adam once the linear decay has begun.", min=0.0, below=1.0
    )
    weight_decay: float = option(
        1e-4, "Decoupled weight decay of the kernels (AdamW, Loshchilov & Hutter 2019).", min=0.0
    )
    l2_convolution: float = option(
        0.0, "Weight in the loss of the squared kernels of the convolutions.", min=0.0
    )
    l2_dense: float = option(
        0.0, "Weight in the loss of the squared kernels of the fully connected layers but the last.", min=0.0
    )
    kind_weights: tuple[str, ...] = option(
        (),
        "KIND=WEIGHT, such as noise=4: how much a stamp of this kind counts beside others of its class, for "
        "kinds of which the set has fewer than the sky. Holds for learning and for choosing the epoch; "
        "probabilities are those of the set as it is.",
    )
    choose_by: str = option(
        "loss",
        "What makes an epoch the best, on the stamps to choose by: least loss, largest area under the ROC "
        "curve, largest fraction of reals above the threshold that 1 % of the bogus pass (tpr), largest "
        "accuracy at 0.5, or least fraction of reals below 0.5 (fnr).",
        choices=METRICS,
    )
    patience: int | None = option(
        None, "Epochs without a better one after which training stops; none: it runs to its end.", min=1
    )
    min_delta: float = option(0.0, "By how much an epoch must be better to count as better.", min=0.0)
    first_epoch: int = option(
        0,
        "Epochs before the first one that can be the best. With 0, a network that goes on learning stays as "
        "it was at the start if no epoch is better.",
        min=0,
    )
    precision: str = option(
        "auto",
        "mixed: layers compute in bfloat16, weights and loss are float32; auto: mixed where there is a GPU.",
        choices=("auto", "float32", "mixed"),
    )
    seed: int = option(
        1, "Seed of the order of the stamps, of augmentation, of dropout and of the first weights.", min=0
    )
    checkpoint_steps: int = option(
        500, "Steps between checkpoints, where they are kept; there is one after each epoch too.", min=1
    )
    calibration: str = option(
        "isotonic",
        "How scores become probabilities, by the stamps to choose by: isotonic, or platt where they are few.",
        choices=("isotonic", "platt", "none"),
    )
    real_fraction: float = option(
        0.5, "Fraction of real sources that the probabilities are meant for.", above=0.0, below=1.0
    )
    strategy: StrategyConfig = option(StrategyConfig, "How networks learn together.")
    distillation: DistillationConfig = option(
        DistillationConfig, "How one network learns from the answers of several."
    )
    transfer: TransferConfig = option(
        TransferConfig, "How a network that was trained elsewhere goes on learning."
    )

    def check(self) -> None:
        """Refuse weights that are none, and to wait for a best epoch that cannot come."""
        if self.first_epoch >= self.epochs:
            self.refuse("first_epoch", f"below the number of epochs, {self.epochs}")
        try:
            usable = all(name and 0 < weight < math.inf for name, weight in self._weights().items())
        except ValueError:
            usable = False
        if not usable:
            self.refuse("kind_weights", "pairs KIND=WEIGHT with weights above 0")

    def count(self, kind: npt.NDArray[np.str_]) -> npt.NDArray[np.float32]:
        """Return how much stamps count beside others of their class.

        Parameters
        ----------
        kind
            Kind of each stamp, shape ``(n,)``.

        Returns
        -------
        numpy.ndarray
            Float32 of shape ``(n,)``; 1 where `kind_weights` says nothing.
        """
        count = np.ones(len(kind), np.float32)
        for name, weight in self._weights().items():
            count[kind == name] = weight
        return count

    def _weights(self) -> dict[str, float]:
        pairs = (setting.rpartition("=") for setting in self.kind_weights)
        return {name.strip(): float(weight) for name, _, weight in pairs}

    def resolved(self, *, goes_on: bool) -> TrainingConfig:
        """Return the options with the learning rate that they stand for.

        Parameters
        ----------
        goes_on
            Whether the network was trained elsewhere.

        Returns
        -------
        TrainingConfig
            With a learning rate.
        """
        if self.learning_rate is not None:
            return self
        return self.replace(learning_rate=_RATE_GOING_ON if goes_on else _RATE)

    def rate(self, step: int, n_steps: int) -> float:
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
        highest = _RATE if self.learning_rate is None else self.learning_rate
        if self.schedule == "constant":
            return highest
        if self.schedule == "linear":
            start = self.decay_start * n_steps
            return highest * min(1.0, (n_steps - step) / max(1.0, n_steps - start))
        rise = max(1.0, self.warm_up * n_steps)
        if step < rise:
            return highest * (step + 1) / rise
        phase = (step - rise) / max(1.0, n_steps - rise)
        return highest * 0.5 * (1 + math.cos(math.pi * phase))

    def beta_1(self, step: int, n_steps: int) -> float:
        """Return the decay of the first moment of Adam in a step.

        Parameters
        ----------
        step, n_steps
            As for `rate`.

        Returns
        -------
        float
            0.9, or `late_beta_1` once the linear decay has begun.
        """
        late = self.schedule == "linear" and step >= self.decay_start * n_steps
        return self.late_beta_1 if late and self.late_beta_1 is not None else 0.9


RECIPES: Mapping[str, TrainingConfig] = {
    "one-cycle": TrainingConfig(),
    "acero-cuellar": TrainingConfig(
        epochs=500,
        batch_size=200,
        optimizer="sgd",
        learning_rate=0.01,
        schedule="constant",
        choose_by="accuracy",
        patience=30,
    ),
    "ml4transients": TrainingConfig(
        epochs=1500,
        batch_size=128,
        optimizer="adam",
        learning_rate=1.624e-4,
        schedule="linear",
        decay_start=80 / 1500,
        choose_by="fnr",
        patience=80,
        min_delta=0.001,
        first_epoch=70,
    ),
    "deepshadows": TrainingConfig(
        epochs=100,
        optimizer="adadelta",
        learning_rate=0.1,
        schedule="constant",
        l2_convolution=0.13,
        l2_dense=0.12,
        choose_by="accuracy",
    ),
}
"""Training as published, by name: ours, Acero-Cuellar et al. (2023), ML4transients, and DeepShadows
(Tanoglidis et al. 2021). ML4transients' co-teaching also sets ``late_beta_1`` to 0.1."""
