"""Everything that is measured of the scores of a sample, as tables."""

from __future__ import annotations

__all__ = ("Evaluation", "evaluate")

import dataclasses
import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..errors import InvalidInputError
from ..truth import FAKE, Label
from ._binned import bin_fraction
from ._bootstrap import Estimate
from ._comparison import compare_models
from ._confusion import Confusion, count_confusion
from ._curves import threshold_curve
from ._efficiency import fit_efficiency
from ._groups import FIGURES, Criteria, ScoreGroup, ScoreRanks, estimate_groups
from ._reliability import tabulate_reliability
from ._sample import ScoredSample
from ._slices import EvaluationOptions, Slice, requirement_slices, slice_sample
from ._summary_metrics import summary_metrics

type Rows = npt.NDArray[np.intp]

_BEST = ("best_purity", "best_completeness", "lowest_threshold", "highest_threshold")
_CURVES = ("all", "SNR cut", "magnitude limit")
_STEP = 0.25
_OF_FITS = ("band", "step", "of")


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
        ``model``, ``scope``, ``variable``, ``name``; and at each ``threshold`` ``completeness``, ``purity``
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
    for model in sample.models:
        scores = np.where(np.asarray(sample.table["is_detected"]), sample.scores(model), np.nan)
        values = np.where(np.isnan(scores), -np.inf, scores)
        ranks = ScoreRanks.of(values)
        groups = [_group(values, labels, part, options.criteria, ranks) for part in slices]
        judged = [
            (part, dataclasses.replace(options.criteria, real_fraction=prior))
            for part, prior in itertools.product(required, (None, options.requirement_real_fraction))
        ]
        groups += [_group(values, labels, part, criteria, ranks) for part, criteria in judged]
        estimates = estimate_groups(
            groups, labels, objects, n_resamples=options.n_resamples, confidence=options.confidence
        )
        for part, group, estimate in zip(slices, groups, estimates, strict=False):
            counts = _counts(sample, part, scores, options.criteria.threshold)
            figures.append({"model": model, **_named(part), **_numbers(group, counts), **_flat(estimate)})
        first = len(slices)
        for (part, criteria), group, estimate in zip(judged, groups[first:], estimates[first:], strict=True):
            here = scores[part.rows], labels[part.rows], criteria, estimate["is_met"], options.confidence
            row = _required(part, criteria, group, estimate, _verdict(*here))
            requirement.append({"model": model, **row})
    tables = {
        "figures": Table(rows=figures),
        "requirement": Table(rows=requirement),
        "curves": _stack(list(_curves(sample, slices, options))),
        **_efficiencies(sample, options),
        "reliability": _stack(list(_reliabilities(sample))),
        "comparison": _stack([_no_comparison(), *_comparisons(sample, options)]),
    }
    return Evaluation(metrics=summary_metrics(sample, tables, options), **tables)


def _group(
    values: npt.NDArray[np.float64], labels: Any, part: Slice, criteria: Criteria, ranks: ScoreRanks
) -> ScoreGroup:
    rows = part.rows
    return ScoreGroup(values[rows], labels[rows] == Label.REAL, criteria, rows, ranks=ranks)


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


def _flat(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    flat: dict[str, float] = {}
    for name, estimate in estimates.items():
        flat |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return flat


def _required(
    part: Slice, criteria: Criteria, group: ScoreGroup, estimate: Mapping[str, Estimate], verdict: str
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
        "verdict": verdict,
        "is_met": bool(estimate["is_met"].value == 1),
        **_flat({name: estimate[name] for name in (*_BEST, "completeness", "purity")}),
    }


def _verdict(scores: Any, labels: Any, criteria: Criteria, met: Estimate, confidence: float) -> str:
    """Say whether the requirement is met, where both the bootstrap and binomial intervals agree.

    The bootstrap knows of repeated objects, but not that among few sources all may be right by chance.
    """
    if not np.any(labels == Label.REAL) or not np.any(labels == Label.BOGUS):
        return "unknown"
    curve = threshold_curve(scores, labels, confidence, real_fraction=criteria.real_fraction)
    low, high = (
        (curve.completeness_interval[end] >= criteria.min_completeness)
        & (curve.purity_interval[end] >= criteria.min_purity)
        for end in (0, 1)
    )
    if met.low == 1 and low.any():
        return "met"
    return "not met" if met.high == 0 and not high.any() else "undecided"


def _curves(sample: ScoredSample, slices: Sequence[Slice], options: EvaluationOptions) -> Iterator[Table]:
    for model, part in itertools.product(sample.models, slices):
        if part.variable not in _CURVES:
            continue
        detected = np.asarray(sample.table["is_detected"])[part.rows]
        scores, labels = sample.scores(model)[part.rows], sample.labels[part.rows]
        curve = threshold_curve(
            np.where(detected, scores, np.nan),
            labels,
            options.confidence,
            real_fraction=options.criteria.real_fraction,
        )
        # Points that stand close in completeness or in false positives say nothing new.
        path = curve.completeness + curve.false_positive_rate
        wanted = np.linspace(0, path[-1] if path.size else 0, options.n_points)
        rows = np.unique([0, *np.searchsorted(path, wanted), path.size - 1])
        rows = rows[(rows >= 0) & (rows < path.size)]
        real, bogus = int(np.sum(labels == Label.REAL)), int(np.sum(labels == Label.BOGUS))
        tp, fp = curve.completeness[rows] * real, curve.false_positive_rate[rows] * bogus
        matrix = Confusion(tp, real - tp, fp, bogus - fp)
        named = {name: value for name, value in _named(part).items() if name not in ("low", "high")}
        yield Table(
            {
                **{name: np.full(rows.size, value) for name, value in {"model": model, **named}.items()},
                "threshold": curve.threshold[rows],
                "completeness": curve.completeness[rows],
                "completeness_low": curve.completeness_interval[0][rows],
                "completeness_high": curve.completeness_interval[1][rows],
                "purity": curve.purity[rows],
                "purity_low": curve.purity_interval[0][rows],
                "purity_high": curve.purity_interval[1][rows],
                "false_positive_rate": curve.false_positive_rate[rows],
                **{name: getattr(matrix, name) for name in ("specificity", "npv", "accuracy", "mcc")},
            }
        )


def _efficiencies(sample: ScoredSample, options: EvaluationOptions) -> dict[str, Table]:
    """Fit the efficiency of detection, and of detection and score, by band; of fakes, if there are any."""
    table = sample.table
    fake = np.asarray(table["kind"]) == FAKE
    chosen = (sample.labels == Label.REAL) & (fake if fake.any() else True)
    mag, bands = np.asarray(table["mag_true"], float), np.asarray(table["band"]).astype(str)
    detected, objects = np.asarray(table["is_detected"]), sample.objects
    steps = {"detected": detected} | {
        f"kept by {model}": detected & (sample.scores(model) >= options.criteria.threshold)
        for model in sample.models
    }
    fits, bins = [], []
    for band in ("all", *(np.unique(bands[chosen]).tolist())):
        here = chosen & np.isfinite(mag) & ((bands == band) | (band == "all"))
        if not here.any():
            continue
        low, high = np.floor(mag[here].min() / _STEP), np.floor(mag[here].max() / _STEP) + 1
        edges = np.arange(low, high + 0.5) * _STEP
        for step, found in steps.items():
            named = {"band": band or "unknown", "step": step, "of": "fakes" if fake.any() else "changes"}
            fit = fit_efficiency(
                mag[here],
                found[here],
                objects[here],
                n_resamples=min(options.n_resamples, 200),
                confidence=options.confidence,
            )
            values = {name: getattr(fit, name) for name in ("m50", "plateau", "midpoint", "width")}
            fits.append({**named, "n": fit.n, "n_found": fit.n_found, **_flat(values)})
            part = bin_fraction(mag[here], found[here], edges, options.confidence)
            bins.append(
                Table(
                    {
                        **{name: np.full(len(edges) - 1, value) for name, value in named.items()},
                        "mag_low": edges[:-1],
                        "mag_high": edges[1:],
                        "n": part.trials,
                        "n_found": part.successes,
                        "fraction": part.value,
                        "low": part.low,
                        "high": part.high,
                    }
                )
            )
    if not fits:
        return {
            "efficiency": Table(names=(*_OF_FITS, "n", "n_found")),
            "efficiency_bins": Table(names=_OF_FITS),
        }
    return {"efficiency": Table(rows=fits), "efficiency_bins": _stack(bins)}


def _reliabilities(sample: ScoredSample) -> Iterator[Table]:
    detected = np.asarray(sample.table["is_detected"])
    for model in sample.models:
        table = tabulate_reliability(sample.scores(model)[detected], sample.labels[detected])
        table.add_column(np.full(len(table), model), name="model", index=0)
        yield table


def _no_comparison() -> Table:
    names = ("first", "second", "n_first", "n_second", "p_value", "p_value_objects", "figure")
    types = (str, str, int, int, float, float, str, float, float, float)
    return Table(names=(*names, "difference", "low", "high"), dtype=types)


def _comparisons(sample: ScoredSample, options: EvaluationOptions) -> Iterator[Table]:
    detected = np.asarray(sample.table["is_detected"])
    for first, second in itertools.combinations(sample.models, 2):
        result = compare_models(
            sample.scores(first)[detected],
            sample.scores(second)[detected],
            sample.labels[detected],
            sample.objects[detected],
            criteria=options.criteria,
            n_resamples=options.n_resamples,
            confidence=options.confidence,
        )
        names = [name for name in FIGURES if name not in ("is_met", "lowest_threshold", "highest_threshold")]
        same = {
            "first": first,
            "second": second,
            "n_first": result.n_first,
            "n_second": result.n_second,
            "p_value": result.p_value,
            "p_value_objects": result.p_value_objects,
        }
        yield Table(
            rows=[
                {**same, "figure": name, "difference": d.value, "low": d.low, "high": d.high}
                for name, d in ((name, result.differences[name]) for name in names)
            ]
        )


def _stack(parts: Sequence[Table]) -> Table:
    return vstack(list(parts), metadata_conflicts="silent")
