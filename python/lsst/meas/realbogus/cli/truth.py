"""`realbogus truth`: what sources really are, and where injected ones are lost."""

from __future__ import annotations

__all__ = ("command",)

import functools
import typing
from collections.abc import Callable
from pathlib import Path

import click

from ..errors import InvalidInputError
from ._command import Group, say
from ._common import FILE, OUTPUT, FiniteRange, label_options, label_source, overwrite_option
from ._terminal import plain_table, terminal

if typing.TYPE_CHECKING:
    from astropy.table import Table as AstropyTable

    from ..repository import Dc2Comparison
    from ..truth import DetectionCounts

where_option = click.option("-d", "--where", default="", help='Restrict the images, as "visit IN (1, 2)".')


@click.group("truth", cls=Group, help="What sources really are, and where injected ones are lost.")
def command() -> None:
    """Group the commands about truth."""


@command.command(
    "budget",
    examples="""
    realbogus truth budget repo u/me/realbogus
    realbogus truth budget repo u/me/realbogus --threshold 0.7 -o losses.parquet
    realbogus truth budget repo u/me/ap --match fakes_goodSeeingDiff_matchDiaSrc
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
@label_options
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
    match: str,
    unmatched_is_bogus: bool,
    overwrite: bool,
) -> None:
    """Say of COLLECTION in the Butler REPO at which step injected sources were lost, and why."""
    from ..repository import read_associations, read_collection
    from ..tables import write_table_file
    from ..truth import BudgetRules, loss_budget

    source = label_source(match, unmatched_is_bogus)
    results = read_collection(repo, collection, where=where, labels=source)
    if not len(results.fates):
        tables = " or ".join(dict.fromkeys(("injected_supernova_fate", match)))
        raise InvalidInputError(f"{collection} has no injected sources (no {tables})")
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
    shown = plain_table("step", "reason")
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
    terminal().print(shown)


def _show(table: AstropyTable, title: str) -> None:
    shown = plain_table(*table.colnames, title=title)
    for row in table:
        shown.add_row(*(str(value) for value in row))
    terminal().print(shown)


@command.command(
    "dc2",
    examples="""
    realbogus truth dc2 repo u/me/ap --supernovae sne_cosmoDC2_v1.1.4_MS_DDF.db
    realbogus truth dc2 repo u/me/ap --summary sn_summary.parquet --variability sn_variability.parquet
    realbogus truth dc2 repo u/me/ap --supernovae sne.db --dmtn-274 --sources goodSeeingDiff_diaSrcTable
    """,
)
@click.argument("repo")
@click.argument("collection")
@where_option
@click.option("--supernovae", type=FILE, help="SALT2 parameters of supernovae (sne_params).")
@click.option(
    "--summary", "summaries", type=FILE, multiple=True, help="Objects (truth_summary); may be repeated."
)
@click.option("--variability", "light_curves", type=FILE, multiple=True,
              help="Light curves (…_variability_truth) of these objects; may be repeated.")  # fmt: skip
@click.option("--dmtn-274", "dmtn_274", is_flag=True, help="Only the images that DMTN-274 lists.")
@click.option("--sources", default="dia_source_unstandardized", show_default=True,
              help="Dataset type of DIA sources.")  # fmt: skip
@click.option(
    "--image", default="difference_image", show_default=True, help="Dataset type whose mask counts."
)
@click.option("--radius", type=FiniteRange(min=0, min_open=True), default=1.0, show_default=True,
              help="Arcsec between a source and its change.")  # fmt: skip
@click.option("--one-to-one", is_flag=True, help="Match mutual nearest neighbours only.")
@click.option("--put", "run", metavar="RUN", help="Write visit_truth for matchDiaSources to this collection.")
@click.option("-o", "--output", type=OUTPUT, help="Table of all changes, with their sources.")
@overwrite_option
def dc2(
    repo: str,
    collection: str,
    where: str,
    supernovae: Path | None,
    summaries: tuple[Path, ...],
    light_curves: tuple[Path, ...],
    dmtn_274: bool,
    sources: str,
    image: str,
    radius: float,
    one_to_one: bool,
    run: str | None,
    output: Path | None,
    overwrite: bool,
) -> None:
    """Count, as DMTN-274 does, what COLLECTION in the Butler REPO has found of DC2's changes of the sky."""
    from ..repository import compare_with_dc2
    from ..tables import write_table_file
    from ..truth import read_dc2_selection, read_dc2_tables

    if supernovae is None and not light_curves:
        raise click.UsageError("give --supernovae, or --summary and --variability")
    read = functools.partial(
        read_dc2_tables, supernovae=supernovae, summaries=summaries, variability=light_curves
    )
    compared = compare_with_dc2(
        repo,
        collection,
        read,
        where=where,
        selection=read_dc2_selection() if dmtn_274 else None,
        sources=sources,
        image=image,
        radius=radius,
        one_to_one=one_to_one,
        run=run,
    )
    if output is not None:
        write_table_file(compared.objects, output, overwrite=overwrite)
    _show_detections(compared)
    if output is not None:
        say(f"Wrote {output}")
    if run is not None:
        say(f"Wrote {compared.n_images} tables visit_truth in {run}")


def _show_detections(compared: Dc2Comparison) -> None:
    title = f"{compared.n_images} images"
    shown = plain_table("", title=title)
    both = {"all": compared.counts, "on good pixels": compared.on_good_pixels}
    for heading in both:
        shown.add_column(heading, justify="right")
    rows: dict[str, Callable[[DetectionCounts], str]] = {
        "DIA sources": lambda counts: str(counts.n_sources),
        "matching the truth": lambda counts: str(counts.n_matched),
        "not matching (false positives)": lambda counts: str(counts.n_unmatched),
        "truth objects": lambda counts: str(counts.n_truth),
        "missed": lambda counts: str(counts.n_missed),
        "missed, of all": lambda counts: f"{counts.missed_fraction:.1%}" if counts.n_truth else "none",
    }
    for name, text in rows.items():
        shown.add_row(name, *(text(counts) for counts in both.values()))
    terminal().print(shown)
