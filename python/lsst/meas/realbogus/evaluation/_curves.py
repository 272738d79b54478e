"""Completeness, purity and false positives as functions of the threshold."""

from __future__ import annotations

__all__ = ("ThresholdCurve", "area_under_roc", "lowest_threshold", "threshold_curve")

import dataclasses

import numpy as np
import numpy.typing as npt

from ..model import shift_prior
from ._bootstrap import N_BOOTSTRAP
from ._cells import ScoreRanks
from ._criteria import Criteria
from ._groups import ScoreGroup, estimate_groups
from ._intervals import CONFIDENCE, fraction_intervals
from ._performance import scored_labels

Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class ThresholdCurve:
    """Fractions at every distinct score, from the highest threshold to the lowest.

    Parameters
    ----------
    threshold
        Distinct scores, descending; what has at least this score is called real.
    completeness, purity, false_positive_rate
        Fractions at each threshold, NaN where there is nothing to divide by.
    completeness_interval, purity_interval
        Their binomial intervals, each of shape ``(2, n)``.
    """

    threshold: Floats
    completeness: Floats
    purity: Floats
    false_positive_rate: Floats
    completeness_interval: Floats
    purity_interval: Floats


def threshold_curve(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    confidence: float = CONFIDENCE,
    *,
    real_fraction: float | None = None,
) -> ThresholdCurve:
    """Follow completeness, purity and false positives through all thresholds.

    Parameters
    ----------
    scores, labels
        As for `~lsst.meas.realbogus.evaluation.scored_labels`. Unscored sources count among the real or bogus
        ones and pass no threshold, so the curve need not reach a completeness of 1.
    confidence
        Confidence level of the point-wise intervals.
    real_fraction
        Purity and its interval are for sources of which this fraction is real; by default for those that are
        given.

    Returns
    -------
    ThresholdCurve
        One entry for every distinct score.
    """
    values, real = scored_labels(scores, labels)
    thresholds = np.unique(values[np.isfinite(values)])[::-1]
    # Numbers of sources at or above each threshold, from sorted scores.
    above_real = _count_at_least(values[real], thresholds)
    above_bogus = _count_at_least(values[~real], thresholds)
    n_real, n_bogus = np.full(thresholds.size, real.sum()), np.full(thresholds.size, (~real).sum())
    with np.errstate(invalid="ignore"):
        purity = np.stack(
            [
                above_real / (above_real + above_bogus),
                *fraction_intervals(above_real, above_real + above_bogus, confidence),
            ]
        )
        if real_fraction is not None and real.any() and not real.all():
            purity = shift_prior(purity, float(real.mean()), real_fraction)
        return ThresholdCurve(
            threshold=thresholds,
            completeness=above_real / n_real,
            purity=purity[0],
            false_positive_rate=above_bogus / n_bogus,
            completeness_interval=np.stack(fraction_intervals(above_real, n_real, confidence)),
            purity_interval=purity[1:],
        )


def _count_at_least(values: Floats, thresholds: Floats) -> npt.NDArray[np.int64]:
    return (values.size - np.searchsorted(np.sort(values), thresholds, side="left")).astype(np.int64)


def area_under_roc(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    objects: npt.ArrayLike | None = None,
    *,
    n_bootstrap: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> tuple[float, float, float]:
    """Area under the ROC curve with a bootstrap interval.

    Parameters
    ----------
    scores, labels
        As for `~lsst.meas.realbogus.evaluation.scored_labels`; unscored sources rank lowest.
    objects
        Which object each source is a detection of, see `bootstrap`.
    n_bootstrap
        How many times the real and the bogus objects are drawn again, each with replacement.
    confidence
        Confidence level.

    Returns
    -------
    area, low, high
        NaN where there are no real or no bogus sources.
    """
    values, real = scored_labels(scores, labels)
    if not real.any() or real.all():
        return (float("nan"),) * 3
    ids = None if objects is None else np.asarray(objects, np.int64)[np.asarray(labels) >= 0]
    group = ScoreGroup(ScoreRanks.of(values), real, Criteria())
    (figures,) = estimate_groups([group], real, ids, n_resamples=n_bootstrap, confidence=confidence)
    return dataclasses.astuple(figures["area"])


def lowest_threshold(
    curve: ThresholdCurve, *, min_completeness: float = 0.9, min_purity: float = 0.95
) -> float:
    """Lowest threshold that meets a completeness and a purity, NaN if none does.

    Parameters
    ----------
    curve
        What `threshold_curve` returns.
    min_completeness, min_purity
        The defaults are those of OSS-REQ-0353 (LSE-30), which asks for a threshold that reaches both for
        transients of SNR 6.

    Returns
    -------
    float
        Threshold of the score.
    """
    met = (curve.completeness >= min_completeness) & (curve.purity >= min_purity)
    return float(curve.threshold[met].min()) if met.any() else float("nan")
