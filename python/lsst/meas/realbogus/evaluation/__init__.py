"""Metrics, intervals and curves, and the numbers of a run."""

from __future__ import annotations

from ._binned import BinnedFraction, bin_fraction, even_edges
from ._curves import ThresholdCurve, area_under_roc, lowest_threshold, threshold_curve
from ._intervals import CONFIDENCE, Fraction, fraction, fraction_intervals
from ._performance import Performance, measure_performance, scored_labels
from ._pulls import Pull, measure_pull
from ._results import ModelResult, Results, Summary, summarize
from ._tally import count_fates, count_labels

__all__ = (
    "CONFIDENCE",
    "BinnedFraction",
    "Fraction",
    "ModelResult",
    "Performance",
    "Pull",
    "Results",
    "Summary",
    "ThresholdCurve",
    "area_under_roc",
    "bin_fraction",
    "count_fates",
    "count_labels",
    "even_edges",
    "fraction",
    "fraction_intervals",
    "lowest_threshold",
    "measure_performance",
    "measure_pull",
    "scored_labels",
    "summarize",
    "threshold_curve",
)
