"""How well networks do on the stamps that choose the epoch."""

from __future__ import annotations

__all__ = ("EpochFigures", "figures_of_epoch")

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.metrics import log_loss, roc_auc_score, roc_curve

_FALSE_POSITIVE_RATE = 0.01


@dataclass(frozen=True)
class EpochFigures:
    """Figures of one epoch, all but the first on the stamps to choose by.

    Parameters
    ----------
    training_loss
        Mean loss of the steps; `None` of a network that has not learnt yet.
    loss
        Weighted mean of minus the logarithm of the probability given to the label.
    auc
        Area under the ROC curve.
    tpr
        Fraction of reals above the threshold that 1 % of the bogus pass.
    accuracy
        Weighted fraction on the right side of 0.5.
    fnr
        Fraction of reals below 0.5.
    """

    training_loss: float | None
    loss: float
    auc: float
    tpr: float
    accuracy: float
    fnr: float

    def merit(self, metric: str) -> float:
        """Return a figure such that more is better.

        Parameters
        ----------
        metric
            Name of the figure.

        Returns
        -------
        float
            The figure, or minus the figure where less is better.
        """
        value: float = getattr(self, metric)
        return -value if metric in ("loss", "fnr") else value


def figures_of_epoch(
    training_loss: float | None,
    is_real: npt.NDArray[np.bool_],
    score: npt.NDArray[np.float64],
    weight: npt.NDArray[np.float32],
) -> EpochFigures:
    """Compare scores with labels.

    Parameters
    ----------
    training_loss
        Mean loss of the steps of the epoch, if there were any.
    is_real, score, weight
        Label, probability of being real and weight of each stamp, shape ``(n,)``; both classes are there.

    Returns
    -------
    EpochFigures
        The figures.
    """
    false, true, _ = roc_curve(is_real, score)
    called = score >= 0.5
    return EpochFigures(
        training_loss=training_loss,
        loss=float(log_loss(is_real, score, sample_weight=weight, labels=[False, True])),
        auc=float(roc_auc_score(is_real, score)),
        tpr=float(true[false <= _FALSE_POSITIVE_RATE].max()),
        accuracy=float(np.average(called == is_real, weights=weight)),
        fnr=float((~called[is_real]).mean()),
    )
