"""How much memory this process has had."""

from __future__ import annotations

from pathlib import Path


def peak_megabytes() -> float:
    """Return the largest resident memory of this program so far [MB].

    The kernel's own mark of it. That of ``getrusage`` begins, in a child, with what its parent had in memory.
    """
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return int(status["VmHWM"].split()[0]) / 1024
