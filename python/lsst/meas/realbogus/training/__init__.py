"""Data sets and training of classifiers."""

from __future__ import annotations

from .packaged import SPECIFICATIONS, train_model
from .stamps import LabelledStamps, dihedral
from .standard import TrainingConfig, TrainingHistory, fit

__all__ = (
    "SPECIFICATIONS",
    "LabelledStamps",
    "TrainingConfig",
    "TrainingHistory",
    "dihedral",
    "fit",
    "train_model",
)
