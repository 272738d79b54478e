"""How every table is declared and checked: columns, units, ids, signs, positions; how files are written."""

from __future__ import annotations

from ._ids import MAX_DETECTORS, source_id_base
from ._output import atomic_output
from ._signs import SIGN_COLUMNS, read_signs, sign_column
from ._sky import separation
from ._values import Problem, Severity, parse_flags

__all__ = (
    "MAX_DETECTORS",
    "SIGN_COLUMNS",
    "Problem",
    "Severity",
    "atomic_output",
    "parse_flags",
    "read_signs",
    "separation",
    "sign_column",
    "source_id_base",
)
