"""What decides a score: saliency, Grad-CAM, integrated gradients, the last hidden layer, hard cases."""

from __future__ import annotations

from ._embedding import Embedding, embed
from ._explain import EXPLANATION, Explanation, explain_stamps, prepare_batch
from ._explainer import Answers, Explainer, load_explainer
from ._hardest import HardestCases, find_hardest
from ._options import EmbeddingOptions, ExplanationOptions
from ._segments import (
    OUTCOMES,
    WINNERS,
    classify_outcomes,
    count_winners,
    image_shares,
    segment_names,
    split_segments,
)
from ._sources import labelled_batch, read_stamp_batches

__all__ = (
    "EXPLANATION",
    "OUTCOMES",
    "WINNERS",
    "Answers",
    "Embedding",
    "EmbeddingOptions",
    "Explainer",
    "Explanation",
    "ExplanationOptions",
    "HardestCases",
    "classify_outcomes",
    "count_winners",
    "embed",
    "explain_stamps",
    "find_hardest",
    "image_shares",
    "labelled_batch",
    "load_explainer",
    "prepare_batch",
    "read_stamp_batches",
    "segment_names",
    "split_segments",
)
