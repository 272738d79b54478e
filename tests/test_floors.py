"""The floors of the house: imports go down only, and the rooms do not know the middleware."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from test_rubin_env import ABSENT

ROOT = Path(__file__).parents[1] / "python" / "lsst" / "meas" / "realbogus"
PACKAGE = "lsst.meas.realbogus"
FLOORS = {
    "errors": -2,  # what every room, the lowest too, may raise
    "legacy": 0,
    "options": -1,
    "randomness": -1,
    "tables": -1,
    "cutouts": 1,
    "imaging": 1,
    "model": 2,
    "truth": 2,
    "diffim": 2,
    "injection": 2,
    "measurement": 2,
    "templates": 2,
    "training": 3,
    "evaluation": 3,
    "association": 3,
    "explanation": 3,
    "report": 4,
    "repository": 4,
    "survey": 4,
    "cli": 5,
    "tasks": 5,
}
MIDDLEWARE = ("lsst.pipe", "lsst.daf", "lsst.pex")
MODULES = sorted(ROOT.rglob("*.py"))


def _imports(path: Path) -> Iterator[tuple[str, bool]]:
    """Yield every imported module with whether it is imported when the module is."""
    tree = ast.parse(path.read_text())
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef) or _is_for_types(function)
        for node in ast.walk(function)
    }
    package = [PACKAGE, *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, id(node) not in inside
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                base = ".".join(package)
                for _ in range(node.level - 1):
                    base = base.rpartition(".")[0]
                module = f"{base}.{node.module}" if node.module else base
            else:
                module = node.module or ""
            yield module, id(node) not in inside
            if module == PACKAGE:
                for alias in node.names:
                    yield f"{PACKAGE}.{alias.name}", id(node) not in inside


def _is_for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test)


def _room(module: str) -> str | None:
    if not module.startswith(PACKAGE + "."):
        return None
    return module.removeprefix(PACKAGE + ".").split(".")[0]


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_imports_go_down(path: Path) -> None:
    home = path.relative_to(ROOT).parts[0].removesuffix(".py")
    if home in ("__init__", "version"):
        return
    for module, at_top in _imports(path):
        room = _room(module)
        if room is not None and room != home:
            assert room in FLOORS, f"{home} imports {module}, a room without a floor"
            assert FLOORS[room] < FLOORS[home], f"{home} (floor {FLOORS[home]}) imports {module}"
            assert "._" not in module, f"{home} goes past the door of {room}: {module}"
        if FLOORS[home] < 5 and home not in ("survey", "repository", "legacy"):
            assert not module.startswith(MIDDLEWARE), f"the room {home} imports the middleware: {module}"
        if module.startswith("lsst.afw"):
            assert home == "legacy", f"{home} names afw: {module}"
        if module.split(".")[0] in ("tensorflow", "keras"):
            assert home in ("model", "training", "explanation"), f"{home} imports {module}"
        if module.split(".")[0] in ABSENT:
            assert not at_top, f"{module}, which rubin-env lacks, is imported when {path.name} is"


def test_a_public_name_means_one_thing() -> None:
    homes: dict[str, set[str]] = {}
    for path in MODULES:
        home = path.relative_to(ROOT)
        if home.parts[0] != "cli":
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
                    homes.setdefault(node.name, set()).add(str(home))
    assert {name: sorted(where) for name, where in homes.items() if len(where) > 1} == {}
