"""Subtract the template from a science image."""

from __future__ import annotations

__all__ = ("SubtractImagesConfig", "SubtractImagesConnections", "SubtractImagesTask")

import typing

from lsst.images import MaskedImage, VisitImage
from lsst.images.psfs import PointSpreadFunction
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..diffim import SubtractionOptions, subtract_visit
from ..legacy import read_masked_image, read_psf
from ._data_errors import RoomTask
from ._options import to_options, with_options


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
        deferLoad=True,
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


@with_options(SubtractionOptions)
class SubtractImagesConfig(PipelineTaskConfig, pipelineConnections=SubtractImagesConnections):
    """How to subtract: `~lsst.meas.realbogus.diffim.SubtractionOptions`."""


class SubtractImagesTask(RoomTask):
    """Match the PSFs of two images and subtract one from the other."""

    ConfigClass: typing.ClassVar = SubtractImagesConfig
    _DefaultName: typing.ClassVar = "subtractImages"
    config: SubtractImagesConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the template part by part: as ip_diffim warps it, it has no Detector."""
        inputs = butlerQC.get(inputRefs)
        handle = inputs["template"]
        template, psf = read_masked_image(handle), read_psf(handle)
        butlerQC.put(self.run(inputs["science"], template, template_psf=psf), outputRefs)

    @timeMethod
    def run(
        self, science: VisitImage, template: MaskedImage, *, template_psf: PointSpreadFunction | None = None
    ) -> Struct:
        """Subtract.

        Parameters
        ----------
        science, template
            Images on one pixel grid.
        template_psf
            PSF of the template, by default the one that it carries.

        Returns
        -------
        lsst.pipe.base.Struct
            ``difference``, a `lsst.images.DifferenceImage`, and ``matchedTemplate``, a
            `lsst.images.VisitImage`.
        """
        options = to_options(self.config, SubtractionOptions)
        products = subtract_visit(science, template, options, template_psf=template_psf)
        for name, value in products.summary.items():
            self.metadata[name] = value
        self.log.info(
            "Convolved the %(convolved)s (PSF sigma %(sciencePsfSigma).2f and %(templatePsfSigma).2f pixels) "
            "with a kernel from %(kernelSource)s of degree %(kernelOrder)d; flux ratio %(fluxScale).4f.",
            products.summary,
        )
        return Struct(difference=products.difference, matchedTemplate=products.template)
