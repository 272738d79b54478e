"""`realbogus cutouts`: look at stored stamps."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..tables import atomic_output
from ._command import Group, say
from ._common import LocalPath, label_options, label_source, overwrite_option

if TYPE_CHECKING:
    from ..report import CutoutCard


@click.group("cutouts", cls=Group)
def command() -> None:
    """Stamps of DIA sources."""


@command.command(
    examples="""
    realbogus cutouts show repo u/me/realbogus -o cutouts.html
    realbogus cutouts show repo u/me/realbogus --where "visit = 42 AND detector = 4" --overwrite
    """
)
@click.argument("repo")
@click.argument("collection")
@click.option("-o", "--output", type=LocalPath(dir_okay=False), default=Path("cutouts.html"),
              show_default=True, help="Page to write.")  # fmt: skip
@click.option("--where", default="", help='Butler expression to select images, such as "visit = 42".')
@click.option("--max-sources", type=click.IntRange(min=1), default=1000, show_default=True,
              help="Sources on the page, spread evenly over the images.")  # fmt: skip
@click.option(
    "--cutouts", "cutouts_type", default="dia_source_cutouts", show_default=True, help="Dataset of stamps."
)
@click.option("--scores", "scores_type", default="dia_source_reliability", show_default=True,
              help="Dataset of scores, shown where there is one.")  # fmt: skip
@label_options
@overwrite_option
def show(
    repo: str,
    collection: str,
    output: Path,
    where: str,
    max_sources: int,
    cutouts_type: str,
    scores_type: str,
    match: str,
    unmatched_is_bogus: bool,
    overwrite: bool,
) -> None:
    """Draw a page of the stamps in COLLECTION of the Butler REPO, with scores and flags, to filter and sort.

    The stamps are those that the task extractCutouts keeps. The page is one file that needs nothing else.
    """
    from ..report import make_cards, write_cutouts_page
    from ..repository import open_repository, read_cutouts

    labels = label_source(match, unmatched_is_bogus)
    cards: list[CutoutCard] = []
    total = images = 0
    with (
        atomic_output(output, overwrite=overwrite) as page,
        open_repository(repo, collection) as butler,
    ):
        for stored in read_cutouts(
            butler,
            where=where,
            max_sources=max_sources,
            cutouts=cutouts_type,
            scores=scores_type,
            labels=labels,
        ):
            total, images = total + stored.total, images + 1
            cards += make_cards(stored.cutouts, stored.scores, stored.match, where=stored.where)
        note = f"{len(cards)} of {total} sources on {images} images of {collection}."
        write_cutouts_page(page, cards, title=f"Stamps of {collection}", note=note)
    say(f"{output}: {note}")
