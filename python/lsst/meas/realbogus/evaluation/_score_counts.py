"""Scores counted image by image: all that is kept of thousands of visits."""

from __future__ import annotations

__all__ = ("REASONS", "SCORE_COUNTS", "NightOptions", "count_scores")

import dataclasses
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidInputError
from ..options import Options, option
from ..tables import Column, Schema, make_table

REASONS = ("edge", "nan", "degenerate", "no_template", "unscorable")
"""Flags of score tables, without ``flag_``, that say why a source has no score."""

SCORE_COUNTS: Schema = {
    "collection": Column("U120", "where the scores are"),
    "visit": Column("int64", "visit"),
    "detector": Column("int64", "detector"),
    "n": Column("int64", "DIA sources"),
    "n_scored": Column("int64", "of them with a score"),
    "n_above": Column("int64", "of them at or above the threshold"),
    "histogram": Column("int64", "scores in equal bins from 0 to 1", shape=("bins",)),
    **{
        f"unscored_{reason}": Column(
            "int64", f"without a score and with flag_{reason}; a source may have several"
        )
        for reason in REASONS
    },
}
"""What `count_scores` makes, a row for each image."""


@dataclasses.dataclass(frozen=True)
class NightOptions(Options):
    """How scores are counted, and what counts as drift."""

    threshold: float = option(0.5, "Score from which a source is called real.", min=0.0, max=1.0)
    n_bins: int = option(100, "Bins of the scores from 0 to 1.", min=10)
    false_discoveries: float = option(
        0.05, "Expected fraction of false alarms among what is said to have drifted.", above=0.0, below=1.0
    )
    min_ratio: float = option(
        1.25, "Rates that differ by a smaller factor have not drifted, however significant.", min=1.0
    )
    min_distance: float = option(
        0.1, "Nor have distributions of scores nearer than this (Kolmogorov-Smirnov distance).", min=0.0
    )
    min_sources: int = option(50, "Nor groups with fewer sources.", min=1)


def count_scores(
    images: npt.ArrayLike,
    image_of_row: npt.ArrayLike,
    scores: npt.ArrayLike,
    flags: Mapping[str, npt.ArrayLike] | None = None,
    *,
    options: NightOptions | None = None,
    collection: str = "",
) -> Table:
    """Count the scores of many images in one pass.

    Parameters
    ----------
    images
        Visit and detector of each image, int64 of shape ``(m, 2)``; images without sources too.
    image_of_row
        Which image each source is of, shape ``(n,)``, numbers of rows of ``images``.
    scores
        Shape ``(n,)``, NaN for sources without a score.
    flags
        Bools of shape ``(n,)`` by name of `REASONS`; those that are not there count none.
    options
        Threshold and bins.
    collection
        Where the scores are.

    Returns
    -------
    astropy.table.Table
        Table of schema `SCORE_COUNTS`, one row for each image, in order.

    Raises
    ------
    InvalidInputError
        Raised if a score is not between 0 and 1.

    Examples
    --------
    >>> counts = count_scores([[7, 0], [7, 1]], [0, 0, 1], [0.9, float("nan"), 0.2])
    >>> counts["n"].tolist(), counts["n_scored"].tolist(), counts["n_above"].tolist()
    ([2, 1], [1, 1], [1, 0])
    """
    options = options or NightOptions()
    keys = np.asarray(images, np.int64).reshape(-1, 2)
    place, values = np.asarray(image_of_row, np.int64), np.asarray(scores, np.float64)
    is_scored = np.isfinite(values)
    known = values[is_scored]
    if known.size and (known.min() < 0 or known.max() > 1):
        raise InvalidInputError(f"scores must lie in [0, 1]; got {known.min():g} to {known.max():g}")
    m, bins = len(keys), options.n_bins

    def count(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.int64]:
        return np.bincount(place[chosen], minlength=m).astype(np.int64)

    cell = place[is_scored] * bins + np.minimum((known * bins).astype(np.int64), bins - 1)
    columns = {
        "collection": np.full(m, collection, dtype=f"U{max(len(collection), 1)}"),
        "visit": keys[:, 0],
        "detector": keys[:, 1],
        "n": count(np.ones(values.size, bool)),
        "n_scored": count(is_scored),
        "n_above": count(is_scored & (values >= options.threshold)),
        "histogram": np.bincount(cell, minlength=m * bins).reshape(m, bins),
    }
    for name, flag in (flags or {}).items():
        columns[f"unscored_{name}"] = count(~is_scored & np.asarray(flag, bool))
    return make_table(SCORE_COUNTS, columns, m)
