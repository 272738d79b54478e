"""`realbogus fakes`: make, check, ingest and look at catalogues of fakes."""

from __future__ import annotations

__all__ = ("command",)

import typing
from collections.abc import Sequence
from pathlib import Path

import click

from ..errors import InvalidInputError
from ..options import from_settings
from ..tables import atomic_output, reading
from ._command import Group, say
from ._common import FILE, OUTPUT, FiniteRange, overwrite_option
from ._terminal import terminal

if typing.TYPE_CHECKING:
    from astropy.table import Table

    from ..injection import Losses


@click.group("fakes", cls=Group, help="Make, check, ingest and look at catalogues of fake supernovae.")
def command() -> None:
    """Group the commands about fakes."""


@command.command(
    "make",
    examples="""
    realbogus fakes make visit.fits sources.parquet -o fakes.csv
    realbogus fakes make visit.fits sources.parquet -o fakes.parquet -c hosted.fraction=0.1 --seed 5
    realbogus fakes make visit.fits sources.parquet -o fakes.csv --user-table mine.csv --overwrite
    """,
)
@click.argument("image", type=FILE)
@click.argument("sources", type=FILE)
@click.option("-o", "--output", type=OUTPUT, required=True, help="Table: .csv, .ecsv, .parquet or .fits.")
@click.option(
    "-c", "--config", "settings", multiple=True, metavar="NAME=VALUE", help="As hosted.fraction=0.1."
)
@click.option("--seed", type=int, default=20, show_default=True, help="Another seed draws other fakes.")
@click.option("--user-table", type=FILE, help="Your own rows: columns ra, dec, mag.")
@click.option("--dc2-truth", type=FILE, help="Truth table of DC2 supernovae.")
@overwrite_option
def make(
    image: Path,
    sources: Path,
    output: Path,
    settings: tuple[str, ...],
    seed: int,
    user_table: Path | None,
    dc2_truth: Path | None,
    overwrite: bool,
) -> None:
    """Make the fakes of a VisitImage file IMAGE from its table of SOURCES."""
    from lsst.images import VisitImage

    from ..injection import CatalogOptions, Footprint, explain_losses, make_catalog
    from ..tables import read_table_file, write_table_file
    from ..truth import read_dc2_truth

    options = from_settings(CatalogOptions(), settings)
    with reading(image, "a VisitImage file of lsst.images (what a Butler repository holds)"):
        visit_image = VisitImage.read(image)
    footprint = Footprint.of(visit_image, name=str(image))
    source_rows = read_table_file(sources)
    user_rows = None if user_table is None else read_table_file(user_table)
    losses = explain_losses(
        source_rows,
        footprint,
        options,
        user_table=user_rows,
        name=sources.name,
        user_name="" if user_table is None else user_table.name,
    )
    with atomic_output(output, overwrite=overwrite) as place:
        catalog = make_catalog(
            source_rows,
            footprint,
            options,
            seed=seed,
            user_table=user_rows,
            truth=None if dc2_truth is None else read_dc2_truth(dc2_truth),
            name=sources.name,
        )
        _require_use(catalog, losses)
        write_table_file(catalog, place)
    for lost in losses:
        say(lost.text)
    _print_counts(catalog)
    say(f"Wrote {output}")


def _require_use(catalog: Table, losses: Sequence[Losses]) -> None:
    """Refuse tables of which nothing is left, if it was for want of what they should have held."""
    hosts, *user = losses
    for lost in user if len(catalog) else losses:
        if lost.n_left_out == lost.n_rows:
            raise InvalidInputError(f"no fake comes of it: {lost.text}; is it the table of this image?")
    if not len(catalog):
        say(f"No galaxy was drawn of {hosts.n_rows - hosts.n_left_out}: raise -c hosted.fraction=0.5")


@command.command(
    "check",
    examples="""
    realbogus fakes check fakes.csv
    realbogus fakes check fakes.csv mine.ecsv --min-separation 4 --strict
    """,
)
@click.argument("tables", nargs=-1, required=True, type=FILE)
@click.option(
    "--min-separation", type=FiniteRange(min=0), default=2.0, show_default=True, help="Arcsec between fakes."
)
@click.option("--strict", is_flag=True, help="Fail on warnings too.")
def check(tables: tuple[Path, ...], min_separation: float, strict: bool) -> None:
    """Look for faults in TABLES before anything is drawn; the exit code is 1 if there are errors."""
    from rich.table import Table as RichTable

    from ..injection import ValidationRules, check_fakes
    from ..tables import Severity, read_table_file

    console, failed = terminal(), False
    for path in tables:
        catalog = read_table_file(path)
        problems = check_fakes(catalog, ValidationRules(min_separation=min_separation))
        if not problems:
            console.print(f"{path.name}: {len(catalog)} rows, nothing wrong")
            continue
        shown = RichTable(title=f"{path.name}: {len(catalog)} rows", title_justify="left")
        for heading in ("severity", "rows", "reason", "which"):
            shown.add_column(heading, overflow="fold")
        for problem in problems:
            which = ", ".join(str(row) for row in problem.rows[:8]) + (" …" if len(problem.rows) > 8 else "")
            number = str(len(problem.rows)) if problem.rows else "all"
            shown.add_row(str(problem.severity), number, problem.reason, which)
            failed |= strict or problem.severity is Severity.ERROR
        console.print(shown)
    if failed:
        raise click.exceptions.Exit(1)


@command.command(
    "ingest",
    examples="""
    realbogus fakes ingest repo fakes.csv --run u/me/fakes
    realbogus fakes ingest repo mine.csv --run u/me/fakes --band r
    """,
)
@click.argument("repo")
@click.argument("table", type=FILE)
@click.option("--run", required=True, help="Run collection to write to.")
@click.option("--band", help="Band of all rows, for a table without a column band.")
@click.option("--dataset-type", default="injection_catalog", show_default=True, help="Dataset type.")
def ingest(repo: str, table: Path, run: str, band: str | None, dataset_type: str) -> None:
    """Put TABLE into the Butler repository REPO as lsst.source_injection reads it, all bands at once."""
    from ..injection import SELECTION, require_valid
    from ..repository import open_repository, put_shards
    from ..tables import read_table_file

    rows = require_valid(read_table_file(table), name=table.name)
    with open_repository(repo, run=run) as butler:
        written = put_shards(butler, rows, band, dataset_type, name=table.name)
    say(f"Wrote {len(rows)} rows as {written} datasets {dataset_type} in {run}")
    if "visit" in rows.colnames:
        say(f'Rows are for their own visits: set selection: "{SELECTION}"')


@command.command(
    "show",
    examples="""
    realbogus fakes show repo -i u/me/realbogus -o fakes.html
    realbogus fakes show repo -i u/me/realbogus -d "visit IN (1, 2)" --stamps 48 --overwrite
    """,
)
@click.argument("repo")
@click.option(
    "-i",
    "--input",
    "collections",
    required=True,
    multiple=True,
    help="Collection of images; may be repeated.",
)
@click.option(
    "-o", "--output", type=OUTPUT, default=Path("fakes.html"), show_default=True, help="Page to write."
)
@click.option("-d", "--where", default="", help='Restrict the images, as "visit IN (1, 2)".')
@click.option("--image", default="preliminary_visit_image", show_default=True, help="Dataset type before.")
@click.option("--prefix", default="injected_", show_default=True, help="What injection puts before its name.")
@click.option("--fates", default="injected_supernova_fate", show_default=True,
              help="Dataset type of what became of them, shown where there is one.")  # fmt: skip
@click.option(
    "--stamps", type=click.IntRange(min=0), default=24, show_default=True, help="How many fakes to show."
)
@click.option(
    "--size", type=click.IntRange(3, 1001), default=41, show_default=True, help="Side of a stamp in pixels."
)
@overwrite_option
def show(
    repo: str,
    collections: tuple[str, ...],
    output: Path,
    where: str,
    image: str,
    prefix: str,
    fates: str,
    stamps: int,
    size: int,
    overwrite: bool,
) -> None:
    """Write a page with stamps, fates, distributions and light curves of the fakes in the Butler REPO."""
    from ..report import FakeCard, choose_fakes, write_fakes_page
    from ..repository import open_repository, read_fake_stamps, read_injected_catalogs

    with (
        atomic_output(output, overwrite=overwrite) as page,
        open_repository(repo, collections) as butler,
    ):
        catalog = read_injected_catalogs(butler, f"{prefix}{image}_catalog", where, fates=fates)
        chosen = catalog[choose_fakes(catalog, stamps)]
        pixels = read_fake_stamps(butler, chosen, image, prefix, size)
        cards = [
            FakeCard(dict(zip(catalog.colnames, row, strict=True)), *pair)
            for row, pair in zip(chosen, pixels, strict=True)
        ]
        write_fakes_page(page, f"Fakes of {collections[0]}", catalog, cards)
    _print_counts(catalog)
    say(f"Wrote {output}")


def _print_counts(catalog: Table) -> None:
    from rich.table import Table as RichTable

    from ..report import count_populations

    shown = RichTable(title=f"{len(catalog)} fakes", title_justify="left")
    for heading in ("population", "rows", "objects", "images"):
        shown.add_column(heading)
    for row in count_populations(catalog):
        shown.add_row(*(str(value) for value in row))
    terminal().print(shown)
