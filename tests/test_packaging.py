"""What is installed: wheels, builds by scons, and the products that EUPS sets up."""

from __future__ import annotations

import ast
import importlib.util
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
FOLDERS = ("pipelines", "config")


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a checkout of what git knows here, as it is on disk."""
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    folder = tmp_path_factory.mktemp("checkout")
    git = ["git", "-C", str(folder)]
    known = subprocess.run(
        ["git", "-C", str(ROOT), "ls-files", "-z"], capture_output=True, check=True, text=True
    )
    for name in filter(None, known.stdout.split("\0")):
        source, target = ROOT / name, folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_symlink():
            target.symlink_to(source.readlink())
        elif source.exists() and not name.startswith(("benchmarks/", "doc/", "notebooks/")):
            target.write_bytes(source.read_bytes())
    subprocess.run([*git, "init", "-q"], check=True)
    subprocess.run([*git, "add", "-A"], check=True)
    person = ["-c", "user.name=nobody", "-c", "user.email=nobody@example.org"]
    subprocess.run([*git, *person, "commit", "-qm", "A checkout"], check=True)
    subprocess.run([*git, "tag", "v0.1.0"], check=True)
    return folder


def test_a_wheel_carries_pipelines_and_configuration(checkout: Path, tmp_path: Path) -> None:
    code = "import sys; from setuptools import build_meta; build_meta.build_wheel(sys.argv[1])"
    built = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], cwd=checkout, capture_output=True, text=True
    )
    assert built.returncode == 0, built.stderr
    (wheel,) = tmp_path.glob("*.whl")
    package = "lsst/meas/realbogus"
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    for folder in FOLDERS:
        files = {str(path.relative_to(ROOT)) for path in (ROOT / folder).rglob("*") if path.suffix in _KINDS}
        assert files and {f"{package}/resources/{name}" for name in files} <= names
    assert {f"{package}/py.typed", f"{package}/resources/models/dia-2.rbmodel"} <= names


_KINDS = (".yaml", ".py", ".mk")


def test_scons_builds_without_eups(checkout: Path) -> None:
    if importlib.util.find_spec("SCons") is None or importlib.util.find_spec("lsst.sconsUtils") is None:
        pytest.skip("scons and lsst-sconsutils are not installed")
    environment = {key: value for key, value in os.environ.items() if not key.startswith(("EUPS", "SETUP_"))}
    built = subprocess.run(
        [sys.executable, "-m", "SCons", "-j1", "shebang", "version"],
        cwd=checkout,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert built.returncode == 0, built.stdout + built.stderr
    script = checkout / "bin" / "realbogus"
    assert os.access(script, os.X_OK) and script.read_text().startswith("#!/usr/bin/env python")
    assert "0.1.0" in (checkout / "python" / "lsst" / "meas" / "realbogus" / "version.py").read_text()


def test_eups_sets_up_every_product_that_is_imported() -> None:
    table = (ROOT / "ups" / "meas_realbogus.table").read_text()
    required = set(re.findall(r"^setupRequired\((\w+)\)", table, re.M))
    optional = set(re.findall(r"^setupOptional\((\w+)\)", table, re.M))
    always, sometimes = set(), set()
    for path in (ROOT / "python").rglob("*.py"):
        tree = ast.parse(path.read_text())
        top = {id(node) for node in tree.body}
        for node in ast.walk(tree):
            if (
                isinstance(node, ast.ImportFrom)
                and not node.level
                and (node.module or "").startswith("lsst.")
            ):
                (always if id(node) in top else sometimes).add(_product(node.module or ""))
    assert always - {"meas_realbogus"} <= required
    assert sometimes - {"meas_realbogus"} <= required | optional
    for path in (ROOT / "pipelines").rglob("*.yaml"):
        for variable in re.findall(r"\$([A-Z_]+)_DIR", path.read_text()):
            assert variable.lower() in optional | {"meas_realbogus"}, path


def _product(module: str) -> str:
    parts = module.split(".")[1:]
    single = ("images", "resources", "sphgeom", "utils", "afw", "geom")
    return parts[0] if parts[0] in single else "_".join(parts[: 3 if parts[1] == "extensions" else 2])
