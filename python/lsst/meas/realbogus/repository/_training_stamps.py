"""Labelled stamps: the runs that make them, and the sets that training reads."""

from __future__ import annotations

__all__ = ("export_labelled_stamps", "run_to_stamps")

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

from ..errors import InvalidInputError
from ..legacy import get_table
from ..tables import atomic_output
from ..training import HandLabels, LabelledStamps, StampSelection, StampWriter
from ._matches import LabelSource
from ._open import find_table, open_repository, require_datasets
from ._pipetask import how_to_go_on, pipetask_command, run_pipetask

_IMAGE = ("visit", "detector")
_PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"
_STEPS = (
    "createFakeSupernovae",
    "injectVisit",
    "injectTemplate",
    "assembleTemplate",
    "buildTemplate",
    "subtractImages",
    "detectAndMeasureDiaSource",
    "matchDiaSources",
    "extractCutouts",
)


def run_to_stamps(
    repo: Path, output: str, log: Path, *, instrument: str, skymap: str, config: Mapping[str, str]
) -> None:
    """Run the embedded pipeline on all images of a repository, up to stamps and labels.

    Parameters
    ----------
    repo
        Repository with images to search and for templates, such as a simulated survey.
    output
        Output collection. A run that was interrupted goes on where it stopped.
    log
        File to which what the run says is added.
    instrument, skymap
        Names of the two.
    config
        Overrides of ``Embedded/RealBogus.yaml``, ``label:field`` to value.

    Raises
    ------
    InvalidInputError
        Raised if the run fails; the message ends with its last lines.
    """
    with open_repository(repo) as butler:
        options = how_to_go_on(butler, output)
    command = pipetask_command(
        repo,
        inputs=f"{instrument}/input",
        output=output,
        pipeline=f"{_PIPELINE}#{','.join(_STEPS)}",
        query=f"instrument='{instrument}' AND skymap='{skymap}'",
        config=config,
        options=options,
    )
    outcome = run_pipetask(command, log)
    if outcome.code and not outcome.empty:
        raise InvalidInputError(f"{repo}: pipetask failed, see {log}:\n" + "\n".join(outcome.tail))


def export_labelled_stamps(
    runs: Sequence[tuple[str | Path, str]],
    folder: Path,
    *,
    where: str = "",
    pixel_type: Literal["float32", "float16"] = "float32",
    first_group: int = 0,
    selection: StampSelection | None = None,
    labels: HandLabels | None = None,
    label_source: LabelSource | None = None,
) -> dict[str, int]:
    """Write the labelled stamps of runs to a folder, one parquet file a run, in bounded memory.

    Parameters
    ----------
    runs
        Repository and output collection of each run.
    folder
        Made if it is not there. ``groups.json`` in it names the run of each group. Files of the same name are
        replaced, others stay.
    where
        Butler expression that selects images; empty for all.
    pixel_type
        As for `~lsst.meas.realbogus.training.StampWriter`.
    first_group
        Group of the stamps of the first run; those of the others follow.
    selection
        Which of the stamps of each image to keep; `None`: all.
    labels
        Labels by identifier in the place of those of the runs, which need not have any; other sources are
        left out.
    label_source
        Where the labels of the runs are; by default ``dia_source_match``.

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
    names_file = folder / "groups.json"
    names: dict[str, str] = json.loads(names_file.read_text()) if names_file.exists() else {}
    counts: dict[str, int] = {}
    for group, (repo, collection) in enumerate(runs, first_group):
        path = folder / f"{group:04d}.parquet"
        counts[path.name] = _export(
            repo, collection, path, group, where, pixel_type, selection, labels, label_source or LabelSource()
        )
        names[str(group)] = f"{repo}:{collection}"
    with atomic_output(names_file, overwrite=True) as place:
        place.write_text(json.dumps(names, indent=1) + "\n")
    return counts


def _export(
    repo: str | Path,
    collection: str,
    path: Path,
    group: int,
    where: str,
    pixel_type: Literal["float32", "float16"],
    selection: StampSelection | None,
    labels: HandLabels | None,
    label_source: LabelSource,
) -> int:
    total = 0
    with open_repository(repo, collection) as butler, StampWriter(path, pixel_type) as writer:
        for ref in require_datasets(butler, "dia_source_cutouts", where, name=f"{repo}: {collection}"):
            match, _ = label_source.read(butler, ref.dataId)
            sources = find_table(butler, label_source.sources, ref.dataId)
            cutouts = get_table(butler.getDeferred(ref))
            if labels is not None:
                match = labels.match(cutouts["diaSourceId"], match)
            if match is None or sources is None:
                lost = label_source.match if match is None else label_source.sources
                raise InvalidInputError(f"{repo}: {collection} has stamps of {ref.dataId}, but no {lost}")
            stamps = LabelledStamps.from_tables(
                cutouts, match, sources, group, visit=int(ref.dataId["visit"])
            )
            if selection is not None:
                stamps = selection.of(stamps, group, *(int(ref.dataId[name]) for name in _IMAGE))
            if len(stamps):
                writer.write(stamps)
                total += len(stamps)
    return total
