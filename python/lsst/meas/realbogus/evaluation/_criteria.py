"""What scores are judged by."""

from __future__ import annotations

__all__ = ("Criteria",)

import dataclasses

from ..options import Options, option


@dataclasses.dataclass(frozen=True)
class Criteria(Options):
    """What scores are judged by."""

    threshold: float = option(0.5, "Sources with at least this score are called real.")
    false_positives: float = option(
        0.01, "False positive rate at which the true positive rate is given.", min=0.0, max=1.0
    )
    real_fraction: float | None = option(
        None,
        "Purity, NPV, accuracy, MCC, Brier score, NLL and calibration error are for sources of which this "
        "fraction is real; none: those that are given.",
        above=0.0,
        below=1.0,
    )
    min_completeness: float = option(
        0.9, "Completeness that is required at some threshold (OSS-REQ-0353, LSE-30).", min=0.0, max=1.0
    )
    min_purity: float = option(
        0.95, "Purity that is required at the same threshold (OSS-REQ-0353).", min=0.0, max=1.0
    )
