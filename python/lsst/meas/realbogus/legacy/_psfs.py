"""PSFs that afw evaluates."""

from __future__ import annotations

__all__ = ("AfwPsf",)

import functools
from collections.abc import Callable
from typing import Any

import numpy as np
from lsst.images import BoundsError, Box, Image
from lsst.images.psfs import LegacyPointSpreadFunction

_NODES = 5


class AfwPsf(LegacyPointSpreadFunction):
    """A PSF of afw's with kernels of one size and one error, as other PSFs of `lsst.images` have them.

    Parameters
    ----------
    impl
        ``lsst.afw.detection.Psf``.
    bounds
        Pixels of its image.

    Notes
    -----
    Kernels of a ``CoaddPsf`` differ in size from place to place, and there is none where no input has
    pixels: `lsst.images.BoundsError` there. ``kernel_bbox`` holds the kernels at 5 × 5 places of the image
    that have one; kernels are cropped to it and padded with zeros.
    """

    @functools.cached_property
    def kernel_bbox(self) -> Box:
        """The box of all kernels."""
        box = self.bounds.bbox
        found = []
        for y in np.linspace(box.y.min, box.y.max, _NODES).tolist():
            for x in np.linspace(box.x.min, box.x.max, _NODES).tolist():
                try:
                    found.append(Box.from_legacy(self._evaluate(self.legacy_psf.computeKernelBBox, x, y)))
                except BoundsError:
                    continue
        if not found:
            raise BoundsError(f"the PSF has no value on {box}")
        reach = max(max(-kernel.x.min, kernel.x.max, -kernel.y.min, kernel.y.max) for kernel in found)
        return Box.factory[-reach : reach + 1, -reach : reach + 1]

    def compute_kernel_image(self, *, x: float, y: float) -> Image:
        """Evaluate the kernel at a place.

        Parameters
        ----------
        x, y
            Parent pixels.

        Returns
        -------
        lsst.images.Image
            The kernel on ``kernel_bbox``.

        Raises
        ------
        lsst.images.BoundsError
            Raised where there is none.
        """
        kernel = Image.from_legacy(self._evaluate(self.legacy_psf.computeKernelImage, x, y))
        if kernel.bbox == self.kernel_bbox:
            return kernel
        common = self.kernel_bbox.intersection(kernel.bbox)
        out = Image(0.0, bbox=self.kernel_bbox, dtype=np.float64)
        out[common].array[...] = kernel[common].array
        return out

    def compute_stellar_image(self, *, x: float, y: float) -> Image:
        """Evaluate the image of a star.

        Parameters
        ----------
        x, y
            Its place, parent pixels.

        Returns
        -------
        lsst.images.Image
            The star, of unit flux.

        Raises
        ------
        lsst.images.BoundsError
            Raised where there is no PSF.
        """
        return Image.from_legacy(self._evaluate(self.legacy_psf.computeImage, x, y))

    def compute_stellar_bbox(self, *, x: float, y: float) -> Box:
        """Return the box of `compute_stellar_image`.

        Parameters
        ----------
        x, y
            The star's place, parent pixels.

        Returns
        -------
        lsst.images.Box
            The box.

        Raises
        ------
        lsst.images.BoundsError
            Raised where there is no PSF.
        """
        return Box.from_legacy(self._evaluate(self.legacy_psf.computeImageBBox, x, y))

    @staticmethod
    def _evaluate(method: Callable[[Any], Any], x: float, y: float) -> Any:
        from lsst.geom import Point2D
        from lsst.pex.exceptions import Exception as AfwError

        try:
            return method(Point2D(float(x), float(y)))
        except AfwError as error:
            raise BoundsError(f"the PSF has no value at x = {x:.1f}, y = {y:.1f}: {error}") from error
