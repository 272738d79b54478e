"""The sources to look at first."""

from __future__ import annotations

__all__ = ("HardestCases", "find_hardest")

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from astropy.table import Table

type Rows = npt.NDArray[np.intp]


@dataclass(frozen=True)
class HardestCases:
    """Rows of a table of explanations, the hardest first.

    Parameters
    ----------
    false_positives
        Bogus sources with the highest scores, of those called real.
    false_negatives
        Real sources with the lowest scores, of those called bogus.
    unsure
        Sources with scores next to the threshold, whatever their label.
    n_false_positives, n_false_negatives
        How many errors there are in all.
    """

    false_positives: Rows
    false_negatives: Rows
    unsure: Rows
    n_false_positives: int
    n_false_negatives: int


def find_hardest(table: Table, n: int, threshold: float = 0.5) -> HardestCases:
    """Find the most confident errors and the sources of which the model is least sure.

    Parameters
    ----------
    table
        ``outcome`` and ``score``, as from `explain_stamps`.
    n
        Largest number of each.
    threshold
        Score from which a source is called real.

    Returns
    -------
    HardestCases
        Rows of the table. Equal scores stay in the order of the table.
    """
    outcome, score = np.asarray(table["outcome"]).astype(str), np.asarray(table["score"], float)
    wrong, missed = np.flatnonzero(outcome == "FP"), np.flatnonzero(outcome == "FN")
    scored = np.flatnonzero(np.isfinite(score))
    return HardestCases(
        wrong[np.argsort(-score[wrong], kind="stable")][:n],
        missed[np.argsort(score[missed], kind="stable")][:n],
        scored[np.argsort(np.abs(score[scored] - threshold), kind="stable")][:n],
        wrong.size,
        missed.size,
    )
