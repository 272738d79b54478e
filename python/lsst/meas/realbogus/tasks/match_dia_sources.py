"""Match DIA sources with what was injected and with the truth."""

from __future__ import annotations

__all__ = ("MatchDiaSourcesConfig", "MatchDiaSourcesConnections", "MatchDiaSourcesTask")

import collections
import dataclasses
import typing

import numpy as np
from astropy.table import Table
from lsst.images import Image, Mask
from lsst.images.psfs import PointSpreadFunction
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
from ..legacy import get_table
from ..truth import (
    Conditions,
    FateRules,
    Label,
    MatchRules,
    Reason,
    check_tables,
    injected_fates,
    join_injected,
    label_dia_sources,
    measure_conditions,
    read_matched_sources,
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
        if not config.template_fakes:
            del self.injectedTemplate
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)


@with_options(MatchRules, FateRules)
class MatchDiaSourcesConfig(PipelineTaskConfig, pipelineConnections=MatchDiaSourcesConnections):
    """Radii and limits: `~lsst.meas.realbogus.truth.MatchRules` and `FateRules`."""

    dia_sources_storage_class = dia_sources_storage_class()
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
        planes = {name: difference.get(component=name) for name in ("mask", "variance", "psf")}
        inputs["place"] = Place.of(difference)
        inputs["dia_sources"] = get_table(inputs.pop("diaSources"))
        inputs["injected_template"] = inputs.pop("injectedTemplate", None)
        butlerQC.put(self.run(**inputs, **planes), outputRefs)

    @timeMethod
    def run(
        self,
        dia_sources: Table,
        injected: Table,
        truth: Table | None = None,
        *,
        injected_template: Table | None = None,
        mask: Mask | None = None,
        variance: Image | None = None,
        psf: PointSpreadFunction | None = None,
        place: Place | None = None,
    ) -> Struct:
        """Label DIA sources and find out what became of injected ones.

        Parameters
        ----------
        dia_sources
            DIA sources of one difference image, of any pipeline generation.
        injected
            What was injected there, by our task or by lsst.source_injection's.
        truth
            What else is there, if known.
        injected_template
            What was injected into the template.
        mask, variance, psf
            Planes and PSF of the difference image.
        place
            Where it lies, so that tables of another image are refused.

        Returns
        -------
        lsst.pipe.base.Struct
            ``match`` and ``fates``, tables of the schemas `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH` and
            `~lsst.meas.realbogus.truth.INJECTED_FATE`; the second with the rows of both catalogues.
        """
        fate_rules = to_options(self.config, FateRules)
        projection = None if place is None else place.projection
        dia_sources = read_matched_sources(dia_sources, projection)
        injected = join_injected(injected, injected_template, projection)
        if place is not None:
            check_tables(place, dia_sources, injected, truth)
        matched = label_dia_sources(dia_sources, injected, truth, rules=to_options(self.config, MatchRules))
        conditions = None
        if mask is not None and variance is not None:
            conditions = measure_conditions(
                injected["x"],
                injected["y"],
                mask=mask,
                variance=variance,
                psf=psf,
                masked_planes=fate_rules.masked_planes,
                edge_planes=fate_rules.edge_planes,
            )
        fates = injected_fates(injected, dia_sources, matched, conditions, rules=fate_rules)
        self._account(dia_sources, matched.table, fates, conditions)
        return Struct(match=matched.table, fates=fates)

    def _account(self, dia_sources: Table, match: Table, fates: Table, conditions: Conditions | None) -> None:
        labels = collections.Counter(Label(value).name.lower() for value in match["label"])
        objects = fates[np.asarray(fates["is_primary"])]
        lost = collections.Counter(str(fate) for fate in objects["fate"])
        for name, count in labels.items():
            self.metadata[f"n_{name}"] = count
        for name, count in lost.items():
            self.metadata[f"n_injected_{name}"] = count
        self.log.info(
            "%d DIA sources: %d real, %d bogus, %d undecided; %d injected, of which %d found.",
            len(match),
            labels["real"],
            labels["bogus"],
            labels["undecided"],
            len(objects),
            lost["found"],
        )
        if "pixelFlags_injectedCenter" in dia_sources.colnames:
            # The mask plane tells of injected light without regard to positions: an independent check.
            flagged = np.asarray(dia_sources["pixelFlags_injectedCenter"])
            if "pixelFlags_injected_templateCenter" in dia_sources.colnames:
                flagged = flagged | np.asarray(dia_sources["pixelFlags_injected_templateCenter"])
            unflagged = int(np.sum(~flagged & (np.asarray(match["label_reason"]) == Reason.INJECTED)))
            self.metadata["n_matched_without_injected_flag"] = unflagged
            if unflagged:
                self.log.warning(
                    "%d sources match injected ones but have no injected light at their centre.", unflagged
                )
        if conditions is not None and len(fates) and not np.isfinite(conditions.flux_error).any():
            self.log.warning("No injected source lies where the noise of the difference image is known.")
