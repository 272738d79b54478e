"""Match DIA sources with what was injected and with the truth."""

from __future__ import annotations

__all__ = ("MatchDiaSourcesConfig", "MatchDiaSourcesConnections", "MatchDiaSourcesTask")

import collections
import dataclasses
import typing

import numpy as np
from astropy.table import Table
from lsst.pex.config import Field
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

from ..imaging import Place
from ..legacy import get_table, read_mask, read_psf
from ..truth import (
    DifferencePlanes,
    FateRules,
    Label,
    MatchRules,
    Reason,
    labels_differ,
    match_tables,
)
from ._data_errors import RoomTask
from ._dia_sources import dia_sources_storage_class
from ._options import to_options, with_options


class MatchDiaSourcesConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Tables and the difference image of one detector and visit."""

    diaSources = connectionTypes.Input(
        doc="DIA sources to label.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    injected = connectionTypes.Input(
        doc="Catalogue of injected sources, with positions, fluxes and flags.",
        name="injected_preliminary_visit_image_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    injectedTemplate = connectionTypes.Input(
        doc="Catalogue of what was injected into the template.",
        name="injected_template_detector_catalog",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    truth = connectionTypes.Input(
        doc="What is on the sky and in the detector, where that is known.",
        name="visit_truth",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
        minimum=0,
        deferGraphConstraint=True,
    )
    difference = connectionTypes.Input(
        doc="Difference image, whose mask, variance and PSF tell why an injected source was not found.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=("instrument", "visit", "detector"),
        deferLoad=True,
    )
    match = connectionTypes.Output(
        doc="Label, reason and counterpart of every DIA source.",
        name="dia_source_match",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    fates = connectionTypes.Output(
        doc="What became of every injected source.",
        name="injected_supernova_fate",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )

    def __init__(self, *, config: MatchDiaSourcesConfig) -> None:
        if not config.fakes:
            del self.injected
        if not config.template_fakes:
            del self.injectedTemplate
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(MatchRules, FateRules)
class MatchDiaSourcesConfig(PipelineTaskConfig, pipelineConnections=MatchDiaSourcesConnections):
    """Radii and limits: `~lsst.meas.realbogus.truth.MatchRules` and `FateRules`."""

    dia_sources_storage_class = dia_sources_storage_class()
    fakes = Field[bool](
        doc="Were fakes injected into the science image? Their catalogue is read then; otherwise labels come "
        "from the truth alone.",
        default=True,
    )
    template_fakes = Field[bool](
        doc="Were fakes injected into the template too? Their catalogue is read then.", default=False
    )


class MatchDiaSourcesTask(RoomTask):
    """Give every DIA source a label and every injected source a fate."""

    ConfigClass: typing.ClassVar = MatchDiaSourcesConfig
    _DefaultName: typing.ClassVar = "matchDiaSources"
    config: MatchDiaSourcesConfig

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the tables whole, of the difference image only what is needed."""
        inputs = butlerQC.get(inputRefs)
        difference = inputs.pop("difference")
        inputs["planes"] = DifferencePlanes(
            mask=read_mask(difference),
            variance=difference.get(component="variance"),
            psf=read_psf(difference),
            place=Place.of(difference),
        )
        inputs["dia_sources"] = get_table(inputs.pop("diaSources"))
        inputs["injected_template"] = inputs.pop("injectedTemplate", None)
        butlerQC.put(self.run(**inputs), outputRefs)

    @timeMethod
    def run(
        self,
        dia_sources: Table,
        injected: Table | None = None,
        truth: Table | None = None,
        *,
        injected_template: Table | None = None,
        planes: DifferencePlanes | None = None,
    ) -> Struct:
        """Label DIA sources and find out what became of injected ones.

        Parameters
        ----------
        dia_sources
            DIA sources of one difference image, of any pipeline generation.
        injected
            What was injected there, by our task or by lsst.source_injection's; `None` for nothing.
        truth
            What else is there, if known.
        injected_template
            What was injected into the template.
        planes
            What is known of the difference image; without it tables of another image are not noticed.

        Returns
        -------
        lsst.pipe.base.Struct
            ``match`` and ``fates``, tables of the schemas `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH` and
            `~lsst.meas.realbogus.truth.INJECTED_FATE`; the second with the rows of both catalogues.
        """
        tables = match_tables(
            dia_sources,
            injected,
            truth,
            injected_template=injected_template,
            planes=planes,
            rules=to_options(self.config, MatchRules),
            fate_rules=to_options(self.config, FateRules),
        )
        self._account(tables.match, tables.fates, planes is not None)
        return Struct(match=tables.match, fates=tables.fates)

    def _account(self, match: Table, fates: Table, with_noise: bool) -> None:
        labels = collections.Counter(Label(value).name.lower() for value in match["label"])
        objects = fates[np.asarray(fates["is_primary"])]
        lost = collections.Counter(str(fate) for fate in objects["fate"])
        for name, count in labels.items():
            self.metadata[f"n_{name}"] = count
        for name, count in lost.items():
            self.metadata[f"n_injected_{name}"] = count
        self.metadata["n_ambiguous"] = int(np.sum(match["is_ambiguous"]))
        self.log.info(
            "%d DIA sources: %d real, %d bogus, %d undecided; %d injected, of which %d found.",
            len(match),
            labels["real"],
            labels["bogus"],
            labels["undecided"],
            len(objects),
            lost["found"],
        )
        # The mask tells of injected light without regard to positions: an independent check.
        differ = labels_differ(match)
        self.metadata["n_labels_differ"] = int(np.sum(differ))
        unflagged = int(np.sum(differ & (np.asarray(match["label_reason"]) == Reason.INJECTED)))
        self.metadata["n_matched_without_injected_flag"] = unflagged
        if unflagged:
            self.log.warning(
                "%d sources match injected ones but have no injected light at their centre.", unflagged
            )
        drawn = np.asarray(fates["injection_flag"]) == 0
        if with_noise and drawn.any() and not np.isfinite(fates["snr_expected"][drawn]).any():
            self.log.warning("No injected source lies where the noise of the difference image is known.")
