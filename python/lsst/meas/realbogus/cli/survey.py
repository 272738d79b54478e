"""`realbogus survey`: data without a telescope."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from ._command import Group, is_quiet, say
from ._common import FILE, FiniteRange


@click.group(
    "survey", cls=Group, help="Make a Butler repository by simulating a survey or by ingesting FITS images."
)
def command() -> None:
    """Group the ways to make a repository."""


@command.command(
    "simulate",
    examples="""
    realbogus survey simulate repo
    realbogus survey simulate repo --preset small --seed 3 --config numbers.yaml
    """,
)
@click.argument("repo", type=click.Path(path_type=Path))
@click.option(
    "--preset",
    type=click.Choice(["demo", "small", "medium"]),
    default="demo",
    show_default=True,
    help="How large a survey.",
)
@click.option("--seed", type=int, help="Another seed makes another sky.")
@click.option(
    "--config",
    "config_file",
    type=FILE,
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
    with _ProgressBar("Simulating") as bar:
        run = simulate_survey(repo, config, progress=bar.update)
    _say_what_next(repo, run, config.skymap)


@command.command(
    "ingest",
    examples="""
    realbogus survey ingest repo night1.fits night2.fits --template reference.fits --instrument DECam --band i
    realbogus survey ingest repo new.fits --template "old*.fits" --instrument Mine --band r --gain 1.6
    """,
)
@click.argument("repo", type=click.Path(path_type=Path))
@click.argument("science", nargs=-1, required=True, type=FILE)
@click.option("--instrument", required=True, help="Name of the instrument; any.")
@click.option("--band", required=True, help="Band of all images, such as i.")
@click.option("--physical-filter", help="Filter of all images; by default what the headers say.")
@click.option(
    "--template",
    "templates",
    multiple=True,
    help="Template image, or a pattern such as 'ref/*.fits'; may be repeated.",
)
@click.option("--gain", type=FiniteRange(min=0, min_open=True), help="Electrons per count.")
@click.option("--zero-point", type=FiniteRange(), help="AB magnitude of one count.")
@click.option(
    "--saturation", type=FiniteRange(min=0, min_open=True), help="Counts from which pixels are saturated."
)
@click.option(
    "--psf-fwhm", type=FiniteRange(min=0, min_open=True), help="First guess of the FWHM of stars, in pixels."
)
@click.option("--exposure-time", type=FiniteRange(min=0, min_open=True), help="Seconds.")
@click.option(
    "--detector",
    type=click.IntRange(min=0),
    help="Number of the detector; by default the header's CCDNUM, or 0.",
)
@click.option(
    "--background-box",
    type=click.IntRange(min=0),
    default=0,
    show_default=True,
    help="Width in pixels of the boxes in which the background is measured; 0 subtracts one constant.",
)
@click.option("--skymap", default="realbogus", show_default=True, help="Name of the sky map.")
def ingest(
    repo: Path,
    science: tuple[Path, ...],
    instrument: str,
    band: str,
    physical_filter: str | None,
    templates: tuple[str, ...],
    skymap: str,
    **options: Any,
) -> None:
    """Ingest the calibrated FITS images SCIENCE into the Butler repository REPO.

    What an option says of images counts more than what their headers say.
    """
    from ..survey import FrameOptions, ingest_fits

    with _ProgressBar("Ingesting") as bar:
        run = ingest_fits(
            repo,
            science,
            [path for template in templates for path in _files(template)],
            instrument=instrument,
            band=band,
            physical_filter=physical_filter,
            options=FrameOptions(**options),
            skymap=skymap,
            progress=bar.update,
        )
    _say_what_next(repo, run, skymap)


def _files(pattern: str) -> list[Path]:
    path = Path(pattern)
    files = [path] if path.is_file() else sorted(path.parent.glob(path.name))
    if not files:
        raise click.BadParameter(f"no file is called {pattern}", param_hint="--template")
    return files


class _ProgressBar:
    """A progress bar for a count of images that is known at the first report."""

    def __init__(self, title: str) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[what]}"),
            console=Console(stderr=True),
            disable=is_quiet(),
        )
        self._task = self._progress.add_task(title, total=None, what="")

    def __enter__(self) -> _ProgressBar:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def update(self, done: int, total: int, what: str) -> None:
        """Show how far the work has come."""
        self._progress.update(self._task, completed=done, total=total, what=what)


def _say_what_next(repo: Path, run: str, skymap: str) -> None:
    instrument = run.split("/")[0]
    say(f"Images are in the collection {run} of {repo}. To run the main job on them:\n")
    say(
        f"  pipetask run -b {repo} -i {run} -o u/$USER/realbogus --register-dataset-types \\\n"
        "    -p '$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml' \\\n"
        f"    -d \"instrument='{instrument}' AND skymap='{skymap}'\""
    )
