"""PSF-matched subtraction of a template from a science image."""

from __future__ import annotations

__all__ = ("Subtraction", "subtract")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.signal
from lsst.images import Image, Mask, MaskedImage
from lsst.images.psfs import PointSpreadFunction

from lsst.meas.realbogus.errors import ImageMismatchError

from ..imaging import (
    UNUSABLE_PLANES,
    Frame,
    KernelField,
    Place,
    any_plane,
    check_together,
    convolve_image,
    kernel_reach,
    own_psf,
    prepare_frame,
)
from ._decorrelation import decorrelation_kernel
from ._difference_mask import difference_mask
from ._match import Match, match_frames
from ._options import SubtractionOptions

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class Subtraction:
    """A difference image and what it was made from.

    Parameters
    ----------
    difference
        Science image less matched template.
    psf
        PSF of the difference; whitening the noise makes it differ from that of the science image.
    template
        The template on the same pixels, with the flux scale and background of the science image and,
        unless the science image was the one convolved, its PSF.
    template_psf
        PSF of that template.
    kernel
        The matching kernel; with the flux ratio in it where the template was convolved.
    summary
        Numbers that tell how it went.
    """

    difference: MaskedImage
    psf: KernelField
    template: MaskedImage
    template_psf: KernelField
    kernel: KernelField
    summary: dict[str, float | int | str]


def subtract(
    science: MaskedImage,
    template: MaskedImage,
    science_psf: PointSpreadFunction | KernelField | None = None,
    template_psf: PointSpreadFunction | KernelField | None = None,
    options: SubtractionOptions | None = None,
) -> Subtraction:
    """Subtract a template.

    Parameters
    ----------
    science
        Science image.
    template
        Template on the same pixel grid, at least as large.
    science_psf, template_psf
        Their PSFs; by default those that the images carry, as a `~lsst.images.VisitImage` does.
    options
        How to do it.

    Returns
    -------
    Subtraction
        The difference, its PSF, the matched template and the kernel.

    Raises
    ------
    ImageMismatchError
        If the template does not cover the science image, is on another pixel grid or has another unit.
    SubtractionError
        If no matching kernel can be found.

    Notes
    -----
    Matching after Alard & Lupton (1998), decorrelation of the noise after DMTN-021, masks by the rules of
    ip_diffim's ``AlardLuptonSubtractTask``.
    """
    options = SubtractionOptions() if options is None else options
    _check(science, template)
    science_psf = own_psf(science) if science_psf is None else science_psf
    template_psf = own_psf(template) if template_psf is None else template_psf
    bbox = science.bbox
    sci, ref = _frames(science, template, science_psf, template_psf, options)
    swap = ref.sigma > sci.sigma if options.mode == "auto" else options.mode == "science"
    match = match_frames(
        sci if swap else ref,
        ref if swap else sci,
        _unusable(science, template, sci, ref),
        bbox,
        options,
        may_shift=not swap,
    )
    middle = match.fit.kernel.middle()
    mask = _mask(science, template, middle, swap)
    missing = any_plane(mask, ["NO_DATA"]) | sci.missing | ref.cut(bbox).missing
    mask.set("NO_DATA", missing)

    # The fit says: broad image = scale * convolved image + background.
    scale = match.scaling.scale_image(bbox).astype(np.float32)
    background = match.scaling.background_image(bbox).astype(np.float32)
    delta = np.ones((1, 1))
    if swap:
        image, scale = match.matched.pixels, np.float32(1) / scale
        subtracted, noise = scale * (ref.cut(bbox).pixels - background), scale**2 * ref.cut(bbox).variance
        in_science, in_template = middle, float(np.mean(scale)) * delta
    else:
        image = sci.pixels
        subtracted, noise = scale * match.matched.pixels + background, scale**2 * match.matched.variance
        in_science, in_template = delta, float(np.mean(scale)) * middle
    difference = image - subtracted
    whitening = delta
    if options.decorrelate:
        whitening = _whitening(sci, ref, in_science, in_template, swap)
        difference = convolve_image(np.where(missing, np.float32(0), difference), whitening)
    variance = sci.noise(_convolve(in_science, whitening), bbox)
    variance = variance + ref.noise(_convolve(in_template, whitening), bbox)
    kernel = match.fit.kernel
    return Subtraction(
        difference=_masked(difference, variance, missing, mask, science),
        psf=(ref if swap else sci).psf.convolved(whitening),
        template=_masked(subtracted, noise, missing, template.mask[bbox], science),
        template_psf=(ref if swap else sci).psf,
        kernel=kernel if swap else dataclasses.replace(kernel, terms=kernel.terms * float(np.mean(scale))),
        summary=_summary(match, swap, sci, ref),
    )


def _check(science: MaskedImage, template: MaskedImage) -> None:
    check_together({"science": Place.of(science), "template": Place.of(template)})
    if not template.bbox.contains(science.bbox):
        raise ImageMismatchError(
            f"the template {template.bbox} does not cover the science image {science.bbox}"
        )
    if science.unit != template.unit:
        raise ImageMismatchError(f"the science image is in {science.unit}, the template in {template.unit}")


def _frames(
    science: MaskedImage,
    template: MaskedImage,
    science_psf: PointSpreadFunction | KernelField,
    template_psf: PointSpreadFunction | KernelField,
    options: SubtractionOptions,
) -> tuple[Frame, Frame]:
    # Interpolation lowers the scatter of a template's pixels, not its noise on the scale of the PSF.
    frames = [
        prepare_frame(
            image,
            psf,
            science.bbox,
            psf_order=options.psf_order,
            scale_variance=options.scale_variance,
            lowest_factor=lowest,
        )
        for image, psf, lowest in ((science, science_psf, 0.0), (template, template_psf, 1.0))
    ]
    return frames[0], frames[1]


def _unusable(science: MaskedImage, template: MaskedImage, sci: Frame, ref: Frame) -> BoolArray:
    """Return the pixels that no fit should see."""
    mask = difference_mask(science.mask, template.mask[science.bbox], spread=0)
    return any_plane(mask, UNUSABLE_PLANES) | sci.missing | ref.cut(science.bbox).missing


def _mask(science: MaskedImage, template: MaskedImage, kernel: FloatArray, swap: bool) -> Mask:
    bbox, reach = science.bbox, kernel_reach(kernel)
    mask = difference_mask(science.mask, template.mask[bbox], spread=reach, spread_science=swap)
    if swap and reach:
        border = np.ones(bbox.shape, dtype=bool)
        border[reach:-reach, reach:-reach] = False
        mask.set("DETECTION_EDGE", border)
    return mask


def _whitening(
    sci: Frame, ref: Frame, in_science: FloatArray, in_template: FloatArray, swap: bool
) -> FloatArray:
    science_variance, template_variance = sci.typical_variance(), ref.typical_variance()
    if swap:
        return decorrelation_kernel(in_science, science_variance, template_variance * in_template.sum() ** 2)
    return decorrelation_kernel(in_template, template_variance, science_variance)


def _convolve(first: FloatArray, second: FloatArray) -> FloatArray:
    return np.asarray(scipy.signal.convolve(first, second))


def _masked(
    pixels: Pixels, variance: Pixels, missing: BoolArray, mask: Mask, like: MaskedImage
) -> MaskedImage:
    nan = np.float32(np.nan)
    return MaskedImage(
        Image(np.where(missing, nan, pixels).astype(np.float32), bbox=like.bbox, unit=like.unit),
        mask=mask.copy(),
        variance=Image(np.where(missing, nan, variance).astype(np.float32), bbox=like.bbox),
        sky_projection=like.sky_projection,
    )


def _summary(match: Match, swap: bool, sci: Frame, ref: Frame) -> dict[str, float | int | str]:
    scale = float(match.scaling.scale[0])
    return {
        "convolved": "science" if swap else "template",
        "kernelSource": match.fit.source,
        "kernelOrder": match.fit.order,
        "nKernelStamps": match.fit.n_stamps,
        "kernelChi2": match.fit.chi2,
        "fluxScale": 1 / scale if swap else scale,
        "fluxScaleErr": match.scaling.scale_error / scale**2 if swap else match.scaling.scale_error,
        "shiftX": match.shift[0],
        "shiftY": match.shift[1],
        "sciencePsfSigma": sci.sigma,
        "templatePsfSigma": ref.sigma,
    }
