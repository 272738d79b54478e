"""Images as arrays without holes, with their PSFs: what subtraction works on."""

from __future__ import annotations

__all__ = ("Frame", "prepare_frame")

import dataclasses

import numpy as np
import numpy.typing as npt
from lsst.images import Box, MaskedImage
from lsst.images.psfs import PointSpreadFunction

from ._convolution import convolve_field, convolve_image
from ._filling import fill_smoothly
from ._kernel_field import KernelField
from ._kernels import psf_width
from ._planes import UNUSABLE_PLANES, any_plane, missing_pixels
from ._variance import variance_factor

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]

_PSF_RADIUS = 20


@dataclasses.dataclass(frozen=True)
class Frame:
    """An image whose missing pixels are filled with a continuation of their surroundings.

    Parameters
    ----------
    bbox
        Box of the arrays.
    pixels, variance, missing
        Arrays of one shape.
    psf
        PSF.
    """

    bbox: Box
    pixels: Pixels
    variance: Pixels
    missing: BoolArray
    psf: KernelField

    @property
    def sigma(self) -> float:
        """Width of the PSF in pixels."""
        return psf_width(self.psf.middle())

    def cut(self, bbox: Box) -> Frame:
        """Return the part in a box.

        Parameters
        ----------
        bbox
            Box within that of the frame.

        Returns
        -------
        Frame
            Views of the pixels in the box.
        """
        window = bbox.slice_within(self.bbox)
        return Frame(bbox, self.pixels[window], self.variance[window], self.missing[window], self.psf)

    def convolved(self, kernel: KernelField, bbox: Box) -> Frame:
        """Return a box of the frame convolved with a kernel, using what pixels there are around it.

        Parameters
        ----------
        kernel
            Kernel that varies over the frame.
        bbox
            Which part is wanted, within the frame.

        Returns
        -------
        Frame
            The part, convolved.
        """
        near = self.cut(bbox.padded(kernel.radius).intersection(self.bbox))
        window = bbox.slice_within(near.bbox)
        pixels = convolve_field(near.pixels, near.bbox, kernel)[window]
        return Frame(bbox, pixels, self.noise(kernel.middle(), bbox), self.cut(bbox).missing, self.psf)

    def noise(self, kernel: FloatArray, bbox: Box) -> Pixels:
        """Return the variance in a box after convolution with one kernel.

        Parameters
        ----------
        kernel
            Kernel image, odd sizes.
        bbox
            Which part is wanted, within the frame.

        Returns
        -------
        numpy.ndarray
            Float32 variance, shape of the box.
        """
        near = self.cut(bbox.padded(kernel.shape[0] // 2).intersection(self.bbox))
        wide = convolve_image(near.variance, kernel**2)
        return np.maximum(wide[bbox.slice_within(near.bbox)], np.float32(0))

    def typical_variance(self) -> float:
        """Return the median variance of the known pixels, 1 where none is known.

        Returns
        -------
        float
            Variance in the square of the image's unit.
        """
        return 1.0 if self.missing.all() else float(np.median(self.variance[~self.missing]))


def prepare_frame(
    image: MaskedImage,
    psf: PointSpreadFunction | KernelField,
    domain: Box,
    *,
    psf_order: int,
    scale_variance: bool,
    lowest_factor: float = 0.0,
) -> Frame:
    """Make a frame from an image.

    Parameters
    ----------
    image
        Image.
    psf
        Its PSF, normalised here.
    domain
        Box over which the PSF is needed.
    psf_order
        Degree of the PSF's variation.
    scale_variance
        Rescale the variance to the scatter of blank sky?
    lowest_factor
        The variance is never multiplied by less than this.

    Returns
    -------
    Frame
        The frame, on the box of the image.
    """
    missing = missing_pixels(image)
    pixels = fill_smoothly(np.asarray(image.image.array, dtype=np.float32), missing)
    variance = fill_smoothly(np.asarray(image.variance.array, dtype=np.float32), missing)
    typical = np.median(variance[~missing]) if not missing.all() else np.float32(1)
    variance = np.where(variance > 0, variance, typical).astype(np.float32)
    field = psf if isinstance(psf, KernelField) else KernelField.from_psf(psf, domain, order=psf_order)
    field = field.resized(_PSF_RADIUS).normalized()
    if scale_variance:
        skip = missing | any_plane(image.mask, UNUSABLE_PLANES)
        factor = variance_factor(pixels, variance, skip, psf_width(field.middle()))
        variance *= np.float32(max(factor, lowest_factor))
    return Frame(image.bbox, pixels, variance, missing, field)
