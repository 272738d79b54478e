"""Data sets and training of classifiers."""

from __future__ import annotations

from ._baselines import BASELINES, measure_features, score_baselines
from ._batches import ArrayBatches, Batch, Batches, balanced_weights
from ._calibration import CALIBRATION_METHODS, fit_calibration
from ._config import RECIPES, DistillationConfig, StrategyConfig, TrainingConfig, TransferConfig
from ._figures import EpochFigures
from ._fit import TrainingHistory, Watcher, fit
from ._learner import Network
from ._stamps import LabelledStamps, dihedral
from ._train_model import train_model

__all__ = (
    "BASELINES",
    "CALIBRATION_METHODS",
    "RECIPES",
    "ArrayBatches",
    "Batch",
    "Batches",
    "DistillationConfig",
    "EpochFigures",
    "LabelledStamps",
    "Network",
    "StrategyConfig",
    "TrainingConfig",
    "TrainingHistory",
    "TransferConfig",
    "Watcher",
    "balanced_weights",
    "dihedral",
    "fit",
    "fit_calibration",
    "measure_features",
    "score_baselines",
    "train_model",
)
