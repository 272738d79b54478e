"""Measurement of whole difference images, as the pipeline task does it."""

from __future__ import annotations

__all__ = ("measure_difference",)

from lsst.images import DifferenceImage, MaskedImage
from lsst.images.psfs import PointSpreadFunction

from ..imaging import Place, check_together
from ._dia_catalog import DiaCatalog, SourceIds, detect_and_measure
from ._options import DetectionOptions


def measure_difference(
    difference: DifferenceImage,
    science: MaskedImage,
    template: MaskedImage,
    *,
    science_psf: PointSpreadFunction | None = None,
    template_psf: PointSpreadFunction | None = None,
    id_base: int = 0,
    options: DetectionOptions | None = None,
) -> tuple[DifferenceImage, DiaCatalog]:
    """Detect and measure sources on a difference image.

    Parameters
    ----------
    difference
        Difference image.
    science, template
        The images it was made from, of the same box; the template matched.
    science_psf, template_psf
        Their PSFs; by default those that the images carry.
    id_base
        Added to the number of each source to make its identifier.
    options
        How to do it.

    Returns
    -------
    tuple
        The difference image less its smooth background, with the planes DETECTED and DETECTED_NEGATIVE,
        and the sources.

    Raises
    ------
    ImageMismatchError
        If the images do not belong together.
    """
    images = {"science": science, "matched template": template, "difference": difference}
    check_together({name: Place.of(image) for name, image in images.items()})
    catalog = detect_and_measure(
        difference,
        science,
        template,
        science_psf=science_psf,
        template_psf=template_psf,
        ids=SourceIds.of(difference, id_base=id_base),
        options=options,
    )
    measured = difference.copy()
    measured.image.array -= catalog.background
    measured.mask = catalog.mask
    return measured, catalog
