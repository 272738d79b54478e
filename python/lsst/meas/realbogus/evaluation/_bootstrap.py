"""Intervals of any figure by drawing the objects again."""

from __future__ import annotations

__all__ = ("N_BOOTSTRAP", "Estimate", "bootstrap", "stack_estimates", "summarize_draws")

import dataclasses
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._intervals import CONFIDENCE
from ._units import Units

type Rows = npt.NDArray[np.intp]
type Statistic = Callable[[Rows], npt.NDArray[np.float64]]

N_BOOTSTRAP = 200


@dataclasses.dataclass(frozen=True)
class Estimate:
    """A figure with its bootstrap interval.

    Parameters
    ----------
    value
        The figure of the sources themselves; NaN where there is none.
    low, high
        Ends of the interval.
    """

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        if not np.isfinite(self.value):
            return "none"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def bootstrap(
    statistic: Statistic,
    strata: npt.ArrayLike,
    objects: npt.ArrayLike | None = None,
    *,
    n_resamples: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> list[Estimate]:
    """Measure figures and the intervals they would scatter in, were the objects drawn again.

    Several detections of one star are one object: they are drawn together or not at all (the cluster
    bootstrap of Davison & Hinkley 1997, section 3.8), because intervals from single rows are too narrow where
    rows repeat each other. Each stratum keeps its number of objects. Of few objects the intervals are too
    narrow for what is nearly always so, as for a fraction near 1; `judge_scores` allows for it.

    Parameters
    ----------
    statistic
        Takes numbers of rows, of which some may occur more than once, and returns ``k`` figures.
    strata
        What is drawn apart, such as real and bogus; shape ``(n,)``.
    objects
        Which object each row is of, int64 of shape ``(n,)``; a negative number stands for an object of its
        own, as does every row by default.
    n_resamples
        How many times to draw.
    confidence
        Confidence level of the percentile intervals.

    Returns
    -------
    list of Estimate
        One for each of the ``k`` figures. Draws in which a figure is NaN do not count for it.

    Examples
    --------
    >>> import numpy as np
    >>> values = np.arange(100) / 100
    >>> (mean,) = bootstrap(lambda rows: np.array([values[rows].mean()]), np.zeros(100, int))
    >>> round(mean.value, 3), 0.42 < mean.low < 0.46, 0.53 < mean.high < 0.57
    (0.495, True, True)
    """
    n = len(np.asarray(strata))
    whole = np.asarray(statistic(np.arange(n)), np.float64)
    units = Units.of(strata, objects)
    samples = []
    for block in units.draw(n_resamples if n else 0):
        parts = list(block)
        counts = np.concatenate([part for _, part in parts]).astype(np.intp)
        samples += [np.asarray(statistic(np.repeat(units.order, draw)), np.float64) for draw in counts.T]
    return summarize_draws(whole, np.reshape(samples, (-1, whole.size)), confidence)


def summarize_draws(
    values: npt.ArrayLike, samples: npt.ArrayLike, confidence: float = CONFIDENCE
) -> list[Estimate]:
    """Give figures the percentile intervals of their draws (Davison & Hinkley 1997, section 5.3).

    Parameters
    ----------
    values
        The ``k`` figures of the sources themselves.
    samples
        Those of each draw, shape ``(n_draws, k)``. Draws in which a figure is NaN do not count for it.
    confidence
        Confidence level.

    Returns
    -------
    list of Estimate
        The figures with their intervals, which hold the figures themselves; NaN where no draw has the figure.
    """
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    estimates = []
    for value, column in zip(np.asarray(values, float).tolist(), np.asarray(samples, float).T, strict=True):
        finite = column[np.isfinite(column)]
        low, high = np.quantile(finite, ends).tolist() if finite.size else (np.nan, np.nan)
        estimates.append(Estimate(value, min(low, value), max(high, value)))
    return estimates


def stack_estimates(estimates: Sequence[Estimate]) -> tuple[Estimate, float]:
    """Combine the figures of several seeds.

    Parameters
    ----------
    estimates
        The same figure of models that differ in their seed, at least one.

    Returns
    -------
    mean : Estimate
        Mean of the figures and of the ends of their intervals: the seeds are judged on the same objects, so
        the interval does not shrink with their number.
    scatter : float
        Standard deviation between the seeds, NaN for one.
    """
    if not estimates:
        raise InvalidInputError("no estimates to combine")
    values = np.array([[e.value, e.low, e.high] for e in estimates])
    value, low, high = values.mean(axis=0).tolist()
    return Estimate(value, low, high), float(values[:, 0].std(ddof=1)) if len(values) > 1 else float("nan")
