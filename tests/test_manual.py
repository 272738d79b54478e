"""The manual: its messages are those of the code, its blocks run, and every room is in the reference."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest
import write_tasks_page

import lsst.meas.realbogus as package

ROOT = Path(__file__).parents[1]
DOC = ROOT / "doc"
SOURCE = Path(package.__file__).parent
NOT_A_MESSAGE = "the scores of a model are all near 0.5, or NaN"


def _pattern(node: ast.AST) -> str:
    """Text of a string in the source, a dot for whatever is put into it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=values):
            return "".join(_pattern(value) for value in values)
        case _:
            return "…"


@functools.cache
def _messages() -> frozenset[str]:
    trees = [ast.parse(path.read_text()) for path in SOURCE.rglob("*.py")]
    nodes = (node for tree in trees for node in ast.walk(tree))
    return frozenset(_pattern(node) for node in nodes if isinstance(node, ast.Constant | ast.JoinedStr))


def _headings() -> list[str]:
    return re.findall(r"^### (.*)$", (DOC / "faq.md").read_text(), flags=re.M)


@pytest.mark.parametrize("heading", [each for each in _headings() if each != NOT_A_MESSAGE])
def test_a_heading_is_a_message_of_the_code(heading: str) -> None:
    parts = [re.escape(part) for part in heading.split("…")]
    assert any(re.search(".*".join(parts), message) for message in _messages())


@pytest.mark.parametrize("page", ["getting_started.md", "extending.md"])
def test_blocks_of_a_page_run(page: str) -> None:
    blocks = re.findall(r"```python\n(.*?)```", (DOC / page).read_text(), flags=re.S)
    assert blocks
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, page, "exec"), names)


def test_the_page_of_tasks_is_that_of_the_classes() -> None:
    assert write_tasks_page.PAGE.read_text() == write_tasks_page.page(), (
        "run python tools/write_tasks_page.py"
    )
    text = write_tasks_page.page()
    for pipeline in (ROOT / "pipelines").rglob("*.yaml"):
        for label, task in re.findall(
            r"^  (\w+):\n    class: (lsst\.meas\.realbogus\S+)", pipeline.read_text(), re.M
        ):
            assert task in text, f"{pipeline}: {label}"


def test_a_page_of_the_gallery_has_code_and_figures(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
    pytest.importorskip("nbclient", reason="nbclient is not installed")
    pytest.importorskip("jupytext", reason="jupytext is not installed")
    from make_gallery import as_page

    new = nbformat.v4
    outputs = [
        new.new_output("stream", name="stderr", text="a warning"),
        new.new_output("stream", name="stdout", text="42\n"),
        new.new_output("display_data", {"image/png": "aGVsbG8=", "text/plain": "<Figure>"}),
        new.new_output("execute_result", {"text/plain": "[1, 2]"}),
    ]
    cells = [new.new_markdown_cell("# Title"), new.new_code_cell("print(42)", outputs=outputs)]
    page = as_page(new.new_notebook(cells=cells), "name", tmp_path)
    assert page.startswith("# Title\n\n```python\nprint(42)\n```\n\n```text\n42\n```")
    assert "![figure 1](name-1.png)" in page and (tmp_path / "name-1.png").read_bytes() == b"hello"
    assert page.endswith("```text\n[1, 2]\n```\n") and "warning" not in page and "<Figure>" not in page


def test_every_room_is_in_the_reference() -> None:
    rooms = {
        path.stem for path in SOURCE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
    }
    pages = {path.stem for path in (DOC / "api").glob("*.md")}
    assert rooms - {"__init__"} <= pages


def test_every_page_is_in_the_contents() -> None:
    contents = set()
    for index in DOC.rglob("index.md"):
        for tree in re.findall(r"```\{toctree\}\n(.*?)```", index.read_text(), flags=re.S):
            contents |= {
                (index.parent / line).resolve() for line in tree.splitlines() if line and line[0] != ":"
            }
    for page in DOC.rglob("*.md"):
        if page.parent.name not in ("changes", "decisions", "gallery") and page != DOC / "index.md":
            assert page.with_suffix("").resolve() in contents, page.name


def test_links_lead_somewhere() -> None:
    for page in [*DOC.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        # Fragments of news become lines of CHANGELOG.md.
        start = ROOT if page.parent.name == "changes" else page.parent
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text()):
            assert (start / target).exists(), f"{page.name}: {target}"
