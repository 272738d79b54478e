"""Scores of whole nights, counted as they are read, and where detectors lie in the focal plane."""

from __future__ import annotations

__all__ = (
    "corners_of_detectors",
    "count_score_tables",
    "find_collections",
    "read_focal_plane",
    "read_score_counts",
)

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.daf.butler import Butler, DeferredDatasetHandle
from lsst.images.cameras import Detector

from ..errors import InvalidInputError
from ..evaluation import REASONS, NightOptions, count_scores
from ..legacy import focal_plane_corners, get_table
from ._open import find_datasets, find_handle, handles_by_image, open_repository, require_datasets

_BATCH = 500
"""Images read before their scores are counted and forgotten."""
_IMAGES = ("difference_image", "preliminary_visit_image", "visit_image", "injected_preliminary_visit_image")
"""Where a detector's geometry can be read where there is no camera."""


def find_collections(repo: Butler | str | Path, pattern: str) -> list[str]:
    """Find the collections that a name or a pattern means.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    pattern
        Name, or pattern with ``*``.

    Returns
    -------
    list of str
        In order; of a chain and its members, both of which match, the chain alone.

    Raises
    ------
    InvalidInputError
        Raised if there are none.
    """
    with open_repository(repo) as butler:
        infos = butler.collections.query_info(pattern, include_chains=True) if "*" in pattern else []
        members = {child for info in infos for child in info.children}
        names = sorted({info.name for info in infos} - members) if infos else [pattern]
        if "*" in pattern and not infos:
            raise InvalidInputError(f"{repo} has no collection like {pattern}")
        return names


def read_score_counts(
    repo: Butler | str | Path,
    collections: Sequence[str],
    *,
    where: str = "",
    score: str = "score",
    dataset_type: str = "dia_source_reliability",
    options: NightOptions | None = None,
    follow: Callable[[int, int], None] = lambda done, total: None,
) -> Table:
    """Count the scores of collections, image by image.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collections
        Names of collections; an image is counted in each that has it.
    where
        Butler expression that selects images; empty for all.
    score
        Column of scores: ``score``, ``score_dia`` or ``score_nodia``.
    dataset_type
        Dataset type of the scores.
    options
        Threshold and bins.
    follow
        Called with the number of images done and of all of a collection.

    Returns
    -------
    astropy.table.Table
        Table of schema `~lsst.meas.realbogus.evaluation.SCORE_COUNTS`, a row for each image.

    Raises
    ------
    InvalidInputError
        Raised if a collection has no scores, or no such column.
    """
    parts = []
    for name in collections:
        with open_repository(repo, name) as butler:
            refs = require_datasets(butler, dataset_type, where)
            done = 0
            for batch in itertools.batched(refs, _BATCH):
                parts.append(_count([butler.getDeferred(ref) for ref in batch], score, options, name))
                done += len(batch)
                follow(done, len(refs))
    return vstack(parts, metadata_conflicts="silent")


def count_score_tables(
    handles: Iterable[DeferredDatasetHandle], *, score: str = "score", options: NightOptions | None = None
) -> Table:
    """Count the scores of datasets that the middleware hands out, each in the collection that holds it.

    Parameters
    ----------
    handles
        Tables of scores, one for each image.
    score, options
        As for `read_score_counts`.

    Returns
    -------
    astropy.table.Table
        As from `read_score_counts`, in the order of collections, visits and detectors.

    Raises
    ------
    InvalidInputError
        Raised if there are no tables, or no such column.
    """
    ordered = sorted(handles_by_image(handles).values(), key=lambda handle: handle.ref.run)
    parts = [
        _count(batch, score, options, run)
        for run, of_run in itertools.groupby(ordered, key=lambda handle: handle.ref.run)
        for batch in itertools.batched(of_run, _BATCH)
    ]
    if not parts:
        raise InvalidInputError("there are no scores to count")
    return vstack(parts, metadata_conflicts="silent")


def _count(
    handles: Sequence[DeferredDatasetHandle], score: str, options: NightOptions | None, collection: str
) -> Table:
    tables = [get_table(handle) for handle in handles]
    if score not in tables[0].colnames:
        known = [name for name in tables[0].colnames if name.startswith("score")]
        raise InvalidInputError(f"{handles[0].ref} has no column {score}; its scores are {', '.join(known)}")
    images = [(int(handle.dataId["visit"]), int(handle.dataId["detector"])) for handle in handles]
    suffix = score.removeprefix("score")
    flags = {}
    for reason in REASONS:
        # Of the second model's reasons the table has some of its own.
        names = [f"flag_{reason}{suffix}", f"flag_{reason}"]
        name = next((name for name in names if name in tables[0].colnames), None)
        if name is not None:
            flags[reason] = _joined(tables, name)
    rows = np.repeat(np.arange(len(tables)), [len(table) for table in tables])
    return count_scores(images, rows, _joined(tables, score), flags, options=options, collection=collection)


def _joined(tables: Sequence[Table], name: str) -> npt.NDArray[np.generic]:
    return np.concatenate([np.asarray(table[name]) for table in tables])


def read_focal_plane(
    repo: Butler | str | Path, collections: Sequence[str]
) -> dict[int, npt.NDArray[np.float64]]:
    """Read where detectors lie in the focal plane.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collections
        Where the camera or images of it are.

    Returns
    -------
    dict
        Corners of each detector, shape ``(4, 2)``, in mm: of the dataset ``camera``, which only the full
        stack can read, or of one image of each detector; empty where neither is there.
    """
    with open_repository(repo, list(collections)) as butler:
        return dict(_from_camera(butler)) or dict(_from_images(butler))


def _from_camera(butler: Butler) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    for ref in find_datasets(butler, "camera")[:1]:
        try:
            camera = butler.get(ref)
        except ImportError:
            return
        yield from focal_plane_corners(camera).items()


def _from_images(butler: Butler) -> Iterator[tuple[int, npt.NDArray[np.float64]]]:
    for name in _IMAGES:
        one_each = {int(ref.dataId["detector"]): ref for ref in find_datasets(butler, name)}
        for number, ref in one_each.items():
            handle = find_handle(butler, f"{name}.detector", ref.dataId)
            if handle is None:
                break
            yield number, _corners(handle.get())
        if one_each:
            return


def corners_of_detectors(handles: Iterable[DeferredDatasetHandle]) -> dict[int, npt.NDArray[np.float64]]:
    """Read where detectors lie from one image of each.

    Parameters
    ----------
    handles
        Visit images or difference images.

    Returns
    -------
    dict
        As from `read_focal_plane`.
    """
    one_each = {int(handle.dataId["detector"]): handle for handle in handles}
    return {number: _corners(handle.get(component="detector")) for number, handle in one_each.items()}


def _corners(detector: Detector) -> npt.NDArray[np.float64]:
    box = detector.bbox
    x = np.array([box.x.min, box.x.max, box.x.max, box.x.min], float)
    y = np.array([box.y.min, box.y.min, box.y.max, box.y.max], float)
    corner = detector.to_focal_plane.apply_forward(x=x, y=y)
    return np.stack([np.asarray(corner.x), np.asarray(corner.y)], axis=1)
