"""Data sets and training of classifiers."""

from __future__ import annotations

from ._packaged import SPECIFICATIONS, train_model
from ._stamps import LabelledStamps, dihedral
from ._standard import TrainingConfig, TrainingHistory, fit

__all__ = (
    "SPECIFICATIONS",
    "LabelledStamps",
    "TrainingConfig",
    "TrainingHistory",
    "dihedral",
    "fit",
    "train_model",
)
