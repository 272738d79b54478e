"""Models to judge: packaged ones, files, and the networks of others."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.model import (
    Classifier,
    Model,
    import_keras,
    load_classifier,
    packaged_models,
    preset_contract,
)

from .sets import JudgedSet

type Psf = Literal["known", "unknown"]


class Scoring(Protocol):
    """Something to judge: a model, or a network that was just trained."""

    @property
    def name(self) -> str:
        """What it is called; seeds share a name."""

    @property
    def content(self) -> str:
        """What decides its scores, in few letters."""

    @property
    def uses_psf(self) -> bool:
        """Whether the network is told the PSF."""

    def score(self, judged: JudgedSet, psf: Psf = "known") -> npt.NDArray[np.float64]:
        """Score a set, NaN where there is no score."""


PEERS = {
    "DES authors, dia": ("dia", "model_checkpoint_AAD_3s3DH.h5", None),
    "DES authors, nodia": ("nodia", "model_checkpoint_CCC_3s2DH.h5", None),
    "braai": ("braai", "d6_m7.h5", "d6_m7.architecture.json"),
}
"""Preset, weights and description of the layers of other people's networks, below ``weights``."""


@dataclasses.dataclass(frozen=True)
class JudgedModel:
    """A model; those that differ in their seed alone share a name."""

    name: str
    classifier: Classifier
    content: str

    def score(self, judged: JudgedSet, psf: Psf = "known") -> npt.NDArray[np.float64]:
        """Score a set, NaN where there is no score. Sets without an image that the model needs get none."""
        contract = self.classifier.contract
        if not set(contract.inputs) <= set(judged.stamps):
            return np.full(len(judged), np.nan)
        options = {}
        if self.uses_psf and psf == "known":
            options["psf_fwhm"] = judged.psf_fwhm
        return self.classifier.score(judged.stamps, is_negative=judged.is_negative, **options).score.astype(
            np.float64
        )

    @property
    def uses_psf(self) -> bool:
        """Whether the network is told the PSF."""
        return self.classifier.contract.psf is not None


def open_models(specifications: Iterable[str]) -> list[JudgedModel]:
    """Open models given as ``FILE``, ``package:NAME`` or ``LABEL=FILE``; a label groups seeds."""
    models = []
    for text in specifications:
        label, _, source = text.rpartition("=")
        if Path(text).exists():
            label, source = "", text
        classifier = load_classifier(source)
        contract = classifier.contract
        name = label or f"{contract.name}-{contract.version}"
        if not label and any(name == other.name for other in models):
            name = f"{name} ({Path(source).stem})"
        models.append(JudgedModel(name, classifier, classifier.content_hash))
    return models


def open_packaged() -> list[JudgedModel]:
    """Open every model that comes with the package."""
    return open_models(f"package:{name}" for name in packaged_models())


def open_peers(data: Path) -> list[JudgedModel]:
    """Open the networks of others whose weights are there.

    They score stamps however many pixels are missing: the limit is ours, and small stamps would pass none.
    """
    models = []
    for name, (preset, weights, layers) in PEERS.items():
        path = data / "weights" / weights
        if not path.is_file():
            continue
        config = None if layers is None else json.loads((path.parent / layers).read_text())
        contract = preset_contract(preset, preset, "peer")
        missing = contract.missing.model_copy(update={"maximum_fraction": 1.0})
        model: Model = import_keras(
            path.read_bytes(), contract.model_copy(update={"missing": missing}), config
        )
        models.append(JudgedModel(name, model.classifier(), name))
    if not models and not (data / "weights").is_dir():
        raise InvalidInputError(f"{data}: no folder of weights")
    return models
