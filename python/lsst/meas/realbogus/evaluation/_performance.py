"""How well scores tell real sources from bogus ones at one threshold."""

from __future__ import annotations

__all__ = ("Performance", "measure_performance", "scored_labels")

import dataclasses

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._intervals import CONFIDENCE, Fraction, fraction

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class Performance:
    """Counts and fractions of one set of scores at one threshold.

    Parameters
    ----------
    threshold
        Sources with a score of at least this are called real.
    n_real, n_bogus
        Labelled sources, scored or not.
    n_unscored
        Labelled sources without a score; they are called bogus.
    completeness
        Fraction of the real sources that are called real.
    purity
        Fraction of the sources called real that are real.
    false_positive_rate
        Fraction of the bogus sources that are called real.
    accuracy
        Fraction of all labelled sources that are called what they are.
    """

    threshold: float
    n_real: int
    n_bogus: int
    n_unscored: int
    completeness: Fraction
    purity: Fraction
    false_positive_rate: Fraction
    accuracy: Fraction


def scored_labels(scores: npt.ArrayLike, labels: npt.ArrayLike) -> tuple[Floats, Bools]:
    """Keep the sources whose label is decided.

    Parameters
    ----------
    scores
        Scores, NaN for sources that could not be scored.
    labels
        1 real, 0 bogus, -1 undecided.

    Returns
    -------
    scores
        Scores of the real and bogus sources; minus infinity, which passes no threshold, for unscored ones.
    real
        Whether each of them is real.

    Raises
    ------
    InvalidInputError
        Raised if the lengths differ or a label is something else.
    """
    values, kinds = np.asarray(scores, float), np.asarray(labels)
    if values.shape != kinds.shape:
        raise InvalidInputError(f"scores and labels differ in shape: {values.shape} and {kinds.shape}")
    if not np.isin(kinds, (-1, 0, 1)).all():
        raise InvalidInputError(f"labels must be 1, 0 or -1; got {np.unique(kinds).tolist()}")
    decided = kinds >= 0
    return np.where(np.isnan(values), -np.inf, values)[decided], kinds[decided] == 1


def measure_performance(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float = 0.5, confidence: float = CONFIDENCE
) -> Performance:
    """Count how scores fare at one threshold.

    Parameters
    ----------
    scores, labels
        As for `scored_labels`.
    threshold
        Sources with at least this score are called real, as `FilterDiaSourceReliabilityTask` keeps them.
    confidence
        Confidence level of the intervals.

    Returns
    -------
    Performance
        Counts and fractions; they are conditional on detection (DMTN-216).

    Examples
    --------
    >>> result = measure_performance([0.9, 0.6, 0.2, 0.7, float("nan")], [1, 1, 0, 0, 1])
    >>> round(result.completeness.value, 3), round(result.purity.value, 3), result.n_unscored
    (0.667, 0.667, 1)
    """
    values, real = scored_labels(scores, labels)
    called = values >= threshold
    true_positive = int(np.sum(called & real))
    return Performance(
        threshold=threshold,
        n_real=int(real.sum()),
        n_bogus=int((~real).sum()),
        n_unscored=int(np.isneginf(values).sum()),
        completeness=fraction(true_positive, int(real.sum()), confidence),
        purity=fraction(true_positive, int(called.sum()), confidence),
        false_positive_rate=fraction(int(np.sum(called & ~real)), int((~real).sum()), confidence),
        accuracy=fraction(int(np.sum(called == real)), real.size, confidence),
    )
