"""Execute the notebooks on the repository that `make demo` leaves, as pages of the manual: `make gallery`.

Pages and figures go to ``doc/gallery``, which git ignores; `make docs` shows whatever is there. A notebook
whose data are not there is named and left out.
"""

from __future__ import annotations

import argparse
import base64
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import nbclient
from pair_notebooks import FOLDER, read_notebook

GALLERY = FOLDER.parent / "doc" / "gallery"


def as_page(notebook: Any, name: str, folder: Path) -> str:
    """Write an executed notebook as Markdown, its figures beside it.

    Parameters
    ----------
    notebook
        Notebook with outputs.
    name
        What its files are called.
    folder
        Where figures go.

    Returns
    -------
    str
        The page.
    """
    parts, figures = [], 0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source)
        elif cell.source.strip():
            parts.append(f"```python\n{cell.source}\n```")
        for output in (each for each in cell.get("outputs", []) if each.get("name") != "stderr"):
            data = output.get("data", {})
            if "image/png" in data:
                figures += 1
                file = f"{name}-{figures}.png"
                (folder / file).write_bytes(base64.b64decode(data["image/png"]))
                parts.append(f"![figure {figures}]({file})")
            elif text := output.get("text") or data.get("text/plain"):
                parts.append(f"```text\n{text.rstrip()}\n```")
    return "\n\n".join(parts) + "\n"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run from the command line; return how many notebooks could not be executed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="notebooks, without suffix; by default all")
    parser.add_argument("--output", type=Path, default=GALLERY, help="folder of the pages")
    options = parser.parse_args(arguments)
    options.output.mkdir(parents=True, exist_ok=True)
    texts = sorted(FOLDER.glob("*.py"))
    failed = 0
    for text in (text for text in texts if text.stem in options.names or not options.names):
        notebook = read_notebook(text)
        client = nbclient.NotebookClient(
            notebook, timeout=1800, kernel_name="python3", resources={"metadata": {"path": str(FOLDER)}}
        )
        try:
            client.execute()
        except nbclient.exceptions.CellExecutionError as error:
            failed += 1
            print(f"{text.stem}: left out, {error.ename}: {error.evalue}", file=sys.stderr)
            continue
        (options.output / f"{text.stem}.md").write_text(as_page(notebook, text.stem, options.output))
        print(f"{text.stem}: {options.output / text.stem}.md")
    return failed


if __name__ == "__main__":
    sys.exit(main())
