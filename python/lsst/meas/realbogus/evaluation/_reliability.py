"""Whether scores mean what they say: reliability tables, calibration error, Brier score."""

from __future__ import annotations

__all__ = (
    "brier_score",
    "calibration_error",
    "describe_calibration",
    "equal_mass_bins",
    "prior_weights",
    "tabulate_reliability",
)

from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from sklearn.metrics import brier_score_loss

from ..errors import InvalidInputError
from ._intervals import fraction_intervals

type Floats = npt.NDArray[np.float64]

N_BINS = 15


def prior_weights(labels: npt.ArrayLike, real_fraction: float | None) -> Floats:
    """Weigh sources so that a given fraction of them is real.

    Parameters
    ----------
    labels
        1 real, 0 bogus; a source with another label weighs nothing.
    real_fraction
        Fraction in (0, 1); `None` leaves all as they are.

    Returns
    -------
    numpy.ndarray
        Float64 weights, shape ``(n,)``, of mean 1 over the real and bogus sources.

    Examples
    --------
    >>> prior_weights([1, 0, 0, 0], 0.5)
    array([2.        , 0.66666667, 0.66666667, 0.66666667])
    """
    kinds = np.asarray(labels)
    real, bogus = kinds == 1, kinds == 0
    weights: Floats = (real | bogus).astype(np.float64)
    if real_fraction is None:
        return weights
    if not 0 < real_fraction < 1:
        raise InvalidInputError(f"a fraction of real sources lies between 0 and 1; got {real_fraction}")
    n = real.sum() + bogus.sum()
    weights[real] = real_fraction * n / max(int(real.sum()), 1)
    weights[bogus] = (1 - real_fraction) * n / max(int(bogus.sum()), 1)
    return weights


def tabulate_reliability(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    real_fraction: float | None = None,
    n_bins: int = N_BINS,
) -> Table:
    """Compare scores with the fraction that is real, in bins of equal mass.

    Bins of equal mass hold the same weight of sources each, so that no bin is empty and none decides with a
    handful (Nixon et al. 2019); equal scores fall into one bin.

    Parameters
    ----------
    scores, labels
        As for `~lsst.meas.realbogus.evaluation.scored_labels`; unscored sources are left out.
    real_fraction
        Weigh the sources so that this fraction of them is real, see `prior_weights`.
    n_bins
        How many bins at most.

    Returns
    -------
    astropy.table.Table
        ``score_low``, ``score_high``, ``n`` (sources), ``share`` (of the weight), ``score`` (mean),
        ``real_fraction`` (weighted), ``low`` and ``high`` (Wilson interval of it, for that many unweighted
        sources), from the lowest scores to the highest.
    """
    values, kinds = np.asarray(scores, float), np.asarray(labels)
    used = np.isfinite(values) & (kinds >= 0)
    values, real = values[used], kinds[used] == 1
    weights = prior_weights(kinds[used], real_fraction)
    names = ("score_low", "score_high", "n", "share", "score", "real_fraction", "low", "high")
    bins = _bins_of(values, weights, n_bins)
    rows = []
    for number in np.unique(bins):
        here = bins == number
        weight = weights[here]
        fraction = float(np.average(real[here], weights=weight)) if weight.sum() else np.nan
        n = int(here.sum())
        low, high = fraction_intervals(round(fraction * n), n)
        rows.append(
            (
                float(values[here].min()),
                float(values[here].max()),
                n,
                float(weight.sum() / weights.sum()),
                float(np.average(values[here], weights=weight)),
                fraction,
                float(low),
                float(high),
            )
        )
    return Table(rows=rows or None, names=names, dtype=(float, float, int, *(float,) * 5))


def equal_mass_bins(mass: Floats, n_bins: int) -> npt.NDArray[np.int64]:
    """Number the bin of each score, so that all bins hold about the same mass.

    Parameters
    ----------
    mass
        Weight of the sources with each score, from the lowest to the highest.
    n_bins
        How many bins.

    Returns
    -------
    numpy.ndarray
        From 0 for the lowest scores: the bin of a score is that of the middle of its mass.
    """
    middle = (np.cumsum(mass) - 0.5 * mass) / max(float(mass.sum()), 1e-300)
    return np.minimum((middle * n_bins).astype(np.int64), n_bins - 1)


def _bins_of(values: Floats, weights: Floats, n_bins: int) -> npt.NDArray[np.int64]:
    """Number the bin of each source; what has the same score has the same bin."""
    distinct, inverse = np.unique(values, return_inverse=True)
    mass = np.bincount(inverse, weights, minlength=distinct.size)
    return np.asarray(equal_mass_bins(mass, n_bins)[inverse], np.int64)


def calibration_error(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    *,
    real_fraction: float | None = None,
    n_bins: int = N_BINS,
) -> float:
    """Return the expected calibration error: mean distance of score and fraction real, by the share of bins.

    Parameters
    ----------
    scores, labels, real_fraction, n_bins
        As for `tabulate_reliability`.

    Returns
    -------
    float
        In [0, 1], NaN where nothing is scored. Naeini et al. (2015), with bins of equal mass. It does not
        vanish for scores that are right: noise adds about ``sqrt(n_bins / n)`` times 0.3.
    """
    values, kinds = np.asarray(scores, float), np.asarray(labels)
    used = np.isfinite(values) & (kinds >= 0)
    if not used.any():
        return float("nan")
    values, real = values[used], (kinds[used] == 1).astype(np.float64)
    weights = prior_weights(kinds[used], real_fraction)
    bins = _bins_of(values, weights, n_bins)
    excess = np.bincount(bins, weights * (values - real), minlength=n_bins)
    return float(np.abs(excess).sum() / weights.sum())


def brier_score(scores: npt.ArrayLike, labels: npt.ArrayLike, *, real_fraction: float | None = None) -> float:
    """Return the mean squared distance of scores from labels (Brier 1950), NaN where nothing is scored.

    Parameters
    ----------
    scores, labels, real_fraction
        As for `tabulate_reliability`.

    Returns
    -------
    float
        In [0, 1].
    """
    values, kinds = np.asarray(scores, float), np.asarray(labels)
    used = np.isfinite(values) & (kinds >= 0)
    if not used.any():
        return float("nan")
    weights = prior_weights(kinds[used], real_fraction)
    return float(brier_score_loss(kinds[used] == 1, values[used], sample_weight=weights, pos_label=True))


def describe_calibration(
    scores: npt.ArrayLike,
    labels: npt.ArrayLike,
    bands: npt.ArrayLike | None = None,
    *,
    real_fraction: float | None = None,
    n_bins: int = 10,
) -> dict[str, Any]:
    """Describe the calibration of all sources and of those of each band, as a training card holds it.

    Parameters
    ----------
    scores, labels
        As for `tabulate_reliability`.
    bands
        Band of each source, shape ``(n,)``; "" where it is not known.
    real_fraction, n_bins
        As for `tabulate_reliability`. The fraction is the one that the scores are meant for.

    Returns
    -------
    dict
        By band, and ``"all"``: ``n``, ``brier``, ``calibration_error`` and ``reliability``, the columns of
        `tabulate_reliability` as lists; numbers that JSON can hold, rounded to four digits, `None` for NaN.
    """
    values, kinds = np.asarray(scores, float), np.asarray(labels)
    names = np.full(kinds.shape, "") if bands is None else np.asarray(bands).astype(str)
    parts = {"all": np.ones(kinds.shape, bool)} | {
        str(name): names == name for name in np.unique(names) if name
    }
    described: dict[str, Any] = {}
    for part, here in parts.items():
        table = tabulate_reliability(values[here], kinds[here], real_fraction=real_fraction, n_bins=n_bins)
        described[part] = {
            "n": int(table["n"].sum()),
            "brier": _rounded(brier_score(values[here], kinds[here], real_fraction=real_fraction)),
            "calibration_error": _rounded(
                calibration_error(values[here], kinds[here], real_fraction=real_fraction, n_bins=n_bins)
            ),
            "reliability": {
                name: [_rounded(value) for value in table[name].tolist()] for name in table.colnames
            },
        }
    return described


def _rounded(value: float) -> float | None:
    return round(value, 4) if np.isfinite(value) else None
