"""`realbogus validate`: whether injected supernovae come back as they were put in."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import from_settings
from ._command import Command, say
from ._common import FILE, LocalPath, overwrite_option
from ._failures import ExitCode
from ._results import write_results
from ._terminal import terminal

if TYPE_CHECKING:
    from ..evaluation import Validation, ValidationOptions

_COLORS = {"pass": "green", "fail": "red", "unclear": "yellow", "not checked": "dim"}


@click.command(
    "validate",
    cls=Command,
    examples="""
    realbogus validate repo u/me/realbogus
    realbogus validate repo u/me/realbogus --where "visit = 42" -o validation -c min_snr=20 --strict
    realbogus validate --sources dia_sources.parquet --injected injected.parquet
    """,
)
@click.argument("repo", required=False)
@click.argument("collection", required=False)
@click.option("--where", default="", help='Butler expression to select images, such as "visit = 42".')
@click.option("--sources", type=FILE, help="Table of DIA sources, instead of a repository.")
@click.option("--injected", type=FILE, help="Table of injected sources that belongs to it.")
@click.option("--fates", type=FILE, help="Table of fates; by default the two tables are matched.")
@click.option("-c", "--config", "settings", multiple=True, metavar="NAME=VALUE",
              help="A limit or the edges of bins, such as max_flux_bias=0.03.")  # fmt: skip
@click.option("-o", "--output", type=LocalPath(file_okay=False),
              help="Folder for the tables (parquet), the metrics (JSON) and the figure (SVG).")  # fmt: skip
@click.option("--strict", is_flag=True, help=f"End with status {ExitCode.CHECK_FAILED} if a check failed.")
@overwrite_option
def command(
    repo: str | None,
    collection: str | None,
    where: str,
    sources: Path | None,
    injected: Path | None,
    fates: Path | None,
    settings: tuple[str, ...],
    output: Path | None,
    strict: bool,
    overwrite: bool,
) -> None:
    """Say whether injected supernovae in COLLECTION of the Butler REPO come back as they were put in.

    Fluxes, positions, their errors and the noise that was added are compared with what was injected. Tables
    in files will do, without a repository; then no pixels are compared.
    """
    from ..evaluation import ValidationOptions

    options = from_settings(ValidationOptions(), settings)
    if sources is not None and injected is not None and repo is None:
        validation = _validate_files(sources, injected, fates, options)
    elif repo is not None and collection is not None and sources is None and injected is None:
        from ..repository import validate_collection

        validation = validate_collection(repo, collection, where=where, options=options)
    else:
        raise click.UsageError("give REPO and COLLECTION, or --sources and --injected")
    if output is not None:
        _write(validation, output, overwrite)
    _show(validation)
    failed = [check.name for check in validation.checks if str(check.status) == "fail"]
    if strict and failed:
        say(f"failed: {', '.join(failed)}")
        click.get_current_context().exit(ExitCode.CHECK_FAILED)


def _validate_files(
    sources: Path, injected: Path, fates: Path | None, options: ValidationOptions
) -> Validation:
    from ..evaluation import match_images, recover_injected, validate_injection
    from ..tables import read_table_file
    from ..truth import read_injected, read_matched_sources

    measured = read_matched_sources(read_table_file(sources), name=str(sources))
    rows = read_injected(read_table_file(injected), name=str(injected))
    known = match_images(measured, rows) if fates is None else read_table_file(fates)
    return validate_injection(recover_injected(measured, known, rows), options=options)


def _write(validation: Validation, folder: Path, overwrite: bool) -> None:
    from ..report import draw_validation

    tables = {"checks": validation.table, "bins": validation.bins, "recovery": validation.recovery}
    if len(validation.added):
        tables["added_light"] = validation.added
    drawings = {"validation": draw_validation(validation)}
    write_results(folder, tables, validation.metrics, drawings, overwrite=overwrite)
    say(f"Wrote {folder}")


def _show(validation: Validation) -> None:
    from rich.table import Table
    from rich.text import Text

    console = terminal()
    table = Table("check", "status", "value and interval", "limit", "fakes", box=None, pad_edge=False)
    for column in table.columns:
        column.no_wrap = True
    for column in table.columns[2:]:
        column.justify = "right"
    for check in validation.checks:
        value = f"{check.value:.3f} ({check.low:.3f}, {check.high:.3f})" if check.n else ""
        table.add_row(check.name, Text(check.status, _COLORS[check.status]), value, check.limit, str(check.n))
    console.print(table)
    for check in validation.checks:
        if check.note:
            console.print(f"{check.name}: {check.note}", soft_wrap=True, highlight=False)
    count = ", ".join(f"{n} {status}" for status, n in validation.count().items() if n)
    console.print("Verdict:", Text(validation.verdict, _COLORS[validation.verdict]), f"({count})")
