"""Fractions with their intervals."""

from __future__ import annotations

__all__ = ("CONFIDENCE", "Fraction", "fraction", "fraction_intervals")

import dataclasses

import numpy as np
import numpy.typing as npt
from astropy.stats import binom_conf_interval

Floats = npt.NDArray[np.float64]

#: Confidence level of every interval unless another one is asked for.
CONFIDENCE = 0.95


@dataclasses.dataclass(frozen=True)
class Fraction:
    """A fraction of a count, with its binomial interval.

    Parameters
    ----------
    successes, trials
        The counts.
    low, high
        Ends of the interval; 0 and 1 where there were no trials.
    """

    successes: int
    trials: int
    low: float
    high: float

    @property
    def value(self) -> float:
        """The fraction itself, NaN where there were no trials."""
        return self.successes / self.trials if self.trials else float("nan")

    def __str__(self) -> str:
        if not self.trials:
            return "none"
        return f"{self.value:.3f} ({self.low:.3f}-{self.high:.3f})"


def fraction_intervals(
    successes: npt.ArrayLike, trials: npt.ArrayLike, confidence: float = CONFIDENCE
) -> tuple[Floats, Floats]:
    """Binomial intervals of many fractions.

    Parameters
    ----------
    successes, trials
        Counts, of any one shape.
    confidence
        Confidence level.

    Returns
    -------
    low, high
        Ends of the Wilson score intervals (Brown, Cai & DasGupta 2001 recommend them down to small counts), 0
        and 1 where there were no trials.
    """
    k, n = np.broadcast_arrays(np.asarray(successes, int), np.asarray(trials, int))
    low, high = np.zeros(n.shape), np.ones(n.shape)
    some = n > 0
    if some.any():
        bounds = binom_conf_interval(k[some], n[some], confidence_level=confidence, interval="wilson")
        # Rounding must not leave the fraction itself outside, where all or none succeed.
        value = k[some] / n[some]
        low[some], high[some] = np.minimum(bounds[0], value), np.maximum(bounds[1], value)
    return low, high


def fraction(successes: int, trials: int, confidence: float = CONFIDENCE) -> Fraction:
    """Make one fraction with its interval.

    Parameters
    ----------
    successes, trials
        Counts.
    confidence
        Coverage of the interval.

    Returns
    -------
    Fraction
        The fraction; NaN for no trials.

    Examples
    --------
    >>> print(fraction(9, 10))
    0.900 (0.596-0.982)
    """
    low, high = fraction_intervals(successes, trials, confidence)
    return Fraction(int(successes), int(trials), float(low), float(high))
