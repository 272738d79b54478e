"""Scoring under the names that tasks and datasets have in Rubin's own pipelines."""

from __future__ import annotations

__all__ = (
    "ApReliabilityConfig",
    "ApReliabilityConnections",
    "ApReliabilityTask",
    "DrpReliabilityConfig",
    "DrpReliabilityConnections",
    "DrpReliabilityTask",
    "LegacyDrpReliabilityConfig",
    "LegacyDrpReliabilityConnections",
    "LegacyDrpReliabilityTask",
)

import dataclasses
import typing

from .rb_classifier import DIMENSIONS, RbClassifierConfig, RbClassifierConnections, RbClassifierTask

_AP = RbClassifierConnections


class ApReliabilityConnections(RbClassifierConnections, dimensions=DIMENSIONS):
    """Datasets of ``computeReliability`` in ap_pipe."""


class ApReliabilityConfig(RbClassifierConfig, pipelineConnections=ApReliabilityConnections):
    """As for `RbClassifierTask`, with scores that ``filterDiaSourcePostReliability`` reads."""

    def setDefaults(self) -> None:
        """Write an afw catalogue."""
        super().setDefaults()
        self.classifications_storage_class = "Catalog"


class ApReliabilityTask(RbClassifierTask):
    """Stand in for ``computeReliability`` of ap_pipe.

    A pipeline that imports another's and gives a task another class loses that task's configuration, names of
    datasets included; so each generation of pipelines has a class with its own names.
    """

    ConfigClass: typing.ClassVar = ApReliabilityConfig
    _DefaultName: typing.ClassVar = "computeReliability"
    config: ApReliabilityConfig


class DrpReliabilityConnections(RbClassifierConnections, dimensions=DIMENSIONS):
    """Datasets of ``computeReliability`` in drp_pipe's pipelines of the second generation."""

    science = dataclasses.replace(_AP.science, name="visit_image")
    difference = dataclasses.replace(_AP.difference, name="difference_image_predetection")


class DrpReliabilityConfig(ApReliabilityConfig, pipelineConnections=DrpReliabilityConnections):
    """As for `ApReliabilityTask`."""


class DrpReliabilityTask(ApReliabilityTask):
    """Stand in for ``computeReliability`` of drp_pipe (LSSTCam, LSSTComCam v2)."""

    ConfigClass: typing.ClassVar = DrpReliabilityConfig
    config: DrpReliabilityConfig


class LegacyDrpReliabilityConnections(
    RbClassifierConnections,
    dimensions=DIMENSIONS,
    defaultTemplates={"coaddName": "goodSeeing", "fakesType": ""},
):
    """Datasets of ``rbClassify`` in drp_pipe's pipelines of the first generation."""

    science = dataclasses.replace(_AP.science, name="{fakesType}pvi")
    template = dataclasses.replace(_AP.template, name="{fakesType}{coaddName}Diff_templateExp")
    difference = dataclasses.replace(_AP.difference, name="{fakesType}{coaddName}Diff_differenceTempExp")
    diaSources = dataclasses.replace(_AP.diaSources, name="{fakesType}{coaddName}Diff_candidateDiaSrc")
    classifications = dataclasses.replace(_AP.classifications, name="{fakesType}{coaddName}RealBogusSources")


class LegacyDrpReliabilityConfig(ApReliabilityConfig, pipelineConnections=LegacyDrpReliabilityConnections):
    """As for `ApReliabilityTask`."""


class LegacyDrpReliabilityTask(ApReliabilityTask):
    """Stand in for ``rbClassify`` of drp_pipe (HSC, LSSTCam-imSim, DECam, LSSTComCamSim, LATISS)."""

    ConfigClass: typing.ClassVar = LegacyDrpReliabilityConfig
    _DefaultName: typing.ClassVar = "rbClassify"
    config: LegacyDrpReliabilityConfig
