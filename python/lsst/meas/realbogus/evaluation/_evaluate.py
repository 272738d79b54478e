"""Everything that is measured of the scores of a sample, as tables."""

from __future__ import annotations

__all__ = ("Evaluation", "evaluate")

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from astropy.table import Table

from ..errors import InvalidInputError
from ..truth import Label
from ._bootstrap import Estimate
from ._cells import ScoreRanks
from ._confusion import count_confusion
from ._criteria import Criteria
from ._evaluation_tables import (
    flatten_estimates,
    tabulate_calibration,
    tabulate_comparison,
    tabulate_curves,
    tabulate_efficiency,
)
from ._groups import ScoreGroup, estimate_groups
from ._sample import ScoredSample
from ._slices import EvaluationOptions, Slice, requirement_slices, slice_sample
from ._summary_metrics import summary_metrics

_BEST = ("best_purity", "best_completeness", "lowest_threshold", "highest_threshold")


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """What was measured.

    Parameters
    ----------
    figures
        A row for each model, scope and part of the sample: ``model``, ``scope`` ("detected" or
        "end_to_end"), ``variable``, ``name``, ``low``, ``high``; ``n_real``, ``n_bogus``, ``n_missed`` (real
        and not detected), ``n_unscored``; the confusion matrix at the threshold, ``tp``, ``fn``, ``fp``,
        ``tn``; and every figure of `FIGURES` with its interval, ``…_low`` and ``…_high``.
    curves
        Of all sources, of each band, to limits of magnitude and above cuts of SNR: ``model``, ``scope``,
        ``variable``, ``name``; and at each ``threshold`` ``completeness``, ``purity``
        (both with ``…_low`` and ``…_high``), ``false_positive_rate``, ``specificity``, ``npv``, ``accuracy``,
        ``mcc``.
    requirement
        For each model, scope and band whether some threshold meets the required completeness and purity at
        the required SNR: ``verdict`` ("met", "not met", "undecided" where the intervals leave it open,
        "unknown" without reals or bogus sources), the thresholds that meet it and the best that can be had,
        with intervals. ``real_fraction`` is NaN for sources as they are given.
    efficiency
        For each band and step ("detected", "kept by MODEL") the fit of the detection efficiency: ``m50``,
        ``plateau``, ``midpoint``, ``width`` with intervals, see `fit_efficiency`.
    efficiency_bins
        The fractions in bins of magnitude, with binomial intervals.
    reliability
        Fraction of reals in bins of the score, by model; see `tabulate_reliability`.
    comparison
        Differences of every two models in every figure, with interval, and McNemar's test; see
        `compare_models`.
    metrics
        The numbers of dashboards, by name: whole and real numbers, NaN for none.
    """

    figures: Table
    curves: Table
    requirement: Table
    efficiency: Table
    efficiency_bins: Table
    reliability: Table
    comparison: Table
    metrics: Mapping[str, float]

    @property
    def tables(self) -> dict[str, Table]:
        """The tables by name."""
        values = ((field.name, getattr(self, field.name)) for field in dataclasses.fields(self))
        return {name: value for name, value in values if isinstance(value, Table)}


def evaluate(sample: ScoredSample, options: EvaluationOptions | None = None) -> Evaluation:
    """Measure how good scores are: of what was detected, and end to end.

    Parameters
    ----------
    sample
        Sources with labels and scores, and real changes that were not detected.
    options
        What is measured, and in which parts of the sample.

    Returns
    -------
    Evaluation
        Figures, curves, the requirement, detection efficiency, calibration and comparison of the models.

    Raises
    ------
    InvalidInputError
        If there are no scores or no labels.
    """
    options = options or EvaluationOptions()
    labels, objects = sample.labels, sample.objects
    slices, required = slice_sample(sample, options), requirement_slices(sample, options)
    if not sample.models:
        raise InvalidInputError("there are no scores to judge")
    if not np.any(labels != Label.UNDECIDED):
        raise InvalidInputError(f"none of the {len(sample)} sources has a label")
    figures, requirement = [], []
    real = labels == Label.REAL
    for model in sample.models:
        scores = np.where(np.asarray(sample.table["is_detected"]), sample.scores(model), np.nan)
        values = np.where(np.isnan(scores), -np.inf, scores)
        ranks = ScoreRanks.of(values)
        groups = [ScoreGroup(ranks, real, options.criteria, part.rows, family=part.family) for part in slices]
        judged = [
            (part, dataclasses.replace(options.criteria, real_fraction=prior))
            for part, prior in itertools.product(required, (None, options.requirement_real_fraction))
        ]
        groups += [
            ScoreGroup(ranks, real, criteria, part.rows, family="requirement") for part, criteria in judged
        ]
        estimates = estimate_groups(
            groups,
            real,
            objects,
            strata=labels,
            n_resamples=options.n_resamples,
            confidence=options.confidence,
        )
        for part, group, estimate in zip(slices, groups, estimates, strict=False):
            counts = _counts(sample, part, scores, options.criteria.threshold)
            figures.append(
                {"model": model, **_named(part), **_numbers(group, counts), **flatten_estimates(estimate)}
            )
        first = len(slices)
        for (part, criteria), group, estimate in zip(judged, groups[first:], estimates[first:], strict=True):
            requirement.append({"model": model, **_required(part, criteria, group, estimate)})
    tables = {
        "figures": Table(rows=figures),
        "requirement": Table(rows=requirement),
        "curves": tabulate_curves(sample, slices, options),
        **tabulate_efficiency(sample, options),
        "reliability": tabulate_calibration(sample),
        "comparison": tabulate_comparison(sample, options),
    }
    return Evaluation(metrics=summary_metrics(sample, tables, options), **tables)


def _counts(sample: ScoredSample, part: Slice, scores: Any, threshold: float) -> dict[str, int]:
    missed = ~np.asarray(sample.table["is_detected"])[part.rows]
    tp, fn, fp, tn = count_confusion(scores[part.rows], sample.labels[part.rows], threshold).counts
    return {
        "n_missed": int(missed.sum()),
        "n_unscored": int(np.isnan(scores[part.rows][~missed]).sum()),
        **{name: int(n) for name, n in zip(("tp", "fn", "fp", "tn"), (tp, fn, fp, tn), strict=True)},
    }


def _numbers(group: ScoreGroup, counts: Mapping[str, int]) -> dict[str, int]:
    return {"n_real": group.n_real, "n_bogus": group.n_bogus, **counts}


def _named(part: Slice) -> dict[str, str | float]:
    return {
        "scope": part.scope,
        "variable": part.variable,
        "name": part.name,
        "low": part.low,
        "high": part.high,
    }


def _required(
    part: Slice, criteria: Criteria, group: ScoreGroup, estimate: Mapping[str, Estimate]
) -> dict[str, Any]:
    prior = criteria.real_fraction
    return {
        "scope": part.scope,
        "band": part.name,
        "snr_low": part.low,
        "snr_high": part.high,
        "real_fraction": np.nan if prior is None else prior,
        "n_real": group.n_real,
        "n_bogus": group.n_bogus,
        "verdict": _verdict(group, estimate["is_met"]),
        "is_met": bool(estimate["is_met"].value == 1),
        **flatten_estimates({name: estimate[name] for name in (*_BEST, "completeness", "purity")}),
    }


def _verdict(group: ScoreGroup, met: Estimate) -> str:
    """Say whether the requirement is met; the interval of a yes (1) or no (0) may hold both."""
    if not group.n_real or not group.n_bogus:
        return "unknown"
    if met.low == 1:
        return "met"
    return "not met" if met.high == 0 else "undecided"
