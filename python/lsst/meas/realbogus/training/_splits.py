"""Who learns, who chooses and who judges: no object, host, place or visit on two sides."""

from __future__ import annotations

__all__ = ("SIDES", "Split", "assigned_split", "split_stamps")

import dataclasses
import hashlib
import json
import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import numpy.typing as npt
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from ..errors import InvalidInputError
from ..randomness import uniform
from ..tables import NO_ID, atomic_output, reading

Rows = npt.NDArray[np.int64]

SIDES = ("learn", "choose", "judge")
"""What stamps are for: to learn from, to choose by (epochs, models, thresholds), to judge by."""

_KEYS: Mapping[str, tuple[tuple[str, str], ...]] = {
    "cell": (("sky", "cell"),),
    "host": (("object", "host_id"), ("object", "object_id")),
    "object": (("object", "object_id"),),
    "visit": (("visit", "visit"),),
    "group": (("group", "group"),),
    "source": (),
}
"""Namespace and column of each key. A host of one source is an object to another: its own residual."""

_ACROSS_GROUPS = ("sky", "group")
_LARGE = 0.02
"""Fraction of the stamps from which the sizes of components decide their order."""
_LEAST = 0.25
"""Least part of the fraction asked for that a side must get."""


@dataclasses.dataclass(frozen=True)
class Split:
    """Which stamps learn, choose and judge.

    Parameters
    ----------
    side
        Index in `SIDES`, int8 of shape ``(n,)``.
    component
        Number of the set of stamps that hang together, int64 of shape ``(n,)``.
    by
        What nothing of which is on two sides.
    fractions
        Fractions of stamps asked for.
    seed
        Seed.
    digest
        SHA-256 of the keys of the stamps, to know them by.
    """

    side: npt.NDArray[np.int8]
    component: Rows
    by: tuple[str, ...]
    fractions: tuple[float, ...]
    seed: int
    digest: str

    def rows(self, side: str) -> Rows:
        """Return the rows of one side.

        Parameters
        ----------
        side
            One of `SIDES`.

        Returns
        -------
        numpy.ndarray
            Row numbers, ascending.
        """
        return np.flatnonzero(self.side == SIDES.index(side))

    def summary(self, label: npt.NDArray[np.int8] | None = None) -> dict[str, Any]:
        """Say in numbers what the split is.

        Parameters
        ----------
        label
            1 real, 0 bogus, shape ``(n,)``, to count these too.

        Returns
        -------
        dict
            What JSON can hold.
        """
        sides: dict[str, dict[str, int]] = {}
        for name in SIDES:
            rows = self.rows(name)
            sides[name] = {"stamps": len(rows), "components": len(np.unique(self.component[rows]))}
            if label is not None:
                sides[name]["real"] = int((label[rows] == 1).sum())
        return {
            "by": list(self.by),
            "fractions": list(self.fractions),
            "seed": self.seed,
            "digest": self.digest,
            "sides": sides,
        }

    def save(self, path: Path, label: npt.NDArray[np.int8] | None = None) -> None:
        """Write the split down: a table with ``row``, ``side`` and ``component``, and a summary beside it.

        Parameters
        ----------
        path
            File of the table, ``.csv``; the summary has the ending ``.json``. What exists is replaced.
        label
            As for `summary`.
        """
        with atomic_output(path, overwrite=True) as place, place.open("w") as file:
            file.write("row,side,component\n")
            names = np.array(SIDES)[self.side].tolist()
            for row, (name, component) in enumerate(zip(names, self.component.tolist(), strict=True)):
                file.write(f"{row},{name},{component}\n")
        with atomic_output(path.with_suffix(".json"), overwrite=True) as place:
            place.write_text(json.dumps(self.summary(label), indent=1) + "\n")

    @classmethod
    def load(cls, path: Path, columns: Mapping[str, npt.NDArray[Any]]) -> Self:
        """Read what `save` wrote.

        Parameters
        ----------
        path
            File of the table.
        columns
            Columns of the stamps, as for `split_stamps`.

        Raises
        ------
        InvalidInputError
            Raised if the files are damaged, or the split is of other stamps.
        """
        with reading(str(path), "a split"):
            summary = json.loads(path.with_suffix(".json").read_text())
            lines = [line.split(",") for line in path.read_text().splitlines()[1:]]
            side = np.array([SIDES.index(line[1]) for line in lines], np.int8)
            component = np.array([int(line[2]) for line in lines], np.int64)
        by = tuple(summary["by"])
        if (found := _digest(columns, by)) != summary["digest"]:
            raise InvalidInputError(
                f"{path}: a split of other stamps: their keys have the digest {summary['digest'][:12]}, "
                f"those given {found[:12]}"
            )
        return cls(side, component, by, tuple(summary["fractions"]), summary["seed"], found)


def split_stamps(
    columns: Mapping[str, npt.NDArray[Any]],
    *,
    by: Iterable[str] = ("cell", "host", "object", "visit"),
    fractions: Sequence[float] = (0.7, 0.15, 0.15),
    seed: int = 1,
) -> Split:
    """Split stamps into those to learn from, to choose by and to judge by.

    Parameters
    ----------
    columns
        Columns of the stamps (`LabelledStamps.columns`, `StampSet.columns`): ``group`` and those that the
        keys stand for.
    by
        What must not be on two sides: ``"cell"`` of the sky, ``"host"``, ``"object"``, ``"visit"``,
        ``"group"``. Objects, hosts and visits are those of a group; what is not known keeps nothing together.
        ``"source"``, by itself, splits source by source, with a warning.
    fractions
        Fractions of the stamps on each side, met as far as what hangs together allows.
    seed
        Seed.

    Returns
    -------
    Split
        The split.

    Raises
    ------
    InvalidInputError
        Raised if keys or fractions cannot be used, or if too much hangs together for three sides.

    Notes
    -----
    Stamps that share a key are joined, and so are those that share one with these, and so on (connected
    components of the graph of stamps and keys). Components go, the largest first, to the side that lacks
    most.
    """
    by, fractions = tuple(by), tuple(float(part) for part in fractions)
    _check(by, fractions)
    if by == ("source",):
        warnings.warn(
            "stamps are split source by source: the same galaxies, visits and skies are on every side, and "
            "figures of the judging side are too good",
            stacklevel=2,
        )
    component = _components(columns, by)
    numbers, counts = np.unique(component, return_counts=True)
    side = _assign(counts, fractions, seed)
    got = np.bincount(side, counts, minlength=len(SIDES)) / max(len(component), 1)
    if np.any(got < _LEAST * np.array(fractions)):
        raise InvalidInputError(
            f"{len(component)} stamps hang together in {len(numbers)} sets by {', '.join(by)}, the largest "
            f"of {counts.max(initial=0)}: too few for {', '.join(SIDES)}. Visits that see the same sky chain "
            "all of it: leave 'visit' out of what stamps are split by (then a visit may be on two sides), or "
            "add surveys of other fields, of which each is a set"
        )
    return Split(side[component], component, by, fractions, seed, _digest(columns, by))


def assigned_split(
    columns: Mapping[str, npt.NDArray[Any]], *, choose: Iterable[int], judge: Iterable[int]
) -> Split:
    """Split stamps by groups (surveys, nights, fields) whose side is given.

    Parameters
    ----------
    columns
        Columns of the stamps, as for `split_stamps`.
    choose, judge
        Groups to choose by and to judge by; all others are learnt from.

    Returns
    -------
    Split
        The split.

    Raises
    ------
    InvalidInputError
        Raised if a group is to choose and to judge, or there is none of a side.
    """
    group = np.asarray(columns["group"], np.int64)
    sides = {"choose": sorted(set(choose)), "judge": sorted(set(judge))}
    if both := set(sides["choose"]) & set(sides["judge"]):
        raise InvalidInputError(f"groups {sorted(both)} are to choose the epoch and to judge the model")
    side = np.zeros(len(group), np.int8)
    for name, groups in sides.items():
        side[np.isin(group, groups)] = SIDES.index(name)
    counts = np.bincount(side, minlength=len(SIDES))
    if not counts.all():
        missing = ", ".join(name for name, count in zip(SIDES, counts, strict=True) if not count)
        raise InvalidInputError(
            f"no stamps to {missing} by: there are the groups {np.unique(group).tolist()}"
        )
    fractions = tuple((counts / len(group)).round(4).tolist())
    return Split(
        side, _components(columns, ("group",)), ("group",), fractions, 0, _digest(columns, ("group",))
    )


def _check(by: tuple[str, ...], fractions: tuple[float, ...]) -> None:
    if not by or not set(by) <= set(_KEYS):
        raise InvalidInputError(f"stamps are split by some of {', '.join(_KEYS)}; got {by}")
    if "source" in by and len(by) > 1:
        raise InvalidInputError(f"a split by source keeps nothing together; got {by}")
    if len(fractions) != len(SIDES) or min(fractions) <= 0 or abs(sum(fractions) - 1) > 1e-6:
        raise InvalidInputError(f"fractions of {', '.join(SIDES)} must be above 0, of sum 1; got {fractions}")


def _keys(columns: Mapping[str, npt.NDArray[Any]], by: tuple[str, ...]) -> Iterator[tuple[Rows, Rows]]:
    """Yield rows and their keys ``(namespace, group, value)``."""
    used = sorted({key for name in by for key in _KEYS[name]})
    namespaces = sorted({namespace for namespace, _ in used})
    group = np.asarray(columns["group"], np.int64)
    for namespace, column in used:
        value = np.asarray(columns[column], np.int64)
        rows = np.flatnonzero((value != NO_ID) | (namespace == "group"))
        scope = np.zeros_like(group) if namespace in _ACROSS_GROUPS else group
        number = np.full(len(rows), namespaces.index(namespace), np.int64)
        yield rows, np.stack([number, scope[rows], value[rows]], axis=1)


def _components(columns: Mapping[str, npt.NDArray[Any]], by: tuple[str, ...]) -> Rows:
    """Return for every stamp the number of its component, counted in the order of first rows."""
    n = len(columns["group"])
    parts = list(_keys(columns, by))
    if not parts:
        return np.arange(n, dtype=np.int64)
    rows, keys = (np.concatenate(part) for part in zip(*parts, strict=True))
    nodes = np.unique(keys, axis=0, return_inverse=True)[1].ravel()
    size = n + int(nodes.max(initial=-1)) + 1
    graph = coo_array((np.ones(len(rows), np.int8), (rows, n + nodes)), shape=(size, size))
    found = connected_components(graph, directed=False)[1][:n]
    _, first, inverse = np.unique(found, return_index=True, return_inverse=True)
    return np.argsort(np.argsort(first))[inverse].astype(np.int64)


def _assign(counts: Rows, fractions: tuple[float, ...], seed: int) -> npt.NDArray[np.int8]:
    """Return the side of each component: large ones first, the others at random, where most is lacking."""
    n = counts.sum()
    draw = uniform(seed, "split", np.arange(len(counts)))[:, 0]
    lacking = np.array(fractions) * n
    side = np.zeros(len(counts), np.int8)
    for number in np.lexsort((draw, -(counts // max(_LARGE * n, 1)))):
        side[number] = lacking.argmax()
        lacking[side[number]] -= counts[number]
    return side


def _digest(columns: Mapping[str, npt.NDArray[Any]], by: tuple[str, ...]) -> str:
    content = hashlib.sha256(f"{len(columns['group'])} {' '.join(by)}".encode())
    for rows, keys in _keys(columns, by):
        content.update(rows.astype("<i8").tobytes())
        content.update(keys.astype("<i8").tobytes())
    return content.hexdigest()
