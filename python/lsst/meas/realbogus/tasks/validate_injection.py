"""Validate a campaign of injections."""

from __future__ import annotations

__all__ = ("ValidateInjectionConfig", "ValidateInjectionConnections", "ValidateInjectionTask")

import dataclasses
import typing

from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
)
from lsst.pipe.base import connectionTypes as ct
from lsst.utils.timer import timeMethod

from ..evaluation import Status, ValidationOptions
from ..report import validation_figure
from ..repository import Campaign, validate_campaign
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class
from ._options import to_options, with_options

_IMAGE = ("instrument", "visit", "detector")


class ValidateInjectionConnections(
    PipelineTaskConnections,
    dimensions=("instrument",),
    defaultTemplates={"image": "preliminary_visit_image", "prefix": "injected_"},
):
    """Tables of all images of a campaign, and the images before and after injection."""

    diaSources = ct.Input(
        doc="DIA sources.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    fates = ct.Input(
        doc="What became of every injected source.",
        name="injected_supernova_fate",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    injected = ct.Input(
        doc="Injected catalogues.",
        name="{prefix}{image}_catalog",
        storageClass="ArrowAstropy",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
    )
    before = ct.Input(
        doc="Images without fakes.",
        name="{image}",
        storageClass="VisitImage",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    after = ct.Input(
        doc="Images with fakes.",
        name="{prefix}{image}",
        storageClass="VisitImage",
        dimensions=_IMAGE,
        multiple=True,
        deferLoad=True,
        minimum=0,
        deferGraphConstraint=True,
    )
    checks = ct.Output(
        doc="Every check with its value, interval, limits and status.",
        name="injection_validation",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    bins = ct.Output(
        doc="Bias, scatter and pulls of fluxes and positions in bins.",
        name="injection_validation_bins",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    recovery = ct.Output(
        doc="Every injected source beside what was measured of it.",
        name="injection_recovery",
        storageClass="ArrowAstropy",
        dimensions=("instrument",),
    )
    metrics = ct.Output(
        doc="Verdict and values by name.",
        name="injection_validation_metrics",
        storageClass="StructuredDataDict",
        dimensions=("instrument",),
    )
    figure = ct.Output(
        doc="Pulls, bias in bins, and noise against added variance.",
        name="injection_validation_plot",
        storageClass="Plot",
        dimensions=("instrument",),
    )

    def __init__(self, *, config: ValidateInjectionConfig) -> None:
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(ValidationOptions)
class ValidateInjectionConfig(PipelineTaskConfig, pipelineConnections=ValidateInjectionConnections):
    """Limits and bins: `~lsst.meas.realbogus.evaluation.ValidationOptions`."""

    dia_sources_storage_class = dia_sources_storage_class()


class ValidateInjectionTask(RoomTask):
    """Compare fluxes and positions of fakes, and the noise that came with them, with what was injected."""

    ConfigClass: typing.ClassVar = ValidateInjectionConfig
    _DefaultName: typing.ClassVar = "validateInjection"
    config: ValidateInjectionConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Pass the handles on: tables are read image by image, pixels of a few images."""
        inputs = butlerQC.get(inputRefs)
        campaign = Campaign.of(sources=inputs.pop("diaSources"), **inputs)
        butlerQC.put(self.run(campaign), outputRefs)

    @timeMethod
    def run(self, campaign: Campaign) -> Struct:
        """Validate a campaign.

        Parameters
        ----------
        campaign
            Where its datasets are.

        Returns
        -------
        lsst.pipe.base.Struct
            ``checks``, ``bins`` and ``recovery``, tables of the schemas
            `~lsst.meas.realbogus.evaluation.CHECKS`, `~lsst.meas.realbogus.evaluation.RECOVERY_BINS` and
            `~lsst.meas.realbogus.evaluation.INJECTED_RECOVERY`; ``metrics``, a dictionary; ``figure``, of
            matplotlib.
        """
        validation = validate_campaign(campaign, to_options(self.config, ValidationOptions))
        for check in validation.checks:
            if check.status is Status.FAIL:
                self.log.warning("%s is %.4g, %s is asked for.", check.name, check.value, check.limit)
        self.log.info("Verdict on %d injected sources: %s.", len(validation.recovery), validation.verdict)
        return Struct(
            checks=validation.table,
            bins=validation.bins,
            recovery=validation.recovery,
            metrics=validation.metrics,
            figure=validation_figure(validation),
        )
