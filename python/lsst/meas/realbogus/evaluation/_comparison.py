"""Two models on the same sources: which is better, and whether that is chance."""

from __future__ import annotations

__all__ = ("Comparison", "compare_models")

import dataclasses

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest, norm

from ..errors import InvalidInputError
from ._bootstrap import N_BOOTSTRAP, Estimate, summarize_draws
from ._cell_figures import FIGURES
from ._cells import ScoreRanks
from ._criteria import Criteria
from ._groups import ScoreGroup, resample_groups
from ._intervals import CONFIDENCE
from ._performance import scored_labels
from ._units import Units


@dataclasses.dataclass(frozen=True)
class Comparison:
    """How the second of two models differs from the first.

    Parameters
    ----------
    differences
        Figures of the second less those of the first, with intervals of the differences: both models are
        measured in every bootstrap draw.
    n_first, n_second
        Sources that only the first and only the second calls what they are.
    p_value
        Of McNemar's exact test: how likely so uneven numbers are if both are right equally often. It takes
        the sources for independent.
    p_value_objects
        The same where the sources of an object count together.
    """

    differences: dict[str, Estimate]
    n_first: int
    n_second: int
    p_value: float
    p_value_objects: float


def compare_models(
    first: npt.ArrayLike,
    second: npt.ArrayLike,
    labels: npt.ArrayLike,
    objects: npt.ArrayLike | None = None,
    *,
    criteria: Criteria | None = None,
    n_resamples: int = N_BOOTSTRAP,
    confidence: float = CONFIDENCE,
) -> Comparison:
    """Compare the scores of two models.

    Parameters
    ----------
    first, second
        Scores of the same sources, NaN for none; shape ``(n,)``.
    labels, objects
        As for `judge_scores`.
    criteria
        What they are judged by.
    n_resamples, confidence
        As for `bootstrap`.

    Returns
    -------
    Comparison
        Differences and tests.

    Raises
    ------
    InvalidInputError
        If the lengths differ.

    Notes
    -----
    McNemar (1947) in the exact binomial form. By object the statistic is the sum over objects of the
    difference of the two numbers over the root of the sum of its squares (Obuchowski 1998), which is normal
    for many objects; it is NaN where the models never differ.

    Examples
    --------
    >>> result = compare_models([0.9, 0.2, 0.6, 0.7], [0.9, 0.8, 0.1, 0.2], [1, 1, 0, 0], n_resamples=10)
    >>> result.n_first, result.n_second, result.p_value
    (0, 3, 0.25)
    """
    criteria = criteria or Criteria()
    (one, real), (two, _) = scored_labels(first, labels), scored_labels(second, labels)
    if one.shape != two.shape:
        raise InvalidInputError(f"the two sets of scores differ in shape: {one.shape} and {two.shape}")
    ids = None if objects is None else np.asarray(objects, np.int64)[np.asarray(labels) >= 0]
    groups = [ScoreGroup(ScoreRanks.of(values), real, criteria) for values in (one, two)]
    samples = resample_groups(groups, real, ids, n_resamples)
    differences = summarize_draws(
        groups[1].values - groups[0].values, samples[:, 1] - samples[:, 0], confidence
    )
    right = [(values >= criteria.threshold) == real for values in (one, two)]
    better = right[1].astype(int) - right[0].astype(int)
    n_first, n_second = int(np.sum(better < 0)), int(np.sum(better > 0))
    units = Units.of(np.zeros(real.size), ids)
    sums = np.add.reduceat(better[units.order], units.start) if real.size else np.zeros(0)
    spread = np.sqrt(np.sum(sums**2))
    return Comparison(
        dict(zip(FIGURES, differences, strict=True)),
        n_first,
        n_second,
        float(binomtest(n_second, n_first + n_second).pvalue) if n_first + n_second else 1.0,
        float(2 * norm.sf(abs(sums.sum()) / spread)) if spread else float("nan"),
    )
