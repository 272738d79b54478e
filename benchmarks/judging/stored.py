"""Where the stored results of the real tasks come from."""

from __future__ import annotations

import tarfile
from pathlib import Path

RESULTS = Path(__file__).parents[2] / "tests" / "data" / "stack" / "results.tar.xz"


def unpack_results(folder: Path) -> Path:
    """Unpack the results into a folder, and return that with ``images``, ``injection`` and others."""
    with tarfile.open(RESULTS) as archive:
        archive.extractall(folder, filter="data")
    return folder / "stack"
