"""Training: models from labelled stamps, and the search for better options."""

from __future__ import annotations

__all__ = ("command",)

import json
from pathlib import Path
from typing import Any, Literal

import click

from ..errors import OutputError
from ..model import Model, read_model, read_model_file
from ..options import from_settings
from ..training import (
    RECIPES,
    ModelOptions,
    SearchOptions,
    Split,
    StampSet,
    StampWriter,
    TensorBoardLog,
    ordered_split,
    read_hand_labels,
    read_labelled_stamps,
    search_options,
    train_ordered_model,
)
from ._command import Group, say
from ._common import FILE, OUTPUT, label_options, label_source, overwrite_option
from ._training_progress import TrainingProgress

_stamps = click.argument(
    "stamps", nargs=-1, required=True, type=click.Path(path_type=Path, exists=True), metavar="STAMPS..."
)
_settings = click.option(
    "-c",
    "--config",
    "settings",
    multiple=True,
    metavar="NAME=VALUE",
    help="As network=compact or training.epochs=8; all are in doc/options.md.",
)
_recipe = click.option(
    "--recipe",
    type=click.Choice(sorted(RECIPES)),
    default="one-cycle",
    show_default=True,
    help="Options of training to begin with, as published.",
)


@click.group("train", cls=Group)
def command() -> None:
    """Train models from labelled stamps; needs the extra 'train' (TensorFlow, optuna)."""


@command.command(
    "stamps",
    examples="""
    realbogus train stamps --run repo u/me/realbogus -o stamps
    realbogus train stamps --run one u/me/run --run another u/me/run -o stamps --where "band = 'r'"
    realbogus train stamps ztf.npz -o stamps
    realbogus train stamps --run repo u/me/realbogus --labels labels.csv -o few
    """,
)
@click.argument("files", nargs=-1, type=FILE)
@click.option(
    "--run",
    "runs",
    nargs=2,
    multiple=True,
    metavar="REPO COLLECTION",
    help="Stamps, labels and sources of this collection of a Butler; may be given several times.",
)
@click.option("--where", default="", help="Butler expression that selects images.")
@click.option(
    "--labels",
    "label_files",
    multiple=True,
    type=FILE,
    help="Table of diaSourceId and label, as the page of realbogus explain saves it: only these sources "
    "are taken, with these labels; may be given several times.",
)
@label_options
@click.option("-o", "--output", type=OUTPUT, required=True, help="Folder of the set.")
@click.option("--half", is_flag=True, help="Store pixels in half the space, with 11 bits each.")
@overwrite_option
def stamps_(
    files: tuple[Path, ...],
    runs: tuple[tuple[str, str], ...],
    where: str,
    label_files: tuple[Path, ...],
    match: str,
    unmatched_is_bogus: bool,
    output: Path,
    half: bool,
    overwrite: bool,
) -> None:
    """Gather labelled stamps of runs and of FILES (npz, parquet, FITS with a column label) into a set."""
    if not files and not runs:
        raise click.UsageError("give --run, or files of labelled stamps")
    of_runs = label_source(match, unmatched_is_bogus, has_run=bool(runs))
    if output.exists() and any(output.iterdir()) and not overwrite:
        raise OutputError(f"{output} is not empty; give --overwrite to replace what is in it")
    pixel_type: Literal["float16", "float32"] = "float16" if half else "float32"
    labels = read_hand_labels(*label_files) if label_files else None
    counts = {}
    if runs:
        from ..repository import export_labelled_stamps

        counts = export_labelled_stamps(
            runs, output, where=where, pixel_type=pixel_type, labels=labels, label_source=of_runs
        )
    output.mkdir(parents=True, exist_ok=True)
    for group, file in enumerate(files, len(runs)):
        path = output / f"{group:04d}.parquet"
        with StampWriter(path, pixel_type) as writer:
            for part in read_labelled_stamps(file, group=group, labels=labels):
                writer.write(part)
        counts[path.name] = len(StampSet(path))
    for name, count in counts.items():
        say(f"{output / name}: {count} stamps")


@command.command(
    "model",
    examples="""
    realbogus train model stamps/ -o mine.rbmodel -c name=mine
    realbogus train model stamps/ -o dia.rbmodel --recipe acero-cuellar -c network=dia -c training.epochs=50
    realbogus train model few.npz -o ztf.rbmodel --start package:dia -c training.transfer.layers=head
    realbogus train model stamps/ -o mine.rbmodel --checkpoint state --tensorboard logs
    """,
)
@_stamps
@click.option("-o", "--output", type=OUTPUT, required=True, help="Model file, .rbmodel.")
@_recipe
@_settings
@click.option("--start", metavar="MODEL", help="Go on from this model (a file, URI or package:NAME).")
@click.option("--split", "split_file", type=FILE, help="Split to use, as an earlier run wrote it.")
@click.option("--write-split", type=OUTPUT, help="Write the split here (.csv).")
@click.option("--checkpoint", type=OUTPUT, help="Folder of the state: a killed run goes on from it.")
@click.option("--tensorboard", type=OUTPUT, help="Folder of figures for TensorBoard.")
@overwrite_option
def model(
    stamps: tuple[Path, ...],
    output: Path,
    recipe: str,
    settings: tuple[str, ...],
    start: str | None,
    split_file: Path | None,
    write_split: Path | None,
    checkpoint: Path | None,
    tensorboard: Path | None,
    overwrite: bool,
) -> None:
    """Train a model from STAMPS: folders, or files (.npz, .parquet) of labelled stamps."""
    if output.exists() and not overwrite:
        raise OutputError(f"{output} exists; give --overwrite to replace it")
    options = from_settings(ModelOptions(training=RECIPES[recipe]), settings)
    found = _read(stamps)
    columns = found.columns()
    split = ordered_split(options, columns) if split_file is None else Split.load(split_file, columns)
    if write_split is not None:
        split.save(write_split, columns["label"])
    first = None if start is None else _model(start)
    watchers: list[Any] = [] if tensorboard is None else [TensorBoardLog(tensorboard)]
    with TrainingProgress(options.name) as progress:
        card = train_ordered_model(
            options,
            found,
            output,
            start=first,
            split=split,
            checkpoint=checkpoint,
            watchers=[*watchers, progress],
        )
    judged = card["judge"]
    say(
        f"{output}: {options.name} {options.version}, epoch {card['chosen_epoch'] + 1} of "
        f"{len(card['epochs'])}; judged by {judged['stamps']} stamps: area under ROC "
        f"{judged['area_under_roc']}, completeness {judged['completeness_at_0.5']} and purity "
        f"{judged['purity_at_0.5']} at 0.5"
    )


@command.command(
    "search",
    examples="""
    realbogus train search stamps/ --storage search.db --trials 20 -c training.epochs=6
    """,
)
@_stamps
@click.option(
    "--storage", type=OUTPUT, required=True, help="SQLite file of the trials; a search goes on from it."
)
@click.option("--trials", type=click.IntRange(min=1), default=30, show_default=True, help="Trainings in all.")
@click.option(
    "-s",
    "--search",
    "ranges",
    multiple=True,
    metavar="NAME=VALUE",
    help="What to try, as batch_sizes=64,128.",
)
@_recipe
@_settings
@click.option("-o", "--output", type=OUTPUT, help="Write the best options here (JSON).")
def search(
    stamps: tuple[Path, ...],
    storage: Path,
    trials: int,
    ranges: tuple[str, ...],
    recipe: str,
    settings: tuple[str, ...],
    output: Path | None,
) -> None:
    """Search for the learning rate, weight decay, batch size and width that train best on STAMPS."""
    options = from_settings(ModelOptions(training=RECIPES[recipe]), settings)
    wanted = from_settings(SearchOptions(trials=trials), ranges)
    with TrainingProgress("trial") as progress:
        best, summary = search_options(options, wanted, _read(stamps), storage, watchers=[progress])
    found = {
        "filters": ",".join(str(count) for count in best.filters),
        **{
            f"training.{name}": getattr(best.training, name)
            for name in ("learning_rate", "weight_decay", "batch_size")
        },
    }
    if output is not None:
        output.write_text(json.dumps({**summary, "settings": found}, indent=1) + "\n")
    counts = ", ".join(f"{count} {state}" for state, count in summary["trials"].items())
    figure = f"{options.training.choose_by} {abs(summary['merit']):.4f}"
    say(f"best of {counts}: trial {summary['trial']}, {figure}")
    click.echo(" ".join(f"-c {name}={value}" for name, value in found.items()))


def _read(paths: tuple[Path, ...]) -> StampSet:
    return StampSet(file for path in paths for file in StampSet(path).paths)


def _model(name: str) -> Model:
    return read_model(read_model_file(name), name)
