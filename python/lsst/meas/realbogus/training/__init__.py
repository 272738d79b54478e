"""Data sets and training of classifiers."""

from __future__ import annotations

from ._augmentation import Augmentation, Augmented, augment
from ._baselines import BASELINES, measure_features, score_baselines
from ._batches import ArrayBatches, Batch, Batches, balanced_weights
from ._calibration import CALIBRATION_METHODS, fit_calibration
from ._config import RECIPES, DistillationConfig, StrategyConfig, TrainingConfig, TransferConfig
from ._figures import EpochFigures
from ._fit import TrainingHistory, Watcher, fit
from ._hand_labels import HAND_LABELS, HandLabels, read_hand_labels
from ._label_noise import corrupt_labels
from ._learner import Network
from ._ordered_model import ModelOptions, ordered_contract, ordered_split, train_ordered_model
from ._reading import read_labelled_stamps
from ._search import SearchOptions, search_options
from ._selection import StampSelection, changes_elsewhere, shows_company
from ._splits import SIDES, Split, assigned_split, split_stamps
from ._stamp_batches import BALANCES, StampBatches
from ._stamp_set import StampSet, StampWriter
from ._stamps import LabelledStamps, dihedral
from ._tensorboard import TensorBoardLog
from ._train_model import train_model, transfer_contract

__all__ = (
    "BALANCES",
    "BASELINES",
    "CALIBRATION_METHODS",
    "HAND_LABELS",
    "RECIPES",
    "SIDES",
    "ArrayBatches",
    "Augmentation",
    "Augmented",
    "Batch",
    "Batches",
    "DistillationConfig",
    "EpochFigures",
    "HandLabels",
    "LabelledStamps",
    "ModelOptions",
    "Network",
    "SearchOptions",
    "Split",
    "StampBatches",
    "StampSelection",
    "StampSet",
    "StampWriter",
    "StrategyConfig",
    "TensorBoardLog",
    "TrainingConfig",
    "TrainingHistory",
    "TransferConfig",
    "Watcher",
    "assigned_split",
    "augment",
    "balanced_weights",
    "changes_elsewhere",
    "corrupt_labels",
    "dihedral",
    "fit",
    "fit_calibration",
    "measure_features",
    "ordered_contract",
    "ordered_split",
    "read_hand_labels",
    "read_labelled_stamps",
    "score_baselines",
    "search_options",
    "shows_company",
    "split_stamps",
    "train_model",
    "train_ordered_model",
    "transfer_contract",
)
