"""The manual: its messages are those of the code, its blocks run, and every room is in the reference."""

from __future__ import annotations

import ast
import functools
import re
from pathlib import Path

import pytest

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
        if page.parent.name not in ("changes", "decisions") and page != DOC / "index.md":
            assert page.with_suffix("").resolve() in contents, page.name


def test_links_lead_somewhere() -> None:
    for page in [*DOC.rglob("*.md"), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]:
        # Fragments of news become lines of CHANGELOG.md.
        start = ROOT if page.parent.name == "changes" else page.parent
        for target in re.findall(r"\]\((?!https?://|#)([^)#\s]+)", page.read_text()):
            assert (start / target).exists(), f"{page.name}: {target}"
