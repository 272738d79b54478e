"""What a source really is: matching, labels and fates."""

from __future__ import annotations

from ._ap_matches import read_ap_matches
from ._artefacts import distance_to_segments, nearest_artefact
from ._budget import BudgetRules, LossBudget, Step, loss_budget
from ._candidates import (
    DIFFUSE_KINDS,
    REAL_KINDS,
    STATIC_KINDS,
    TEMPLATE_PREFIX,
    Candidates,
    gather_candidates,
)
from ._conditions import EDGE_PLANES, MASKED_PLANES, Conditions, measure_conditions, noise_equivalent_area
from ._dc2 import DC2_CHANGE, Dc2Truth, read_dc2_selection, read_dc2_tables
from ._dc2_tables import read_dc2_summary, read_dc2_truth, read_dc2_variability
from ._detections import DetectionCounts, find_truth
from ._fates import FateRules, injected_fates
from ._inputs import read_injected, read_matched_sources, read_truth
from ._labels import Matched, label_dia_sources
from ._mask_labels import CORE_PLANES, STAMP_PLANES, compare_labels, flag_labels, labels_differ, mask_labels
from ._match import DifferencePlanes, Matches, MatchTables, check_tables, match, match_tables
from ._matching import Pairs, match_mutual_nearest, neighbours, unit_vectors
from ._objects import InjectedObjects, injected_objects, join_injected
from ._rules import MatchRules
from ._schema import DIA_SOURCE_MATCH, FAKE, INJECTED_FATE, Fate, Label, Reason

__all__ = (
    "CORE_PLANES",
    "DC2_CHANGE",
    "DIA_SOURCE_MATCH",
    "DIFFUSE_KINDS",
    "EDGE_PLANES",
    "FAKE",
    "INJECTED_FATE",
    "MASKED_PLANES",
    "REAL_KINDS",
    "STAMP_PLANES",
    "STATIC_KINDS",
    "TEMPLATE_PREFIX",
    "BudgetRules",
    "Candidates",
    "Conditions",
    "Dc2Truth",
    "DetectionCounts",
    "DifferencePlanes",
    "Fate",
    "FateRules",
    "InjectedObjects",
    "Label",
    "LossBudget",
    "MatchRules",
    "MatchTables",
    "Matched",
    "Matches",
    "Pairs",
    "Reason",
    "Step",
    "check_tables",
    "compare_labels",
    "distance_to_segments",
    "find_truth",
    "flag_labels",
    "gather_candidates",
    "injected_fates",
    "injected_objects",
    "join_injected",
    "label_dia_sources",
    "labels_differ",
    "loss_budget",
    "mask_labels",
    "match",
    "match_mutual_nearest",
    "match_tables",
    "measure_conditions",
    "nearest_artefact",
    "neighbours",
    "noise_equivalent_area",
    "read_ap_matches",
    "read_dc2_selection",
    "read_dc2_summary",
    "read_dc2_tables",
    "read_dc2_truth",
    "read_dc2_variability",
    "read_injected",
    "read_matched_sources",
    "read_truth",
    "unit_vectors",
)
