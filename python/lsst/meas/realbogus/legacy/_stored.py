"""What a dataset is stored as, whatever it is declared as."""

from __future__ import annotations

__all__ = ("NATIVE", "is_exposure", "read_exposure_component", "stored_class")

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lsst.daf.butler import DeferredDatasetHandle

NATIVE = frozenset({"CellCoadd", "DifferenceImage", "MaskedImageV2", "VisitImage"})
"""Storage classes of `lsst.images` with a ``components`` component and reads of boxes."""

# What asking for a component of afw's raises where the dataset is no exposure, there is no afw, or afw and
# lsst.images are of versions that do not fit.
_NO_EXPOSURE = (AttributeError, ImportError, TypeError, ValueError)


def stored_class(handle: DeferredDatasetHandle) -> str | None:
    """Name the storage class that a dataset is stored as, whatever it is declared as.

    Parameters
    ----------
    handle
        Deferred handle of any connection.

    Returns
    -------
    str or None
        Such as ``VisitImage``, ``DifferenceImage`` or ``ExposureF``; None if the Butler does not know, as one
        that is made from a quantum graph.
    """
    look_up = getattr(getattr(handle, "butler", None), "get_dataset_type", None)
    if look_up is None:
        return None
    return str(look_up(handle.ref.datasetType.nameAndComponent()[0]).storageClass_name)


def is_exposure(handle: DeferredDatasetHandle) -> bool:
    """Say whether a dataset is an afw exposure.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.

    Returns
    -------
    bool
        Also True where the Butler does not know, and the connection's storage class does not rule it out.
    """
    stored = stored_class(handle)
    if stored is None:
        declared = getattr(getattr(handle, "ref", None), "datasetType", None)
        # No exposure can be declared as a coadd of cells.
        return getattr(declared, "storageClass_name", None) not in ("CellCoadd", "MultipleCellCoadd")
    return stored.startswith("Exposure")


def read_exposure_component[T](
    handle: DeferredDatasetHandle, name: str, convert: Callable[[Any], T]
) -> tuple[T | None, Exception | None]:
    """Read a component of an afw exposure, without its pixels.

    Parameters
    ----------
    handle
        Deferred handle of an image connection.
    name
        The component, as afw calls it.
    convert
        Makes of it what is returned.

    Returns
    -------
    component
        `None` if the exposure does not have it, or the dataset is no exposure.
    failure
        Why an exposure could not be read.
    """
    if not is_exposure(handle):
        return None, None
    try:
        found = dataclasses.replace(handle, storageClass="ExposureF").get(component=name)
        return None if found is None else convert(found), None
    except _NO_EXPOSURE as error:
        return None, error
