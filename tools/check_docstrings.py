"""Check that everything public says what it takes and returns (numpydoc's validation).

Public is what stands at the door of a room (``__all__`` of its ``__init__``) or in a module that is public
itself, and the public methods of classes there.
"""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import pkgutil
import sys
from collections.abc import Iterator
from typing import Any

import pydantic
from numpydoc.validate import validate

import lsst.meas.realbogus as package
from lsst.meas.realbogus.options import Options

CHECKS = ("GL08", "PR01", "PR02", "PR03", "RT01", "RT03")
# What frameworks call by signatures of their own, and commands, whose help is for users of a shell.
UNCHECKED = ("cli", "version")


def public_modules() -> Iterator[str]:
    """Yield the modules of the package that others may import."""
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):
        parts = module.name.removeprefix(package.__name__ + ".").split(".")
        if parts[0] not in UNCHECKED and not any(part.startswith("_") for part in parts):
            yield module.name


def public_objects(module_name: str) -> Iterator[tuple[str, Any]]:
    """Yield what a module offers, with its name: functions, classes and their own public methods."""
    module = importlib.import_module(module_name)
    for name in getattr(module, "__all__", ()):
        item: Any = getattr(module, name)
        if inspect.isfunction(item):
            yield f"{module_name}.{name}", item
        elif inspect.isclass(item) and is_ours(item):
            yield f"{module_name}.{name}", item
            for method, value in vars(item).items():
                function = value.__func__ if isinstance(value, classmethod | staticmethod) else value
                if inspect.isfunction(function) and not method.startswith("_"):
                    if not is_of_framework(item, method):
                        yield f"{module_name}.{name}.{method}", function


def is_of_framework(kind: type[Any], method: str) -> bool:
    """Tell a method that a class of another package declares, and so documents."""
    bases = (base for base in kind.__mro__[1:] if not is_ours(base))
    return any(method in vars(base) for base in bases)


def has_no_parameters(item: Any) -> bool:
    """Tell a class that is not made from parameters of its own, or says elsewhere what they mean."""
    if not inspect.isclass(item):
        return False
    if getattr(item, "_is_protocol", False):
        return True
    if dataclasses.is_dataclass(item):
        return issubclass(item, Options) or "Attributes\n" in (item.__doc__ or "")
    if any(base.__module__.startswith("lsst.") and not is_ours(base) for base in item.__mro__):
        return True
    return "__init__" not in vars(item) and not issubclass(item, pydantic.BaseModel)


def is_ours(item: Any) -> bool:
    """Tell what this package defines."""
    return bool(item.__module__.startswith(package.__name__))


def main() -> int:
    """Print every fault; return how many."""
    faults = 0
    for module_name in public_modules():
        for name, item in public_objects(module_name):
            for code, message in validate(name)["errors"]:
                if code in CHECKS and not (code == "PR01" and has_no_parameters(item)):
                    faults += 1
                    print(f"{name}: {code} {message}")
    return faults


if __name__ == "__main__":
    sys.exit(min(main(), 1))
