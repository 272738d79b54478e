"""Coadds as templates are warped from them, whatever kind they are stored as."""

from __future__ import annotations

__all__ = ("PatchCoadd",)

import dataclasses
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
from lsst.images import BoundsError, Box, MaskedImage
from lsst.images.cells import CellCoadd
from lsst.images.psfs import PointSpreadFunction

type FloatArray = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class PatchCoadd:
    """The coadd of a patch, or a part of it.

    Parameters
    ----------
    image
        Pixels, mask, variance and sky projection.
    skymap, tract
        The tract, on whose pixel grid the coadd is.
    kernel
        Gives the PSF at a pixel (x, y), shape ``(n, n)``, n odd; `None` where it has none.
    inner_bbox
        Pixels that belong to this patch and to no other; `None` if that is not known.
    """

    image: MaskedImage
    skymap: str
    tract: int
    kernel: Callable[[int, int], FloatArray | None]
    inner_bbox: Box | None = None

    @classmethod
    def of(cls, coadd: CellCoadd) -> PatchCoadd:
        """Take a coadd of cells.

        Parameters
        ----------
        coadd
            The coadd.

        Returns
        -------
        PatchCoadd
            Views of its pixels.
        """

        def kernel(x: int, y: int) -> FloatArray | None:
            if not coadd.bounds.contains(x=x, y=y):
                return None
            return np.asarray(coadd.psf.compute_kernel_image(x=x, y=y).array, dtype=np.float64)

        return cls(coadd, coadd.skymap, coadd.tract, kernel, coadd.patch.inner_bbox)

    @classmethod
    def with_psf(cls, image: MaskedImage, psf: PointSpreadFunction, *, skymap: str, tract: int) -> PatchCoadd:
        """Take a coadd of another kind, such as an afw exposure.

        Parameters
        ----------
        image
            Pixels, mask, variance and sky projection.
        psf
            Its PSF, which is evaluated where the image has data only: that of a coadd is not defined where no
            input has any.
        skymap, tract
            The tract.

        Returns
        -------
        PatchCoadd
            Views of its pixels. Where patches overlap, later ones count.
        """
        bbox = image.bbox
        empty = ~np.isfinite(image.image.array)
        if "NO_DATA" in image.mask.schema.names:
            empty |= image.mask.get("NO_DATA")

        def kernel(x: int, y: int) -> FloatArray | None:
            if not bbox.contains(x=x, y=y) or empty[y - bbox.y.start, x - bbox.x.start]:
                return None
            # At a whole pixel the image of a star is the kernel, and needs no kernel box of the whole coadd.
            try:
                star = psf.compute_stellar_image(x=x, y=y)
            except BoundsError:
                return None
            reach = min(x - star.bbox.x.min, star.bbox.x.max - x, y - star.bbox.y.min, star.bbox.y.max - y)
            middle = Box.factory[y - reach : y + reach + 1, x - reach : x + reach + 1]
            return np.asarray(star[middle].array, dtype=np.float64)

        return cls(image, skymap, tract, kernel)
