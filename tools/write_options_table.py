"""Write doc/options.md, the table of all options, from the classes that declare them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import sys
from pathlib import Path

import lsst.meas.realbogus
from lsst.meas.realbogus.options import Entry, Options, entries

PAGE = Path(__file__).parents[1] / "doc" / "options.md"
_PACKAGE = "lsst.meas.realbogus"
_HEAD = """# Options

Every number and choice that shapes a result, with its default and what is allowed, by room. This page is
written by `python tools/write_options_table.py` from the classes themselves.

A class is used from Python (`HostedOptions(fraction=0.1)`), in pipeline YAML and `pipetask run -c` (fields
of the task's configuration; nested ones as `createFakeSupernovae:options.hosted.fraction=0.1`), and on the
command line where a command has `-c NAME=VALUE`. Values outside the limits are refused in all of them alike;
so are NaN and infinity.
"""


def option_classes() -> dict[str, list[type[Options]]]:
    """Find all classes of options, by room."""
    for module in pkgutil.iter_modules(lsst.meas.realbogus.__path__):
        if module.name != "version":
            importlib.import_module(f"{_PACKAGE}.{module.name}")
    rooms: dict[str, list[type[Options]]] = {}
    for found in _descendants(Options):
        # What an example in a docstring declared is not in its module.
        is_real = getattr(sys.modules.get(found.__module__), found.__name__, None) is found
        if is_real and found.__module__.startswith(f"{_PACKAGE}."):
            rooms.setdefault(found.__module__.removeprefix(f"{_PACKAGE}.").split(".")[0], []).append(found)
    return {room: sorted(rooms[room], key=lambda c: c.__name__) for room in sorted(rooms)}


def _descendants(parent: type[Options]) -> list[type[Options]]:
    return [c for child in parent.__subclasses__() for c in (child, *_descendants(child))]


def page() -> str:
    """Make the page."""
    parts = [_HEAD]
    for room, classes in option_classes().items():
        parts.append(f"\n## {room}\n")
        for options in classes:
            summary = (inspect.getdoc(options) or "").partition("\n\n")[0].replace("\n", " ")
            parts.append(f"\n### {options.__name__}\n\n{summary}\n\n")
            parts.append("| option | default | allowed | meaning |\n|---|---|---|---|\n")
            parts.extend(_row(entry) for entry in entries(options))
            rules = [f"`{low}` ≤ `{high}`" for low, high in options.ordered]
            if rules:
                parts.append(f"\nAlso: {', '.join(rules)}.\n")
    return "".join(parts)


def _row(entry: Entry) -> str:
    if entry.is_nested:
        default, allowed = "", f"[{entry.allowed}](#{entry.allowed.lower()})"
    else:
        default = f"`{_shown(entry.default)}`"
        allowed = entry.allowed
    return f"| `{entry.name}` | {default} | {allowed} | {entry.doc} |\n"


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(str(item) for item in value) or "()"
    return repr(value) if isinstance(value, str) else str(value)


if __name__ == "__main__":
    PAGE.write_text(page())
