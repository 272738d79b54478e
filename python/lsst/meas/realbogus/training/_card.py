"""What a model file says of its training."""

from __future__ import annotations

__all__ = ("describe_stamps", "figures_of_scores")

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.metrics import precision_score, recall_score, roc_auc_score

type Columns = Mapping[str, npt.NDArray[Any]]

_SNR_BINS = (0.0, 6.0, 8.0, 12.0, 20.0, np.inf)


def describe_stamps(columns: Columns) -> dict[str, Any]:
    """Say what a set of stamps holds.

    Parameters
    ----------
    columns
        Columns of `LabelledStamps`.
    """
    groups = np.unique(columns["group"])
    kinds, counts = np.unique(columns["kind"], return_counts=True)
    return {
        "stamps": len(columns["label"]),
        "real": int((columns["label"] == 1).sum()),
        "groups": groups.tolist(),
        "kinds": dict(zip(kinds.tolist(), counts.tolist(), strict=True)),
    }


def figures_of_scores(score: npt.NDArray[np.float32], columns: Columns) -> dict[str, Any]:
    """Sum up how stamps are scored; those without a score count as called bogus.

    Parameters
    ----------
    score
        Score of each stamp, NaN where there is none.
    columns
        Columns of `LabelledStamps`.
    """
    real = columns["label"] == 1
    has_score = np.isfinite(score)
    called = score >= 0.5
    by_snr = {
        f"{low:g}-{high:g}": round(float(called[inside].mean()), 4)
        for low, high in zip(_SNR_BINS, _SNR_BINS[1:], strict=False)
        if (inside := real & (columns["snr"] >= low) & (columns["snr"] < high)).any()
    }
    by_kind = {
        f"{'real' if is_real else 'bogus'}: {kind}": [int(rows.sum()), round(float(called[rows].mean()), 4)]
        for is_real in (True, False)
        for kind in np.unique(columns["kind"])
        if (rows := (real == is_real) & (columns["kind"] == kind)).any()
    }
    return {
        "stamps": len(score),
        "without_score": int((~has_score).sum()),
        "real": int(real.sum()),
        "area_under_roc": round(float(roc_auc_score(real[has_score], score[has_score])), 4),
        "completeness_at_0.5": round(float(recall_score(real, called)), 4),
        "purity_at_0.5": round(float(precision_score(real, called, zero_division=0.0)), 4),
        "completeness_at_0.5_by_snr": by_snr,
        "number_and_fraction_above_0.5_by_kind": by_kind,
    }
