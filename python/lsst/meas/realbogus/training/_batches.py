"""What a network learns from, a step at a time."""

from __future__ import annotations

__all__ = ("ArrayBatches", "Batch", "Batches", "balanced_weights")

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..randomness import generator, uniform
from ._stamps import dihedral


@dataclass(frozen=True)
class Batch:
    """The stamps of one step.

    Parameters
    ----------
    inputs
        What the network is fed, float32 of shape ``(b, rows, columns, channels)``.
    label
        1 real, 0 bogus, int8 of shape ``(b,)``.
    weight
        Weight of each stamp in the loss, float32 of shape ``(b,)``; 0 for stamps that do not count.
    row
        Index of each stamp in its set, int64 of shape ``(b,)``.
    """

    inputs: npt.NDArray[np.float32]
    label: npt.NDArray[np.int8]
    weight: npt.NDArray[np.float32]
    row: npt.NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.label)


class Batches(Protocol):
    """Stamps in batches, epoch after epoch."""

    @property
    def n_steps(self) -> int:
        """How many batches an epoch has."""

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of an epoch: the same for the same number, whatever was asked for before.

        Parameters
        ----------
        number
            Number of the epoch, from 0.
        """


class ArrayBatches:
    """Batches of stamps that are prepared and in memory.

    Parameters
    ----------
    inputs
        What the network is fed, float32 of shape ``(n, rows, columns, channels)``.
    label
        1 real, 0 bogus, shape ``(n,)``.
    weight
        Weight of each stamp in the loss, shape ``(n,)``; default `balanced_weights`.
    batch_size
        Stamps in a batch; the last one of an epoch may have fewer.
    seed
        Seed of the order and of the turns; `None` leaves the stamps in their order.
    turn
        Whether each stamp is turned and mirrored at random, in every epoch another way.

    Raises
    ------
    InvalidInputError
        Raised if lengths differ, or if stamps that are not square are to be turned.
    """

    def __init__(
        self,
        inputs: npt.NDArray[np.float32],
        label: npt.NDArray[np.int8],
        weight: npt.NDArray[np.float32] | None = None,
        *,
        batch_size: int,
        seed: int | None = None,
        turn: bool = False,
    ) -> None:
        if weight is None:
            weight = balanced_weights(label)
        if not len(inputs) == len(label) == len(weight) > 0:
            raise InvalidInputError(
                f"batches need as many inputs as labels and weights, at least one; got {len(inputs)}, "
                f"{len(label)} and {len(weight)}"
            )
        if turn and (seed is None or inputs.shape[2] % inputs.shape[1]):
            raise InvalidInputError(
                f"stamps are turned at random if they are square and there is a seed; got inputs of shape "
                f"{inputs.shape} and seed {seed}"
            )
        self._inputs, self._label, self._weight = inputs, label, weight
        self._batch_size, self._seed, self._turn = batch_size, seed, turn

    @property
    def n_steps(self) -> int:
        """How many batches an epoch has."""
        return -(-len(self._label) // self._batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of an epoch; see `Batches`.

        Parameters
        ----------
        number
            Number of the epoch, from 0.

        Yields
        ------
        Batch
            Stamps in a new order, or in the order they have where there is no seed.
        """
        n = len(self._label)
        order = np.arange(n)
        if self._seed is not None:
            order = generator(self._seed, "training-order", number).permutation(n)
        for start in range(0, n, self._batch_size):
            row = order[start : start + self._batch_size]
            inputs = self._inputs[row]
            if self._turn and self._seed is not None:
                draws = uniform(self._seed, f"augmentation-{number}", row)[:, 0]
                inputs = _turned(inputs, (8 * draws).astype(np.int64))
            yield Batch(inputs, self._label[row], self._weight[row], row)


def balanced_weights(
    label: npt.NDArray[np.int8], count: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Return weights of mean 1 with which both classes count the same, whatever their numbers.

    Parameters
    ----------
    label
        1 real, 0 bogus, shape ``(n,)``.
    count
        How much each stamp counts beside others of its class, shape ``(n,)``; default: all the same.

    Returns
    -------
    numpy.ndarray
        Float32 of shape ``(n,)``.

    Examples
    --------
    >>> print(balanced_weights(np.array([1, 0, 0, 0], np.int8)).round(3))
    [2.    0.667 0.667 0.667]
    >>> print(balanced_weights(np.array([1, 0, 0], np.int8), np.array([1, 1, 3], np.float32)))
    [1.5   0.375 1.125]
    """
    index = label.astype(np.int64)
    counts = np.ones(len(label)) if count is None else count.astype(np.float64)
    totals = np.bincount(index, counts, minlength=2)
    return (len(label) * counts / (np.count_nonzero(totals) * totals[index])).astype(np.float32)


def _turned(inputs: npt.NDArray[np.float32], element: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Turn every stamp of inputs that may show several side by side."""
    n, size, columns, channels = inputs.shape
    panels = inputs.reshape(n, size, columns // size, size, channels).swapaxes(2, 3)
    turned = dihedral(panels, element).swapaxes(2, 3)
    return np.ascontiguousarray(turned).reshape(inputs.shape)
