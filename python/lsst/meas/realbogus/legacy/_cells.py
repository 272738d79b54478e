"""Coadds of cells as `lsst.cell_coadds` stores them."""

from __future__ import annotations

__all__ = ("is_cell_coadd", "read_cell_coadd")

from typing import TYPE_CHECKING, Any

from ._stored import stored_class

if TYPE_CHECKING:
    from lsst.daf.butler import DeferredDatasetHandle
    from lsst.images import MaskedImage
    from lsst.images.psfs import PointSpreadFunction

_CLASS = "MultipleCellCoadd"


def is_cell_coadd(handle: DeferredDatasetHandle) -> bool:
    """Say whether a dataset is a ``MultipleCellCoadd`` of `lsst.cell_coadds`.

    Parameters
    ----------
    handle
        Deferred handle of any connection.

    Returns
    -------
    bool
        What it is stored as or, where the Butler does not know, declared as.
    """
    declared = getattr(getattr(handle, "ref", None), "datasetType", None)
    return (stored_class(handle) or getattr(declared, "storageClass_name", None)) == _CLASS


def read_cell_coadd(handle: DeferredDatasetHandle) -> tuple[MaskedImage, PointSpreadFunction]:
    """Read a coadd of `lsst.cell_coadds`, its cells stitched together.

    Parameters
    ----------
    handle
        Deferred handle of one, declared as ``MultipleCellCoadd`` or ``CellCoadd``.

    Returns
    -------
    image
        Pixels, mask, variance and sky projection; NaN and NO_DATA where there is no cell. The unit is nJy, or
        none where the coadd has the arbitrary one of older pipelines.
    psf
        Its PSF, a kernel for each cell.

    Notes
    -----
    The whole file is read: such coadds have no components. The coadd is not converted to that of
    `lsst.images`, which takes the geometry of the tract from a sky map.
    """
    import astropy.units as u
    import numpy as np
    from lsst.images import Image, MaskedImage

    from ._images import convert_mask, convert_projection
    from ._psfs import AfwPsf

    coadd: Any = handle.get(storageClass=_CLASS)
    stitched = coadd.stitch()
    unit = u.nJy if coadd.units.value == "nJy" else None
    image = Image.from_legacy(stitched.image, unit=unit)
    variance = Image.from_legacy(stitched.variance, unit=None if unit is None else unit**2)
    empty = ~np.isfinite(variance.array)  # infinite, and the image 0, where there is no cell
    image.array[empty] = variance.array[empty] = np.nan
    pixels = MaskedImage(
        image,
        mask=convert_mask(stitched.mask),
        variance=variance,
        sky_projection=convert_projection(coadd.wcs),
    )
    return pixels, AfwPsf(stitched.psf, pixels.bbox)
