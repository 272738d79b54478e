"""The examples in the documentation of the model room run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import lsst.meas.realbogus.model as room
from lsst.meas.realbogus.model import packaged_models

MODULES = sorted(module.name for module in pkgutil.iter_modules(room.__path__))


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    module = importlib.import_module(f"{room.__name__}.{name}")
    if name == "classifier" and not packaged_models():
        pytest.skip("no model comes with the package yet")
    failed, _ = doctest.testmod(module)
    assert failed == 0
