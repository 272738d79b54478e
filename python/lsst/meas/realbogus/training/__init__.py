"""Data sets and training of classifiers."""

from __future__ import annotations

from ._baselines import BASELINES, measure_features, score_baselines
from ._batches import ArrayBatches, Batch, Batches, balanced_weights
from ._calibration import CALIBRATION_METHODS, fit_calibration
from ._packaged import SPECIFICATIONS, train_model
from ._stamps import LabelledStamps, dihedral
from ._standard import TrainingConfig, TrainingHistory, fit

__all__ = (
    "BASELINES",
    "CALIBRATION_METHODS",
    "SPECIFICATIONS",
    "ArrayBatches",
    "Batch",
    "Batches",
    "LabelledStamps",
    "TrainingConfig",
    "TrainingHistory",
    "balanced_weights",
    "dihedral",
    "fit",
    "fit_calibration",
    "measure_features",
    "score_baselines",
    "train_model",
)
