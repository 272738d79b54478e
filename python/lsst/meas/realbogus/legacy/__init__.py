"""The only door to afw, the C++ stack's image and table library.

Every function works in both worlds: on repositories of `lsst.images` and astropy tables with PyPI packages
only, and on repositories of afw exposures and catalogues inside the full stack. Connections declare
``VisitImage`` (``DifferenceImage`` for differences) and ``AstropyTable``, all with ``deferLoad=True``.
"""

from __future__ import annotations

from ._calibration import calibrate_catalog, read_photo_calib
from ._camera import focal_plane_corners
from ._catalogs import afw_catalog, get_table
from ._cells import is_cell_coadd, read_cell_coadd
from ._headers import write_header_cards
from ._images import (
    DeferredImage,
    read_grid,
    read_mask,
    read_masked_image,
    read_parts,
    read_pixels,
    read_projection,
    read_psf,
)
from ._stored import is_exposure, stored_class

__all__ = (
    "DeferredImage",
    "afw_catalog",
    "calibrate_catalog",
    "focal_plane_corners",
    "get_table",
    "is_cell_coadd",
    "is_exposure",
    "read_cell_coadd",
    "read_grid",
    "read_mask",
    "read_masked_image",
    "read_parts",
    "read_photo_calib",
    "read_pixels",
    "read_projection",
    "read_psf",
    "stored_class",
    "write_header_cards",
)
