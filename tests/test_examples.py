"""The examples in the documentation of every room run."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import lsst.meas.realbogus as package

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not module.ispkg
)


def _examples(name: str) -> list[doctest.DocTest]:
    return [test for test in doctest.DocTestFinder().find(importlib.import_module(name)) if test.examples]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name: str) -> None:
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in _examples(name):
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


def test_every_room_below_the_pages_has_an_example() -> None:
    rooms = {name.removeprefix(package.__name__ + ".").split(".")[0] for name in MODULES if _examples(name)}
    assert {"cutouts", "imaging", "model", "randomness", "truth"} <= rooms
