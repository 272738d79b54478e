"""Batches of labelled stamps, augmented and prepared as a model wants them."""

from __future__ import annotations

__all__ = ("BALANCES", "StampBatches")

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, get_args

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..model import Contract, prepare
from ..randomness import generator, uniform
from ._augmentation import Augmentation, augment
from ._batches import Batch, balanced_weights
from ._stamp_set import StampSet
from ._stamps import LabelledStamps

Rows = npt.NDArray[np.int64]

type Balance = Literal["weights", "repeats", "none"]
BALANCES: tuple[str, ...] = get_args(Balance.__value__)
"""How classes of different numbers come to count the same: by weights, by showing stamps of the smaller one
several times an epoch, or not at all."""


class StampBatches:
    """Batches of labelled stamps, in memory or on disk, augmented and prepared as a model wants them.

    An epoch takes the row groups of a set in random order, a buffer of stamps at a time, and the stamps of a
    buffer in random order; stamps in memory are shuffled as a whole. How a stamp is augmented depends on the
    seed, the epoch and its row alone. Stamps that no score would be given (`Prepared.flag_unscorable`) have
    no weight.

    Parameters
    ----------
    stamps
        Stamps in memory, or a set of any size.
    contract
        Says what the network is fed.
    augmentation
        What is done to the raw stamps first; `None` for nothing.
    batch_size
        Stamps in a batch; the last one of an epoch may have fewer.
    seed
        Seed of the order and of the augmentation; `None` leaves the stamps in order, and as they are.
    rows
        Which stamps, an index or boolean array; by default all.
    label
        Labels to learn in place of the set's own, int8, one for each stamp of the set.
    balance
        One of `BALANCES`.
    count
        How much each stamp of the set counts beside others of its class, float32; default: all the same.
    buffer
        Stamps in memory at a time, rounded up to whole batches.

    Raises
    ------
    InvalidInputError
        Raised if there are no stamps, labels are of another length, or a word is not one of `BALANCES`.
    """

    def __init__(
        self,
        stamps: LabelledStamps | StampSet,
        contract: Contract,
        augmentation: Augmentation | None = None,
        *,
        batch_size: int = 256,
        seed: int | None = None,
        rows: npt.NDArray[Any] | None = None,
        label: npt.NDArray[np.int8] | None = None,
        balance: Balance = "weights",
        count: npt.NDArray[np.float32] | None = None,
        buffer: int = 2048,
    ) -> None:
        n = len(stamps)
        chosen = np.arange(n)[slice(None) if rows is None else rows]
        own = stamps.columns(["label"])["label"] if isinstance(stamps, StampSet) else stamps.label
        label = own if label is None else label
        if len(label) != n or not chosen.size:
            raise InvalidInputError(
                f"batches need at least one stamp and a label for each; got {chosen.size} of {n} stamps and "
                f"{len(label)} labels"
            )
        if balance not in BALANCES:
            raise InvalidInputError(f"classes are balanced by {', '.join(BALANCES)}; got {balance!r}")
        if augmentation is not None and seed is None:
            raise InvalidInputError("augmentation needs a seed")
        if augmentation is not None and contract.negative == "flip":
            augmentation = augmentation.replace(sign=0.0)  # shown the same either way
        self._stamps, self._contract, self._augmentation = stamps, contract, augmentation
        self._batch_size, self._seed = batch_size, seed
        self._buffer = -(-max(buffer, batch_size) // batch_size) * batch_size
        self._label = np.asarray(label, np.int8)
        self._repeats = np.bincount(chosen, minlength=n)
        if balance == "repeats":
            self._repeats = _repeat_fewer(self._repeats, self._label, 0 if seed is None else seed)
        self._weight = np.ones(n, np.float32) if count is None else count.copy()
        if balance == "weights":
            self._weight[chosen] = balanced_weights(self._label[chosen], self._weight[chosen])

    @property
    def n_steps(self) -> int:
        """How many batches an epoch has."""
        return -(-int(self._repeats.sum()) // self._batch_size)

    def epoch(self, number: int) -> Iterator[Batch]:
        """Return the batches of an epoch; see `Batches`.

        Parameters
        ----------
        number
            Number of the epoch, from 0.

        Yields
        ------
        Batch
            Batches of the stamps chosen, each as often as the balance wants.
        """
        for batch in _ahead(self._buffers(number)):
            for start in range(0, len(batch), self._batch_size):
                part = slice(start, start + self._batch_size)
                yield Batch(batch.inputs[part], batch.label[part], batch.weight[part], batch.row[part])

    def _buffers(self, number: int) -> Iterator[Batch]:
        """Yield prepared stamps, a buffer at a time."""
        n = len(self._stamps)
        for key, stamps in self._shuffled(number):
            row = key % n
            inputs, usable = self._prepare(stamps, key, number)
            yield Batch(inputs, self._label[row], self._weight[row] * usable, row)

    def _prepare(
        self, stamps: LabelledStamps, key: Rows, number: int
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.bool_]]:
        pixels, is_negative, fwhm = stamps.pixels, stamps.is_negative, stamps.psf_fwhm
        contract = self._contract
        if self._augmentation is not None and self._seed is not None:
            roles: set[str] = set(contract.inputs)
            if contract.negative == "flip" and roles & {"science", "template"}:
                roles |= {"science", "template"} & set(pixels)
            shown = augment(
                stamps,
                key,
                contract.stamp_size,
                self._augmentation,
                seed=self._seed,
                epoch=number,
                roles=[role for role in pixels if role in roles],
            )
            pixels, is_negative, fwhm = shown.pixels, shown.is_negative, shown.psf_fwhm
        prepared = prepare(contract, pixels, None, is_negative, psf_fwhm=fwhm)
        return prepared.inputs, ~prepared.flag_unscorable

    def _shuffled(self, number: int) -> Iterator[tuple[Rows, LabelledStamps]]:
        """Yield keys and stamps of a buffer; a key is the row, plus the set's length for each repetition."""
        if isinstance(self._stamps, StampSet):
            yield from self._from_disk(self._stamps, number)
            return
        keys = self._keys(range(len(self._stamps)))
        if self._seed is not None:
            keys = keys[generator(self._seed, "stamp-order", number).permutation(len(keys))]
        for start in range(0, len(keys), self._buffer):
            part = keys[start : start + self._buffer]
            yield part, self._stamps[part % len(self._stamps)]

    def _from_disk(self, stamps: StampSet, number: int) -> Iterator[tuple[Rows, LabelledStamps]]:
        blocks = stamps.blocks
        order = np.arange(len(blocks))
        if self._seed is not None:
            order = generator(self._seed, "block-order", number).permutation(len(blocks))
        held: list[tuple[Rows, LabelledStamps]] = []
        n_held = n_buffers = 0
        for place, block in enumerate(order):
            keys = self._keys(blocks[block])
            if keys.size:
                held.append((keys, stamps.read(int(block))[keys % len(stamps) - blocks[block].start]))
                n_held += keys.size
            while n_held >= self._buffer or (n_held and place == len(order) - 1):
                keys = np.concatenate([keys for keys, _ in held])
                content = LabelledStamps.concatenate(content for _, content in held)
                if self._seed is not None:
                    mixed = generator(self._seed, "buffer-order", number, n_buffers).permutation(n_held)
                    keys, content = keys[mixed], content[mixed]
                yield keys[: self._buffer], content[: self._buffer]
                n_buffers += 1
                held, n_held = (
                    [(keys[self._buffer :], content[self._buffer :])],
                    max(n_held - self._buffer, 0),
                )

    def _keys(self, rows: range) -> Rows:
        """Return the keys of some rows, each as often as it is to be shown."""
        repeats = self._repeats[rows.start : rows.stop]
        row = np.repeat(np.arange(rows.start, rows.stop), repeats)
        turn = np.arange(len(row)) - np.repeat(np.cumsum(repeats) - repeats, repeats)
        return np.asarray(row + turn * len(self._stamps), np.int64)


def _repeat_fewer(repeats: Rows, label: npt.NDArray[np.int8], seed: int) -> Rows:
    """Show stamps of the smaller class so often that there are as many as of the other."""
    of_class = [np.flatnonzero((repeats > 0) & (label == value)) for value in (0, 1)]
    fewer, more = sorted(of_class, key=len)
    if not fewer.size:
        raise InvalidInputError(f"stamps of one class only cannot be balanced; got {more.size} of them")
    repeats = repeats.copy()
    times, rest = divmod(more.size, fewer.size)
    repeats[fewer] *= times
    lucky = np.argsort(uniform(seed, "repeated-stamps", fewer)[:, 0], kind="stable")[:rest]
    repeats[fewer[lucky]] += 1
    return repeats


def _ahead(buffers: Iterator[Batch]) -> Iterator[Batch]:
    """Yield buffers, the next one being made meanwhile in a thread: most of the work releases the GIL."""
    with ThreadPoolExecutor(1) as pool:
        coming = pool.submit(next, buffers, None)
        while (batch := coming.result()) is not None:
            coming = pool.submit(next, buffers, None)
            yield batch
