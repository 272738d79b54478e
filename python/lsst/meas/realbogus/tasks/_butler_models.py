"""Models in a Butler: dataset type ``rb_model``, no dimensions, a table of the members of a model file."""

from __future__ import annotations

__all__ = ("BUTLER_SCHEME", "classifier_from_table", "model_lookup", "model_table")

from collections.abc import Callable, Sequence
from typing import Any

import pyarrow
from lsst.daf.butler import DataCoordinate, DatasetRef, DatasetType, MissingDatasetTypeError
from lsst.daf.butler.registry import Registry

from ..errors import ModelNotFoundError
from ..model import Classifier, load_classifier
from ..model.package import archive_members, split_members

BUTLER_SCHEME = "butler:"
RUN_PREFIX = "models/"

Lookup = Callable[[DatasetType, Registry, DataCoordinate, Sequence[str]], list[DatasetRef]]


def model_table(content: bytes, name: str = "model") -> pyarrow.Table:
    """Make the table that stands for a model file in a Butler."""
    members = split_members(content, name)
    return pyarrow.table(
        {
            "member": pyarrow.array(list(members), pyarrow.string()),
            "content": pyarrow.array(list(members.values()), pyarrow.binary()),
        }
    )


def classifier_from_table(table: pyarrow.Table, name: str, **options: Any) -> Classifier:
    """Load a classifier from such a table; see `model.load_classifier` for the options."""
    members = dict(zip(table["member"].to_pylist(), table["content"].to_pylist(), strict=True))
    return load_classifier(archive_members(members), name, **options)


def model_lookup(uri: str) -> Lookup:
    """Make the function that finds the model of a ``butler:`` URI when a quantum graph is built.

    Parameters
    ----------
    uri
        ``butler:`` (the first in the input collections), ``butler:NAME`` (its latest version in a run
        ``models/NAME/VERSION``) or ``butler:NAME/VERSION``.
    """
    wanted = uri.removeprefix(BUTLER_SCHEME).strip("/")

    def lookup(
        dataset_type: DatasetType, registry: Registry, data_id: DataCoordinate, collections: Sequence[str]
    ) -> list[DatasetRef]:
        runs = sorted(registry.queryCollections(f"{RUN_PREFIX}*"))
        if wanted:
            searched = [run for run in runs if f"{run}/".startswith(f"{RUN_PREFIX}{wanted}/")][::-1]
        else:
            searched = list(collections)
        ref = None
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
