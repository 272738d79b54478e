"""`realbogus survey`: data without a telescope."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn


@click.group("survey", help="Make a Butler repository by simulating a survey or by ingesting FITS images.")
def command() -> None:
    """Group the ways to make a repository."""


@command.command("simulate")
@click.argument("repo", type=click.Path(path_type=Path))
@click.option("--preset", type=click.Choice(["demo", "small", "medium"]), default="demo", show_default=True)
@click.option("--seed", type=int, help="Another seed makes another sky.")
@click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path, dir_okay=False, exists=True),
    help="YAML file that overrides numbers of the preset.",
)
def simulate(repo: Path, preset: str, seed: int | None, config_file: Path | None) -> None:
    """Simulate a survey into the Butler repository REPO."""
    from ..survey import PRESETS, load_config, simulate_survey

    config = PRESETS[preset]
    if config_file is not None:
        config = load_config(config_file, config)
    if seed is not None:
        config = config.replace(seed=seed)
    with _progress("Simulating") as bar:
        run = simulate_survey(repo, config, progress=bar.update)
    _say_what_next(repo, run, config.skymap)


class _progress:  # noqa: N801
    """A progress bar for a count of images that is known at the first report."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
            console=Console(stderr=True),
        )
        self._task = self._progress.add_task(title, total=None, what="")

    def __enter__(self) -> _progress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: int, total: int, what: str) -> None:
        """Show how far the work has come."""
        self._progress.update(self._task, completed=done, total=total, what=what)


def _say_what_next(repo: Path, run: str, skymap: str) -> None:
    instrument = run.split("/")[0]
    click.echo(f"Images are in the collection {run} of {repo}. To run the main job on them:\n")
    click.echo(
        f"  pipetask run -b {repo} -i {run} -o u/$USER/realbogus --register-dataset-types \\\n"
        "    -p '$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml' \\\n"
        f"    -d \"instrument='{instrument}' AND skymap='{skymap}'\""
    )
