"""`realbogus truth`: what sources really are, and where injected ones are lost."""

from __future__ import annotations

__all__ = ("command",)

import typing
from pathlib import Path

import click
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from ..errors import InvalidInputError
from ._command import Group, is_quiet, say
from ._common import OUTPUT, FiniteRange, overwrite_option

if typing.TYPE_CHECKING:
    from astropy.table import Table as AstropyTable

where_option = click.option("-d", "--where", default="", help='Restrict the images, as "visit IN (1, 2)".')


@click.group("truth", cls=Group, help="What sources really are, and where injected ones are lost.")
def command() -> None:
    """Group the commands about truth."""


@command.command(
    "budget",
    examples="""
    realbogus truth budget repo u/me/realbogus
    realbogus truth budget repo u/me/realbogus --threshold 0.7 -o losses.parquet
    """,
)
@click.argument("repo")
@click.argument("collection")
@where_option
@click.option("--model", help="Name of the model whose scores count.  [default: the first]")
@click.option(
    "--threshold", type=FiniteRange(0, 1), default=0.5, show_default=True, help="Score of a kept source."
)
@click.option("--flag", "flags", multiple=True, help="Flag of which none may be set; may be repeated.")
@click.option("--association", default="dia_source_association", show_default=True,
              help="Dataset type of the objects that sources are of.")  # fmt: skip
@click.option("-o", "--output", type=OUTPUT, help="Table with the end of every injected source.")
@overwrite_option
def budget(
    repo: str,
    collection: str,
    where: str,
    model: str | None,
    threshold: float,
    flags: tuple[str, ...],
    association: str,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Say of COLLECTION in the Butler REPO at which step injected sources were lost, and why."""
    from ..repository import read_associations, read_collection
    from ..tables import write_table_file
    from ..truth import BudgetRules, loss_budget

    results = read_collection(repo, collection, where=where)
    if not len(results.fates):
        raise InvalidInputError(f"{collection} has no injected sources (no injected_supernova_fate)")
    if model is not None and model not in results.models:
        raise InvalidInputError(f"no scores of {model}; there are {', '.join(results.models) or 'none'}")
    score = results.models[model] if model else next(iter(results.models.values()), "score")
    rules = BudgetRules(threshold=threshold)
    losses = loss_budget(
        results.fates,
        results.sources,
        score=score,
        rules=rules.replace(bad_flags=flags) if flags else rules,
        association=read_associations(repo, collection, association),
    )
    if output is not None:
        write_table_file(losses.rows, output, overwrite=overwrite)
    _show_budget(losses.table())
    if output is not None:
        say(f"Wrote {output}")


@command.command(
    "labels",
    examples="""
    realbogus truth labels repo u/me/realbogus
    realbogus truth labels repo u/me/realbogus -o differ.ecsv
    """,
)
@click.argument("repo")
@click.argument("collection")
@where_option
@click.option("-o", "--output", type=OUTPUT, help="Table of the sources whose labels differ.")
@overwrite_option
def labels(repo: str, collection: str, where: str, output: Path | None, overwrite: bool) -> None:
    """Compare labels by position and by the mask of injected light in COLLECTION of the Butler REPO."""
    from ..repository import read_collection
    from ..tables import write_table_file
    from ..truth import compare_labels, labels_differ

    sources = read_collection(repo, collection, where=where).sources
    if "mask_label" not in sources.colnames:
        raise InvalidInputError(f"{collection} has no labels by the mask: run matchDiaSources again")
    if output is not None:
        write_table_file(sources[labels_differ(sources)], output, overwrite=overwrite)
    _show(compare_labels(sources), f"{len(sources)} sources, {int(labels_differ(sources).sum())} differ")
    if output is not None:
        say(f"Wrote {output}")


def _show_budget(table: AstropyTable) -> None:
    shown = Table("step", "reason", box=SIMPLE_HEAD, pad_edge=False)
    for heading in ("sources", "of all", "left"):
        shown.add_column(heading, justify="right")
    before = ""
    for row in table:
        step = str(row["step"])
        name = step if step != before else ""
        left = str(row["n_left"]) if name and step != "kept" else ""
        shown.add_row(name, str(row["reason"]), str(row["n"]), f"{row['fraction']:.1%}", left)
        before = step
    shown.add_section()
    shown.add_row("injected", "", str(table["n"].sum()), f"{table['fraction'].sum():.1%}")
    Console(quiet=is_quiet()).print(shown)


def _show(table: AstropyTable, title: str) -> None:
    shown = Table(*table.colnames, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)
    for row in table:
        shown.add_row(*(str(value) for value in row))
    Console(quiet=is_quiet()).print(shown)
