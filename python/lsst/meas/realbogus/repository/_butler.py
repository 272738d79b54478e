"""Reading from a Butler what may not be there."""

from __future__ import annotations

__all__ = ("find_dataset",)

from typing import Any

from lsst.daf.butler import Butler, DataCoordinate, DatasetNotFoundError, MissingDatasetTypeError


def find_dataset(butler: Butler, dataset_type: str, data_id: DataCoordinate) -> Any:
    """Read a dataset that may not be there.

    Parameters
    ----------
    butler
        Butler with collections to search.
    dataset_type
        Name of the dataset type.
    data_id
        Which one.

    Returns
    -------
    object or None
        The dataset, None if there is none.
    """
    try:
        return butler.get(dataset_type, data_id)
    except (DatasetNotFoundError, MissingDatasetTypeError):
        return None
