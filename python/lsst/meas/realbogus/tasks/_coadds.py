"""How tasks declare and read coadds, which Rubin stores as exposures or as coadds of cells."""

from __future__ import annotations

__all__ = ("StoredCoadd", "coadds_storage_class", "declared_as", "in_order")

import dataclasses
from collections.abc import Iterable
from typing import Any, Self

from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import Box, Image, Mask, MaskedImage, SkyProjection
from lsst.images.cells import CellCoadd
from lsst.images.psfs import PointSpreadFunction
from lsst.pex.config import ChoiceField

from ..legacy import (
    is_cell_coadd,
    is_exposure,
    read_cell_coadd,
    read_grid,
    read_masked_image,
    read_pixels,
    read_psf,
)
from ..templates import PatchCoadd


def coadds_storage_class() -> Any:
    """Make the configuration field of the storage class of template coadds."""
    return ChoiceField[str](
        doc="How the coadds are stored.",
        allowed={
            "CellCoadd": "Coadds of cells, as assembleTemplate writes them.",
            "MultipleCellCoadd": "Those of lsst.cell_coadds, as deep_coadd_cell_predetection (full stack).",
            "ExposureF": "afw exposures, as template_coadd and goodSeeingCoadd are (full stack).",
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


@dataclasses.dataclass(frozen=True)
class StoredCoadd:
    """A coadd in a Butler, of which no more is read than is needed.

    Parameters
    ----------
    handle
        The coadd.
    box, projection
        Its pixels, and from them to the sky.
    cells
        Image and PSF of one of `lsst.cell_coadds`, which is read as a whole; `None` of another.
    """

    handle: DeferredDatasetHandle
    box: Box
    projection: SkyProjection[Any]
    cells: tuple[MaskedImage, PointSpreadFunction] | None = None

    @classmethod
    def of(cls, handle: DeferredDatasetHandle) -> Self:
        """Find out where a coadd lies.

        Parameters
        ----------
        handle
            The coadd, stored as any of the kinds of `coadds_storage_class`.
        """
        if not is_cell_coadd(handle):
            return cls(handle, *read_grid(handle))
        cells = read_cell_coadd(handle)
        assert cells[0].sky_projection is not None
        return cls(handle, cells[0].bbox, cells[0].sky_projection, cells)

    def pixels(self, part: Box) -> tuple[Image, Mask]:
        """Read image and mask.

        Parameters
        ----------
        part
            What is needed of the box.

        Returns
        -------
        tuple
            Image and mask there.
        """
        if self.cells is None:
            return read_pixels(self.handle, part)
        return self.cells[0].image[part], self.cells[0].mask[part]

    def patch(self, part: Box) -> CellCoadd | PatchCoadd:
        """Read what a template is made of.

        Parameters
        ----------
        part
            What is needed of the box.

        Returns
        -------
        lsst.images.cells.CellCoadd or PatchCoadd
            The part, of a coadd of another kind with the PSF that afw evaluates.
        """
        if self.cells is not None:
            image, psf = self.cells[0][part], self.cells[1]
        elif is_exposure(self.handle):
            image, psf = read_masked_image(self.handle, part), read_psf(self.handle)
        else:
            whole = part == self.box
            coadd: CellCoadd = self.handle.get() if whole else self.handle.get(parameters={"bbox": part})
            return coadd
        where: Any = self.handle.dataId
        return PatchCoadd.with_psf(image, psf, skymap=where["skymap"], tract=where["tract"])
