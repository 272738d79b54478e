"""Sources to judge scores on, of a run."""

from __future__ import annotations

__all__ = ("read_sample_of_run",)

import dataclasses
from pathlib import Path

from lsst.daf.butler import Butler, DatasetRef

from ..evaluation import ScoredSample, ScoredTables, sample_image, stack_images
from ..legacy import get_table
from ._matches import LabelSource
from ._open import find_table, open_repository
from ._results import find_sources, model_columns

_INJECTED = ("injected_preliminary_visit_image_catalog", "injected_template_detector_catalog")


def read_sample_of_run(
    repo: Butler | str | Path, collection: str, *, where: str = "", labels: LabelSource | None = None
) -> ScoredSample:
    """Read the sources of a run with their labels and scores, and the changes that were not detected.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    where
        Butler expression that selects images, such as ``"visit = 42"``; empty for all.
    labels
        Where labels are; by default ``dia_source_match``.

    Returns
    -------
    ScoredSample
        In order of visit and detector.

    Raises
    ------
    InvalidInputError
        If the collection holds no DIA sources, or labels or scores of other sources.
    """
    with open_repository(repo, collection) as butler:
        tables = (_tables(butler, ref, labels or LabelSource()) for ref in find_sources(butler, where))
        sample = stack_images(map(sample_image, tables))
        return dataclasses.replace(sample, models=model_columns(butler, sample.table, where)[0])


def _tables(butler: Butler, ref: DatasetRef, labels: LabelSource) -> ScoredTables:
    data_id = butler.registry.expandDataId(ref.dataId)
    match, fates = labels.read(butler, data_id)
    injected = [find_table(butler, name, data_id) for name in _INJECTED]
    return ScoredTables(
        visit=int(data_id["visit"]),
        detector=int(data_id["detector"]),
        band=str(data_id["band"]),
        sources=get_table(butler.getDeferred(ref)),
        match=match,
        reliability=find_table(butler, "dia_source_reliability", data_id),
        fates=find_table(butler, "injected_supernova_fate", data_id) if fates is None else fates,
        injected=tuple(part for part in injected if part is not None),
        truth=find_table(butler, "visit_truth", data_id),
    )
