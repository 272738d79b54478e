"""Bad input and what must happen, one table a kind of input; ``doc/bad_input.md`` is written from them."""

from __future__ import annotations

from . import alerts, catalogues, images, models, options, stamps, truth
from ._case import Case, Refused, Table, Taken, unique

__all__ = ("CASES", "TABLES", "Case", "Refused", "Table", "Taken")

TABLES: tuple[Table, ...] = (
    images.TABLE,
    catalogues.TABLE,
    stamps.TABLE,
    alerts.TABLE,
    models.TABLE,
    truth.TABLE,
    options.TABLE,
)
CASES: dict[str, Case] = unique(TABLES)
