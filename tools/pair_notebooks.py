"""Write the .ipynb of every notebook from its text, without outputs: `python tools/pair_notebooks.py`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat

FOLDER = Path(__file__).parents[1] / "notebooks"


def read_notebook(text: Path) -> Any:
    """Read a notebook from its text, with identifiers of cells that depend on nothing else."""
    notebook = jupytext.read(text)
    for number, cell in enumerate(notebook.cells):
        cell.id = f"cell-{number}"
    return notebook


def paired(text: Path) -> str:
    """Return what the .ipynb of a text must hold."""
    return nbformat.writes(read_notebook(text)) + "\n"


if __name__ == "__main__":
    for path in sorted(FOLDER.glob("*.py")):
        path.with_suffix(".ipynb").write_text(paired(path))
