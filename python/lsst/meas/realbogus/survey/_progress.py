"""How long work says how far it has come."""

from __future__ import annotations

__all__ = ("Progress",)

from collections.abc import Callable

type Progress = Callable[[int, int, str], None]
"""Called with the number of images done, the number of all, and what was done last."""
