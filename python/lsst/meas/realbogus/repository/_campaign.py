"""A campaign of injections, read image by image and validated."""

from __future__ import annotations

__all__ = ("Campaign", "validate_campaign", "validate_collection")

import dataclasses
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from lsst.daf.butler import Butler, DeferredDatasetHandle

from ..evaluation import (
    ADDED_LIGHT,
    Boxes,
    Validation,
    ValidationOptions,
    measure_added_light,
    recover_injected,
    validate_injection,
)
from ..legacy import get_table
from ..tables import empty_table
from ..truth import read_matched_sources
from ._open import find_datasets, handles_by_image, open_repository, require_datasets

type Handles = Mapping[tuple[int, int], DeferredDatasetHandle]

_MEASURED = ("visit", "detector", "diaSourceId", "psfFlux", "psfFluxErr", "x", "y", "xErr", "yErr")


@dataclasses.dataclass(frozen=True)
class Campaign:
    """Where the datasets of a campaign are, by visit and detector.

    Parameters
    ----------
    sources
        DIA sources.
    fates
        What became of the injected sources.
    injected
        Injected catalogues.
    before, after
        Images without and with fakes.
    """

    sources: Handles
    fates: Handles
    injected: Handles
    before: Handles
    after: Handles

    @classmethod
    def of(
        cls,
        *,
        sources: Iterable[DeferredDatasetHandle],
        fates: Iterable[DeferredDatasetHandle],
        injected: Iterable[DeferredDatasetHandle],
        before: Iterable[DeferredDatasetHandle],
        after: Iterable[DeferredDatasetHandle],
    ) -> Campaign:
        """Sort handles by visit and detector.

        Parameters
        ----------
        sources, fates, injected, before, after
            As the attributes of the class, in any order.
        """
        return cls(*(handles_by_image(handles) for handles in (sources, fates, injected, before, after)))


def validate_collection(
    repo: Butler | str | Path,
    collection: str,
    *,
    where: str = "",
    options: ValidationOptions | None = None,
    image: str = "preliminary_visit_image",
    prefix: str = "injected_",
    sources: str = "dia_source_unstandardized",
) -> Validation:
    """Validate the injections of a collection.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    where
        Butler expression that selects images; empty for all.
    options
        Limits and bins.
    image
        Dataset type of the images before injection.
    prefix
        What injection puts before its name.
    sources
        Dataset type of the DIA sources.

    Returns
    -------
    Validation
        Checks, tables and verdict.

    Raises
    ------
    InvalidInputError
        Raised if nothing was injected there, or nobody said what became of it.
    """
    tables = {
        "injected": f"{prefix}{image}_catalog",
        "fates": "injected_supernova_fate",
        "sources": sources,
    }
    images = {"before": image, "after": f"{prefix}{image}"}
    with open_repository(repo, collection) as butler:
        refs = {part: require_datasets(butler, name, where) for part, name in tables.items()}
        refs |= {part: find_datasets(butler, name, where) for part, name in images.items()}
        handles = {part: map(butler.getDeferred, found) for part, found in refs.items()}
        return validate_campaign(Campaign.of(**handles), options)


def validate_campaign(campaign: Campaign, options: ValidationOptions | None = None) -> Validation:
    """Read a campaign and validate it.

    Parameters
    ----------
    campaign
        Where the datasets are. Images without fates are left out.
    options
        Limits and bins, and how many images are compared pixel by pixel.

    Returns
    -------
    Validation
        Checks, tables and verdict.
    """
    options = options or ValidationOptions()
    tables: dict[str, list[Table]] = {"sources": [], "fates": [], "injected": []}
    for key, handle in campaign.fates.items():
        tables["fates"].append(_placed(get_table(handle), key))
        if key in campaign.sources:
            measured = _placed(read_matched_sources(get_table(campaign.sources[key])), key)
            tables["sources"].append(measured[[name for name in _MEASURED if name in measured.colnames]])
        if key in campaign.injected:
            tables["injected"].append(_placed(get_table(campaign.injected[key]), key))
    stacked = {name: vstack(parts, metadata_conflicts="silent") for name, parts in tables.items() if parts}
    recovery = recover_injected(
        stacked.get("sources", Table({"visit": [], "detector": [], "diaSourceId": []})),
        stacked["fates"],
        stacked.get("injected"),
        _boxes(campaign.before or campaign.after),
    )
    return validate_injection(recovery, _added(campaign, options.max_images), options)


def _placed(table: Table, key: tuple[int, int]) -> Table:
    """Say of every row of which image it is, and forget what is said of the whole table."""
    table.meta.clear()
    table["visit"], table["detector"] = (np.full(len(table), value, np.int64) for value in key)
    return table


def _boxes(images: Handles) -> Boxes:
    """Read the pixels of each detector from one of its images."""
    one_each = {detector: handle for (_, detector), handle in images.items()}
    return {detector: handle.get(component="bbox") for detector, handle in one_each.items()}


def _added(campaign: Campaign, n_images: int) -> Table:
    """Compare pixels before and after injection on some images, spread evenly."""
    keys = [key for key in campaign.injected if key in campaign.before and key in campaign.after]
    parts = []
    for i in _spread(len(keys), n_images):
        injected = get_table(campaign.injected[keys[i]])
        if not len(injected):
            continue
        before, after = (
            (handle.get(component="image"), handle.get(component="variance"))
            for handle in (campaign.before[keys[i]], campaign.after[keys[i]])
        )
        parts.append(measure_added_light(before, after, injected))
    return vstack(parts) if parts else empty_table(ADDED_LIGHT)


def _spread(n: int, wanted: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, n - 1, min(n, wanted)).astype(np.int64))
