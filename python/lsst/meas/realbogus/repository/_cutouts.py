"""Stored stamps with what is known of their sources."""

from __future__ import annotations

__all__ = ("StoredCutouts", "read_cutouts", "read_stamps_with_labels")

import dataclasses
from collections.abc import Iterator
from pathlib import Path

from astropy.table import Table
from lsst.daf.butler import Butler

from ..cutouts import StampBatch
from ..explanation import labelled_batch
from ..legacy import get_table
from ._matches import LabelSource
from ._open import find_table, open_repository, require_datasets


@dataclasses.dataclass(frozen=True)
class StoredCutouts:
    """The stamps of one image.

    Parameters
    ----------
    where
        What to call the image.
    visit, detector
        Of the image.
    cutouts
        Its stamps, or those of them that were chosen.
    total
        How many it has.
    scores, match
        Scores and labels of its sources, `None` where there are none.
    """

    where: str
    visit: int
    detector: int
    cutouts: Table
    total: int
    scores: Table | None
    match: Table | None


def read_cutouts(
    butler: Butler,
    *,
    where: str = "",
    max_sources: int | None = None,
    cutouts: str = "dia_source_cutouts",
    scores: str = "dia_source_reliability",
    labels: LabelSource | None = None,
) -> Iterator[StoredCutouts]:
    """Read the stamps of all images, one image after the other.

    Parameters
    ----------
    butler
        Butler with collections to search.
    where
        Butler expression that selects images, such as ``"visit = 42"``; empty for all.
    max_sources
        Sources to read at most, spread evenly over the images; `None` for all.
    cutouts, scores
        Dataset types.
    labels
        Where labels are; by default ``dia_source_match``.

    Yields
    ------
    StoredCutouts
        In order of the images.

    Raises
    ------
    InvalidInputError
        Raised if there are no stamps, or match tables of AP's and no DIA sources.
    """
    labels = labels or LabelSource()
    refs = require_datasets(butler, cutouts, where)
    left = max_sources
    for number, ref in enumerate(refs):
        table = get_table(butler.getDeferred(ref))
        total = len(table)
        if left is not None:
            share = left // (len(refs) - number)
            if total > share:
                step = total / max(share, 1)
                table = table[[int(row * step) for row in range(share)]]
            left -= len(table)
        visit, detector = int(ref.dataId["visit"]), int(ref.dataId["detector"])
        found, (match, _) = find_table(butler, scores, ref.dataId), labels.read(butler, ref.dataId)
        yield StoredCutouts(
            f"visit {visit}, detector {detector}", visit, detector, table, total, found, match
        )


def read_stamps_with_labels(
    repo: Butler | str | Path,
    collection: str,
    *,
    where: str = "",
    max_sources: int | None = None,
    labels: LabelSource | None = None,
) -> tuple[list[StampBatch], int]:
    """Read stored stamps with what is known of their sources, as explanations take them.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of a run.
    where, max_sources, labels
        As for `read_cutouts`.

    Returns
    -------
    batches
        The sources of each image, in order of the images, with the columns ``visit``, ``detector``, ``snr``,
        ``label`` and ``kind``.
    total
        How many sources the images have.

    Raises
    ------
    InvalidInputError
        Raised if there are no stamps.
    """
    batches, total = [], 0
    with open_repository(repo, collection) as butler:
        for stored in read_cutouts(butler, where=where, max_sources=max_sources, labels=labels):
            total += stored.total
            known = {"visit": stored.visit, "detector": stored.detector}
            batches.append(labelled_batch(stored.cutouts, stored.match, **known))
    return batches, total
