"""Change the code of a room in small ways, a way at a time, and count the changes that its tests notice.

    python tools/run_mutants.py truth --sample 12

Mutmut makes the changes (mutants) and finds which tests run each function; it is installed beside the locked
packages by ``pip install mutmut==3.8.1``. Quick tests named after the room run on a sample of the mutants of
each module, the same for the same ``--seed``. What is committed is tested, in ``build/mutants``. The score is
the share of mutants that fail a test; those that survive are listed, and shown by ``mutmut show NAME`` there.
"""

from __future__ import annotations

import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]
PACKAGE = "lsst/meas/realbogus"
NOTICED = ("killed", "timeout", "caught by type check")


def copy_of(room: str) -> Path:
    """Check out what is committed, with the package where mutmut looks for it, and configure mutmut."""
    place = ROOT / "build" / "mutants" / room
    shutil.rmtree(place, ignore_errors=True)
    subprocess.run(["git", "clone", "--quiet", "--shared", ROOT, place], check=True)
    (place / "python").rename(place / "src")
    tests = sorted(path.relative_to(place).as_posix() for path in place.glob(f"tests/test_{room}_*.py"))
    options: dict[str, list[str]] = {
        "source_paths": ["src"],
        "only_mutate": [f"src/{PACKAGE}/{room}/*"],
        "also_copy": ["benchmarks", "config", "pipelines", "tools"],
        "pytest_add_cli_args_test_selection": tests,
        "pytest_add_cli_args": ["-m", "not slow"],
        "use_git_change_detection": ["false"],
        "track_dependencies": ["false"],
    }
    lines = (f"{name} =\n    " + "\n    ".join(values) for name, values in options.items())
    (place / "setup.cfg").write_text("[mutmut]\n" + "\n".join(lines) + "\n")
    return place


def mutmut(place: Path, *words: str, check: bool = True) -> str:
    """Run mutmut on a copy and return what it prints."""
    env = os.environ | {
        "PYTHONPATH": str(place / "mutants" / "src"),
        "MEAS_REALBOGUS_DIR": str(place),
        "OMP_NUM_THREADS": "1",
    }
    done = subprocess.run(
        [sys.executable, "-m", "mutmut", *words], cwd=place, env=env, capture_output=True, text=True
    )
    if check and done.returncode:
        raise SystemExit(done.stdout[-2000:] + done.stderr)
    return done.stdout


def results(place: Path) -> dict[str, str]:
    """Return what became of each mutant, by its name."""
    lines = mutmut(place, "results", "--all", "true").splitlines()
    return dict(line.strip().split(": ", 1) for line in lines if "__mutmut_" in line)


def main() -> None:
    """Run as a command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("room", help="folder of the package, such as truth")
    parser.add_argument("--sample", type=int, default=12, help="mutants of each module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--workers", type=int, default=1)
    words = parser.parse_args()
    place = copy_of(words.room)
    mutmut(place, "run", "none", check=False)  # makes the mutants; none has this name
    modules: dict[str, list[str]] = collections.defaultdict(list)
    for name in sorted(results(place)):
        modules[name.partition(".x")[0]].append(name)
    draw = random.Random(words.seed)
    chosen = [
        name for names in modules.values() for name in draw.sample(names, min(words.sample, len(names)))
    ]
    mutmut(place, "run", "--max-children", str(words.workers), *chosen)
    found = {name: state for name, state in results(place).items() if name in chosen}
    for module in modules:
        counts = collections.Counter(state for name, state in found.items() if name.startswith(f"{module}.x"))
        print(f"{module}: " + ", ".join(f"{count} {state}" for state, count in counts.most_common()))
    for name, state in found.items():
        if state not in NOTICED:
            print(f"{state}: {name}")
    noticed = sum(state in NOTICED for state in found.values())
    share, made = noticed / len(found), sum(map(len, modules.values()))
    print(f"{words.room}: {noticed} of {len(found)} mutants noticed ({share:.0%}), of {made} made")


if __name__ == "__main__":
    main()
