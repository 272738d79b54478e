"""Which model of a Butler a task means."""

from __future__ import annotations

__all__ = ("BUTLER_SCHEME", "model_lookup")

from collections.abc import Callable, Sequence

from lsst.daf.butler import DataCoordinate, DatasetRef, DatasetType, MissingDatasetTypeError
from lsst.daf.butler.registry import Registry

from ..errors import ModelNotFoundError
from ..model import RUN_PREFIX

BUTLER_SCHEME = "butler:"

Lookup = Callable[[DatasetType, Registry, DataCoordinate, Sequence[str]], list[DatasetRef]]


def model_lookup(uri: str) -> Lookup:
    """Make the function that finds the model of a ``butler:`` URI when a quantum graph is built.

    Parameters
    ----------
    uri
        ``butler:`` (the first in the input collections), ``butler:NAME`` (the last of its versions in runs
        ``models/NAME/VERSION``) or ``butler:NAME/VERSION``.
    """
    wanted = uri.removeprefix(BUTLER_SCHEME).strip("/")

    def lookup(
        dataset_type: DatasetType, registry: Registry, data_id: DataCoordinate, collections: Sequence[str]
    ) -> list[DatasetRef]:
        runs = sorted(registry.queryCollections(f"{RUN_PREFIX}*"), key=_version_order)
        if wanted:
            searched = [run for run in runs if f"{run}/".startswith(f"{RUN_PREFIX}{wanted}/")][::-1]
        else:
            searched = list(collections)
        for collection in searched:
            try:
                ref = registry.findDataset(dataset_type, collections=collection)
            except MissingDatasetTypeError:
                break
            if ref is not None:
                return [ref]
        known = ", ".join(run.removeprefix(RUN_PREFIX) for run in runs) or "none"
        raise ModelNotFoundError(f"no {dataset_type.name} for {uri!r} in the Butler; models there: {known}")

    return lookup


def _version_order(run: str) -> list[tuple[int, str]]:
    """Sort versions as people count: 2 before 10."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in run.replace("/", ".").split(".")]
