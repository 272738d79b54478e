"""Match DIA sources with what was injected and with the truth."""

from __future__ import annotations

__all__ = ("MatchDiaSourcesConfig", "MatchDiaSourcesConnections", "MatchDiaSourcesTask")

import collections
import typing

import numpy as np
from astropy.table import Table
from lsst.images import Image, Mask
from lsst.images.psfs import PointSpreadFunction
from lsst.pex.config import Field, ListField
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    PipelineTask,
    PipelineTaskConfig,
    PipelineTaskConnections,
    QuantumContext,
    Struct,
    connectionTypes,
)
from lsst.utils.timer import timeMethod

from ..truth import (
    EDGE_PLANES,
    MASKED_PLANES,
    Conditions,
    FateRules,
    Label,
    MatchRules,
    injected_fates,
    label_dia_sources,
    measure_conditions,
)


class MatchDiaSourcesConnections(PipelineTaskConnections, dimensions=("instrument", "visit", "detector")):
    """Tables and the difference image of one detector and visit."""

    diaSources = connectionTypes.Input(
        doc="DIA sources to label.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=("instrument", "visit", "detector"),
    )
    injected = connectionTypes.Input(
        doc="Catalogue of injected sources, with positions, fluxes and flags.",
        name="injected_preliminary_visit_image_catalog",
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


class MatchDiaSourcesConfig(PipelineTaskConfig, pipelineConnections=MatchDiaSourcesConnections):
    """Radii and limits; see `~lsst.meas.realbogus.truth.MatchRules` and `FateRules`."""

    radius = Field[float](doc="Match radius for sources with well-measured positions (arcsec).", default=0.5)
    n_sigma = Field[float](doc="The radius grows to this many position errors.", default=5.0)
    max_radius = Field[float](doc="Largest match radius (arcsec).", default=1.0)
    min_snr = Field[float](doc="A change fainter than this many flux errors explains nothing.", default=1.0)
    min_flux_ratio = Field[float](
        doc="A change fainter than this fraction of a source's flux did not make it.", default=0.4
    )
    near_radius = Field[float](
        doc="Unmatched sources this near a change are undecided (arcsec).", default=1.5
    )
    static_radius = Field[float](doc="Reach of stars and galaxies of the truth (arcsec).", default=1.5)
    artefact_margin = Field[float](doc="Reach of artefacts beyond their outline (pixels).", default=4.0)
    noise_snr = Field[float](doc="SNR from which what nothing explains is not called noise.", default=7.0)
    unmatched_is_bogus = Field[bool](
        doc="Without a truth table, call unmatched sources bogus instead of undecided?", default=False
    )
    detection_threshold = Field[float](
        doc="Expected SNR below which an injected source is not meant to be found.", default=5.0
    )
    merge_radius = Field[float](
        doc="A lost source this near another DIA source is merged with it (pixels).", default=6.0
    )
    masked_planes = ListField[str](
        doc="Mask planes whose pixels cannot hold a detection.", default=list(MASKED_PLANES)
    )
    edge_planes = ListField[str](doc="Mask planes of the edge.", default=list(EDGE_PLANES))

    def match_rules(self) -> MatchRules:
        """Return the rules of matching."""
        return MatchRules(
            radius=self.radius,
            n_sigma=self.n_sigma,
            max_radius=self.max_radius,
            min_snr=self.min_snr,
            min_flux_ratio=self.min_flux_ratio,
            near_radius=self.near_radius,
            static_radius=self.static_radius,
            artefact_margin=self.artefact_margin,
            noise_snr=self.noise_snr,
            unmatched_is_bogus=self.unmatched_is_bogus,
        )

    def fate_rules(self) -> FateRules:
        """Return the limits between fates."""
        return FateRules(detection_threshold=self.detection_threshold, merge_radius=self.merge_radius)


class MatchDiaSourcesTask(PipelineTask):
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
        inputs["dia_sources"] = inputs.pop("diaSources")
        butlerQC.put(self.run(**inputs, **planes), outputRefs)

    @timeMethod
    def run(
        self,
        dia_sources: Table,
        injected: Table,
        truth: Table | None = None,
        *,
        mask: Mask | None = None,
        variance: Image | None = None,
        psf: PointSpreadFunction | None = None,
    ) -> Struct:
        """Label DIA sources and find out what became of injected ones.

        Parameters
        ----------
        dia_sources
            DIA sources of one difference image.
        injected
            What was injected there.
        truth
            What else is there, if known.
        mask, variance, psf
            Planes and PSF of the difference image.

        Returns
        -------
        lsst.pipe.base.Struct
            ``match`` and ``fates``, tables of the schemas `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH` and
            `~lsst.meas.realbogus.truth.INJECTED_FATE`.
        """
        matched = label_dia_sources(dia_sources, injected, truth, rules=self.config.match_rules())
        conditions = None
        if mask is not None and variance is not None:
            conditions = measure_conditions(
                injected["x"],
                injected["y"],
                mask=mask,
                variance=variance,
                psf=psf,
                masked_planes=self.config.masked_planes,
                edge_planes=self.config.edge_planes,
            )
        fates = injected_fates(injected, dia_sources, matched, conditions, rules=self.config.fate_rules())
        self._account(dia_sources, matched.table, fates, conditions)
        return Struct(match=matched.table, fates=fates)

    def _account(self, dia_sources: Table, match: Table, fates: Table, conditions: Conditions | None) -> None:
        labels = collections.Counter(Label(value).name.lower() for value in match["label"])
        lost = collections.Counter(str(fate) for fate in fates["fate"])
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
            len(fates),
            lost["found"],
        )
        if "pixelFlags_injectedCenter" in dia_sources.colnames:
            # The mask plane tells of injected light without regard to positions: an independent check.
            flagged = np.asarray(dia_sources["pixelFlags_injectedCenter"], bool)
            unflagged = int(np.sum(~flagged & (np.asarray(match["injection_id"]) != 0)))
            self.metadata["n_matched_without_injected_flag"] = unflagged
            if unflagged:
                self.log.warning(
                    "%d sources match injected ones but have no injected light at their centre.", unflagged
                )
        if conditions is not None and len(fates) and not np.isfinite(conditions.flux_error).any():
            self.log.warning("No injected source lies where the noise of the difference image is known.")
