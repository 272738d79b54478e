"""Counts of labels and fates that add up."""

from __future__ import annotations

__all__ = ("count_fates", "count_labels")

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ._intervals import fraction


def count_labels(
    labels: npt.ArrayLike, reasons: npt.ArrayLike, scores: npt.ArrayLike, threshold: float = 0.5
) -> Table:
    """Count DIA sources by label and reason.

    Parameters
    ----------
    labels, reasons
        Label and reason of every source.
    scores
        Score of every source, NaN for none.
    threshold
        Score from which a source is called real.

    Returns
    -------
    astropy.table.Table
        ``label``, ``reason``, ``n``, ``n_scored``, ``n_above``, ``median_score``, and ``fraction_above``, the
        fraction of all ``n`` that is called real, with its binomial interval ``low`` to ``high``; real ones
        first and the most frequent reason first; ``n`` adds up to the number of sources.
    """
    label, reason, score = np.asarray(labels), np.asarray(reasons).astype(str), np.asarray(scores, float)
    rows = []
    for value in (1, 0, -1):
        names, counts = np.unique(reason[label == value], return_counts=True)
        for name, n in sorted(zip(names, counts, strict=True), key=lambda pair: (-pair[1], pair[0])):
            here = score[(label == value) & (reason == name)]
            finite = here[np.isfinite(here)]
            median = float(np.median(finite)) if finite.size else np.nan
            above = fraction(int(np.sum(finite >= threshold)), int(n))
            counts_here = (value, str(name), int(n), finite.size, above.successes, median)
            rows.append((*counts_here, above.value, above.low, above.high))
    return Table(
        rows=rows or None,
        names=(
            "label",
            "reason",
            "n",
            "n_scored",
            "n_above",
            "median_score",
            "fraction_above",
            "low",
            "high",
        ),
        dtype=(np.int8, str, int, int, int, *(float,) * 4),
    )


def count_fates(fates: npt.ArrayLike, order: tuple[str, ...]) -> Table:
    """Count injected sources by fate.

    Parameters
    ----------
    fates
        Fate of every injected source.
    order
        Fates in the order of the table; those that did not happen are left out.

    Returns
    -------
    astropy.table.Table
        ``fate``, ``n`` and ``fraction``; ``n`` adds up to the number of injected sources.
    """
    values = np.asarray(fates).astype(str)
    names = [name for name in (*order, *sorted(set(values) - set(order))) if np.any(values == name)]
    counts = [int(np.sum(values == name)) for name in names]
    return Table(
        {
            "fate": np.array(names, str),
            "n": np.array(counts, int),
            "fraction": np.array(counts, float) / max(values.size, 1),
        }
    )
