"""How tasks declare and read template coadds, which Rubin stores as coadds of cells or as exposures."""

from __future__ import annotations

__all__ = ("coadds_storage_class", "declared_as", "in_order", "read_patch")

from collections.abc import Iterable
from typing import Any

from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import Box
from lsst.images.cells import CellCoadd
from lsst.pex.config import ChoiceField

from ..legacy import is_exposure, read_masked_image, read_psf
from ..templates import PatchCoadd


def coadds_storage_class() -> Any:
    """Make the configuration field of the storage class of template coadds."""
    return ChoiceField[str](
        doc="How the coadds are stored.",
        allowed={
            "CellCoadd": "Coadds of cells, as assembleTemplate writes them.",
            "ExposureF": "afw exposures, as template_coadd and goodSeeingCoadd are (full stack only).",
        },
        default="CellCoadd",
    )


def declared_as(stored: str) -> str:
    """Return the storage class by which a connection reads coadds.

    Parameters
    ----------
    stored
        Value of the field.

    Returns
    -------
    str
        An exposure is declared as ``VisitImage``, of whose components the stack converts each by itself.
    """
    return "VisitImage" if stored == "ExposureF" else stored


def in_order(handles: Iterable[DeferredDatasetHandle]) -> list[DeferredDatasetHandle]:
    """Sort coadds by tract and patch.

    Parameters
    ----------
    handles
        The coadds.

    Returns
    -------
    list
        The same.
    """
    return sorted(handles, key=lambda h: tuple(h.dataId[name] for name in ("skymap", "tract", "patch")))


def read_patch(handle: DeferredDatasetHandle, whole: Box, part: Box) -> CellCoadd | PatchCoadd:
    """Read a coadd.

    Parameters
    ----------
    handle
        The coadd.
    whole
        Its box.
    part
        What is needed of it.

    Returns
    -------
    lsst.images.cells.CellCoadd or PatchCoadd
        The part, of an exposure with the PSF that afw evaluates.
    """
    if is_exposure(handle):
        where: Any = handle.dataId
        image, psf = read_masked_image(handle, part), read_psf(handle)
        return PatchCoadd.with_psf(image, psf, skymap=where["skymap"], tract=where["tract"])
    coadd: CellCoadd = handle.get() if part == whole else handle.get(parameters={"bbox": part})
    return coadd
