"""What a classifier is: contract, normalisation, package, engines, architectures."""

from __future__ import annotations

from .architecture import Architecture, Weights
from .classifier import Classifier, Scores
from .contract import Calibration, Contract, MissingRule, NormalizationChoice, Output, Prior
from .golden import Golden, check_golden, golden_stamps, sensitivity
from .keras_model import architecture_from_keras, build_keras, weights_from_keras
from .locate import packaged_models, read_model_file
from .networks import initial_weights, named_architecture
from .normalization import NORMALIZATIONS
from .package import Model, load_classifier, make_model, read_model, write_model
from .scoring import SCORE_COLUMNS, score_sources, score_table

__all__ = (
    "NORMALIZATIONS",
    "SCORE_COLUMNS",
    "Architecture",
    "Calibration",
    "Classifier",
    "Contract",
    "Golden",
    "MissingRule",
    "Model",
    "NormalizationChoice",
    "Output",
    "Prior",
    "Scores",
    "Weights",
    "architecture_from_keras",
    "build_keras",
    "check_golden",
    "golden_stamps",
    "initial_weights",
    "load_classifier",
    "make_model",
    "named_architecture",
    "packaged_models",
    "read_model",
    "read_model_file",
    "score_sources",
    "score_table",
    "sensitivity",
    "weights_from_keras",
    "write_model",
)
