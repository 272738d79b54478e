"""A folder of results: tables, numbers for dashboards, figures."""

from __future__ import annotations

__all__ = ("write_results",)

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ..tables import atomic_output, write_table_file

if TYPE_CHECKING:
    from astropy.table import Table


def write_results(
    folder: Path,
    tables: Mapping[str, Table],
    metrics: Mapping[str, float | int | str] | None = None,
    drawings: Mapping[str, str] | None = None,
    *,
    ending: str = "parquet",
    overwrite: bool = False,
) -> None:
    """Write what a task would put as datasets; the folder is made if need be.

    Parameters
    ----------
    folder
        Where to.
    tables
        Tables by the name of their file.
    metrics
        Numbers of ``metrics.json``; null where they are not finite, as JSON has it.
    drawings
        Figures (SVG) by the name of their file.
    ending
        Format of the tables.
    overwrite
        Replace files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for name, table in tables.items():
        write_table_file(table, folder / f"{name}.{ending}", overwrite=overwrite)
    texts = {f"{name}.svg": drawing for name, drawing in (drawings or {}).items()}
    if metrics is not None:
        numbers = {name: _json_number(value) for name, value in metrics.items()}
        texts["metrics.json"] = json.dumps(numbers, indent=1, allow_nan=False) + "\n"
    for name, text in texts.items():
        with atomic_output(folder / name, overwrite=overwrite) as place:
            place.write_text(text, encoding="utf-8")


def _json_number(value: float | int | str) -> float | int | str | None:
    return None if isinstance(value, float) and not math.isfinite(value) else value
