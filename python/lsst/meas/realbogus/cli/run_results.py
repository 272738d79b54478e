"""Gather from a Butler what a run of the main job has made."""

from __future__ import annotations

__all__ = ("gather_results",)

import dataclasses
from collections.abc import Mapping
from importlib.metadata import version
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.daf.butler import Butler, DatasetRef

from ..cutouts import ROLES, concatenate, extract_triplets, stamps_of
from ..errors import InvalidInputError
from ..legacy import DeferredImage
from ..report import Results, choose_galleries

_STAMP_SIZE = 51
_IMAGES = {
    "science": "injected_preliminary_visit_image",
    "template": "template_detector",
    "difference": "difference_image",
}
_PACKAGES = ("lsst-meas-realbogus", "lsst-images", "lsst-pipe-base", "numpy", "astropy", "photutils")


def gather_results(
    butler: Butler, collection: str, *, title: str, provenance: Mapping[str, str], threshold: float = 0.5
) -> Results:
    """Read the tables of a run, and stamps to show.

    Parameters
    ----------
    butler
        Repository of the run.
    collection
        Output collection of the run.
    title
        Heading of the report.
    provenance
        What made the run; the models and versions are added.
    threshold
        Score from which a source is called real.

    Returns
    -------
    Results
        All images together, in order of visit and detector.

    Raises
    ------
    InvalidInputError
        Raised if the run has no labelled sources, or scores of other sources.
    """
    run = _Run(butler, collection)
    refs = run.find("dia_source_match")
    if not refs:
        raise InvalidInputError(f"there is no dia_source_match in {collection}")
    sources = vstack([run.sources(ref) for ref in refs], metadata_conflicts="silent")
    models, described = run.models(sources)
    results = Results(
        title=title,
        sources=sources,
        fates=vstack([run.fates(ref) for ref in refs], metadata_conflicts="silent"),
        models=models,
        threshold=threshold,
        provenance={
            **provenance,
            **described,
            "software": ", ".join(f"{package} {version(package)}" for package in _PACKAGES),
        },
    )
    return dataclasses.replace(results, galleries=choose_galleries(results, run.stamps))


Stamps = dict[str, npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True)
class _Run:
    """The datasets of one output collection."""

    butler: Butler
    collection: str

    def find(self, dataset_type: str) -> list[DatasetRef]:
        """Find the datasets of a type, in order of visit and detector."""
        refs = self.butler.query_datasets(
            dataset_type, collections=self.collection, explain=False, limit=None
        )
        return sorted(refs, key=lambda ref: (ref.dataId["visit"], ref.dataId["detector"]))

    def get(self, dataset_type: str, data_id: Any) -> Any:
        """Read one dataset."""
        return self.butler.get(dataset_type, data_id, collections=self.collection)

    def sources(self, ref: DatasetRef) -> Table:
        """Read the DIA sources of an image with their labels and scores."""
        table = self.get("dia_source_unstandardized", ref.dataId)
        parts = [self.butler.get(ref)]
        if self.butler.exists("dia_source_reliability", ref.dataId, collections=self.collection):
            parts.append(self.get("dia_source_reliability", ref.dataId))
            parts[-1].rename_column("id", "diaSourceId")
        for part in parts:
            if not np.array_equal(part["diaSourceId"], table["diaSourceId"]):
                raise InvalidInputError(f"rows of labels, scores and DIA sources differ at {ref.dataId}")
            part.remove_column("diaSourceId")
            for name in part.colnames:
                table[name] = part[name]
        table.meta.clear()
        return table

    def fates(self, ref: DatasetRef) -> Table:
        """Read the fates of an image's injected sources."""
        table = self.get("injected_supernova_fate", ref.dataId)
        table.meta.clear()
        for name in ("detector", "visit"):
            table.add_column(np.full(len(table), ref.dataId[name], np.int64), name=name, index=0)
        return table

    def models(self, sources: Table) -> tuple[dict[str, str], dict[str, str]]:
        """Return the column of scores of each model, and what is known of each."""
        refs = self.find("rbClassifier_metadata")
        if not refs:
            return {}, {}
        task = self.butler.get(refs[0])["rbClassifier"]
        suffixes = [suffix for suffix in ("", "_2") if f"model{suffix}" in task.names()]
        columns = [name for name in ("score_dia", "score_nodia") if name in sources.colnames] or ["score"]
        models, described = {}, {}
        for suffix, column in zip(suffixes, columns, strict=False):
            name = str(task[f"model{suffix}"])
            models[name] = column
            described[f"model {name}"] = f"sha256 {task[f'model_sha256{suffix}']}"
        return models, described

    def stamps(self, places: Table) -> list[Stamps]:
        """Collect triplets of stamps: stored ones of DIA sources, fresh ones elsewhere."""
        triplets: list[Stamps] = [{} for _ in places]
        for ref in self.find("dia_source_match"):
            here = (places["visit"] == ref.dataId["visit"]) & (places["detector"] == ref.dataId["detector"])
            rows = np.flatnonzero(here)
            if not rows.size:
                continue
            stored = self._stored_stamps(ref, places["diaSourceId"][rows])
            is_stored = np.isin(places["diaSourceId"][rows], list(stored))
            for row in rows[is_stored]:
                triplets[row] = stored[int(places["diaSourceId"][row])]
            others = rows[~is_stored]
            for row, triplet in zip(others, self._fresh_stamps(ref, places[others]), strict=True):
                triplets[row] = triplet
        return triplets

    def _stored_stamps(self, ref: DatasetRef, identifiers: npt.NDArray[np.int64]) -> dict[int, Stamps]:
        """Read the stamps of the given sources, as far as they were kept."""
        if not self.butler.exists("dia_source_cutouts", ref.dataId, collections=self.collection):
            return {}
        table = self.get("dia_source_cutouts", ref.dataId)
        table = table[np.isin(table["diaSourceId"], identifiers)]
        pixels = {role: stamps_of(table, role) for role in ROLES}
        return {
            identifier: {role: pixels[role][row] for role in ROLES}
            for row, identifier in enumerate(table["diaSourceId"].tolist())
        }

    def _fresh_stamps(self, ref: DatasetRef, places: Table) -> list[Stamps]:
        """Cut stamps out of the images."""
        if not len(places):
            return []
        science, template, difference = (
            DeferredImage(self.butler.getDeferred(_IMAGES[role], ref.dataId, collections=self.collection))
            for role in ROLES
        )
        block = concatenate(
            extract_triplets(science, template, difference, places["x"], places["y"], _STAMP_SIZE)
        )
        return [{role: block[role].pixels[i] for role in ROLES} for i in range(len(places))]
