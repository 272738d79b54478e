"""Options that commands share."""

from __future__ import annotations

__all__ = ("FILE", "overwrite_option")

from pathlib import Path

import click

FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")
