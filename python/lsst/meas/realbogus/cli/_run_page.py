"""The page of a run, as `realbogus report` and `realbogus demo` write it."""

from __future__ import annotations

__all__ = ("write_run_page",)

import functools
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import InvalidInputError

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from ..evaluation import Summary, Validation
    from ..report import CutoutCard


def write_run_page(
    page: Path,
    butler: Butler,
    collection: str,
    *,
    title: str,
    where: str = "",
    threshold: float = 0.5,
    max_sources: int = 2000,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Summary:
    """Read a run and write its page.

    Parameters
    ----------
    page
        File to write; its folder must exist.
    butler
        Repository of the run.
    collection
        Its output collection.
    title
        Heading of the page.
    where
        Butler expression that selects images; empty for all.
    threshold
        Score from which a source is called real.
    max_sources
        Sources to look through, spread evenly over the images; 0 for none.
    provenance
        What made the run, label to value.
    overwrite
        Replace the file if it exists.

    Returns
    -------
    Summary
        The numbers of the run.
    """
    from ..evaluation import summarize
    from ..report import choose_galleries, write_page
    from ..repository import read_collection, read_stamps

    results = read_collection(butler, collection, where=where, threshold=threshold, provenance=provenance)
    galleries = choose_galleries(results, functools.partial(read_stamps, butler, collection))
    write_page(
        page,
        results,
        galleries,
        title=title,
        validation=_validate(butler, collection, where) if len(results.fates) else None,
        cards=_read_cards(butler, collection, where, max_sources) if max_sources else (),
        overwrite=overwrite,
    )
    return summarize(results)


def _validate(butler: Butler, collection: str, where: str) -> Validation | None:
    """Validate the injections; `None` where the run has no injected catalogues of the usual name."""
    from ..repository import validate_collection

    try:
        return validate_collection(butler, collection, where=where)
    except InvalidInputError:
        return None


def _read_cards(butler: Butler, collection: str, where: str, max_sources: int) -> list[CutoutCard]:
    """Read stored stamps; none where the run kept none."""
    from ..report import make_cards
    from ..repository import find_datasets, open_repository, read_cutouts

    with open_repository(butler, collection) as run:
        if not find_datasets(run, "dia_source_cutouts", where):
            return []
        stored = read_cutouts(run, where=where, max_sources=max_sources)
        return [
            card
            for image in stored
            for card in make_cards(image.cutouts, image.scores, image.match, where=image.where)
        ]
