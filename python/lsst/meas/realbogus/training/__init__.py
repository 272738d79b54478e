"""Data sets and training of classifiers."""

from __future__ import annotations

from ._augmentation import Augmentation, Augmented, augment
from ._baselines import BASELINES, measure_features, score_baselines
from ._batches import ArrayBatches, Batch, Batches, balanced_weights
from ._calibration import CALIBRATION_METHODS, fit_calibration
from ._config import RECIPES, DistillationConfig, StrategyConfig, TrainingConfig, TransferConfig
from ._figures import EpochFigures
from ._fit import TrainingHistory, Watcher, fit
from ._learner import Network
from ._splits import SIDES, Split, split_stamps
from ._stamp_batches import BALANCES, StampBatches
from ._stamp_set import StampSet, StampWriter
from ._stamps import LabelledStamps, dihedral
from ._train_model import train_model

__all__ = (
    "BALANCES",
    "BASELINES",
    "CALIBRATION_METHODS",
    "RECIPES",
    "SIDES",
    "ArrayBatches",
    "Augmentation",
    "Augmented",
    "Batch",
    "Batches",
    "DistillationConfig",
    "EpochFigures",
    "LabelledStamps",
    "Network",
    "Split",
    "StampBatches",
    "StampSet",
    "StampWriter",
    "StrategyConfig",
    "TrainingConfig",
    "TrainingHistory",
    "TransferConfig",
    "Watcher",
    "augment",
    "balanced_weights",
    "dihedral",
    "fit",
    "fit_calibration",
    "measure_features",
    "score_baselines",
    "split_stamps",
    "train_model",
)
