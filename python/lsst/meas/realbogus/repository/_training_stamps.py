"""Labelled stamps of runs, written to a set that training reads."""

from __future__ import annotations

__all__ = ("export_labelled_stamps",)

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from ..errors import InvalidInputError
from ..tables import atomic_output
from ..training import LabelledStamps, StampWriter
from ._open import find_dataset, find_datasets, open_repository


def export_labelled_stamps(
    runs: Sequence[tuple[str | Path, str]],
    folder: Path,
    *,
    where: str = "",
    pixel_type: Literal["float32", "float16"] = "float32",
) -> dict[str, int]:
    """Write the labelled stamps of runs to a folder, one parquet file a run, in bounded memory.

    Parameters
    ----------
    runs
        Repository and output collection of each run; its number here is the group of its stamps.
    folder
        Made if it is not there. ``groups.json`` in it names the runs. Files of the same name are replaced.
    where
        Butler expression that selects images; empty for all.
    pixel_type
        As for `~lsst.meas.realbogus.training.StampWriter`.

    Returns
    -------
    dict
        Name of each file, and how many stamps it has.

    Raises
    ------
    InvalidInputError
        Raised if a run has no stamps, or no labels or sources to them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    counts: dict[str, int] = {}
    for group, (repo, collection) in enumerate(runs):
        path = folder / f"{group:04d}.parquet"
        counts[path.name] = _export(repo, collection, path, group, where, pixel_type)
    names = {str(group): f"{repo}:{collection}" for group, (repo, collection) in enumerate(runs)}
    with atomic_output(folder / "groups.json", overwrite=True) as place:
        place.write_text(json.dumps(names, indent=1) + "\n")
    return counts


def _export(
    repo: str | Path,
    collection: str,
    path: Path,
    group: int,
    where: str,
    pixel_type: Literal["float32", "float16"],
) -> int:
    total = 0
    with open_repository(repo, collection) as butler, StampWriter(path, pixel_type) as writer:
        refs = find_datasets(butler, "dia_source_cutouts", where)
        if not refs:
            condition = f" where {where}" if where else ""
            raise InvalidInputError(f"{repo}: {collection} has no dia_source_cutouts{condition}")
        for ref in refs:
            match, sources = (
                find_dataset(butler, name, ref.dataId)
                for name in ("dia_source_match", "dia_source_unstandardized")
            )
            if match is None or sources is None:
                lost = "dia_source_match" if match is None else "dia_source_unstandardized"
                raise InvalidInputError(f"{repo}: {collection} has stamps of {ref.dataId}, but no {lost}")
            stamps = LabelledStamps.from_tables(
                butler.get(ref), match, sources, group, visit=int(ref.dataId["visit"])
            )
            if len(stamps):
                writer.write(stamps)
                total += len(stamps)
    return total
