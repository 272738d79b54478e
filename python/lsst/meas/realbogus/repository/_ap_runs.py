"""Read what a run of the AP pipeline with injected sources has made."""

from __future__ import annotations

__all__ = ("read_ap_collection",)

from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from lsst.daf.butler import Butler, DataCoordinate

from ..errors import InvalidInputError
from ..evaluation import Results
from ..legacy import get_table
from ..tables import standard_columns
from ..truth import read_ap_matches
from ._open import find_table, open_repository, require_datasets


def read_ap_collection(
    repo: Butler | str | Path,
    collection: str,
    *,
    where: str = "",
    matches: str = "fakes_goodSeeingDiff_matchDiaSrc",
    sources: str = "dia_source_unstandardized",
    scores: str = "dia_source_reliability",
    threshold: float = 0.5,
    unmatched_is_bogus: bool = False,
) -> Results:
    """Read the tables of a run of the AP pipeline, labelled by its own matches with injected sources.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    where
        Butler expression that selects images; empty for all.
    matches, sources, scores
        Dataset types of the matches, the DIA sources and their scores, by the names of ap_pipe's
        ``ApPipeWithFakes.yaml``. That pipeline matches the sources before they are filtered: an injected one
        whose source was filtered out is found, and lost at the next step.
    threshold
        Score from which a source is called real.
    unmatched_is_bogus
        As for `~lsst.meas.realbogus.truth.read_ap_matches`.

    Returns
    -------
    Results
        As from `read_collection`; sources without scores have score NaN.

    Raises
    ------
    InvalidInputError
        Raised if the collection holds no matches, lacks the DIA sources that were matched, or has scores of
        others.
    """
    with open_repository(repo, collection) as butler:
        parts: list[Table] = []
        fates: list[Table] = []
        for ref in require_datasets(butler, matches, where):
            table = find_table(butler, sources, ref.dataId)
            if table is None:
                raise InvalidInputError(f"{collection} has {matches} but no {sources} at {ref.dataId}")
            table = standard_columns(table, counts=True, name=f"{sources} at {ref.dataId}")
            read = read_ap_matches(
                get_table(butler.getDeferred(ref)), table, unmatched_is_bogus=unmatched_is_bogus
            )
            _add_scores(butler, scores, ref.dataId, read.sources)
            primary = read.fates[np.asarray(read.fates["is_primary"])]
            for rows in (read.sources, primary):
                rows.meta.clear()
                for name in ("detector", "visit"):
                    rows[name] = np.full(len(rows), int(ref.dataId[name]), np.int64)
            parts.append(read.sources)
            fates.append(primary)
        return Results(
            sources=vstack(parts, metadata_conflicts="silent"),
            fates=vstack(fates, metadata_conflicts="silent"),
            models={"reliability": "score"},
            threshold=threshold,
            provenance={"matches": matches},
        )


def _add_scores(butler: Butler, dataset_type: str, data_id: DataCoordinate, sources: Table) -> None:
    """Add the column of scores; NaN where there are none."""
    sources["score"] = np.full(len(sources), np.nan, np.float32)
    scores = find_table(butler, dataset_type, data_id)
    if scores is None:
        return
    if not np.array_equal(scores["id"], sources["diaSourceId"]):
        raise InvalidInputError(f"rows of {dataset_type} and DIA sources differ at {data_id}")
    sources["score"] = np.asarray(scores["score"], np.float32)
