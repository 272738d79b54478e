"""Labelled stamps: what a classifier learns from."""

from __future__ import annotations

__all__ = ("LabelledStamps", "dihedral")

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..cutouts import stored_stamps
from ..errors import InvalidCatalogError, InvalidInputError
from ..randomness import uniform
from ..tables import atomic_output

IMAGES = ("difference", "science", "template")


@dataclass(frozen=True)
class LabelledStamps:
    """Stamps of DIA sources with what each one really is.

    Parameters
    ----------
    pixels
        Image name to float32 stamps of shape ``(n, h, w)``, NaN where a pixel is missing.
    label
        Int8 array of shape ``(n,)``: 1 real, 0 bogus.
    reason
        Why a source has its label (``label_reason`` of ``dia_source_match``), shape ``(n,)``.
    is_negative
        Whether the source is negative in the difference, bool of shape ``(n,)``.
    snr
        Signal to noise of the source in the difference, float of shape ``(n,)``.
    group
        What must not be split between learning, choosing and judging (a survey, a field), int64 of shape
        ``(n,)``.
    """

    pixels: dict[str, npt.NDArray[np.float32]]
    label: npt.NDArray[np.int8]
    reason: npt.NDArray[np.str_]
    is_negative: npt.NDArray[np.bool_]
    snr: npt.NDArray[np.float64]
    group: npt.NDArray[np.int64]

    def __post_init__(self) -> None:
        n = len(self.label)
        lengths = {name: len(value) for name, value in self._columns().items() if len(value) != n}
        if lengths:
            raise InvalidInputError(f"columns of labelled stamps differ in length: {lengths}, expected {n}")

    def _columns(self) -> dict[str, npt.NDArray[Any]]:
        plain = {name: getattr(self, name) for name in ("reason", "is_negative", "snr", "group")}
        return {**self.pixels, **plain}

    def __len__(self) -> int:
        return len(self.label)

    def __getitem__(self, rows: npt.NDArray[Any]) -> Self:
        """Return the given rows (an index or boolean array)."""
        return type(self)(
            pixels={name: stamps[rows] for name, stamps in self.pixels.items()},
            label=self.label[rows],
            reason=self.reason[rows],
            is_negative=self.is_negative[rows],
            snr=self.snr[rows],
            group=self.group[rows],
        )

    @classmethod
    def from_tables(cls, cutouts: Table, match: Table, sources: Table, group: int) -> Self:
        """Join stamps, labels and measurements of one detector, leaving out undecided sources.

        Parameters
        ----------
        cutouts
            A ``dia_source_cutouts`` table.
        match
            The ``dia_source_match`` table of the same sources.
        sources
            The ``dia_source_unstandardized`` table of the same sources.
        group
            Value of `group` for all rows.

        Raises
        ------
        InvalidCatalogError
            Raised if the three tables do not hold the same sources in the same order.
        """
        for name, other in (("dia_source_match", match), ("dia_source_unstandardized", sources)):
            if not np.array_equal(cutouts["diaSourceId"], other["diaSourceId"]):
                raise InvalidCatalogError(name, ["its diaSourceId differ from those of dia_source_cutouts"])
        rows = np.asarray(match["label"]) >= 0
        return cls(
            pixels={name: stamps.pixels for name, stamps in stored_stamps(cutouts[rows], IMAGES).items()},
            label=np.asarray(match["label"][rows], dtype=np.int8),
            reason=np.asarray(match["label_reason"][rows], dtype=np.str_),
            is_negative=np.asarray(sources["isNegative"][rows], dtype=np.bool_),
            snr=np.abs(np.asarray(sources["snr"][rows], dtype=np.float64)),
            group=np.full(int(rows.sum()), group, dtype=np.int64),
        )

    @classmethod
    def concatenate(cls, parts: Iterable[Self]) -> Self:
        """Put several sets of stamps one after the other.

        Parameters
        ----------
        parts
            The sets, at least one.
        """
        parts = list(parts)
        if not parts:
            raise InvalidInputError("no labelled stamps to concatenate")
        return cls(
            pixels={name: np.concatenate([part.pixels[name] for part in parts]) for name in parts[0].pixels},
            label=np.concatenate([part.label for part in parts]),
            reason=np.concatenate([part.reason for part in parts]),
            is_negative=np.concatenate([part.is_negative for part in parts]),
            snr=np.concatenate([part.snr for part in parts]),
            group=np.concatenate([part.group for part in parts]),
        )

    def save(self, path: Path) -> None:
        """Write everything to a compressed ``.npz`` file.

        Parameters
        ----------
        path
            File to write, with the ending ``.npz``; one that exists is replaced.
        """
        columns: dict[str, Any] = {"label": self.label, **self._columns()}
        with atomic_output(path, overwrite=True) as place:
            np.savez_compressed(place, **columns)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path
            File to read.
        """
        with np.load(path, allow_pickle=False) as content:
            columns = {name: content[name] for name in content.files}
        return cls(pixels={name: columns.pop(name) for name in IMAGES if name in columns}, **columns)

    def in_groups(self, groups: Sequence[int]) -> Self:
        """Return the rows of some groups.

        Parameters
        ----------
        groups
            The groups.

        Returns
        -------
        LabelledStamps
            All of their rows, in the order they have here.
        """
        return self[np.isin(self.group, np.asarray(groups, np.int64))]


def dihedral(stamps: npt.NDArray[np.float32], element: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
    """Turn and mirror square stamps, each by its own element of the dihedral group of the square.

    Parameters
    ----------
    stamps
        Array of shape ``(n, h, h, …)``; trailing axes are carried along.
    element
        Integers 0 … 7 of shape ``(n,)``: ``element % 4`` quarter turns, mirrored where ``element >= 4``.

    Returns
    -------
    numpy.ndarray
        A new array of the same shape.
    """
    out = np.empty_like(stamps)
    for value in range(8):
        rows = element == value
        turned = np.rot90(stamps[rows], value % 4, axes=(1, 2))
        out[rows] = turned[:, :, ::-1] if value >= 4 else turned
    return out


def random_elements(seed: int, epoch: int, n: int) -> npt.NDArray[np.int64]:
    """Draw an element of the dihedral group for each stamp of an epoch.

    Parameters
    ----------
    seed
        Seed of the training.
    epoch
        Number of the epoch.
    n
        How many stamps.
    """
    return (8 * uniform(seed, f"augmentation-{epoch}", np.arange(n))[:, 0]).astype(np.int64)
