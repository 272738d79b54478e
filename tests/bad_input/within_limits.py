"""Try what is made to take all memory or time, in this process, which must not have much of either.

Run as ``python -m bad_input.within_limits FOLDER``; prints what became of each case, one line of JSON each.
"""

from __future__ import annotations

import json
import resource
import sys
from pathlib import Path

MEMORY = 6 << 30
"""Addresses, of which libraries reserve gigabytes that they never use."""
RESIDENT = 1200
"""Memory in use at its highest [MB]; Python and what it imports take 300."""
TIME = 60
"""Seconds of CPU for all."""


def main(folder: Path) -> None:
    """Try all cases that are bombs."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (TIME, TIME))
    from judging.memory import peak_megabytes

    from bad_input import CASES

    for number, (name, case) in enumerate(CASES.items()):
        if case.bomb:
            place = folder / str(number)
            place.mkdir()
            outcome = str(case.outcome(place))
            # One by one: the next may be the last.
            print(json.dumps([name, outcome, int(peak_megabytes())]), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
