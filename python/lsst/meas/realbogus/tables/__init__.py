"""How every table is declared and checked: columns, units, ids, signs, positions; how files are written."""

from __future__ import annotations

from ._ids import MAX_DETECTORS, source_id_base
from ._output import atomic_output
from ._sky import separation

__all__ = ("MAX_DETECTORS", "atomic_output", "separation", "source_id_base")
