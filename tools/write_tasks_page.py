"""Write doc/tasks.md, what every task reads, writes and can be told, from the classes of the tasks."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from lsst.pex.config import ConfigField
from lsst.pipe.base import PipelineTask, PipelineTaskConnections

from lsst.meas.realbogus import tasks

PAGE = Path(__file__).parents[1] / "doc" / "tasks.md"
GUIDES = {
    "injection": ("createFakeSupernovae", "mergeHosts", "injectVisit", "shardInjectionCatalog"),
    "diffim": ("assembleTemplate", "buildTemplate", "subtractImages", "detectAndMeasureDiaSource"),
    "truth": ("matchDiaSources",),
    "cutouts": ("extractCutouts", "detectCandidates", "rbClassifierNoDia"),
    "models": ("rbClassifier",),
    "training": ("trainRbClassifier",),
    "evaluation": ("evaluateRbClassifier",),
    "validation": ("validateInjection",),
    "explanation": ("explainRbClassifier",),
    "association": ("associateLightCurves",),
    "night": ("compareNight",),
    "rubin": ("computeReliability", "rbClassify", "splitDiaSources"),
}
"""The tasks of each page of the manual that tells how they work, in the order of the data."""
_FROM_BASE = ("saveLogOutput", "connections")
_HEAD = """# Tasks

What every task reads, writes and how it is configured, in the order of the data. This page is written by
`python tools/write_tasks_page.py` from the classes themselves. Names of datasets are defaults, which
`connections.NAME` of the configuration changes. Input in parentheses is read where it exists.

![From two images to scored sources, on a simulated survey](images/main_job.png)

*What the tasks of the main job make of one simulated detector, from the injected supernovae to the scores.
`tools/draw_main_job.py` draws it again.*
"""


def task_classes() -> dict[str, list[type[PipelineTask]]]:
    """Find all tasks, by label; the class that others derive from first."""
    found: dict[str, list[type[PipelineTask]]] = {}
    for module in pkgutil.iter_modules(tasks.__path__):
        loaded = importlib.import_module(f"{tasks.__name__}.{module.name}")
        for value in vars(loaded).values():
            is_own = inspect.isclass(value) and value.__module__ == loaded.__name__
            if is_own and issubclass(value, PipelineTask) and hasattr(value, "_DefaultName"):
                found.setdefault(value._DefaultName, []).append(value)
    return found


def page() -> str:
    """Make the page."""
    found = task_classes()
    named = [label for labels in GUIDES.values() for label in labels]
    if set(named) != set(found):
        raise KeyError(f"GUIDES has no page for {sorted(set(found) ^ set(named))}")
    parts = [_HEAD]
    for guide, labels in GUIDES.items():
        for label in labels:
            for task in found[label]:
                heading = label if len(found[label]) == 1 else f"{label}, {task.__name__}"
                parts.append(f"\n## {heading}\n\n{_section(task, guide)}")
    return "".join(parts)


def _section(task: type[PipelineTask], guide: str) -> str:
    connections = task.ConfigClass.ConnectionsClass
    reads = _of(connections, [*connections.prerequisiteInputs, *connections.inputs])
    writes = _of(connections, connections.outputs)
    summary = _cell((inspect.getdoc(task) or "").partition("\n\n")[0])
    text = f"{summary} `{task.__module__}.{task.__name__}`, see [{guide}]({guide}.md).\n\n"
    text += f"```text\n{_diagram(reads, task._DefaultName, writes)}\n```\n\n"
    text += "| | dataset type | storage class | dimensions | |\n|---|---|---|---|---|\n"
    for direction, part in (("reads", reads), ("writes", writes)):
        for name, dataset, connection in part:
            cells = (
                f"{direction} `{name}`",
                f"`{dataset}`",
                f"`{connection.storageClass}`",
                ", ".join(connection.dimensions) or "none",
                _cell(connection.doc),
            )
            text += f"| {' | '.join(cells)} |\n"
    return text + _configuration(task)


def _of(connections: type[PipelineTaskConnections], names: Sequence[str]) -> list[tuple[str, str, Any]]:
    """Return name, dataset type and connection of each, as they are declared."""
    declared = {name: c for name, c in connections.allConnections.items() if name in names}
    return [(name, c.name.format(**connections.defaultTemplates), c) for name, c in declared.items()]


def _diagram(
    reads: Sequence[tuple[str, str, Any]], label: str, writes: Sequence[tuple[str, str, Any]]
) -> str:
    """Draw what goes in and what comes out, a line for each dataset."""
    left = [f"({dataset})" if getattr(c, "minimum", 1) == 0 else dataset for _, dataset, c in reads]
    right = [dataset for _, dataset, _ in writes]
    width, middle, lines = max(map(len, left)), (len(left) - 1) // 2, []
    for row in range(max(len(left), middle + len(right))):
        inner = f"{left[row]:{width}} {_bend(row, len(left), middle)}" if row < len(left) else ""
        here = f"─▶ {label} ─▶ " if row == middle else " " * (len(label) + 7)
        written = right[row - middle] if 0 <= row - middle < len(right) else ""
        lines.append(f"{inner:{width + 2}}{here}{written}".rstrip())
    return "\n".join(lines)


def _bend(row: int, n: int, middle: int) -> str:
    """Return the piece of the line that gathers the inputs."""
    if n == 1:
        return "─"
    if row == middle:
        return "┼" if row else "┬"
    return "┐" if row == 0 else "┘" if row == n - 1 else "┤"


def _configuration(task: type[PipelineTask]) -> str:
    config = task.ConfigClass()
    parent = task.__mro__[1]
    of_parent = getattr(parent, "ConfigClass", None)
    if hasattr(parent, "_DefaultName") and set(of_parent._fields) == set(config._fields):
        return f"\nConfigured as `{parent.__name__}`.\n"
    rows = []
    for name in (name for name in config._fields if name not in _FROM_BASE):
        field = config._fields[name]
        if isinstance(field, ConfigField):
            options = field.dtype.__name__.removesuffix("Config")
            shown = f"[{options}](options.md#{options.lower()})" if options.endswith("Options") else options
        else:
            shown = f"`{_value(getattr(config, name))}`"
        rows.append(f"| `{name}` | {shown} | {_cell(field.doc)} |\n")
    return "\n| option | default | |\n|---|---|---|\n" + "".join(rows) if rows else ""


def _value(value: Any) -> str:
    if value is None or isinstance(value, bool | int | float):
        return str(value)
    return repr(value) if isinstance(value, str) else ", ".join(map(str, value)) or "()"


def _cell(text: str) -> str:
    plain = re.sub(r"`+~?(?:lsst\.[\w.]*\.)?([^`]+)`+", r"`\1`", " ".join(text.split()))
    return plain.replace("|", "\\|")


if __name__ == "__main__":
    PAGE.write_text(page())
