"""What a run makes of every kind of real and bogus source: how many are found, and how they are scored."""

from __future__ import annotations

__all__ = ("KindResult", "KindScores", "count_kinds")

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ..truth import FAKE, Fate, Label
from ._intervals import Fraction, fraction
from ._results import Results
from ._tally import count_labels

DETECTABLE = 5.0
"""Expected SNR from which a change of the sky is meant to be found."""


@dataclasses.dataclass(frozen=True)
class KindScores:
    """How one model scores the sources of a kind.

    Parameters
    ----------
    above
        Fraction of the sources at or above the threshold; those without a score are not.
    median
        Median score of those that have one, NaN for none.
    n_scored
        How many have one.
    """

    above: Fraction
    median: float
    n_scored: int


@dataclasses.dataclass(frozen=True)
class KindResult:
    """The sources of one kind with one label.

    Parameters
    ----------
    label, kind
        What they are.
    n
        How many sources.
    found
        Fraction of the changes of this kind with an expected SNR of at least 5 that have a source; `None`
        where that cannot be known.
    models
        Scores by model.
    """

    label: int
    kind: str
    n: int
    found: Fraction | None
    models: Mapping[str, KindScores]


def count_kinds(results: Results) -> list[KindResult]:
    """Count the sources of every kind, and how each model scores them.

    Parameters
    ----------
    results
        Tables of the run.

    Returns
    -------
    list of KindResult
        Real kinds first, the most frequent first; the numbers of sources add up. Real kinds of which changes
        were expected, but no source was found, are there with a number of 0.
    """
    labels, kinds = np.asarray(results.sources["label"]), results.kinds
    tables = {
        name: count_labels(labels, kinds, results.scores(name), results.threshold) for name in results.models
    }
    counts = count_labels(labels, kinds, np.full(labels.size, np.nan))
    found = _found(results)
    rows = []
    for i, row in enumerate(counts):
        label, kind = int(row["label"]), str(row["reason"])
        rows.append(
            KindResult(
                label=label,
                kind=kind,
                n=int(row["n"]),
                found=found.pop(kind, None) if label == Label.REAL else None,
                models={name: _scores(table[i]) for name, table in tables.items()},
            )
        )
    nothing = {name: KindScores(fraction(0, 0), float("nan"), 0) for name in results.models}
    lost = [
        KindResult(int(Label.REAL), kind, 0, part, nothing) for kind, part in found.items() if part.trials
    ]
    n_real = sum(row.label == Label.REAL for row in rows)
    return [*rows[:n_real], *lost, *rows[n_real:]]


def _scores(row: Mapping[str, float]) -> KindScores:
    above = fraction(int(row["n_above"]), int(row["n"]))
    return KindScores(above, float(row["median_score"]), int(row["n_scored"]))


def _found(results: Results) -> dict[str, Fraction]:
    """Fraction of the detectable changes of each kind that have a source."""
    parts: dict[str, Fraction] = {}
    fates = results.fates
    if len(fates):
        fate = np.asarray(fates["fate"])
        drawn = (fate != Fate.NOT_DRAWN) & (fate != Fate.OFF_IMAGE)
        expected = drawn & (np.asarray(fates["snr_expected"], float) >= DETECTABLE)
        # Without kinds in the table the sources of fakes are called by their reason.
        name = FAKE if "kind" in results.sources.colnames else "injected"
        parts[name] = fraction(int((fate[expected] == Fate.FOUND).sum()), int(expected.sum()))
    if results.changes is None or "truth_id" not in results.sources.colnames:
        return parts
    changes, sources = results.changes, results.sources
    real = np.asarray(sources["label"]) == Label.REAL
    known = set(zip(*(_ids(sources, name)[real].tolist() for name in _KEYS), strict=True))
    has_source = np.array(
        [key in known for key in zip(*(_ids(changes, name).tolist() for name in _KEYS), strict=True)], bool
    )
    kinds = np.asarray(changes["kind"]).astype(str)
    expected = np.asarray(changes["snr_expected"], float) >= DETECTABLE
    for kind in np.unique(kinds):
        here = expected & (kinds == kind)
        parts[str(kind)] = fraction(int(has_source[here].sum()), int(here.sum()))
    return parts


_KEYS = ("visit", "detector", "truth_id")


def _ids(table: Mapping[str, npt.ArrayLike], name: str) -> npt.NDArray[np.int64]:
    return np.asarray(table[name], np.int64)
