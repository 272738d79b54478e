"""Read what a run of the main job has made."""

from __future__ import annotations

__all__ = ("SOURCES", "find_sources", "model_columns", "read_associations", "read_collection", "read_stamps")

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.daf.butler import Butler, DatasetRef, MissingDatasetTypeError

from ..cutouts import ROLES, concatenate, extract_triplets, stamps_of
from ..errors import InvalidInputError
from ..evaluation import Results
from ..legacy import DeferredImage, get_table
from ..tables import empty_table, standard_columns
from ..truth import INJECTED_FATE, REAL_KINDS, Label
from ._matches import LabelSource
from ._open import find_datasets, find_table, open_repository, require_datasets

SOURCES = "dia_source_unstandardized"
_STAMP_SIZE = 51
_IMAGES = {
    "science": ("injected_preliminary_visit_image",),
    "template": ("injected_template_detector", "template_detector"),
    "difference": ("difference_image",),
}
"""Names of each image, the one with fakes first where only some runs have it."""
_SCORES = ("score_dia", "score_nodia")
# Packages that decide what a run makes, as the run's own dataset ``packages`` calls them.
_PACKAGES = (
    "meas_realbogus",
    "images",
    "pipe_base",
    "daf_butler",
    "numpy",
    "scipy",
    "astropy",
    "photutils",
    "onnxruntime",
    "torch",
)

Stamps = dict[str, npt.NDArray[np.float32]]


def read_collection(
    repo: Butler | str | Path,
    collection: str,
    *,
    where: str = "",
    threshold: float = 0.5,
    provenance: Mapping[str, str] | None = None,
    labels: LabelSource | None = None,
) -> Results:
    """Read the tables of a run, all images together.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    where
        Butler expression that selects images, such as ``"visit = 42"``; empty for all.
    threshold
        Score from which a source is called real.
    provenance
        What made the run, label to value; the models and the run's software are added.
    labels
        Where labels are; by default ``dia_source_match``.

    Returns
    -------
    Results
        DIA sources joined with their labels and scores, and the fates of the injected sources, in order of
        visit and detector. Sources without labels are undecided for the reason "", those without scores have
        score NaN; without injection there are no fates. Its numbers are given by
        `~lsst.meas.realbogus.evaluation.summarize`.

    Raises
    ------
    InvalidInputError
        Raised if the collection holds no DIA sources, or labels or scores of other sources.
    """
    with open_repository(repo, collection) as butler:
        run, refs = _Run(butler, where, labels or LabelSource()), find_sources(butler, where)
        parts, told = zip(*(run.sources(ref) for ref in refs), strict=True)
        sources = _stack(parts)
        models, described = run.models(sources)
        return Results(
            sources=sources,
            fates=_stack([run.fates(*of_image) for of_image in zip(refs, told, strict=True)]),
            models=models,
            threshold=threshold,
            provenance={**(provenance or {}), **described, "software": run.software()},
            changes=run.changes(refs, sources),
        )


def find_sources(butler: Butler, where: str = "") -> list[DatasetRef]:
    """Look for the DIA sources of a run.

    Parameters
    ----------
    butler
        Butler with the collections of the run.
    where
        Butler expression that selects images; empty for all.

    Returns
    -------
    list of lsst.daf.butler.DatasetRef
        In order of visit and detector.

    Raises
    ------
    InvalidInputError
        Raised if there are none.
    """
    refs = require_datasets(butler, SOURCES, where)
    return sorted(refs, key=lambda ref: (ref.dataId["visit"], ref.dataId["detector"]))


def read_associations(
    repo: Butler | str | Path, collection: str, dataset_type: str = "dia_source_association"
) -> Table | None:
    """Read which object every DIA source of a run is of.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    dataset_type
        Tables with ``diaSourceId`` and ``diaObjectId``, of any dimensions.

    Returns
    -------
    astropy.table.Table or None
        All of them together; `None` if there is none.
    """
    with open_repository(repo, collection) as butler:
        refs = find_datasets(butler, dataset_type)
        return _stack([get_table(butler.getDeferred(ref)) for ref in refs]) if refs else None


def read_stamps(repo: Butler | str | Path, collection: str, places: Table) -> list[Stamps]:
    """Collect triplets of stamps: stored ones of DIA sources, fresh ones elsewhere.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    places
        Rows with ``visit``, ``detector``, ``x``, ``y`` and ``diaSourceId``, which is -1 where there is no
        DIA source.

    Returns
    -------
    list of dict
        For each row the pixels by role, float32, shape ``(h, w)``, NaN where missing.
    """
    with open_repository(repo, collection) as butler:
        return _Run(butler).stamps(places)


def model_columns(butler: Butler, sources: Table, where: str = "") -> tuple[dict[str, str], dict[str, str]]:
    """Find which models have scored a run.

    Parameters
    ----------
    butler
        Butler with the collections of the run.
    sources
        DIA sources with their scores.
    where
        Butler expression that selects images; empty for all.

    Returns
    -------
    columns
        Column of scores by name of the model.
    described
        What is known of each model, label to value.
    """
    return _Run(butler, where).models(sources)


def _stack(tables: Sequence[Table]) -> Table:
    """Put tables below each other; where one lacks a column its rows get NaN, False or nothing."""
    table = vstack(tables, metadata_conflicts="silent")
    for name in table.colnames:
        if getattr(table[name], "mask", None) is not None:
            kind = table[name].dtype.kind
            table[name] = table[name].filled(np.nan if kind == "f" else "" if kind == "U" else 0)
    return table


def _changes(truth: Table, sources: Table, visit: int, detector: int) -> Table:
    """Rows of what changed, with their SNR for the typical flux error of the image's sources."""
    truth = truth[np.isin(np.asarray(truth["kind"]).astype(str), sorted(REAL_KINDS))]
    change = np.abs(np.asarray(truth["flux"], float) - np.asarray(truth["template_flux"], float))
    error = np.asarray(sources["psfFluxErr"], float)
    error = error[np.isfinite(error) & (error > 0)]
    typical = float(np.median(error)) if error.size else np.nan
    n = len(truth)
    return Table(
        {
            "visit": np.full(n, visit, np.int64),
            "detector": np.full(n, detector, np.int64),
            "truth_id": np.asarray(truth["truth_id"], np.int64),
            "kind": np.asarray(truth["kind"]).astype(str),
            "snr_expected": change / typical,
        }
    )


@dataclasses.dataclass(frozen=True)
class _Run:
    """The datasets of one output collection."""

    butler: Butler
    where: str = ""
    labels: LabelSource = LabelSource()

    def sources(self, ref: DatasetRef) -> tuple[Table, Table | None]:
        """Read the DIA sources of an image with their labels and scores, and fates where labels tell them."""
        table = standard_columns(get_table(self.butler.getDeferred(ref)), counts=True, name=str(ref))
        labels, fates = self.labels.read(self.butler, ref.dataId)
        scores = find_table(self.butler, "dia_source_reliability", ref.dataId)
        if labels is None:
            table["label"], table["label_reason"] = np.int8(Label.UNDECIDED), ""
        if scores is not None:
            scores.rename_column("id", "diaSourceId")
        for part in (labels, scores):
            if part is None:
                continue
            if not np.array_equal(part["diaSourceId"], table["diaSourceId"]):
                raise InvalidInputError(f"rows of labels, scores and DIA sources differ at {ref.dataId}")
            part.remove_column("diaSourceId")
            for name in part.colnames:
                table[name] = part[name]
        for name in ("detector", "visit"):  # which not every pipeline writes as columns
            table[name] = np.full(len(table), ref.dataId[name], np.int64)
        table.meta.clear()
        return table, fates

    def fates(self, ref: DatasetRef, told: Table | None) -> Table:
        """Read the fates of an image's injected sources; of the two rows of a variable, the primary one."""
        table = told
        if table is None:
            table = find_table(self.butler, "injected_supernova_fate", ref.dataId)
        if table is None:
            table = empty_table(INJECTED_FATE)
        if "is_primary" in table.colnames:  # repositories of earlier versions count the second row too
            table = table[np.asarray(table["is_primary"])]
        table.meta.clear()
        for name in ("detector", "visit"):
            table.add_column(np.full(len(table), ref.dataId[name], np.int64), name=name, index=0)
        return table

    def changes(self, refs: Sequence[DatasetRef], sources: Table) -> Table | None:
        """Read what changed on the sky at each image; `None` where no truth is known."""
        parts = []
        for ref in refs:
            truth = find_table(self.butler, "visit_truth", ref.dataId)
            if truth is None:
                continue
            visit, detector = int(ref.dataId["visit"]), int(ref.dataId["detector"])
            here = (np.asarray(sources["visit"]) == visit) & (np.asarray(sources["detector"]) == detector)
            parts.append(_changes(truth, sources[here], visit, detector))
        return _stack(parts) if parts else None

    def software(self) -> str:
        """Name the versions with which the run was made, all of them where its parts differ."""
        versions: dict[str, set[str]] = {}
        names = self.butler.collections.query(self.butler.collections.defaults, flatten_chains=True)
        try:
            found = [self.butler.find_dataset("packages", collections=name) for name in names]
        except MissingDatasetTypeError:
            return "unknown"
        for packages in found:
            if packages is not None:
                for package, version in self.butler.get(packages).items():
                    versions.setdefault(package, set()).add(version)
        named = (name for name in _PACKAGES if name in versions)
        return ", ".join(f"{name} {' and '.join(sorted(versions[name]))}" for name in named) or "unknown"

    def models(self, sources: Table) -> tuple[dict[str, str], dict[str, str]]:
        """Return the column of scores of each model, and what is known of each."""
        columns = [name for name in _SCORES if name in sources.colnames]
        columns = columns or [name for name in ("score",) if name in sources.colnames]
        refs = find_datasets(self.butler, "rbClassifier_metadata", self.where)
        # Where there was nothing to score, or data that could not be used, no model is named.
        quanta = (self.butler.get(ref)["rbClassifier"] for ref in refs)
        task = next((task for task in quanta if "model" in task.names()), None)
        if task is None or not columns:
            return {column: column for column in columns}, {}
        suffixes = [suffix for suffix in ("", "_2") if f"model{suffix}" in task.names()]
        models, described = {}, {}
        for suffix, column in zip(suffixes, columns, strict=False):
            name = str(task[f"model{suffix}"])
            models[name] = column
            described[f"model {name}"] = f"sha256 {task[f'model_sha256{suffix}']}"
        if "engine" in task.names():
            described["engine"] = str(task["engine"])
        return models, described

    def stamps(self, places: Table) -> list[Stamps]:
        """Collect triplets of stamps: stored ones of DIA sources, fresh ones elsewhere."""
        triplets: list[Stamps] = [{} for _ in places]
        for ref in find_datasets(self.butler, SOURCES, self.where):
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
        table = find_table(self.butler, "dia_source_cutouts", ref.dataId)
        if table is None:
            return {}
        table = table[np.isin(table["diaSourceId"], identifiers)]
        pixels = {role: stamps_of(table, role) for role in ROLES}
        return {
            identifier: {role: pixels[role][row] for role in ROLES}
            for row, identifier in enumerate(table["diaSourceId"].tolist())
        }

    def _image(self, role: str, ref: DatasetRef) -> str:
        names = _IMAGES[role]
        return next((name for name in names[:-1] if self.butler.exists(name, ref.dataId)), names[-1])

    def _fresh_stamps(self, ref: DatasetRef, places: Table) -> list[Stamps]:
        """Cut stamps out of the images."""
        if not len(places):
            return []
        science, template, difference = (
            DeferredImage(self.butler.getDeferred(self._image(role, ref), ref.dataId)) for role in ROLES
        )
        block = concatenate(
            extract_triplets(science, template, difference, places["x"], places["y"], _STAMP_SIZE)
        )
        return [{role: block[role].pixels[i] for role in ROLES} for i in range(len(places))]
