"""What a dataset is stored as, whatever it is declared as."""

from __future__ import annotations

__all__ = ("NATIVE", "NO_EXPOSURE", "is_exposure", "stored_class")

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lsst.daf.butler import DeferredDatasetHandle

NATIVE = frozenset({"CellCoadd", "DifferenceImage", "MaskedImageV2", "VisitImage"})
"""Storage classes of `lsst.images` with a ``components`` component and reads of boxes."""

# What asking for a component of afw's raises where the dataset is no exposure, there is no afw, or afw and
# lsst.images are of versions that do not fit.
NO_EXPOSURE = (AttributeError, ImportError, TypeError, ValueError)


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
        return getattr(declared, "storageClass_name", None) != "CellCoadd"
    return stored.startswith("Exposure")
