"""`realbogus survey`: data without a telescope."""

from __future__ import annotations

__all__ = ("command",)

import shlex
from pathlib import Path
from typing import Any

import click

from ._command import Command, Group, say
from ._common import FILE, NEW_REPO, parameters_of, preset_option
from ._terminal import following


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
    realbogus survey simulate repo --preset training-3
    """,
)
@click.argument("repo", type=NEW_REPO)
@preset_option
@click.option("--seed", type=int, help="Another seed makes another sky.")
@click.option(
    "--config",
    "config_file",
    type=FILE,
    help="YAML file that overrides numbers of the preset.",
)
def simulate(repo: Path, preset: str, seed: int | None, config_file: Path | None) -> None:
    """Simulate a survey into the Butler repository REPO."""
    from ..survey import find_preset, load_config, simulate_survey

    config = find_preset(preset)
    if config_file is not None:
        config = load_config(config_file, config)
    if seed is not None:
        config = config.replace(seed=seed)
    with following("Simulating") as follow:
        run = simulate_survey(repo, config, progress=follow)
    _say_what_next(repo, run, config.skymap)


class _IngestCommand(Command):
    """A command that also has what `FrameOptions` declares; imported on use, so that others start quickly."""

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from ..survey import FrameOptions

        parameters = super().get_params(ctx)
        shared = [parameter.name for parameter in parameters].index("verbose")
        return [*parameters[:shared], *parameters_of(FrameOptions), *parameters[shared:]]


@command.command(
    "ingest",
    cls=_IngestCommand,
    examples="""
    realbogus survey ingest repo night1.fits night2.fits --template reference.fits --instrument DECam --band i
    realbogus survey ingest repo new.fits --template "old*.fits" --instrument Mine --band r --gain 1.6
    realbogus survey ingest repo new.fits --noise "{stem}.noise.fits" --mask DQ --instrument Mine --band r
    realbogus survey ingest repo --template reference.fits --instrument Mine --band r
    """,
)
@click.argument("repo", type=NEW_REPO)
@click.argument("science", nargs=-1, type=FILE)
@click.option("--instrument", required=True, help="Name of the instrument; any.")
@click.option("--band", required=True, help="Band of all images, such as i.")
@click.option("--physical-filter", help="Filter of all images; by default what the headers say.")
@click.option(
    "--template",
    "templates",
    multiple=True,
    help="Template image, or a pattern such as 'ref/*.fits'; may be repeated.",
)
@click.option("--variance", multiple=True, metavar="PLANE", help="Variance of the pixels.")
@click.option("--noise", multiple=True, metavar="PLANE", help="Standard deviation of the pixels.")
@click.option(
    "--weight", multiple=True, metavar="PLANE", help="Inverse variance or exposure time, up to a factor."
)
@click.option("--mask", multiple=True, metavar="PLANE", help="Mask, 0 where pixels are good.")
@click.option("--psf", multiple=True, metavar="PLANE", help="Image of the PSF.")
@click.option("--skymap", default="realbogus", show_default=True, help="Name of the sky map.")
def ingest(
    repo: Path,
    science: tuple[Path, ...],
    instrument: str,
    band: str,
    physical_filter: str | None,
    templates: tuple[str, ...],
    skymap: str,
    variance: tuple[str, ...],
    noise: tuple[str, ...],
    weight: tuple[str, ...],
    mask: tuple[str, ...],
    psf: tuple[str, ...],
    **options: Any,
) -> None:
    """Ingest the calibrated FITS images SCIENCE into the Butler repository REPO.

    With --template and without SCIENCE, templates are added to science images that are in REPO already. What
    an option says of images counts more than what their headers say.

    A PLANE is an extension of every image's own file, such as ERR or 2; or a file name with {stem} for the
    image's name without ending, such as '{stem}.noise.fits', which begins at the image's folder; or files,
    which may be a pattern or repeated: one for each science image, or for each image, science images first.
    'FILE[ERR]' is the extension ERR of a file. Extensions VARIANCE, ERR, WGT, WHT, MASK, MSK, DQ and the like
    of an image's own file are used without being named.
    """
    from ..survey import Companions, FrameOptions, ingest_fits, skymap_of

    if not science and not templates:
        raise click.UsageError("give SCIENCE images, or --template to add templates to a survey")
    with following("Ingesting") as follow:
        run = ingest_fits(
            repo,
            science,
            [path for template in templates for path in _files(template)],
            instrument=instrument,
            band=band,
            physical_filter=physical_filter,
            options=FrameOptions(**options),
            beside=Companions(variance=variance, noise=noise, weight=weight, mask=mask, psf=psf),
            skymap=skymap,
            progress=follow,
        )
    if templates:
        _say_what_next(repo, run, skymap_of(repo, run))
    else:
        _say_what_is_missing(repo, run, band)


def _files(pattern: str) -> list[Path]:
    path = Path(pattern)
    files = [path] if path.is_file() else sorted(path.parent.glob(path.name))
    if not files:
        raise click.BadParameter(f"no file is called {pattern}", param_hint="--template")
    return files


def _say_what_next(repo: Path, run: str, skymap: str) -> None:
    say(f"Images are in the collection {run} of {repo}. To run the main job on them:\n")
    say(_pipetask(repo, run, "realbogus", "", f" AND skymap='{skymap}'"))


def _say_what_is_missing(repo: Path, run: str, band: str) -> None:
    instrument = run.split("/")[0]
    say(
        f"Images are in the collection {run} of {repo}. There are no templates, and without them nothing is\n"
        "subtracted or scored. To add some:\n\n"
        f"  realbogus survey ingest {shlex.quote(str(repo))} --template FILE --instrument {instrument} "
        f"--band {band}\n\n"
        "What can be done without them is to make fake supernovae and to inject them:\n"
    )
    say(_pipetask(repo, run, "fakes", "#injection", ""))


def _pipetask(repo: Path, run: str, output: str, subset: str, where: str) -> str:
    lines = (
        f"  pipetask run -b {shlex.quote(str(repo))} -i {run} -o u/$USER/{output} --register-dataset-types",
        f"    -p '$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml{subset}'",
        f"    -d \"instrument='{run.split('/')[0]}'{where}\"",
    )
    return " \\\n".join(lines)
