"""Curves, detection efficiency, calibration and comparison of the models of a sample, as tables."""

from __future__ import annotations

__all__ = (
    "flatten_estimates",
    "tabulate_calibration",
    "tabulate_comparison",
    "tabulate_curves",
    "tabulate_efficiency",
)

import itertools
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from astropy.table import Table, vstack

from ..truth import FAKE, Label
from ._binned import bin_fraction
from ._bootstrap import Estimate
from ._cell_figures import FIGURES
from ._comparison import compare_models
from ._confusion import Confusion
from ._curves import threshold_curve
from ._efficiency import fit_efficiency
from ._reliability import tabulate_reliability
from ._sample import ScoredSample
from ._slices import EvaluationOptions, Slice

_CURVES = ("all", "SNR cut", "magnitude limit", "band")
_STEP = 0.25
_OF_FITS = ("band", "step", "of")


def flatten_estimates(estimates: Mapping[str, Estimate]) -> dict[str, float]:
    """Give figures and the ends of their intervals columns of their own.

    Parameters
    ----------
    estimates
        Figures by name.

    Returns
    -------
    dict
        ``NAME``, ``NAME_low`` and ``NAME_high`` of each.
    """
    flat: dict[str, float] = {}
    for name, estimate in estimates.items():
        flat |= {name: estimate.value, f"{name}_low": estimate.low, f"{name}_high": estimate.high}
    return flat


def tabulate_curves(sample: ScoredSample, slices: Sequence[Slice], options: EvaluationOptions) -> Table:
    """Follow rates through the thresholds, of all sources, of each band, and by limits and cuts.

    Parameters
    ----------
    sample, options
        As for `~lsst.meas.realbogus.evaluation.evaluate`.
    slices
        Parts of the sample.

    Returns
    -------
    astropy.table.Table
        See `~lsst.meas.realbogus.evaluation.Evaluation`.
    """
    return _stack(list(_curves(sample, slices, options)))


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
        named = {"model": model, "scope": part.scope, "variable": part.variable, "name": part.name}
        yield Table(
            {
                **{name: np.full(rows.size, value) for name, value in named.items()},
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


def tabulate_efficiency(sample: ScoredSample, options: EvaluationOptions) -> dict[str, Table]:
    """Fit the efficiency of detection, and of detection and score, by band; of fakes, if there are any.

    Parameters
    ----------
    sample, options
        As for `~lsst.meas.realbogus.evaluation.evaluate`.

    Returns
    -------
    dict
        ``efficiency`` and ``efficiency_bins`` of `~lsst.meas.realbogus.evaluation.Evaluation`.
    """
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
            fits.append({**named, "n": fit.n, "n_found": fit.n_found, **flatten_estimates(values)})
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


def tabulate_calibration(sample: ScoredSample) -> Table:
    """Compare scores of the detected sources with the fraction that is real, by model.

    Parameters
    ----------
    sample
        As for `~lsst.meas.realbogus.evaluation.evaluate`.

    Returns
    -------
    astropy.table.Table
        ``model`` and the columns of `tabulate_reliability`.
    """
    return _stack(list(_reliabilities(sample)))


def _reliabilities(sample: ScoredSample) -> Iterator[Table]:
    detected = np.asarray(sample.table["is_detected"])
    for model in sample.models:
        table = tabulate_reliability(sample.scores(model)[detected], sample.labels[detected])
        table.add_column(np.full(len(table), model), name="model", index=0)
        yield table


def tabulate_comparison(sample: ScoredSample, options: EvaluationOptions) -> Table:
    """Compare every two models on the detected sources.

    Parameters
    ----------
    sample, options
        As for `~lsst.meas.realbogus.evaluation.evaluate`.

    Returns
    -------
    astropy.table.Table
        See `~lsst.meas.realbogus.evaluation.Evaluation`; without rows for a single model.
    """
    return _stack([_no_comparison(), *_comparisons(sample, options)])


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
