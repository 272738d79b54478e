"""Intervals of any figure by drawing the objects again."""

from __future__ import annotations

__all__ = ("Estimate", "bootstrap", "stack_estimates")

import dataclasses
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt
import scipy.stats

from ..errors import InvalidInputError
from ..randomness import generator
from ._intervals import CONFIDENCE

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
    rows repeat each other. Each stratum keeps its number of objects.

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
    kinds = np.asarray(strata)
    n = len(kinds)
    whole = np.asarray(statistic(np.arange(n)), np.float64)
    units = _Units.of(kinds, objects)
    if not n:
        return [Estimate(float(value), float("nan"), float("nan")) for value in whole]
    with warnings.catch_warnings():
        # A figure that is the same in every draw has an interval of no width, which is said by it.
        warnings.simplefilter("ignore", scipy.stats.DegenerateDataWarning)
        result = scipy.stats.bootstrap(
            units.numbers(),
            lambda *drawn: np.asarray(statistic(units.rows(np.concatenate(drawn))), np.float64),
            n_resamples=n_resamples,
            vectorized=False,
            method="percentile",
            rng=generator(0, "bootstrap", n),
        )
    samples = result.bootstrap_distribution
    ends = [(1 - confidence) / 2, (1 + confidence) / 2]
    estimates = []
    for value, sample in zip(whole, samples, strict=True):
        sample = sample[np.isfinite(sample)]
        low, high = np.quantile(sample, ends) if sample.size else (np.nan, np.nan)
        estimates.append(Estimate(float(value), float(low), float(high)))
    return estimates


@dataclasses.dataclass(frozen=True)
class _Units:
    """Rows by object: ``order[start:start + count]`` are those of one."""

    order: Rows
    start: Rows
    count: Rows
    stratum: npt.NDArray[np.intp]

    @classmethod
    def of(cls, kinds: npt.NDArray[np.generic], objects: npt.ArrayLike | None) -> _Units:
        n = len(kinds)
        ids = np.full(n, -1, np.int64) if objects is None else np.asarray(objects, np.int64)
        if ids.shape != (n,):
            raise InvalidInputError(f"objects must have shape ({n},); got {ids.shape}")
        ids = np.where(ids < 0, np.max(ids, initial=0) + 1 + np.arange(n), ids)
        stratum = np.unique(kinds, return_inverse=True)[1]
        order = np.lexsort((ids, stratum))
        new = (np.diff(ids[order]) != 0) | (np.diff(stratum[order]) != 0)
        start = np.flatnonzero(np.concatenate([[True], new])) if n else np.empty(0, np.intp)
        return cls(order, start, np.diff(np.append(start, n)), stratum[order][start])

    def numbers(self) -> list[Rows]:
        """Number the objects, stratum by stratum; scipy wants at least two, so a single one stands twice."""
        parts = [np.flatnonzero(self.stratum == value) for value in np.unique(self.stratum)]
        return [part if part.size > 1 else np.repeat(part, 2) for part in parts]

    def rows(self, drawn: Rows) -> Rows:
        """Return the rows of the objects that were drawn."""
        start, count = self.start[drawn], self.count[drawn]
        first = np.cumsum(count) - count
        return self.order[np.repeat(start - first, count) + np.arange(count.sum())]


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
