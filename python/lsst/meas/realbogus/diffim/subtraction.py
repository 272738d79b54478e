"""PSF-matched subtraction of a template from a science image."""

from __future__ import annotations

__all__ = ("Subtraction", "SubtractionOptions", "subtract")

import dataclasses

import numpy as np
import numpy.typing as npt
from lsst.images import Box, Image, Mask, MaskedImage
from lsst.images.psfs import PointSpreadFunction

from lsst.meas.realbogus.errors import ImageMismatchError, InvalidInputError

from .convolve import convolve_field, convolve_image
from .decorrelate import decorrelation_kernel
from .kernel import KernelFit
from .matching import MatchingOptions, MatchingPair, find_kernel
from .planes import any_plane, missing_pixels
from .psf import KernelField, psf_width, resize
from .scaling import Scaling, fit_scaling
from .subtraction_mask import UNUSABLE_PLANES, difference_mask
from .variance import variance_factor
from .warp import fill_missing

type FloatArray = npt.NDArray[np.float64]
type Pixels = npt.NDArray[np.float32]
type BoolArray = npt.NDArray[np.bool_]

MODES = ("auto", "template", "science")
_PSF_RADIUS = 20


@dataclasses.dataclass(frozen=True)
class SubtractionOptions:
    """How to subtract.

    Parameters
    ----------
    mode
        ``"template"`` or ``"science"``: which image to convolve; ``"auto"``: the one with the narrower PSF.
    matching
        How to find the kernel.
    scale_order, background_order
        Degrees of the flux ratio and of the background difference, fitted to the pixels; negative: not
        fitted.
    scale_variance
        Rescale the variance of both images to the scatter of their blank sky first?
    decorrelate
        Whiten the noise?
    psf_order
        Degree of the PSFs' variation.
    """

    mode: str = "auto"
    matching: MatchingOptions = dataclasses.field(default_factory=MatchingOptions)
    scale_order: int = 0
    background_order: int = 1
    scale_variance: bool = True
    decorrelate: bool = True
    psf_order: int = 2

    def __post_init__(self) -> None:
        if self.mode not in MODES:
            raise InvalidInputError(f"the mode must be one of {MODES}; got {self.mode!r}")


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


@dataclasses.dataclass(frozen=True)
class _Frame:
    """An image as arrays without holes."""

    bbox: Box
    pixels: Pixels
    variance: Pixels
    missing: BoolArray
    psf: KernelField

    def cut(self, bbox: Box) -> _Frame:
        window = bbox.slice_within(self.bbox)
        return _Frame(bbox, self.pixels[window], self.variance[window], self.missing[window], self.psf)


def subtract(
    science: MaskedImage,
    template: MaskedImage,
    science_psf: PointSpreadFunction | KernelField,
    template_psf: PointSpreadFunction | KernelField,
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
        Their PSFs.
    options
        How to do it.

    Raises
    ------
    ImageMismatchError
        If the template does not cover the science image or has another unit.
    SubtractionError
        If no matching kernel can be found.

    Notes
    -----
    Matching after Alard & Lupton (1998), decorrelation of the noise after DMTN-021, masks by the rules of
    ip_diffim's ``AlardLuptonSubtractTask``.
    """
    options = SubtractionOptions() if options is None else options
    _check(science, template)
    bbox = science.bbox
    sci = _frame(science, science_psf, bbox, options)
    # Interpolation lowers the scatter of a template's pixels, not its noise on the scale of the PSF.
    ref = _frame(template, template_psf, bbox, options, lowest_factor=1.0)
    swap = _convolves_science(sci.psf, ref.psf, options.mode)
    sharp, broad = (sci, ref) if swap else (ref, sci)
    mask = difference_mask(science.mask, template.mask[bbox], spread=0, spread_science=swap)
    unusable = any_plane(mask, UNUSABLE_PLANES) | sci.missing | ref.cut(bbox).missing
    fit = find_kernel(_pair(sharp.cut(bbox), broad.cut(bbox), unusable), options.matching)
    middle = fit.kernel.at(bbox.x.center, bbox.y.center)[0]
    spread = _kernel_reach(middle)
    mask = difference_mask(science.mask, template.mask[bbox], spread=spread, spread_science=swap)

    matched = _matched(sharp, fit, middle, bbox)
    model, image = (broad.cut(bbox), matched) if swap else (matched, broad)
    scaling = _scaling(image, model, unusable, bbox, fit, swap, options)
    scale = scaling.scale_image(bbox).astype(np.float32)
    subtracted = scale * model.pixels + scaling.background_image(bbox).astype(np.float32)
    difference = image.pixels - subtracted
    missing = any_plane(mask, ["NO_DATA"]) | sci.missing | ref.cut(bbox).missing
    mask.set("NO_DATA", missing)

    mean_scale = float(np.mean(scale))
    in_science = middle if swap else np.ones((1, 1))
    in_template = mean_scale * (np.ones((1, 1)) if swap else middle)
    whitening = np.ones((1, 1))
    if options.decorrelate:
        whitening = _whitening(sci, ref.cut(bbox), in_science, in_template, missing, swap)
        difference = convolve_image(np.where(missing, np.float32(0), difference), whitening)
    variance = _noise(sci, in_science, whitening) + _noise(ref, in_template, whitening, bbox)
    psf = (ref.psf if swap else sci.psf).convolved(whitening)
    template_out = _masked(subtracted, scale**2 * model.variance, missing, template.mask[bbox], science)
    kernel = fit.kernel if swap else dataclasses.replace(fit.kernel, terms=fit.kernel.terms * mean_scale)
    return Subtraction(
        difference=_masked(difference, variance, missing, mask, science),
        psf=psf,
        template=template_out,
        template_psf=ref.psf if swap else sci.psf,
        kernel=kernel,
        summary=_summary(fit, scaling, swap, sci, ref),
    )


def _check(science: MaskedImage, template: MaskedImage) -> None:
    if not template.bbox.contains(science.bbox):
        raise ImageMismatchError(
            f"the template {template.bbox} does not cover the science image {science.bbox}"
        )
    if science.unit != template.unit:
        raise ImageMismatchError(f"the science image is in {science.unit}, the template in {template.unit}")


def _frame(
    image: MaskedImage,
    psf: PointSpreadFunction | KernelField,
    bbox: Box,
    options: SubtractionOptions,
    *,
    lowest_factor: float = 0.0,
) -> _Frame:
    missing = missing_pixels(image)
    pixels = fill_missing(np.asarray(image.image.array, dtype=np.float32), missing)
    variance = fill_missing(np.asarray(image.variance.array, dtype=np.float32), missing)
    typical = np.median(variance[~missing]) if not missing.all() else np.float32(1)
    variance = np.where(variance > 0, variance, typical).astype(np.float32)
    field = psf if isinstance(psf, KernelField) else KernelField.from_psf(psf, bbox, order=options.psf_order)
    field = field.resized(_PSF_RADIUS).normalized()
    if options.scale_variance:
        skip = missing | any_plane(image.mask, UNUSABLE_PLANES)
        factor = variance_factor(pixels, variance, skip, psf_width(field.middle()))
        variance *= np.float32(max(factor, lowest_factor))
    return _Frame(image.bbox, pixels, variance, missing, field)


def _convolves_science(science: KernelField, template: KernelField, mode: str) -> bool:
    if mode == "auto":
        return psf_width(template.middle()) > psf_width(science.middle())
    return mode == "science"


def _pair(sharp: _Frame, broad: _Frame, unusable: BoolArray) -> MatchingPair:
    return MatchingPair(
        bbox=sharp.bbox,
        sharp=sharp.pixels,
        broad=broad.pixels,
        variance=sharp.variance + broad.variance,
        unusable=unusable,
        sharp_psf=sharp.psf,
        broad_psf=broad.psf,
    )


def _kernel_reach(kernel: FloatArray, share: float = 0.8) -> int:
    """Return the half width of the square that holds this share of a kernel's absolute weight."""
    weight = np.abs(kernel)
    radius = kernel.shape[0] // 2
    inside = [resize(weight[np.newaxis], r).sum() for r in range(radius + 1)]
    return int(np.argmax(np.array(inside) >= share * weight.sum()))


def _matched(sharp: _Frame, fit: KernelFit, middle: FloatArray, bbox: Box) -> _Frame:
    near = _near(sharp.bbox, bbox, fit.kernel.radius)
    frame = sharp.cut(near)
    window = bbox.slice_within(near)
    return _Frame(
        bbox,
        convolve_field(frame.pixels, near, fit.kernel)[window],
        np.maximum(convolve_image(frame.variance, middle**2), 0)[window],
        sharp.cut(bbox).missing,
        sharp.psf,
    )


def _near(outer: Box, bbox: Box, reach: int) -> Box:
    grown = bbox.padded(reach)
    return grown.intersection(outer)


def _scaling(
    image: _Frame,
    model: _Frame,
    unusable: BoolArray,
    bbox: Box,
    fit: KernelFit,
    swap: bool,
    options: SubtractionOptions,
) -> Scaling:
    ratio = 1.0 / fit.flux_ratio if swap else fit.flux_ratio
    return fit_scaling(
        image.pixels,
        model.pixels,
        image.variance + ratio**2 * model.variance,
        unusable,
        bbox,
        scale_order=options.scale_order,
        background_order=options.background_order,
        expected_scale=ratio,
        model_variance=model.variance,
    )


def _whitening(
    sci: _Frame, ref: _Frame, in_science: FloatArray, in_template: FloatArray, missing: BoolArray, swap: bool
) -> FloatArray:
    if missing.all():
        return np.ones((1, 1))
    science_variance = float(np.median(sci.variance[~missing]))
    template_variance = float(np.median(ref.variance[~missing]))
    if swap:
        return decorrelation_kernel(in_science, science_variance, template_variance * in_template.sum() ** 2)
    return decorrelation_kernel(in_template, template_variance, science_variance)


def _noise(frame: _Frame, kernel: FloatArray, whitening: FloatArray, bbox: Box | None = None) -> Pixels:
    """Return the variance of a frame after convolution with both kernels, cut to a box."""
    from scipy.signal import convolve

    whole = convolve(kernel, whitening)
    box = frame.bbox if bbox is None else bbox
    near = _near(frame.bbox, box, whole.shape[0] // 2)
    wide = convolve_image(frame.cut(near).variance, whole**2)
    return np.maximum(wide[box.slice_within(near)], np.float32(0))


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


def _summary(
    fit: KernelFit, scaling: Scaling, swap: bool, sci: _Frame, ref: _Frame
) -> dict[str, float | int | str]:
    return {
        "convolved": "science" if swap else "template",
        "kernelSource": fit.source,
        "kernelOrder": fit.order,
        "nKernelStamps": fit.n_stamps,
        "kernelChi2": fit.chi2,
        "fluxScale": float(scaling.scale[0]),
        "fluxScaleErr": scaling.scale_error,
        "background": float(scaling.background[0]),
        "sciencePsfSigma": psf_width(sci.psf.middle()),
        "templatePsfSigma": psf_width(ref.psf.middle()),
    }
