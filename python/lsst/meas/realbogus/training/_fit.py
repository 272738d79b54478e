"""The training loop: epochs, the best of them, and when to stop."""

from __future__ import annotations

__all__ = ("TrainingHistory", "Watcher", "fit")

import dataclasses
import itertools
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from ..errors import InvalidInputError
from ..model import Architecture, Output, Weights
from ._batches import Batch, Batches
from ._checkpoints import Checkpoint
from ._config import TrainingConfig
from ._figures import EpochFigures, figures_of_epoch
from ._learner import Learner, Network
from ._strategies import Independent, make_strategy


class Watcher(Protocol):
    """Something that is told how training goes on."""

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        """Take note of a step.

        Parameters
        ----------
        epoch, step
            Their numbers, from 0.
        n_steps
            Steps in an epoch.
        """

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        """Take note of an epoch.

        Parameters
        ----------
        epoch
            Its number, from 0.
        figures
            Its figures.
        """


@dataclass
class TrainingHistory:
    """What happened in each epoch.

    Parameters
    ----------
    epochs
        Figures of each epoch.
    best
        Number of the best epoch, from 0; that of the weights that stay. -1 if those at the start do.
    start
        Figures of the weights at the start, where these can stay.
    """

    epochs: list[EpochFigures] = field(default_factory=list)
    best: int = 0
    start: EpochFigures | None = None

    @property
    def best_figures(self) -> EpochFigures:
        """Figures of the weights that stay."""
        return self.start if self.best < 0 and self.start is not None else self.epochs[self.best]


@dataclass
class _Course:
    """Where a run is: the next step, what happened, and the best weights so far."""

    epoch: int = 0
    step: int = 0
    history: TrainingHistory = field(default_factory=TrainingHistory)
    best: tuple[Weights, ...] = ()

    def save(self, checkpoint: Checkpoint | None, learner: Learner) -> None:
        if checkpoint is None:
            return
        arrays = learner.state() | {
            f"best{i}/{key}": array for i, member in enumerate(self.best) for key, array in member.items()
        }
        notes = {"epoch": self.epoch, "step": self.step, "history": dataclasses.asdict(self.history)}
        checkpoint.save(arrays, notes)

    def load(self, checkpoint: Checkpoint | None, learner: Learner) -> None:
        found = checkpoint.load() if checkpoint is not None else None
        if found is None:
            return
        arrays, notes = found
        learner.restore(arrays)
        self.epoch, self.step = notes["epoch"], notes["step"]
        epochs = [EpochFigures(**figures) for figures in notes["history"]["epochs"]]
        start = notes["history"]["start"]
        self.history = TrainingHistory(
            epochs, notes["history"]["best"], None if start is None else EpochFigures(**start)
        )
        members: dict[str, dict[str, Any]] = {}
        for name, array in arrays.items():
            member, _, key = name.partition("/")
            if member.startswith("best"):
                members.setdefault(member, {})[key] = array
        self.best = tuple(members[f"best{i}"] for i in range(len(members)))


def fit(
    architecture: Architecture,
    output: Output,
    learn: Batches,
    choose: Batches,
    config: TrainingConfig,
    *,
    start: Weights | None = None,
    teacher: Network | None = None,
    checkpoint: Path | None = None,
    watchers: Sequence[Watcher] = (),
) -> tuple[Network, TrainingHistory]:
    """Train a network, or several together, and keep the weights of the best epoch.

    Parameters
    ----------
    architecture
        The layers.
    output
        Which output belongs to real sources. Labels other than 1 and 0 belong to further outputs, in order.
    learn
        Stamps to learn from.
    choose
        Stamps by which the best epoch is chosen, from other objects than those to learn from; the batches
        of their epoch 0 are used.
    config
        How to train.
    start
        Weights to go on from (`TransferConfig`); default: drawn by the seed.
    teacher
        Networks whose answers are learnt from (`DistillationConfig`), fed the same stamps. A pupil learns
        alone, whatever the strategy.
    checkpoint
        File that the state is kept in. A run with the same arguments goes on from it, and ends with the
        same weights, bit for bit on the same machine, as one that was never interrupted.
    watchers
        What is told of steps and epochs.

    Returns
    -------
    network
        The network with one member, or as many as the strategy has.
    history
        Figures of all epochs.

    Raises
    ------
    InvalidInputError
        Raised if the stamps to choose by are not of both classes, if a label has no output, or if the
        checkpoint is that of another run.
    """
    config = config.resolved(goes_on=start is not None)
    strategy = Independent() if teacher is not None else make_strategy(config.strategy, config.seed)
    learner = Learner(architecture, output, strategy, config, start, teacher)
    run = {
        "config": dataclasses.asdict(config),
        "architecture": architecture.model_dump(mode="json"),
        "steps": learn.n_steps,
        "start": start is not None,
        "teacher": 0 if teacher is None else len(teacher.members),
    }
    kept = None if checkpoint is None else Checkpoint(checkpoint, run)
    course = _Course()
    course.load(kept, learner)
    if start is not None and config.first_epoch == 0 and not course.best:
        figures = _figures(learner, choose, None)
        course.history.start, course.history.best, course.best = figures, -1, learner.weights()
    while course.epoch < config.epochs and not _is_over(course, config):
        _learn_epoch(learner, learn, course, config, kept, watchers)
        _judge_epoch(learner, learn.n_steps, choose, course, config, watchers)
        course.epoch, course.step = course.epoch + 1, 0
        course.save(kept, learner)
    return Network(architecture, output, course.best), course.history


def _is_over(course: _Course, config: TrainingConfig) -> bool:
    """Tell whether the best epoch is too long ago."""
    waited = course.epoch - 1 - max(course.history.best, config.first_epoch)
    return bool(course.best) and config.patience is not None and waited >= config.patience


def _learn_epoch(
    learner: Learner,
    learn: Batches,
    course: _Course,
    config: TrainingConfig,
    checkpoint: Checkpoint | None,
    watchers: Sequence[Watcher],
) -> None:
    before = course.epoch * learn.n_steps
    n_steps = config.epochs * learn.n_steps
    batches = itertools.islice(learn.epoch(course.epoch), course.step, None)
    for number, batch in enumerate(_prefetched(batches), course.step):
        rate, beta_1 = (course_of(before + number, n_steps) for course_of in (config.rate, config.beta_1))
        learner.step(batch, course.epoch, number, rate, beta_1)
        course.step = number + 1
        for watcher in watchers:
            watcher.step(course.epoch, number, learn.n_steps)
        if course.step % config.checkpoint_steps == 0:
            course.save(checkpoint, learner)
    if course.step != learn.n_steps:
        raise InvalidInputError(
            f"an epoch was to have {learn.n_steps} batches; epoch {course.epoch} had {course.step}"
        )


def _figures(learner: Learner, choose: Batches, training_loss: float | None) -> EpochFigures:
    judged = [
        (learner.probabilities(batch.inputs), batch.label == 1, batch.weight)
        for batch in _prefetched(choose.epoch(0))
    ]
    score, is_real, weight = (np.concatenate(parts) for parts in zip(*judged, strict=True))
    score, is_real, weight = (values[weight > 0] for values in (score, is_real, weight))
    if not 0 < is_real.sum() < len(is_real):
        raise InvalidInputError(
            f"stamps to choose the epoch by must be of both classes; got {is_real.sum()} real of "
            f"{len(is_real)}"
        )
    return figures_of_epoch(training_loss, is_real, score, weight)


def _judge_epoch(
    learner: Learner,
    n_steps: int,
    choose: Batches,
    course: _Course,
    config: TrainingConfig,
    watchers: Sequence[Watcher],
) -> None:
    figures = _figures(learner, choose, learner.take_mean_loss(n_steps))
    history = course.history
    history.epochs.append(figures)
    for watcher in watchers:
        watcher.epoch(course.epoch, figures)
    merit = figures.merit(config.choose_by)
    least = history.best_figures.merit(config.choose_by) + config.min_delta
    if course.epoch >= config.first_epoch and (not course.best or merit > least):
        history.best, course.best = course.epoch, learner.weights()


def _prefetched(batches: Iterator[Batch], depth: int = 2) -> Iterator[Batch]:
    """Make the next batches in a thread while the last one is learnt from."""
    with ThreadPoolExecutor(1, thread_name_prefix="batches") as thread:
        ahead = deque(thread.submit(next, batches, None) for _ in range(depth))
        while (batch := ahead.popleft().result()) is not None:
            ahead.append(thread.submit(next, batches, None))
            yield batch
