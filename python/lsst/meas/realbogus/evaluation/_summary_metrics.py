"""The numbers that dashboards follow, named as analysis_tools names its metrics."""

from __future__ import annotations

__all__ = ("summary_metrics",)

from collections.abc import Mapping

import numpy as np
from astropy.table import Table

from ..truth import FAKE, Label
from ._sample import ScoredSample
from ._slices import DETECTED, END_TO_END, EvaluationOptions

_NAMES = {
    "area": "AreaUnderRoc",
    "average_precision": "AveragePrecision",
    "rate": "TruePositiveRateAtFixedFalsePositives",
    "completeness": "Completeness",
    "specificity": "Specificity",
    "purity": "Purity",
    "npv": "NegativePredictiveValue",
    "accuracy": "Accuracy",
    "mcc": "Mcc",
    "brier": "BrierScore",
    "nll": "NegativeLogLikelihood",
    "calibration_error": "CalibrationError",
}
_ENDS = {"": "", "_low": "Low", "_high": "High"}
_OF_LABELS = ("brier", "nll", "calibration_error")


def summary_metrics(
    sample: ScoredSample, tables: Mapping[str, Table], options: EvaluationOptions
) -> dict[str, float]:
    """Collect the numbers that dashboards follow.

    Parameters
    ----------
    sample
        The sources.
    tables
        Tables of an `Evaluation`.
    options
        What was asked for.

    Returns
    -------
    dict
        Plain numbers by name. Those that analysis_tools has are called as there (``numAllDiaSources``,
        ``numTotalFakeDiaSources``, ``fractionFoundFakesDiaAll``, ``numDiaSourcesHighReliability``); those of
        a model begin with its name and ``_``; those end to end end in ``EndToEnd``, ends of intervals in
        ``Low`` and ``High``.
    """
    table, labels = sample.table, sample.labels
    detected = np.asarray(table["is_detected"])
    fake = np.asarray(table["kind"]) == FAKE
    metrics: dict[str, float] = {
        "numAllDiaSources": int(detected.sum()),
        "numRealDiaSources": int(np.sum(detected & (labels == Label.REAL))),
        "numBogusDiaSources": int(np.sum(detected & (labels == Label.BOGUS))),
        "numUndecidedDiaSources": int(np.sum(detected & (labels == Label.UNDECIDED))),
        "numMissedChanges": int(np.sum(~detected)),
        "numTotalFakeDiaSources": int(fake.sum()),
        "numFoundFakeDiaSources": int(np.sum(fake & detected)),
        "fractionFoundFakesDiaAll": float(np.mean(detected[fake])) if fake.any() else float("nan"),
    }
    fits = {str(row["step"]): row for row in tables["efficiency"] if row["band"] == "all"}
    keys = {"detected": "m50Detected"} | {f"kept by {model}": f"{model}_m50" for model in sample.models}
    for step, key in keys.items():
        for end, suffix in _ENDS.items():
            metrics[f"{key}{suffix}"] = float(fits[step][f"m50{end}"]) if step in fits else float("nan")
    for model in sample.models:
        scores = sample.scores(model)[detected]
        metrics |= {
            f"{model}_numDiaSourcesHighReliability": int(np.sum(scores > 0.9)),
            f"{model}_numDiaSourcesLowReliability": int(np.sum(scores < 0.1)),
            f"{model}_numDiaSourcesNanReliability": int(np.isnan(scores).sum()),
        }
    for row in tables["figures"]:
        if (row["variable"], row["name"]) != ("all", "all"):
            continue
        whole = row["scope"] == END_TO_END
        for name, called in _NAMES.items():
            if whole and name in _OF_LABELS:
                continue
            for end, suffix in _ENDS.items():
                key = f"{row['model']}_{called[0].lower()}{called[1:]}{'EndToEnd' if whole else ''}{suffix}"
                metrics[key] = float(row[f"{name}{end}"])
    for row in tables["requirement"]:
        if row["band"] == "all" and row["scope"] == DETECTED and not np.isfinite(row["real_fraction"]):
            name = str(row["model"])
            metrics[f"{name}_requirementMet"] = int(row["is_met"])
            metrics[f"{name}_requirementLowestThreshold"] = float(row["lowest_threshold"])
            metrics[f"{name}_requirementBestPurity"] = float(row["best_purity"])
            metrics[f"{name}_requirementBestCompleteness"] = float(row["best_completeness"])
    return metrics
