#!/usr/bin/env python
"""Run every benchmark, one after the other, and write what they measured beside the goals.

    python tools/run_benchmarks.py [--quick] [--only NAME …] [--output benchmarks/RESULTS.md]

Each script of ``benchmarks/`` runs in a process of its own and has a section of its own in the page: every
figure that it wrote, with the goal that ``benchmarks/README.md`` states for it, date, revision and machine.
The page is written after each script; sections of scripts that do not run this time stay. A script that
fails is listed with its last words, and makes this one fail in the end.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
BENCHMARKS = ROOT / "benchmarks"
PEERS = (
    "numpy",
    "scipy",
    "astropy",
    "photutils",
    "galsim",
    "piff",
    "onnxruntime",
    "tensorflow-cpu",
    "lsst-images",
)


def goals(text: str) -> dict[str, str]:
    """Read the goal of each figure from the table in ``benchmarks/README.md``."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if not line.startswith("|") or len(cells) < 4 or not cells[3]:
            continue
        names = re.findall(r"`([^`]+)`", re.sub(r"\(.*?\)", "", cells[1]))
        for name, goal in zip(names, _each(cells[3], len(names)), strict=True):
            found[name] = goal
    return found


def _each(goal: str, n: int) -> list[str]:
    """Return the goal of each of the figures of a line: one for all, or as many with commas between."""
    parts = goal.split(", ")
    return parts if len(parts) == n else [goal] * n


def run(script: Path, quick: bool) -> Mapping[str, float] | str:
    """Run one benchmark; return its figures, or its last words."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "figures.json"
        command = [sys.executable, str(script), "--json", str(file), *(["--quick"] if quick else [])]
        done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT)
        if done.returncode:
            return (done.stderr.strip() or done.stdout.strip()).splitlines()[-1]
        figures: dict[str, float] = json.loads(file.read_text())
        return figures


def machine() -> str:
    """Say what it runs on, and against which versions."""
    info = Path("/proc/cpuinfo")
    model = re.search(r"model name\s*: (.*)", info.read_text()) if info.exists() else None
    versions = []
    for name in PEERS:
        try:
            versions.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            versions.append(f"{name} not installed")
    return (
        f"{model[1] if model else platform.processor() or 'unknown processor'}, {os.cpu_count()} cores, "
        f"{platform.system()}, Python {platform.python_version()}; {', '.join(versions)}."
    )


def section(figures: Mapping[str, float] | str, quick: bool, wanted: Mapping[str, str]) -> str:
    """Write what one script has measured."""
    kind = "a quick run, which shows that it works and is no measure" if quick else "a full run"
    lines = [f"{datetime.now(UTC):%Y-%m-%d}, `{_revision()}`, {kind}. {machine()}", ""]
    if isinstance(figures, str):
        lines.append(f"Failed: {figures}")
    else:
        lines += ["| figure | measured | goal |", "|---|---|---|"]
        lines += [f"| `{name}` | {value:.4g} | {wanted.get(name, '')} |" for name, value in figures.items()]
    return "\n".join(lines)


def read_sections(page: Path) -> dict[str, str]:
    """Return the sections of a page that was written before, by script."""
    if not page.exists():
        return {}
    _, *parts = page.read_text().split("\n## ")
    return {name: text.strip() for name, _, text in (part.partition("\n") for part in parts)}


def as_text(sections: Mapping[str, str]) -> str:
    """Write the page."""
    lines = [
        "# What the benchmarks measured",
        "",
        "Written by `make bench`; [README](README.md) says what is compared with what.",
    ]
    for name in sorted(sections):
        lines += ["", f"## {name}", "", sections[name]]
    return "\n".join(lines) + "\n"


def _revision() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown revision"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the benchmarks; return 1 if one failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="less than a minute each")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these scripts")
    parser.add_argument("--output", type=Path, default=BENCHMARKS / "RESULTS.md", help="page to write")
    options = parser.parse_args(arguments)
    scripts = sorted(BENCHMARKS.glob("*.py"))
    if options.only:
        if absent := set(options.only) - {path.stem for path in scripts}:
            parser.error(f"no benchmarks {sorted(absent)}; there are {[path.stem for path in scripts]}")
        scripts = [path for path in scripts if path.stem in options.only]
    wanted = goals((BENCHMARKS / "README.md").read_text())
    failed = []
    for script in scripts:
        print(f"{script.name} …", flush=True)
        figures = run(script, options.quick)
        if isinstance(figures, str):
            failed.append(script.name)
        sections = read_sections(options.output) | {script.name: section(figures, options.quick, wanted)}
        options.output.write_text(as_text(sections))
    print(f"{options.output}" + (f"; failed: {', '.join(failed)}" if failed else ""))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
