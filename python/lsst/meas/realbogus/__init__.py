"""Fake supernovae, stamps and real/bogus scores for difference-image sources.

What is here is for notebooks and scripts: ``import lsst.meas.realbogus as rb`` costs nothing, and each name
imports what it needs when it is first used. The same functions, and everything else, are in the rooms
(``lsst.meas.realbogus.injection`` and so on).
"""

from __future__ import annotations

import importlib
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .association import LightCurveOptions, make_light_curves
    from .cutouts import extract
    from .diffim import SubtractionOptions, subtract
    from .evaluation import (
        EvaluationOptions,
        NightOptions,
        ValidationOptions,
        compare_night,
        evaluate,
        read_sample,
    )
    from .explanation import (
        ExplanationOptions,
        count_winners,
        explain_stamps,
        load_explainer,
        prepare_batch,
        split_segments,
    )
    from .injection import CatalogOptions, Footprint, InjectionOptions, dc2_magnitudes, inject, make_catalog
    from .measurement import DetectionOptions, detect_and_measure, measure_sources
    from .model import load
    from .repository import (
        compare_with_dc2,
        export_labelled_stamps,
        read_collection,
        read_light_curves,
        read_sample_of_run,
        read_score_counts,
        read_stamps_with_labels,
        validate_collection,
    )
    from .training import ModelOptions, StampSet, corrupt_labels, ordered_contract, ordered_split, train_model
    from .truth import DetectionCounts, FateRules, MatchRules, find_truth, loss_budget, match, read_dc2_tables

__all__ = (
    "CatalogOptions",
    "DetectionCounts",
    "DetectionOptions",
    "EvaluationOptions",
    "ExplanationOptions",
    "FateRules",
    "Footprint",
    "InjectionOptions",
    "LightCurveOptions",
    "MatchRules",
    "ModelOptions",
    "NightOptions",
    "StampSet",
    "SubtractionOptions",
    "ValidationOptions",
    "compare_night",
    "compare_with_dc2",
    "corrupt_labels",
    "count_winners",
    "dc2_magnitudes",
    "detect_and_measure",
    "evaluate",
    "explain_stamps",
    "export_labelled_stamps",
    "extract",
    "find_truth",
    "inject",
    "load",
    "load_explainer",
    "loss_budget",
    "make_catalog",
    "make_light_curves",
    "match",
    "measure_sources",
    "ordered_contract",
    "ordered_split",
    "prepare_batch",
    "read_collection",
    "read_dc2_tables",
    "read_light_curves",
    "read_sample",
    "read_sample_of_run",
    "read_score_counts",
    "read_stamps_with_labels",
    "split_segments",
    "subtract",
    "train_model",
    "validate_collection",
)

_HOMES = MappingProxyType(
    {
        "CatalogOptions": "injection",
        "DetectionCounts": "truth",
        "DetectionOptions": "measurement",
        "ExplanationOptions": "explanation",
        "EvaluationOptions": "evaluation",
        "FateRules": "truth",
        "Footprint": "injection",
        "InjectionOptions": "injection",
        "LightCurveOptions": "association",
        "MatchRules": "truth",
        "ModelOptions": "training",
        "NightOptions": "evaluation",
        "StampSet": "training",
        "SubtractionOptions": "diffim",
        "ValidationOptions": "evaluation",
        "compare_night": "evaluation",
        "compare_with_dc2": "repository",
        "corrupt_labels": "training",
        "count_winners": "explanation",
        "dc2_magnitudes": "injection",
        "detect_and_measure": "measurement",
        "explain_stamps": "explanation",
        "export_labelled_stamps": "repository",
        "evaluate": "evaluation",
        "extract": "cutouts",
        "find_truth": "truth",
        "inject": "injection",
        "load": "model",
        "load_explainer": "explanation",
        "loss_budget": "truth",
        "make_catalog": "injection",
        "make_light_curves": "association",
        "match": "truth",
        "measure_sources": "measurement",
        "ordered_contract": "training",
        "ordered_split": "training",
        "prepare_batch": "explanation",
        "read_collection": "repository",
        "read_dc2_tables": "truth",
        "read_light_curves": "repository",
        "read_score_counts": "repository",
        "read_stamps_with_labels": "repository",
        "split_segments": "explanation",
        "read_sample": "evaluation",
        "read_sample_of_run": "repository",
        "subtract": "diffim",
        "train_model": "training",
        "validate_collection": "repository",
    }
)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
