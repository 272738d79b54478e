"""Stored stamps with what is known of their sources."""

from __future__ import annotations

__all__ = ("StoredCutouts", "read_cutouts")

import dataclasses
from collections.abc import Iterator

from astropy.table import Table
from lsst.daf.butler import Butler

from ..errors import InvalidInputError
from ._open import find_dataset, find_datasets


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
    match: str = "dia_source_match",
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
    cutouts, scores, match
        Dataset types.

    Yields
    ------
    StoredCutouts
        In order of the images.

    Raises
    ------
    InvalidInputError
        Raised if there are no stamps.
    """
    refs = find_datasets(butler, cutouts, where)
    if not refs:
        collections = ", ".join(butler.collections.defaults)
        raise InvalidInputError(f"{collections} has no {cutouts}" + (f" where {where}" if where else ""))
    left = max_sources
    for number, ref in enumerate(refs):
        table = butler.get(ref)
        total = len(table)
        if left is not None:
            share = left // (len(refs) - number)
            if total > share:
                step = total / max(share, 1)
                table = table[[int(row * step) for row in range(share)]]
            left -= len(table)
        visit, detector = int(ref.dataId["visit"]), int(ref.dataId["detector"])
        known = [find_dataset(butler, name, ref.dataId) for name in (scores, match)]
        yield StoredCutouts(f"visit {visit}, detector {detector}", visit, detector, table, total, *known)
