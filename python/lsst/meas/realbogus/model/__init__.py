"""What a classifier is: contract, normalisation, package, engines, architectures."""

from __future__ import annotations

from ._architecture import Architecture, Weights
from ._archive import read_arrays
from ._calibration import real_probability, shift_prior
from ._classifier import Classifier, Scores
from ._contract import (
    Calibration,
    Contract,
    ImageName,
    MissingRule,
    NormalizationChoice,
    Output,
    Prior,
    PsfInput,
    TrainedOn,
)
from ._datasets import DATASET_TYPE, RUN_PREFIX, STORAGE_CLASS, file_from_table, model_run, table_from_file
from ._engines import ENGINES
from ._golden import TOLERANCE, Golden, check_golden, golden_stamps, largest_difference, sensitivity
from ._importing import PRESETS, import_keras, import_onnx, preset_contract
from ._keras_model import architecture_from_keras, build_keras, ending_in_logits, weights_from_keras
from ._locate import packaged_models, read_model_file
from ._networks import default_filters, initial_weights, named_architecture
from ._normalization import NORMALIZATIONS
from ._options import ScoringOptions
from ._package import Model, load_classifier, make_model, peek_contract, read_model, write_model
from ._preparation import Prepared, fit_stamps, has_value, prepare
from ._resampling import pixel_cover, resampling_matrix
from ._scorer import Scorer, load
from ._scoring import SCORE_COLUMNS, SourceScores, column_endings, score_sources, score_stamps, score_table
from ._unfamiliar import unfamiliar
from ._unscored import Unscored, count_unscored, explain_unscored

__all__ = (
    "DATASET_TYPE",
    "ENGINES",
    "NORMALIZATIONS",
    "PRESETS",
    "RUN_PREFIX",
    "SCORE_COLUMNS",
    "STORAGE_CLASS",
    "TOLERANCE",
    "Architecture",
    "Calibration",
    "Classifier",
    "Contract",
    "Golden",
    "ImageName",
    "MissingRule",
    "Model",
    "NormalizationChoice",
    "Output",
    "Prepared",
    "Prior",
    "PsfInput",
    "Scorer",
    "Scores",
    "ScoringOptions",
    "SourceScores",
    "TrainedOn",
    "Unscored",
    "Weights",
    "architecture_from_keras",
    "build_keras",
    "check_golden",
    "column_endings",
    "count_unscored",
    "default_filters",
    "ending_in_logits",
    "explain_unscored",
    "file_from_table",
    "fit_stamps",
    "golden_stamps",
    "has_value",
    "import_keras",
    "import_onnx",
    "initial_weights",
    "largest_difference",
    "load",
    "load_classifier",
    "make_model",
    "model_run",
    "named_architecture",
    "packaged_models",
    "peek_contract",
    "pixel_cover",
    "prepare",
    "preset_contract",
    "read_arrays",
    "read_model",
    "read_model_file",
    "real_probability",
    "resampling_matrix",
    "score_sources",
    "score_stamps",
    "score_table",
    "sensitivity",
    "shift_prior",
    "table_from_file",
    "unfamiliar",
    "weights_from_keras",
    "write_model",
)
