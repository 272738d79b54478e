"""`realbogus night`: which visits and detectors have other rates and scores than a reference."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import from_settings
from ._command import Command, say
from ._common import LocalPath, overwrite_option
from ._results import write_results
from ._terminal import following, terminal

if TYPE_CHECKING:
    from astropy.table import Table as AstropyTable

    from ..evaluation import Night, NightOptions

_SHOWN = 20


@click.command(
    "night",
    cls=Command,
    examples="""
    realbogus night repo u/me/night-20260601 --reference u/me/science-verification
    realbogus night repo "u/me/night-*" -o nights.html --tables drift
    realbogus night repo u/me/night-20260601 --score score_nodia -c min_ratio=1.5
    """,
)
@click.argument("repo")
@click.argument("collection")
@click.option(
    "--reference", help="Collection, or pattern, to compare with; by default the rest of the night."
)
@click.option("--where", default="", help="Butler expression to select images, such as \"band = 'r'\".")
@click.option("--score", default="score", show_default=True, help="Column of scores.")
@click.option("--scores", "dataset_type", default="dia_source_reliability", show_default=True,
              help="Dataset of scores.")  # fmt: skip
@click.option("-c", "--config", "settings", multiple=True, metavar="NAME=VALUE",
              help="What counts as drift, such as min_ratio=1.5.")  # fmt: skip
@click.option("-o", "--output", type=LocalPath(dir_okay=False), help="Page to write.")
@click.option("--tables", type=LocalPath(file_okay=False),
              help="Folder for the counts of all images and all comparisons (parquet), the metrics (JSON) "
              "and the figures (SVG).")  # fmt: skip
@overwrite_option
def command(
    repo: str,
    collection: str,
    reference: str | None,
    where: str,
    score: str,
    dataset_type: str,
    settings: tuple[str, ...],
    output: Path | None,
    tables: Path | None,
    overwrite: bool,
) -> None:
    """Compare rates and scores of COLLECTION, a name or a pattern with *, by visit and detector.

    Numbers of sources, rates above the threshold, fractions without a score and distributions of scores are
    compared with those of a reference.
    """
    from ..evaluation import NightOptions, compare_night
    from ..report import draw_night, write_night_page
    from ..repository import find_collections, read_focal_plane

    options = from_settings(NightOptions(), settings)

    def read(pattern: str) -> AstropyTable:
        return _read(repo, find_collections(repo, pattern), where, score, dataset_type, options)

    night = compare_night(read(collection), None if reference is None else read(reference), options)
    if tables is None and output is None:
        return _show(night)
    corners = read_focal_plane(repo, find_collections(repo, collection))
    if tables is not None:
        written = {"counts": night.counts, "drift": night.drift}
        write_results(tables, written, night.metrics, draw_night(night, corners), overwrite=overwrite)
        say(f"Wrote {tables}")
    if output is not None:
        provenance = {
            "repository": repo,
            "collection": collection,
            "reference": reference or "each visit, detector or collection against the rest",
            "scores": f"{score} of {dataset_type}" + (f" where {where}" if where else ""),
        }
        title = f"Scores of {collection}"
        write_night_page(
            output, night, title=title, corners=corners, provenance=provenance, overwrite=overwrite
        )
        say(f"Wrote {output}")
    _show(night)


def _read(
    repo: str, collections: list[str], where: str, score: str, dataset_type: str, options: NightOptions
) -> AstropyTable:
    from ..repository import read_score_counts

    with following("Images", transient=True) as follow:
        return read_score_counts(
            repo,
            collections,
            where=where,
            score=score,
            dataset_type=dataset_type,
            options=options,
            follow=lambda done, total: follow(done, total, ""),
        )


def _show(night: Night) -> None:
    from rich.table import Table

    console = terminal()
    counts = night.counts
    console.print(
        f"{len(counts)} images, {counts['n'].sum()} sources, {counts['n_scored'].sum()} with a score, "
        f"{counts['n_above'].sum()} of at least {night.options.threshold:g}"
    )
    table = Table("group", "", "quantity", "value", "reference", "ratio", "q", box=None, pad_edge=False)
    for column in table.columns[3:]:
        column.justify = "right"
    for row in night.drifted[:_SHOWN]:
        group = str(row["group"])
        table.add_row(
            group,
            str(row[group]),
            str(row["quantity"]),
            *(f"{row[name]:.3g}" for name in ("value", "reference", "ratio", "q_value")),
        )
    if table.row_count:
        console.print(table)
    against = "the rest" if night.is_own_reference else "the reference"
    console.print(f"{len(night.drifted)} of {len(night.drift)} comparisons with {against} have drifted.")
