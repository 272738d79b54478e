"""Score DIA sources with real/bogus classifiers."""

from __future__ import annotations

__all__ = ("RbClassifierConfig", "RbClassifierConnections", "RbClassifierTask")

import collections
import dataclasses
import time
import typing
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from astropy.table import Table
from lsst.daf.butler import DeferredDatasetHandle
from lsst.pex.config import ChoiceField, Field, ListField, RangeField
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

from ..cutouts import DEFAULT_BAD_PLANES, PixelInput, read_dia_sources
from ..errors import InvalidCatalogError, InvalidInputError, ModelNotFoundError
from ..legacy import DeferredImage, afw_catalog, read_projection, read_table
from ..model import Classifier, load_classifier, score_sources, score_table
from ..model.datasets import DATASET_TYPE, STORAGE_CLASS, file_from_table
from ..model.locate import read_model_file
from ..model.package import peek_contract
from ._butler_models import BUTLER_SCHEME, model_lookup

DIMENSIONS = ("instrument", "visit", "detector")
_FLAGS = ("flag_edge", "flag_nan", "flag_degenerate", "flag_no_template", "flag_unscorable")


class RbClassifierConnections(PipelineTaskConnections, dimensions=DIMENSIONS):
    """Images, DIA sources and scores, by the connection names of AP's ``computeReliability``."""

    science = connectionTypes.Input(
        doc="Science image.",
        name="preliminary_visit_image",
        storageClass="VisitImage",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    template = connectionTypes.Input(
        doc="Template on the science image's grid, not matched to its PSF.",
        name="template_detector",
        storageClass="VisitImage",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    difference = connectionTypes.Input(
        doc="Difference image; not wanted where no model looks at it.",
        name="difference_image",
        storageClass="DifferenceImage",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    diaSources = connectionTypes.Input(
        doc="Sources to score: a DIA source table or catalogue of any pipeline generation.",
        name="dia_source_unstandardized",
        storageClass="ArrowAstropy",
        dimensions=DIMENSIONS,
        deferLoad=True,
    )
    model = connectionTypes.PrerequisiteInput(
        doc="Model named by model_uri, where that names one in the Butler.",
        name=DATASET_TYPE,
        storageClass=STORAGE_CLASS,
        dimensions=(),
    )
    nodiaModel = connectionTypes.PrerequisiteInput(
        doc="Model named by nodia_model_uri, where that names one in the Butler.",
        name=DATASET_TYPE,
        storageClass=STORAGE_CLASS,
        dimensions=(),
    )
    classifications = connectionTypes.Output(
        doc="Score of every source, in the order of the input.",
        name="dia_source_reliability",
        storageClass="ArrowAstropy",
        dimensions=DIMENSIONS,
    )

    def __init__(self, *, config: RbClassifierConfig | None = None) -> None:
        super().__init__(config=config)
        assert config is not None
        for connection, uri in (("model", config.model_uri), ("nodiaModel", config.nodia_model_uri)):
            if uri and uri.startswith(BUTLER_SCHEME):
                old = getattr(self, connection)
                delattr(self, connection)
                setattr(self, connection, dataclasses.replace(old, lookupFunction=model_lookup(uri)))
            else:
                delattr(self, connection)
        if not config.wants_difference():
            del self.difference
        self.diaSources = dataclasses.replace(self.diaSources, storageClass=config.dia_sources_storage_class)
        self.classifications = dataclasses.replace(
            self.classifications, storageClass=config.classifications_storage_class
        )


class RbClassifierConfig(PipelineTaskConfig, pipelineConnections=RbClassifierConnections):
    """Which models, how they run, and how tables are stored."""

    model_uri = Field[str](
        doc="Model that gives the score: 'package:NAME', a path or URI of an .rbmodel file, 'butler:' (the "
        "rb_model of the input collections), or 'butler:NAME/VERSION' (the one of run models/NAME/VERSION). "
        "Empty: only nodia_model_uri.",
        default="package:dia",
        optional=True,
    )
    nodia_model_uri = Field[str](
        doc="Model without difference image to run beside it, or alone if model_uri is empty; as model_uri.",
        default=None,
        optional=True,
    )
    engine = ChoiceField[str](
        doc="What runs the network.",
        allowed={
            "onnxruntime": "ONNX Runtime.",
            "tensorflow": "TensorFlow.",
            "numpy": "numpy (slow).",
        },
        default="onnxruntime",
    )
    device = ChoiceField[str](
        doc="Where the network runs.",
        allowed={"cpu": "One core.", "cuda": "GPU, where the installed ONNX Runtime has it."},
        default="cpu",
    )
    batch_size = RangeField(
        doc="Stamps run at once; does not change the scores.",
        dtype=int,
        default=64,
        min=1,
        max=256,
        inclusiveMax=True,
    )
    bad_planes = ListField[str](
        doc="Mask planes whose pixels count as missing.", default=list(DEFAULT_BAD_PLANES)
    )
    dia_sources_storage_class = ChoiceField[str](
        doc="How diaSources are declared: AstropyTable where they are afw catalogues.",
        allowed={"ArrowAstropy": "Parquet tables.", "AstropyTable": "afw SourceCatalog, read as a table."},
        default="ArrowAstropy",
    )
    classifications_storage_class = ChoiceField[str](
        doc="How the scores are written: Catalog for AP's filterDiaSourcePostReliability (full stack only).",
        allowed={
            "ArrowAstropy": "Parquet table with every column.",
            "AstropyTable": "ecsv table.",
            "Catalog": "afw.",
        },
        default="ArrowAstropy",
    )

    def uris(self) -> list[str]:
        """Return the models that are asked for, the one that gives the score first."""
        return [uri for uri in (self.model_uri, self.nodia_model_uri) if uri]

    def wants_difference(self) -> bool:
        """Return whether the model of ``model_uri`` sees the difference image, as far as can be told now."""
        if not self.model_uri:
            return False
        if self.model_uri.startswith(BUTLER_SCHEME):
            return True
        try:
            return peek_contract(read_model_file(self.model_uri), self.model_uri).uses_difference
        except ModelNotFoundError:
            return True  # the task says so when it is made

    def validate(self) -> None:
        """Check that there is a model."""
        super().validate()
        if not self.uris():
            raise ValueError("model_uri and nodia_model_uri are both empty: there is nothing to score with")


class RbClassifierTask(PipelineTask):
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
        self._options = {
            "engine": self.config.engine,
            "device": self.config.device,
            "batch_size": self.config.batch_size,
        }
        self._classifiers = {
            uri: load_classifier(read_model_file(uri), uri, **self._options)
            for uri in self.config.uris()
            if not uri.startswith(BUTLER_SCHEME)
        }

    def runQuantum(
        self,
        butlerQC: QuantumContext,
        inputRefs: InputQuantizedConnection,
        outputRefs: OutputQuantizedConnection,
    ) -> None:
        """Read the catalogue, and of the images what the stamps need."""
        inputs = butlerQC.get(inputRefs)
        found = dict(self._classifiers)
        uris = {"model": self.config.model_uri, "nodiaModel": self.config.nodia_model_uri}
        for connection, uri in uris.items():
            if connection in inputs:
                content = file_from_table(inputs[connection], uri)
                found[uri] = load_classifier(content, uri, **self._options)
        handles = {name: inputs[name] for name in ("science", "template", "difference") if name in inputs}
        results = self.run(
            dia_sources=self._read_sources(inputs["diaSources"], handles["science"]),
            images={name: DeferredImage(handle) for name, handle in handles.items()},
            classifiers=[found[uri] for uri in self.config.uris()],
        )
        if self.config.classifications_storage_class == "Catalog":
            results.classifications = afw_catalog(results.classifications)
        butlerQC.put(results, outputRefs)

    def _read_sources(self, handle: DeferredDatasetHandle, science: DeferredDatasetHandle) -> Table:
        table = read_table(handle)
        name = str(handle.ref.datasetType.name)
        try:
            return read_dia_sources(table, name=name)
        except InvalidCatalogError:
            # Perhaps it has sky positions only; whatever else is wrong is said again.
            return read_dia_sources(table, read_projection(science), name=name)

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
        results = score_sources(
            classifiers,
            images,
            dia_sources["x"],
            dia_sources["y"],
            dia_sources["is_negative"],
            bad_planes=tuple(self.config.bad_planes),
        )
        table = score_table(dia_sources["id"], results)
        self._account(table, classifiers, time.process_time() - started)
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
        self.metadata["n_sources"] = len(table)
        for flag, count in counts.items():
            self.metadata[f"n_{flag}"] = count
        above = int(np.sum(table["score"] >= 0.5))
        self.metadata["n_above_half"] = above
        self.metadata["score_cpu_seconds"] = cpu_seconds
        self.log.info(
            "%d DIA sources scored with %s: %d at 0.5 or above, %d without a score (%.2f CPU s).",
            len(table),
            " and ".join(f"{c.contract.name} {c.contract.version}" for c in classifiers),
            above,
            counts["flag_unscorable"],
            cpu_seconds,
        )
