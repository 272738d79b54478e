"""The confusion matrix, and every rate that follows from its four counts."""

from __future__ import annotations

__all__ = ("Confusion", "count_confusion")

import dataclasses

import numpy as np
import numpy.typing as npt

from ._intervals import CONFIDENCE, Fraction, fraction
from ._performance import scored_labels

type Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Confusion:
    """Numbers of sources by what they are and what they are called; real is positive.

    Parameters
    ----------
    true_positive, false_negative
        Real sources called real and bogus.
    false_positive, true_negative
        Bogus sources called real and bogus.

    Notes
    -----
    The counts may be arrays of any one shape, and shares instead of numbers. Every rate has that shape and is
    NaN where there is nothing to divide by.

    Examples
    --------
    The published matrix of Acero-Cuellar et al. (2023), with difference images:

    >>> matrix = Confusion(9564, 514, 306, 9616)
    >>> round(float(matrix.accuracy), 4), round(float(matrix.completeness), 3)
    (0.959, 0.949)
    """

    true_positive: npt.ArrayLike
    false_negative: npt.ArrayLike
    false_positive: npt.ArrayLike
    true_negative: npt.ArrayLike

    @property
    def counts(self) -> tuple[Floats, Floats, Floats, Floats]:
        """The four numbers as float64 arrays, in the order of the parameters."""
        tp, fn, fp, tn = (np.asarray(getattr(self, field.name), float) for field in dataclasses.fields(self))
        return tp, fn, fp, tn

    @property
    def completeness(self) -> Floats:
        """Fraction of the real sources that are called real: sensitivity, recall, true positive rate."""
        tp, fn, _, _ = self.counts
        return _ratio(tp, tp + fn)

    @property
    def specificity(self) -> Floats:
        """Fraction of the bogus sources that are called bogus."""
        _, _, fp, tn = self.counts
        return _ratio(tn, fp + tn)

    @property
    def false_positive_rate(self) -> Floats:
        """Fraction of the bogus sources that are called real."""
        _, _, fp, tn = self.counts
        return _ratio(fp, fp + tn)

    @property
    def purity(self) -> Floats:
        """Fraction of what is called real that is: precision, positive predictive value."""
        tp, _, fp, _ = self.counts
        return _ratio(tp, tp + fp)

    @property
    def npv(self) -> Floats:
        """Fraction of what is called bogus that is: negative predictive value."""
        _, fn, _, tn = self.counts
        return _ratio(tn, fn + tn)

    @property
    def accuracy(self) -> Floats:
        """Fraction of all sources that are called what they are."""
        tp, fn, fp, tn = self.counts
        return _ratio(tp + tn, tp + fn + fp + tn)

    @property
    def mcc(self) -> Floats:
        """Correlation of label and call (Matthews 1975); 0 where one of them is constant."""
        tp, fn, fp, tn = self.counts
        spread = np.sqrt(tp + fp) * np.sqrt(tp + fn) * np.sqrt(tn + fp) * np.sqrt(tn + fn)
        some = tp + fn + fp + tn > 0
        correlation: Floats = np.where(
            spread > 0, _ratio(tp * tn - fp * fn, spread), np.where(some, 0.0, np.nan)
        )
        return correlation

    def fractions(self, confidence: float = CONFIDENCE) -> dict[str, Fraction]:
        """Return the rates that are binomial fractions, with their intervals.

        Parameters
        ----------
        confidence
            Confidence level of the Wilson intervals; they take the sources for independent.

        Returns
        -------
        dict
            Specificity, sensitivity, precision, NPV and accuracy by these names.
        """
        tp, fn, fp, tn = (round(float(count)) for count in self.counts)
        pairs = {
            "specificity": (tn, tn + fp),
            "sensitivity": (tp, tp + fn),
            "precision": (tp, tp + fp),
            "NPV": (tn, tn + fn),
            "accuracy": (tp + tn, tp + fn + fp + tn),
        }
        return {name: fraction(*pair, confidence) for name, pair in pairs.items()}


def _ratio(part: Floats, whole: Floats) -> Floats:
    with np.errstate(invalid="ignore", divide="ignore"):
        ratio: Floats = np.where(whole > 0, part / whole, np.nan)
    return ratio


def count_confusion(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float = 0.5, *, n_missed: int = 0
) -> Confusion:
    """Count how sources are called at a threshold.

    Parameters
    ----------
    scores, labels
        As for `~lsst.meas.realbogus.evaluation.scored_labels`; sources without a score are called bogus.
    threshold
        Sources with at least this score are called real.
    n_missed
        Real changes that were not detected, for an end-to-end matrix: they count as real and called bogus.

    Returns
    -------
    Confusion
        Whole numbers.
    """
    values, real = scored_labels(scores, labels)
    called = values >= threshold
    return Confusion(
        int(np.sum(called & real)),
        int(np.sum(~called & real)) + n_missed,
        int(np.sum(called & ~real)),
        int(np.sum(~called & ~real)),
    )
