"""How every table is declared, read and checked: columns, units, ids, signs, positions."""

from __future__ import annotations

from ._ids import MAX_DETECTORS, source_id_base
from ._sky import separation

__all__ = ("MAX_DETECTORS", "separation", "source_id_base")
