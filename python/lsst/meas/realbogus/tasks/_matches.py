"""How tasks are told what match tables of AP's say of sources without a match."""

from __future__ import annotations

__all__ = ("unmatched_is_bogus",)

from typing import Any

from lsst.pex.config import Field


def unmatched_is_bogus() -> Any:
    """Make the configuration field of what sources without a match are in tables of AP's."""
    return Field[bool](
        doc="Where the labels are a match table of AP's MatchInjectedToDiaSourceTask: are all sources bogus "
        "that match no injected one? Otherwise they have no label.",
        default=False,
    )
