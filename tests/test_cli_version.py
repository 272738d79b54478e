"""The version is known however the package came: installed, built in the stack, or a bare checkout."""

from __future__ import annotations

import importlib.metadata
import sys
import types

import pytest
from click.testing import CliRunner

from lsst.meas.realbogus.cli import main


def _not_installed(name: str) -> str:
    raise importlib.metadata.PackageNotFoundError(name)


def _version() -> str:
    result = CliRunner().invoke(main, ["--version"])
    assert result.exit_code == 0, result.output
    return result.output.strip()


def test_an_installed_package_says_its_version() -> None:
    assert _version() == f"realbogus, version {importlib.metadata.version('lsst-meas-realbogus')}"


def test_a_stack_build_says_what_the_build_wrote(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", _not_installed)
    module = types.ModuleType("version")
    module.__version__ = "g1234+5"  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "lsst.meas.realbogus.version", module)
    assert _version() == "realbogus, version g1234+5"


def test_a_bare_checkout_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "version", _not_installed)
    monkeypatch.setitem(sys.modules, "lsst.meas.realbogus.version", None)
    assert _version() == "realbogus, version unknown"
