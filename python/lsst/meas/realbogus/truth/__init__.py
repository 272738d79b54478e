"""What a source really is: matching, labels and fates."""

from __future__ import annotations

from ._artefacts import distance_to_segments, nearest_artefact
from ._candidates import DIFFUSE_KINDS, REAL_KINDS, STATIC_KINDS, Candidates, gather_candidates
from ._conditions import EDGE_PLANES, MASKED_PLANES, Conditions, measure_conditions, noise_equivalent_area
from ._fates import FateRules, injected_fates
from ._inputs import read_injected, read_matched_sources, read_truth
from ._labels import Matched, MatchRules, label_dia_sources
from ._match import Matches, check_tables, match
from ._matching import Pairs, match_mutual_nearest, unit_vectors
from ._objects import InjectedObjects, injected_objects, join_injected
from ._schema import DIA_SOURCE_MATCH, FAKE, INJECTED_FATE, Fate, Label, Reason

__all__ = (
    "DIA_SOURCE_MATCH",
    "DIFFUSE_KINDS",
    "EDGE_PLANES",
    "FAKE",
    "INJECTED_FATE",
    "MASKED_PLANES",
    "REAL_KINDS",
    "STATIC_KINDS",
    "Candidates",
    "Conditions",
    "Fate",
    "FateRules",
    "InjectedObjects",
    "Label",
    "MatchRules",
    "Matched",
    "Matches",
    "Pairs",
    "Reason",
    "check_tables",
    "distance_to_segments",
    "gather_candidates",
    "injected_fates",
    "injected_objects",
    "join_injected",
    "label_dia_sources",
    "match",
    "match_mutual_nearest",
    "measure_conditions",
    "nearest_artefact",
    "noise_equivalent_area",
    "read_injected",
    "read_matched_sources",
    "read_truth",
    "unit_vectors",
)
