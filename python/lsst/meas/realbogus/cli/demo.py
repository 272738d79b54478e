"""`realbogus demo`: the main job, from images to a page of results."""

from __future__ import annotations

__all__ = ("command",)

import datetime
import hashlib
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ._command import Command
from ._common import FiniteRange, LocalPath, preset_option
from ._terminal import following, plain_table, terminal

if TYPE_CHECKING:
    from rich.console import Console

    from ..evaluation import Summary
    from ..repository import Outcome
    from ..survey import DemoImages

_PIPELINE = "$MEAS_REALBOGUS_DIR/pipelines/Embedded/RealBogus.yaml"


@click.command(
    "demo",
    cls=Command,
    examples="""
    realbogus demo demo
    realbogus demo demo --preset small
    realbogus demo demo --data frames --science "new*.fits" --template "old*.fits"
    """,
)
@click.argument("folder", type=LocalPath("give a local folder", file_okay=False))
@preset_option
@click.option(
    "--data",
    type=click.Path(path_type=Path, file_okay=False, exists=True),
    help="Folder of calibrated FITS images to take instead of a simulated survey.",
)
@click.option(
    "--science",
    default="science/*.fits*",
    show_default=True,
    help="Names of the science images in that folder.",
)
@click.option(
    "--template", default="template/*.fits*", show_default=True, help="Names of the templates in that folder."
)
@click.option("--instrument", help="Camera of those images; by default what their headers say.")
@click.option(
    "--model", default="package:dia", show_default=True, help="Model: package:NAME, a file or a URI."
)
@click.option(
    "--nodia-model",
    default="package:nodia",
    show_default=True,
    help="Second model, without difference image; '' for none.",
)
@click.option("--fakes", type=FiniteRange(0, 1), help="Share of the galaxies that get a fake supernova.")
@click.option(
    "--template-fakes",
    type=FiniteRange(0, 1),
    help="Share of the stars that get a variable companion, in the template too; with it come fakes in the "
    "template alone, which are negative.",
)
def command(
    folder: Path,
    preset: str,
    data: Path | None,
    science: str,
    template: str,
    instrument: str | None,
    model: str,
    nodia_model: str,
    fakes: float | None,
    template_fakes: float | None,
) -> None:
    """Run the main job in FOLDER: simulate a survey, inject supernovae, subtract, detect, score, report.

    The repository is FOLDER/repo, the page FOLDER/report.html; for other presets and data with their name.
    A second run does what is missing, and nothing if nothing is.
    """
    from ..model import read_model_file
    from ..survey import choose_images, ingested_images, simulated_images

    for uri in filter(None, (model, nodia_model)):
        read_model_file(uri)  # Better now than after the images have been made.
    images = None if data is None else choose_images(data, science, template, instrument)
    console, started = terminal(), time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    # No dots: the Butler takes a folder with a suffix for a configuration file.
    name = preset if data is None else data.resolve().name.replace(".", "_")
    suffix = "" if name == "demo" else f"-{name}"
    repo, log, page = (
        folder / f"repo{suffix}",
        folder / f"pipetask{suffix}.log",
        folder / f"report{suffix}.html",
    )
    with following("Images", console) as follow:
        if images is None:
            survey = simulated_images(repo, preset, follow)
        else:
            survey = ingested_images(repo, images, follow)
    config = {
        **survey.config,
        "rbClassifier:model_uri": model,
        "rbClassifier:nodia_model_uri": nodia_model or "None",
    }
    if fakes is not None:
        config["createFakeSupernovae:options.hosted.fraction"] = str(fakes)
    if template_fakes is not None:
        config["parameters:templateFakes"] = str(template_fakes)
    # Another configuration is another run: a RUN collection holds results of one only.
    output = f"u/demo/{hashlib.blake2b(repr(sorted(config.items())).encode(), digest_size=3).hexdigest()}"
    shown, outcome = _run_pipeline(survey, output, config, log, console)
    summary = _report(survey, output, page, f"Real/bogus demo: {name}", shown)
    _show(summary, console)
    elapsed = datetime.timedelta(seconds=round(time.monotonic() - started))
    console.print(f"Page: {page.resolve()}\nLog:  {log.resolve()}\nTime: {elapsed}", soft_wrap=True)
    if outcome.failed:
        raise click.ClickException(f"{outcome.failed} of {outcome.total} quanta failed; see {log}")


def _run_pipeline(
    survey: DemoImages, output: str, config: Mapping[str, str], log: Path, console: Console
) -> tuple[str, Outcome]:
    """Run the pipeline; return the command as a user would write it, and how it ended."""
    from lsst.daf.butler import Butler

    from ..repository import how_to_go_on, pipetask_command, run_pipetask, shell_text

    def command_line(options: Sequence[str] = ()) -> list[str]:
        return pipetask_command(
            survey.repo,
            inputs=survey.inputs,
            output=output,
            pipeline=_PIPELINE,
            query=survey.query,
            config=config,
            options=options,
        )

    with Butler.from_config(survey.repo) as butler:
        options = how_to_go_on(butler, output)
    words = command_line(options)
    console.print(f"\n$ {shell_text(words)}\n", soft_wrap=True, style="dim", highlight=False)
    with following("Pipeline", console) as follow:
        outcome = run_pipetask(
            words, log, lambda done, failed, total: follow(done + failed, total, _count_failed(failed))
        )
    if outcome.empty and "--extend-run" in options:
        console.print("Nothing to do: everything is in the repository already.")
    elif outcome.code and not outcome.failed:
        how_far = "before it began"
        if outcome.total:
            how_far = f"after {outcome.done} of {outcome.total} quanta; the same command goes on from there"
        last = "\n".join(outcome.tail)
        raise click.ClickException(
            f"pipetask ended with status {outcome.code} {how_far}. Its last words (all: {log}):\n{last}"
        )
    return shell_text(command_line()), outcome


def _count_failed(failed: int) -> str:
    return f"{failed} failed" if failed else ""


def _report(survey: DemoImages, output: str, page: Path, title: str, shown: str) -> Summary:
    from lsst.daf.butler import Butler

    from ._run_page import write_run_page

    provenance = {"command": shown, "repository": str(survey.repo), "collection": output}
    with Butler.from_config(survey.repo) as butler:
        return write_run_page(page, butler, output, title=title, provenance=provenance, overwrite=True)


def _show(summary: Summary, console: Console) -> None:
    """Lay the numbers of a run out for the terminal."""
    from rich.table import Table

    counts = Table.grid(padding=(0, 3))
    counts.add_row("images", str(summary.n_images))
    labels = f"{summary.n_real} real, {summary.n_bogus} bogus, {summary.n_undecided} undecided"
    counts.add_row("DIA sources", str(summary.n_sources), labels)
    counts.add_row("supernovae injected", str(summary.n_injected))
    counts.add_row("of them found", str(summary.n_found), str(summary.detection))
    console.print(counts)
    if not summary.models:
        return
    table = plain_table("", *(model.name for model in summary.models))
    for column in table.columns[1:]:
        column.justify = "right"
    at = f"at {summary.models[0].performance.threshold:g}"
    rows: dict[str, list[object]] = {
        "scored": [model.n_scored for model in summary.models],
        f"completeness {at}": [model.performance.completeness for model in summary.models],
        f"purity {at}": [model.performance.purity for model in summary.models],
        f"found supernovae kept {at}": [model.injected_kept for model in summary.models],
        "area under ROC": [f"{model.area[0]:.3f}" for model in summary.models],
    }
    for name, values in rows.items():
        table.add_row(name, *map(str, values))
    console.print(table)
    if summary.bogus_assumed:
        console.print("There is no truth table: unmatched sources count as bogus, purity is a lower limit.")
