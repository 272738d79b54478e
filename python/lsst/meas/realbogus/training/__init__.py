"""Data sets and training of classifiers."""

from __future__ import annotations

from ._batches import ArrayBatches, Batch, Batches, balanced_weights
from ._packaged import SPECIFICATIONS, train_model
from ._stamps import LabelledStamps, dihedral
from ._standard import TrainingConfig, TrainingHistory, fit

__all__ = (
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
    "train_model",
)
