"""Choose sources to show: the usual ones, and those where something went wrong."""

from __future__ import annotations

__all__ = ("CARDS", "Gallery", "ReadStamps", "TripletCard", "choose_galleries")

import dataclasses
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..evaluation import Results
from ..truth import Fate, Label, Reason

Rows = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

_PLACE = ["visit", "detector", "diaSourceId", "x", "y"]

Stamps = Mapping[str, npt.NDArray[np.floating]]

#: Gives the stamps, by role, at each row of a table with ``visit``, ``detector``, ``x``, ``y`` and
#: ``diaSourceId``, which is -1 where there is no DIA source.
ReadStamps = Callable[[Table], Sequence[Stamps]]

#: Largest number of cards in a gallery.
CARDS = 12


@dataclasses.dataclass(frozen=True)
class TripletCard:
    """The stamps of one place on the sky, and what is known of it.

    Parameters
    ----------
    heading
        Short name.
    stamps
        Pixels by role (science, template, difference), square float arrays, NaN where missing.
    scores
        Score by model, NaN for none.
    facts
        Further lines, label to value.
    """

    heading: str
    stamps: Mapping[str, npt.NDArray[np.floating]]
    scores: Mapping[str, float]
    facts: Mapping[str, str]


@dataclasses.dataclass(frozen=True)
class Gallery:
    """Cards of one kind.

    Parameters
    ----------
    title, description
        Heading and one sentence.
    cards
        The cards, in order.
    total
        How many there were to choose from.
    """

    title: str
    description: str
    cards: Sequence[TripletCard]
    total: int


def choose_galleries(results: Results, read: ReadStamps) -> list[Gallery]:
    """Choose what to show of a run.

    Parameters
    ----------
    results
        Tables of the run.
    read
        Gives stamps; called once.

    Returns
    -------
    list of Gallery
        Those that have something in them: found fakes, other real sources, bogus ones, what the first model
        gets wrong, what it cannot score, and lost fakes.
    """
    chosen = [choice for choice in (*_choose_sources(results), _choose_lost(results)) if len(choice.rows)]
    if not chosen:
        return []
    stamps = iter(read(vstack([choice.rows[_PLACE] for choice in chosen], metadata_conflicts="silent")))
    return [
        Gallery(
            choice.title,
            choice.description,
            [choice.card(row, next(stamps), results.models) for row in choice.rows],
            choice.total,
        )
        for choice in chosen
    ]


@dataclasses.dataclass(frozen=True)
class _Choice:
    """Rows to show, from ``total`` such rows."""

    title: str
    description: str
    rows: Table
    total: int
    card: Callable[[Any, Stamps, Mapping[str, str]], TripletCard]


def _choose_sources(results: Results) -> Iterator[_Choice]:
    sources, label = results.sources, results.labels
    reason, snr = np.asarray(sources["label_reason"]), np.abs(np.asarray(sources["snr"], float))

    def choice(title: str, description: str, rows: Rows, total: int) -> _Choice:
        return _Choice(title, description, sources[rows], total, _source_card)

    injected = np.flatnonzero(reason == Reason.INJECTED)
    changes = np.flatnonzero((label == Label.REAL) & (reason != Reason.INJECTED))
    bogus = np.flatnonzero(label == Label.BOGUS)
    name = next(iter(results.models), None)
    score = np.full(len(sources), np.nan) if name is None else results.scores(name)
    order = "From faint to bright."
    yield choice("Injected supernovae that were found", order, _spread(injected, snr), injected.size)
    yield choice(
        "Transients, variables and asteroids",
        "Of every kind, from faint to bright.",
        _spread_kinds(changes, results.kinds, snr),
        changes.size,
    )
    yield choice("Bogus sources", "Of every kind.", _varied(bogus, reason, score), bogus.size)
    if name is None:
        return
    passed = bogus[score[bogus] >= results.threshold]
    best = passed[np.argsort(-score[passed], kind="stable")]
    yield choice(
        f"Bogus sources that {name} takes for real", "The highest score first.", best[:CARDS], best.size
    )
    rejected = np.flatnonzero((label == Label.REAL) & (score < results.threshold))
    worst = rejected[np.argsort(score[rejected], kind="stable")]
    yield choice(
        f"Real sources that {name} takes for bogus", "The lowest score first.", worst[:CARDS], worst.size
    )
    unscored = np.flatnonzero(~np.isfinite(score))
    yield choice("Sources without a score", "Their flags say why.", unscored[:CARDS], unscored.size)


def _spread(rows: Rows, values: Floats) -> Rows:
    """Choose rows evenly from the smallest to the largest value."""
    order = rows[np.argsort(values[rows], kind="stable")]
    chosen: Rows = order[np.unique(np.linspace(0, order.size - 1, min(CARDS, order.size)).astype(int))]
    return chosen


def _spread_kinds(rows: Rows, kinds: npt.NDArray[np.str_], values: Floats) -> Rows:
    """Choose as many rows of every kind, as far as there are, each from the smallest to the largest value."""
    names = np.unique(kinds[rows])
    queues = [_spread(rows[kinds[rows] == name], values) for name in names]
    shares = dict.fromkeys(range(len(queues)), 0)
    left = min(CARDS, rows.size)
    while left:
        for i in shares:
            if left and shares[i] < len(queues[i]):
                shares[i], left = shares[i] + 1, left - 1
    parts = [
        queue[np.unique(np.linspace(0, len(queue) - 1, shares[i]).astype(int))]
        for i, queue in enumerate(queues)
        if shares[i]
    ]
    return np.concatenate(parts) if parts else rows


def _varied(rows: Rows, reason: npt.NDArray[np.str_], score: Floats) -> Rows:
    """Choose rows of every reason in turn, those with a usual score first."""
    queues = []
    for name in np.unique(reason[rows]):
        of_kind = rows[reason[rows] == name]
        known = score[of_kind][np.isfinite(score[of_kind])]
        apart = np.abs(score[of_kind] - (np.median(known) if known.size else 0))
        queues.append(of_kind[np.argsort(apart, kind="stable")])
    turns = [queue[turn] for turn in range(CARDS) for queue in queues if turn < queue.size]
    return np.array(turns[:CARDS], np.intp)


def _choose_lost(results: Results) -> _Choice:
    fate = np.asarray(results.fates["fate"])
    lost = np.flatnonzero((fate != Fate.FOUND) & (fate != Fate.NOT_DRAWN) & (fate != Fate.OFF_IMAGE))
    snr = np.nan_to_num(np.asarray(results.fates["snr_expected"], float)[lost])
    rows = lost[np.argsort(-snr, kind="stable")][:CARDS]
    description = "The highest expected SNR first, with what became of them."
    return _Choice(
        "Injected supernovae that were lost", description, results.fates[rows], lost.size, _fate_card
    )


def _heading(row: Any) -> str:
    return f"visit {row['visit']}, detector {row['detector']}"


def _place(row: Any) -> str:
    return f"{row['x']:.0f}, {row['y']:.0f}"


def _source_card(row: Any, stamps: Stamps, models: Mapping[str, str]) -> TripletCard:
    facts = {"": str(row["label_reason"]).replace("_", " "), "SNR": f"{row['snr']:.1f}", "at": _place(row)}
    flags = [name.removeprefix("flag_") for name in row.colnames if name.startswith("flag_") and row[name]]
    if flags:
        facts["flags"] = ", ".join(flags)
    return TripletCard(
        _heading(row), stamps, {name: float(row[column]) for name, column in models.items()}, facts
    )


def _fate_card(row: Any, stamps: Stamps, models: Mapping[str, str]) -> TripletCard:
    facts = {
        "": str(row["fate"]).replace("_", " "),
        "expected SNR": f"{row['snr_expected']:.1f}",
        "mag": f"{row['mag']:.1f}",
        "at": _place(row),
    }
    return TripletCard(_heading(row), stamps, {}, facts)
