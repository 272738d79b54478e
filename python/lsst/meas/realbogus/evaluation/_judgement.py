"""How good scores are: ranking, at a fixed false positive rate, at a threshold, by SNR, by kind."""

from __future__ import annotations

__all__ = ("Judgement", "judge_by_snr", "judge_scores", "rate_at_false_positives")

import dataclasses
import itertools

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidInputError
from ._bootstrap import N_BOOTSTRAP, Estimate
from ._cell_figures import FIGURES
from ._cells import ScoreRanks
from ._criteria import Criteria
from ._groups import ScoreGroup, estimate_groups
from ._intervals import CONFIDENCE
from ._performance import scored_labels

FALSE_POSITIVES = Criteria.false_positives
_JUDGED = FIGURES[: FIGURES.index("best_purity")]


@dataclasses.dataclass(frozen=True)
class Judgement:
    """Figures of one set of scores, each with a bootstrap interval over objects.

    Parameters
    ----------
    n_real, n_bogus
        Labelled sources, scored or not.
    n_unscored
        Those without a score: they rank below all others and are called bogus.
    area
        Area under the ROC curve.
    average_precision
        Mean purity over completeness, by steps.
    rate
        Fraction of the real sources above the threshold that ``false_positives`` of the bogus ones pass.
    equal_error_rate
        Least rate that neither misses nor false positives exceed at some threshold.
    completeness, specificity, purity, npv, accuracy, mcc, false_positive_rate
        Of the confusion matrix at ``threshold``, see `Confusion`.
    brier, nll
        Mean squared distance of score and label, and mean negative log-likelihood of the labels.
    calibration_error
        Expected calibration error, see `calibration_error`.
    threshold, false_positives
        What the figures were asked for.
    real_fraction
        Fraction of real sources that purity and all that depends on it are for, see `Criteria`; that of the
        sources where it is `None`.
    """

    n_real: int
    n_bogus: int
    n_unscored: int
    area: Estimate
    average_precision: Estimate
    rate: Estimate
    equal_error_rate: Estimate
    completeness: Estimate
    specificity: Estimate
    purity: Estimate
    npv: Estimate
    accuracy: Estimate
    mcc: Estimate
    false_positive_rate: Estimate
    brier: Estimate
    nll: Estimate
    calibration_error: Estimate
    threshold: float
    false_positives: float
    real_fraction: float | None

    @property
    def figures(self) -> dict[str, Estimate]:
        """The figures by name."""
        values = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {name: value for name, value in values if isinstance(value, Estimate)}


def judge_scores(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    objects: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    false_positives: float = FALSE_POSITIVES,
    real_fraction: float | None = None,
    n_resamples: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> Judgement:
    """Measure how well scores tell real sources from bogus ones.

    Parameters
    ----------
    scores
        Shape ``(n,)``, NaN for sources without a score.
    labels
        1 real, 0 bogus, -1 undecided (left out), shape ``(n,)``.
    objects
        Which object each source is a detection of, negative for none; objects are drawn as a whole for the
        intervals, see `bootstrap`.
    threshold
        Sources with at least this score are called real.
    false_positives
        The false positive rate at which the true positive rate is given.
    real_fraction
        Purity and all that depends on it are for sources of which this fraction is real, see `Criteria`; by
        default for those that are given.
    n_resamples, confidence
        As for `bootstrap`.

    Returns
    -------
    Judgement
        All figures; NaN where a class is empty.

    Examples
    --------
    >>> scores = [0.9, 0.8, 0.4, 0.7, 0.2, 0.1]
    >>> figures = judge_scores(scores, [1, 1, 1, 0, 0, 0])
    >>> round(figures.area.value, 3), round(figures.rate.value, 3), round(figures.completeness.value, 3)
    (0.889, 0.667, 0.667)
    """
    values, real = scored_labels(scores, labels)
    ids = None if objects is None else np.asarray(objects, np.int64)[np.asarray(labels) >= 0]
    group = ScoreGroup(ScoreRanks.of(values), real, Criteria(threshold, false_positives, real_fraction))
    (figures,) = estimate_groups([group], real, ids, n_resamples=n_resamples, confidence=confidence)
    return Judgement(
        n_real=group.n_real,
        n_bogus=group.n_bogus,
        n_unscored=group.n_unscored,
        **{name: figures[name] for name in _JUDGED},
        threshold=threshold,
        false_positives=false_positives,
        real_fraction=real_fraction,
    )


def rate_at_false_positives(
    scores: npt.ArrayLike, labels: npt.ArrayLike, false_positives: float = FALSE_POSITIVES
) -> float:
    """Return the largest true positive rate of any threshold that at most a given fraction of bogus passes.

    Parameters
    ----------
    scores, labels
        As for `judge_scores`.
    false_positives
        Fraction of the bogus sources, in [0, 1]. With fewer than ``1 / false_positives`` of them, none may
        pass: nothing is interpolated.

    Returns
    -------
    float
        Fraction of the real sources, NaN where there are none or no bogus ones.

    Examples
    --------
    >>> rate_at_false_positives([0.9, 0.8, 0.7, 0.6], [1, 0, 1, 0], 0.0)
    0.5
    """
    if not 0 <= false_positives <= 1:
        raise InvalidInputError(f"a false positive rate lies in [0, 1]; got {false_positives}")
    values, real = scored_labels(scores, labels)
    bogus = np.sort(values[~real])[::-1]
    if not bogus.size or not real.any():
        return float("nan")
    n_allowed = int(np.floor(false_positives * bogus.size + 1e-9))
    if n_allowed >= bogus.size:
        return float(np.isfinite(values[real]).mean())
    # What is above the first bogus source that may not pass.
    return float((values[real] > bogus[n_allowed]).mean())


def judge_by_snr(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    snr: npt.ArrayLike,
    edges: npt.ArrayLike,
    objects: npt.ArrayLike | None = None,
    *,
    threshold: float = 0.5,
    real_fraction: float | None = 0.5,
    min_completeness: float = 0.9,
    min_purity: float = 0.95,
    n_resamples: int = N_BOOTSTRAP,
) -> Table:
    """Judge scores in bins of SNR, against a requirement such as OSS-REQ-0353.

    The requirement (LSE-30) asks that some threshold gives a purity of 95 % and a completeness of 90 % for
    transients of SNR 6. Purity depends on how many of the sources are real, so it is given for a stated
    fraction.

    Parameters
    ----------
    scores, labels
        As for `judge_scores`.
    snr
        Signal to noise of each source in the difference; its sign does not matter.
    edges
        Increasing ends of the bins; each holds its lower end.
    objects, threshold
        As for `judge_scores`.
    real_fraction
        Fraction of real sources that purity is for; `None` for that of each bin.
    min_completeness, min_purity
        What is required.
    n_resamples
        As for `bootstrap`.

    Returns
    -------
    astropy.table.Table
        ``snr_low``, ``snr_high``, ``n_real``, ``n_bogus``; ``area``, ``rate``, ``completeness``, ``purity``
        and ``false_positive_rate``, each with ``…_low`` and ``…_high``; ``best_purity``, the highest one at
        the required completeness, and ``best_completeness`` at the required purity (NaN where there is none);
        ``required_threshold``, the lowest one that meets both (NaN where none does).
    """
    values, kinds, levels = np.asarray(scores, float), np.asarray(labels), np.abs(np.asarray(snr, float))
    ends = np.asarray(edges, float)
    if ends.size < 2 or not (np.diff(ends) > 0).all():
        raise InvalidInputError(f"edges of bins must increase; got {ends.tolist()}")
    decided = kinds >= 0
    values, real = scored_labels(values, kinds)
    levels, ids = levels[decided], None if objects is None else np.asarray(objects, np.int64)[decided]
    criteria = Criteria(
        threshold=threshold,
        real_fraction=real_fraction,
        min_completeness=min_completeness,
        min_purity=min_purity,
    )
    bins = [np.flatnonzero((levels >= low) & (levels < high)) for low, high in itertools.pairwise(ends)]
    ranks = ScoreRanks.of(values)
    groups = [ScoreGroup(ranks, real, criteria, rows) for rows in bins]
    rows = []
    judged = estimate_groups(groups, real, ids, n_resamples=n_resamples)
    for low, high, group, figures in zip(ends, ends[1:], groups, judged, strict=False):
        row: dict[str, float] = {
            "snr_low": low,
            "snr_high": high,
            "n_real": group.n_real,
            "n_bogus": group.n_bogus,
        }
        for name in ("area", "rate", "completeness", "purity", "false_positive_rate"):
            estimate = figures[name]
            row |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
        row |= {name: figures[name].value for name in ("best_purity", "best_completeness")}
        row["required_threshold"] = figures["lowest_threshold"].value
        rows.append(row)
    return Table(rows=rows)
