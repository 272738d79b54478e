"""Subtract the template from a science image."""

from __future__ import annotations

__all__ = ("SubtractImagesConfig", "SubtractImagesConnections", "SubtractImagesTask")

import typing

from lsst.images import VisitImage
from lsst.pex.config import ChoiceField, Field
from lsst.pipe.base import (
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..diffim import MatchingOptions, SubtractionOptions, subtract_visit


class SubtractImagesConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Science image and template in, difference image and matched template out."""

    science = connectionTypes.Input(
        doc="Science image.",
        name="injected_preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )
    template = connectionTypes.Input(
        doc="Template on the pixel grid of the science image, at least as large.",
        name="template_detector",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )
    difference = connectionTypes.Output(
        doc="Difference image, before detection.",
        name="difference_image_predetection",
        storageClass="DifferenceImage",
        dimensions=("instrument", "visit", "detector"),
    )
    matchedTemplate = connectionTypes.Output(
        doc="Template matched to the science image.",
        name="template_matched",
        storageClass="VisitImage",
        dimensions=("instrument", "visit", "detector"),
    )


class SubtractImagesConfig(PipelineTaskConfig, pipelineConnections=SubtractImagesConnections):
    """How to subtract; see `~lsst.meas.realbogus.diffim.SubtractionOptions`."""

    mode = ChoiceField[str](
        doc="Which image to convolve.",
        default="auto",
        allowed={
            "auto": "the one with the narrower PSF",
            "template": "the template",
            "science": "the science image",
        },
    )
    kernelSource = ChoiceField[str](
        doc="What the matching kernel is fitted to.",
        default="auto",
        allowed={
            "auto": "the PSF models, unless stars fit each other clearly better",
            "psf": "the PSF models",
            "stars": "stamps of objects in both images",
        },
    )
    psfKernelOrder = Field[int](doc="Degree of the variation of a kernel from PSF models.", default=2)
    starKernelOrder = Field[int](doc="Degree of the variation of a kernel from stars.", default=1)
    minStampsSecondOrder = Field[int](
        doc="Kernels from this many stars or more vary with degree 2.", default=80
    )
    scaleOrder = Field[int](doc="Degree of the ratio of fluxes; -1: not fitted.", default=0)
    backgroundOrder = Field[int](doc="Degree of the difference of backgrounds; -1: not fitted.", default=1)
    doScaleVariance = Field[bool](
        doc="Rescale variances to the scatter of blank sky before subtracting?", default=True
    )
    doDecorrelation = Field[bool](doc="Whiten the noise of the difference?", default=True)

    def options(self) -> SubtractionOptions:
        """Return the options of the subtraction."""
        return SubtractionOptions(
            mode=self.mode,
            matching=MatchingOptions(
                source=self.kernelSource,
                psf_order=self.psfKernelOrder,
                star_order=self.starKernelOrder,
                min_stamps_second_order=self.minStampsSecondOrder,
            ),
            scale_order=self.scaleOrder,
            background_order=self.backgroundOrder,
            scale_variance=self.doScaleVariance,
            decorrelate=self.doDecorrelation,
        )


class SubtractImagesTask(PipelineTask):
    """Match the PSFs of two images and subtract one from the other."""

    ConfigClass: typing.ClassVar = SubtractImagesConfig
    _DefaultName: typing.ClassVar = "subtractImages"
    config: SubtractImagesConfig

    @timeMethod
    def run(self, science: VisitImage, template: VisitImage) -> Struct:
        """Subtract.

        Parameters
        ----------
        science, template
            Images on one pixel grid.

        Returns
        -------
        lsst.pipe.base.Struct
            ``difference``, a `lsst.images.DifferenceImage`, and ``matchedTemplate``, a
            `lsst.images.VisitImage`.
        """
        products = subtract_visit(science, template, self.config.options())
        for name, value in products.summary.items():
            self.metadata[name] = value
        self.log.info(
            "Convolved the %(convolved)s (PSF sigma %(sciencePsfSigma).2f and %(templatePsfSigma).2f pixels) "
            "with a kernel from %(kernelSource)s of degree %(kernelOrder)d; flux ratio %(fluxScale).4f.",
            products.summary,
        )
        return Struct(difference=products.difference, matchedTemplate=products.template)
