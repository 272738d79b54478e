"""Check that everything public says what it takes and returns (numpydoc's validation).

Public is what stands at the door of a room (``__all__`` of its ``__init__``), of a module that is public
itself, and the public methods of classes there.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

from numpydoc.validate import validate

import lsst.meas.realbogus as package

CHECKS = ("GL08", "PR01", "PR02", "PR03", "RT01", "RT03")
# What frameworks call by signatures of their own, and commands, whose help is for users of a shell.
UNCHECKED = ("cli", "version")


def public_modules() -> Iterator[str]:
    """Yield the modules of the package that others may import."""
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        parts = module.name.removeprefix(package.__name__ + ".").split(".")
        if parts[0] not in UNCHECKED and not any(part.startswith("_") for part in parts):
            yield module.name


def public_objects(module_name: str) -> Iterator[str]:
    """Yield the names of what a module offers: functions, classes and their own public methods."""
    module = importlib.import_module(module_name)
    for name in getattr(module, "__all__", ()):
        item: Any = getattr(module, name)
        if inspect.isfunction(item):
            yield f"{module_name}.{name}"
        elif inspect.isclass(item) and item.__module__.startswith(package.__name__):
            yield f"{module_name}.{name}"
            for method, value in vars(item).items():
                function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
                is_own = inspect.isfunction(function) and not hasattr(function, "__override__")
                if is_own and not method.startswith("_") and method != "runQuantum":
                    yield f"{module_name}.{name}.{method}"


def main() -> int:
    """Print every fault; return how many."""
    faults = 0
    for module_name in public_modules():
        for name in public_objects(module_name):
            for code, message in validate(name)["errors"]:
                if code in CHECKS:
                    faults += 1
                    print(f"{name}: {code} {message}")
    return faults


if __name__ == "__main__":
    sys.exit(min(main(), 1))
