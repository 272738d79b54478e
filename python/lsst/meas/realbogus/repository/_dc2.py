"""A run against the truth of the DC2 simulation."""

from __future__ import annotations

__all__ = ("Dc2Comparison", "compare_with_dc2")

import dataclasses
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.daf.butler import (
    Butler,
    DatasetRef,
    DatasetType,
)
from lsst.sphgeom import Region

from ..association import SkyImage
from ..errors import InvalidInputError
from ..injection import dc2_magnitudes
from ..legacy import get_table, read_grid, read_mask
from ..tables import NO_ID, empty_table, sky_to_pixel, standard_columns
from ..truth import DC2_CHANGE, Dc2Truth, DetectionCounts, FateRules, find_truth, measure_conditions
from ._light_curves import sky_image
from ._open import find_datasets, find_handle, open_repository
from ._results import SOURCES

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
_IMAGE = ("instrument", "visit", "detector")


@dataclasses.dataclass(frozen=True)
class Dc2Comparison:
    """What a run has found of DC2's changes.

    Parameters
    ----------
    counts
        Of all images together.
    on_good_pixels
        The same without the changes, and the sources that are these, whose place is masked or at an edge.
    objects
        Every change on every image: ``visit``, ``detector``, the columns of
        `~lsst.meas.realbogus.truth.DC2_CHANGE`, ``diaSourceId`` (-1 for none) and ``is_masked``, ``is_edge``,
        ``edge_distance``.
    n_images
        How many images.
    """

    counts: DetectionCounts
    on_good_pixels: DetectionCounts
    objects: Table
    n_images: int


def compare_with_dc2(
    repo: Butler | str | Path,
    collection: str,
    truth: Dc2Truth | Callable[[set[int]], Dc2Truth],
    *,
    where: str = "",
    selection: Table | None = None,
    sources: str = SOURCES,
    image: str = "difference_image",
    radius: float = 1.0,
    one_to_one: bool = False,
    run: str | None = None,
) -> Dc2Comparison:
    """Count sources and true changes as DMTN-274 does.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of a run.
    truth
        Truth tables, or what reads them for the visits that are there.
    where
        Butler expression that selects images; empty for all.
    selection
        Only these images, columns ``visit`` and ``detector``; see `read_dc2_selection`.
    sources
        Dataset type of the DIA sources.
    image
        Dataset type of the images that were searched, whose masks are looked at; where there is none, all
        places count as good.
    radius, one_to_one
        As for `~lsst.meas.realbogus.truth.find_truth`.
    run
        RUN collection to write the changes to, as ``visit_truth``, by which ``matchDiaSources`` labels.

    Returns
    -------
    Dc2Comparison
        Counts, and every change.

    Raises
    ------
    InvalidInputError
        If the collection has no such sources.
    """
    with open_repository(repo, collection, run=run) as butler:
        refs = _chosen(butler, sources, where, selection)
        if not refs:
            raise InvalidInputError(f"{collection} has no {sources} of the images that are asked for")
        known = truth if isinstance(truth, Dc2Truth) else truth({int(ref.dataId["visit"]) for ref in refs})
        counts = good_counts = DetectionCounts()
        objects = []
        if run is not None:
            butler.registry.registerDatasetType(
                DatasetType("visit_truth", _IMAGE, "ArrowAstropy", universe=butler.dimensions)
            )
        for ref, changes in _changes(butler, refs, known):
            if run is not None:
                butler.put(changes, "visit_truth", ref.dataId, run=run)
            table = standard_columns(get_table(butler.getDeferred(ref)), counts=True, name=str(ref.dataId))
            rows = find_truth(table, changes, radius=radius, one_to_one=one_to_one)
            found = np.full(len(changes), NO_ID)
            found[rows[rows >= 0]] = np.asarray(table["diaSourceId"], np.int64)[rows >= 0]
            changes["diaSourceId"] = found
            bad = _look(butler, image, ref, changes)
            counts += DetectionCounts.of(rows, len(changes))
            keep = (rows < 0) | ~np.append(bad, False)[rows]
            good_counts += DetectionCounts.of(rows[keep], int(np.sum(~bad)))
            objects.append(changes)
        return Dc2Comparison(counts, good_counts, vstack(objects, metadata_conflicts="silent"), len(refs))


def _chosen(butler: Butler, sources: str, where: str, selection: Table | None) -> list[DatasetRef]:
    refs = find_datasets(butler, sources, where)
    if selection is None:
        return refs
    wanted = set(zip(selection["visit"].tolist(), selection["detector"].tolist(), strict=True))
    return [ref for ref in refs if (ref.dataId["visit"], ref.dataId["detector"]) in wanted]


def _changes(butler: Butler, refs: list[DatasetRef], truth: Dc2Truth) -> Iterator[tuple[DatasetRef, Table]]:
    """Yield the changes on each image: within the region that the repository records of it."""
    for ref in refs:
        image: SkyImage = sky_image(butler.registry.expandDataId(ref.dataId))
        changes = truth.changes(
            image.visit, image.band, image.mjd, contains=_within(image.region), magnitudes=dc2_magnitudes
        )
        if not len(changes):
            changes = empty_table(DC2_CHANGE)
        for name in ("detector", "visit"):
            value = np.full(len(changes), int(ref.dataId[name]), np.int64)
            changes.add_column(value, name=name, index=0)
        yield ref, changes


def _within(region: Region | None) -> Callable[[Floats, Floats], Bools] | None:
    """Return which positions lie in a region; none is everywhere."""
    if region is None:
        return None
    return lambda ra, dec: np.asarray(region.contains(np.radians(ra), np.radians(dec)), bool)


def _look(butler: Butler, image: str, ref: DatasetRef, changes: Table) -> Bools:
    """Add what the mask is like at each change; return which are not on good pixels."""
    handle = find_handle(butler, image, ref.dataId)
    if handle is None:
        changes["is_masked"], changes["is_edge"] = np.zeros((2, len(changes)), bool)
        changes["edge_distance"] = np.full(len(changes), np.nan)
        return np.zeros(len(changes), bool)
    _, projection = read_grid(handle)
    rules = FateRules()
    x, y = sky_to_pixel(projection, np.asarray(changes["ra"], float), np.asarray(changes["dec"], float))
    here = measure_conditions(
        x, y, mask=read_mask(handle), masked_planes=rules.masked_planes, edge_planes=rules.edge_planes
    )
    for name, values in here.columns().items():
        changes[name] = values
    return ~here.on_image | here.masked | here.edge
