"""Options that commands share."""

from __future__ import annotations

__all__ = ("FILE", "OUTPUT", "FiniteRange", "overwrite_option")

import math
from pathlib import Path
from typing import Any

import click

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
OUTPUT = click.Path(path_type=Path)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")


class FiniteRange(click.FloatRange):
    """Numbers of a range; unlike its base it knows that NaN is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the text of an option."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number
