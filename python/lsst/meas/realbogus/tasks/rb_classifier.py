"""Score DIA sources with real/bogus classifiers."""

from __future__ import annotations

__all__ = ("DIMENSIONS", "RbClassifierConfig", "RbClassifierConnections", "RbClassifierTask")

import collections
import time
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.images import Image, MaskedImage, SkyProjection
from lsst.pipe.base import (
    InputQuantizedConnection,
    OutputQuantizedConnection,
    QuantumContext,
    Struct,
)
from lsst.utils.timer import timeMethod

from ..cutouts import PixelInput, PixelOptions, psf_fwhm_at, read_dia_sources
from ..errors import InvalidInputError
from ..imaging import pixel_scale
from ..legacy import DeferredImage, afw_catalog, read_projection
from ..model import (
    Classifier,
    ScoringOptions,
    explain_unscored,
    file_from_table,
    load_classifier,
    score_sources,
    score_table,
    unfamiliar,
)
from ._butler_models import BUTLER_SCHEME
from ._data_errors import RoomTask
from ._dia_sources import read_placed
from ._options import to_options
from ._transinet import say_what_is_ignored
from .rb_classifier_config import DIMENSIONS, RbClassifierConfig, RbClassifierConnections

_FLAGS = ("flag_edge", "flag_nan", "flag_degenerate", "flag_no_template", "flag_unscorable")
# Fewer sources may all lie where none can be scored.
_NOT_BY_CHANCE = 5


class RbClassifierTask(RoomTask):
    """Cut the stamps of DIA sources in memory and score them.

    Every source that comes in goes out once, in order; one that cannot be scored has score NaN and flags that
    say why. Models are loaded when the task is made, so that a model that does not exist stops a run before
    its first quantum.
    """

    ConfigClass: typing.ClassVar = RbClassifierConfig
    _DefaultName: typing.ClassVar = "rbClassifier"
    config: RbClassifierConfig

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._options = to_options(self.config, ScoringOptions)
        if ignored := self.config.ignored():
            given = ", ".join(f"{name}={value!r}" for name, value in ignored.items())
            say_what_is_ignored(self.log.name, given, " and ".join(self.config.uris()))
        self._classifiers = {
            uri: self._load(uri) for uri in self.config.uris() if not uri.startswith(BUTLER_SCHEME)
        }
        if self._options.resample:
            for classifier in self._classifiers.values():
                classifier.resampling_factor(1.0)  # a model without a pixel scale is refused now

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the catalogue, and of the images what the stamps need.

        Raises
        ------
        InvalidInputError
            If none of several sources has a score. The table is written, with the reasons in its flags.
        """
        inputs = butlerQC.get(inputRefs)
        found = dict(self._classifiers)
        uris = {"model": self.config.model_uri, "nodiaModel": self.config.nodia_model_uri}
        for connection, uri in uris.items():
            if connection in inputs:
                content = file_from_table(inputs[connection], uri)
                found[uri] = self._load(content, uri)
                self.config.check_inputs(uri, found[uri].contract)
        handles = {name: inputs[name] for name in ("science", "template", "difference") if name in inputs}
        results = self.run(
            dia_sources=self._read_sources(inputs["diaSources"], handles["science"]),
            images={name: DeferredImage(handle) for name, handle in handles.items()},
            classifiers=[found[uri] for uri in self.config.uris()],
        )
        scores = results.classifications
        if self.config.written_as() == "Catalog":
            results.classifications = afw_catalog(scores)
        butlerQC.put(results, outputRefs)
        if len(scores) >= _NOT_BY_CHANCE and scores["flag_unscorable"].all():
            reasons = "; ".join(unscored.text for unscored in explain_unscored(scores))
            facts = {flag: int(scores[flag].sum()) for flag in _FLAGS}
            raise InvalidInputError(f"none of {len(scores)} sources has a score: {reasons}", **facts)

    def _load(self, source: str | bytes, name: str = "") -> Classifier:
        options = self._options
        return load_classifier(source, name, options.engine, options.device, options.batch_size)

    def _read_sources(self, handle: DeferredDatasetHandle, science: DeferredDatasetHandle) -> Table:
        return read_placed(read_dia_sources, handle, science)

    @timeMethod
    def run(
        self,
        dia_sources: Table,
        images: Mapping[str, PixelInput],
        classifiers: Sequence[Classifier] | None = None,
    ) -> Struct:
        """Score sources.

        Parameters
        ----------
        dia_sources
            Columns as `cutouts.read_dia_sources` gives them: ``id``, ``x``, ``y``, ``is_negative``.
        images
            By name (``science``, ``template``, ``difference``), in any form that `cutouts.open_pixels` takes.
        classifiers
            The models, first the one that gives the score; default: those of the configuration.

        Returns
        -------
        lsst.pipe.base.Struct
            ``classifications``, a table of `model.SCORE_COLUMNS`.
        """
        if classifiers is None:
            classifiers = [self._classifier(uri) for uri in self.config.uris()]
        started = time.process_time()
        scale = _pixel_scale(images["science"])
        if scale is None and self._options.resample:
            raise InvalidInputError("stamps can be resampled only if the science image has a sky projection")
        x, y = dia_sources["x"], dia_sources["y"]
        told = any(classifier.contract.psf is not None for classifier in classifiers)
        psf_fwhm = psf_fwhm_at(images["science"], x, y) if told else None
        results = score_sources(
            classifiers,
            images,
            x,
            y,
            dia_sources["is_negative"],
            bad_planes=to_options(self.config, PixelOptions).bad_planes,
            pixel_scale=scale if self._options.resample else None,
            psf_fwhm=psf_fwhm,
        )
        table = score_table(dia_sources["id"], results)
        if self._options.unscorable_score is not None:
            table["score"][table["flag_unscorable"]] = self._options.unscorable_score
        self._account(table, classifiers, time.process_time() - started)
        self._warn(table, classifiers, scale, psf_fwhm)
        return Struct(classifications=table)

    def _classifier(self, uri: str) -> Classifier:
        if uri not in self._classifiers:
            raise InvalidInputError(f"the model {uri} is in a Butler: give its classifier to run")
        return self._classifiers[uri]

    def _account(self, table: Table, classifiers: Sequence[Classifier], cpu_seconds: float) -> None:
        counts = collections.Counter({flag: int(table[flag].sum()) for flag in _FLAGS})
        for i, classifier in enumerate(classifiers):
            suffix = "" if i == 0 else "_2"
            contract = classifier.contract
            # One word: a version that looks like a number would come back as one.
            self.metadata[f"model{suffix}"] = f"{contract.name}-{contract.version}"
            self.metadata[f"model_sha256{suffix}"] = classifier.content_hash
        engine = classifiers[0].engine
        self.metadata["engine"] = f"{engine.name}-{engine.version}"
        self.metadata["device"] = engine.device
        self.metadata["n_sources"] = len(table)
        for flag, count in counts.items():
            self.metadata[f"n_{flag}"] = count
        above = int(np.sum(table["score"] >= 0.5))
        self.metadata["n_above_half"] = above
        self.metadata["score_cpu_seconds"] = cpu_seconds
        self.log.info(
            "%d DIA sources scored with %s (%s %s, %s): %d at 0.5 or above, %d without a score (%.2f CPU s).",
            len(table),
            " and ".join(f"{c.contract.name} {c.contract.version}" for c in classifiers),
            engine.name,
            engine.version,
            engine.device,
            above,
            counts["flag_unscorable"],
            cpu_seconds,
        )

    def _warn(
        self,
        table: Table,
        classifiers: Sequence[Classifier],
        pixel_scale: float | None,
        psf_fwhm: npt.NDArray[np.float32] | None,
    ) -> None:
        """Say why sources have no score, and what the models do not know from their training."""
        contracts = [classifier.contract for classifier in classifiers]
        for unscored in explain_unscored(table, contracts):
            self.metadata[f"n_unscored_{unscored.reason}"] = unscored.count
            self.log.warning("No score: %s.", unscored.text)
        if pixel_scale is not None and not self._options.resample:
            self.metadata["pixel_scale"] = pixel_scale
        if psf_fwhm is not None and np.isfinite(psf_fwhm).any():
            self.metadata["psf_fwhm"] = float(np.nanmedian(psf_fwhm))
        for classifier in classifiers:
            scale, fwhm = pixel_scale, psf_fwhm
            if self._options.resample and pixel_scale is not None:  # what the model is shown
                factor = classifier.resampling_factor(pixel_scale)
                scale, fwhm = pixel_scale * factor, None if psf_fwhm is None else psf_fwhm / factor
            for warning in unfamiliar(classifier.contract, pixel_scale=scale, psf_fwhm=fwhm).values():
                self.log.warning("%s.", warning)


def _pixel_scale(science: PixelInput) -> float | None:
    """Return the pixel scale [arcsec] in the middle of an image, if it knows its place on the sky."""
    projection: SkyProjection[Any] | None = None
    if isinstance(science, DeferredImage):
        projection, box = read_projection(science.handle), science.get(component="bbox")
    elif isinstance(science, Image | MaskedImage):
        projection, box = science.sky_projection, science.bbox
    return None if projection is None else pixel_scale(projection, box)
