"""Modules that are made importable for a test, and what the middleware remembers of them."""

from __future__ import annotations

import importlib
import importlib.machinery
import sys
import types
from collections.abc import Mapping
from typing import Any

import pytest
from lsst.daf.butler import StorageClassFactory, _storage_class


def forget_storage_classes(patch: pytest.MonkeyPatch) -> None:
    """Look storage classes up anew, for as long as the patch lasts.

    The middleware remembers which Python types it could import, and for good which it could not.
    """
    factory = StorageClassFactory()
    patch.setattr(_storage_class, "_derived_cache", {}, raising=False)
    patch.setattr(factory, "_storageClasses", {})
    factory.addFromConfig(_storage_class.StorageClassConfig())


def add_modules(monkeypatch: pytest.MonkeyPatch, modules: Mapping[str, Mapping[str, Any]]) -> None:
    """Make modules importable, and attributes of their parents; storage classes are looked up anew."""
    for name, contents in modules.items():
        module = types.ModuleType(name)
        module.__dict__.update(contents, __path__=[], __spec__=importlib.machinery.ModuleSpec(name, None))
        monkeypatch.setitem(sys.modules, name, module)
    for name in modules:
        parent, _, child = name.rpartition(".")
        importlib.import_module(parent)
        monkeypatch.setattr(sys.modules[parent], child, sys.modules[name], raising=False)
    forget_storage_classes(monkeypatch)
