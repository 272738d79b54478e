"""Subtraction of whole images, as the pipeline task does it."""

from __future__ import annotations

__all__ = ("DifferenceProducts", "subtract_visit")

import dataclasses

from lsst.images import Box, DifferenceImage, MaskedImage, VisitImage
from lsst.images.psfs import PointSpreadFunction

from ..imaging import KernelField, own_psf
from ._kernel_fit import to_convolution_kernel
from ._options import SubtractionOptions
from ._subtraction import subtract


@dataclasses.dataclass(frozen=True)
class DifferenceProducts:
    """A difference image, its matched template, and numbers that tell how the subtraction went.

    Parameters
    ----------
    difference
        The difference image.
    template
        The template on its pixels, matched.
    summary
        Numbers by name, as for `Subtraction`.
    """

    difference: DifferenceImage
    template: VisitImage
    summary: dict[str, float | int | str]


def subtract_visit(
    science: VisitImage,
    template: MaskedImage,
    options: SubtractionOptions | None = None,
    *,
    template_psf: PointSpreadFunction | None = None,
) -> DifferenceProducts:
    """Subtract a template from a visit image.

    Parameters
    ----------
    science, template
        Images on one pixel grid, as for `lsst.meas.realbogus.diffim.subtract`.
    options
        How to do it.
    template_psf
        PSF of the template, by default the one that it carries.

    Returns
    -------
    DifferenceProducts
        The difference carries its own PSF, the kernel, and everything else of the science image.
    """
    template_psf = own_psf(template) if template_psf is None else template_psf
    result = subtract(science, template, template_psf=template_psf, options=options)
    swapped = result.summary["convolved"] == "science"
    difference = DifferenceImage(
        result.difference.image,
        mask=result.difference.mask,
        variance=result.difference.variance,
        psf=result.psf.to_psf(science.bbox),
        kernel=to_convolution_kernel(result.kernel),
        sky_projection=science.sky_projection,
        bounds=science.bounds,
        obs_info=science.obs_info,
        summary_stats=science.summary_stats,
        photometric_scaling=science.photometric_scaling,
        detector=science.detector,
        aperture_corrections=science.aperture_corrections,
        backgrounds=science.backgrounds,
        band=science.band,
    )
    difference.metadata.update(science.metadata)
    matched = VisitImage(
        result.template.image,
        mask=result.template.mask,
        variance=result.template.variance,
        psf=_storable(template_psf if swapped else science.psf, science.bbox),
        sky_projection=science.sky_projection,
        obs_info=science.obs_info,
        detector=science.detector,
        band=science.band,
    )
    return DifferenceProducts(difference, matched, result.summary)


def _storable(psf: PointSpreadFunction, bbox: Box) -> PointSpreadFunction:
    """Return a PSF that files can hold: those that afw evaluates, such as of coadds, they cannot."""
    return psf if hasattr(psf, "serialize") else KernelField.from_psf(psf, bbox).to_psf(bbox)
