"""Where the stored results of the real tasks come from."""

from __future__ import annotations

import tarfile
from pathlib import Path

from astropy.io import fits

STORED = Path(__file__).parents[2] / "tests" / "data" / "stack"
_FILES = {
    "preliminary_visit_image": "injection/injected_default",
    "template_detector": "images/template",
    "difference_image": "diffim/difference",
}


def unpack_results(folder: Path) -> Path:
    """Unpack the results into a folder, and return that with ``images``, ``injection`` and others."""
    with tarfile.open(STORED / "results.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    return folder / "stack"


def unpack_repository(folder: Path, results: Path) -> Path:
    """Unpack the repository that the stack wrote into a folder, pixels of its exposures from the results."""
    with tarfile.open(STORED / "repository.tar.xz") as archive:
        archive.extractall(folder, filter="data")
    for path in (folder / "repo").rglob("*.fits"):
        if (stored := stored_planes(path)) is not None:
            with fits.open(path, mode="update") as hdus, fits.open(results / stored) as planes:
                for name in ("IMAGE", "MASK", "VARIANCE"):
                    hdus[name].data[:] = planes[name].data
    return folder / "repo"


def stored_planes(path: Path) -> str | None:
    """Name the file among the results that has the pixels of an exposure of the repository, if one has."""
    name, _, of = path.name.partition("_OracleCam")
    return f"{_FILES[name]}{'_43' if '_43_' in of else ''}.fits" if name in _FILES else None
