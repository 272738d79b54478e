"""Metrics, intervals and curves, and the numbers of a run."""

from __future__ import annotations

from ._added_light import ADDED_LIGHT, measure_added_light
from ._binned import BinnedFraction, bin_fraction, even_edges
from ._bootstrap import Estimate, bootstrap, stack_estimates
from ._cell_figures import FIGURES
from ._checks import CHECKS, Check, Status
from ._comparison import Comparison, compare_models
from ._confusion import Confusion, count_confusion
from ._criteria import Criteria
from ._curves import ThresholdCurve, area_under_roc, lowest_threshold, threshold_curve
from ._efficiency import EfficiencyFit, fit_efficiency
from ._evaluate import Evaluation, evaluate
from ._gather import ScoredTables, sample_image, stack_images
from ._intervals import CONFIDENCE, Fraction, fraction, fraction_intervals
from ._judgement import Judgement, judge_by_snr, judge_scores, rate_at_false_positives
from ._kinds import KindResult, KindScores, count_kinds
from ._night import DRIFT, Night, compare_night
from ._performance import Performance, measure_performance, scored_labels
from ._pulls import Pull, measure_pull
from ._recovery import INJECTED_RECOVERY, Boxes, match_images, recover_injected
from ._recovery_bins import RECOVERY_BINS, bin_recovery
from ._reliability import (
    brier_score,
    calibration_error,
    describe_calibration,
    prior_weights,
    tabulate_reliability,
)
from ._results import ModelResult, Results, Summary, summarize
from ._sample import SCORED_SOURCE, ScoredSample, assume_bogus, read_sample
from ._score_counts import REASONS, SCORE_COUNTS, NightOptions, count_scores
from ._slices import DETECTED, END_TO_END, EvaluationOptions
from ._tally import count_fates, count_labels
from ._validation import Validation, validate_injection
from ._validation_options import ValidationOptions

__all__ = (
    "ADDED_LIGHT",
    "CHECKS",
    "CONFIDENCE",
    "DETECTED",
    "DRIFT",
    "END_TO_END",
    "FIGURES",
    "FIGURES",
    "INJECTED_RECOVERY",
    "REASONS",
    "RECOVERY_BINS",
    "SCORED_SOURCE",
    "SCORE_COUNTS",
    "BinnedFraction",
    "BinnedFraction",
    "Boxes",
    "Check",
    "Comparison",
    "Confusion",
    "Criteria",
    "EfficiencyFit",
    "Estimate",
    "Evaluation",
    "EvaluationOptions",
    "Fraction",
    "Judgement",
    "KindResult",
    "KindScores",
    "ModelResult",
    "Night",
    "NightOptions",
    "Performance",
    "Pull",
    "Results",
    "ScoredSample",
    "ScoredTables",
    "Status",
    "Summary",
    "ThresholdCurve",
    "Validation",
    "ValidationOptions",
    "area_under_roc",
    "assume_bogus",
    "bin_fraction",
    "bin_recovery",
    "bootstrap",
    "brier_score",
    "calibration_error",
    "compare_models",
    "compare_night",
    "count_confusion",
    "count_fates",
    "count_kinds",
    "count_labels",
    "count_scores",
    "describe_calibration",
    "evaluate",
    "even_edges",
    "fit_efficiency",
    "fraction",
    "fraction_intervals",
    "judge_by_snr",
    "judge_scores",
    "lowest_threshold",
    "match_images",
    "measure_added_light",
    "measure_performance",
    "measure_pull",
    "prior_weights",
    "rate_at_false_positives",
    "read_sample",
    "recover_injected",
    "sample_image",
    "scored_labels",
    "stack_estimates",
    "stack_images",
    "summarize",
    "tabulate_reliability",
    "threshold_curve",
    "validate_injection",
)
