"""`realbogus cutouts`: look at stored stamps."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from ..errors import InvalidInputError
from ..tables import atomic_output
from ._common import overwrite_option

if TYPE_CHECKING:
    from lsst.daf.butler import Butler, DatasetRef

    from ..report import CutoutCard


@click.group("cutouts")
def command() -> None:
    """Stamps of DIA sources."""


@command.command()
@click.argument("repo")
@click.argument("collection")
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), default=Path("cutouts.html"),
              show_default=True, help="Page to write.")  # fmt: skip
@click.option("--where", default="", help='Butler expression to select images, such as "visit = 42".')
@click.option("--max-sources", type=click.IntRange(min=1), default=1000, show_default=True,
              help="Sources on the page, spread evenly over the images.")  # fmt: skip
@click.option(
    "--cutouts", "cutouts_type", default="dia_source_cutouts", show_default=True, help="Dataset of stamps."
)
@click.option("--scores", "scores_type", default="dia_source_reliability", show_default=True,
              help="Dataset of scores, shown where there is one.")  # fmt: skip
@click.option("--match", "match_type", default="dia_source_match", show_default=True,
              help="Dataset of labels, shown where there is one.")  # fmt: skip
@overwrite_option
def show(
    repo: str,
    collection: str,
    output: Path,
    where: str,
    max_sources: int,
    cutouts_type: str,
    scores_type: str,
    match_type: str,
    overwrite: bool,
) -> None:
    """Draw a page of the stamps in COLLECTION of the Butler REPO, with scores and flags, to filter and sort.

    The stamps are those that the task extractCutouts keeps. The page is one file that needs nothing else.
    """
    from lsst.daf.butler import Butler, MissingDatasetTypeError

    from ..report import make_cards, write_cutouts_page

    with (
        atomic_output(output, overwrite=overwrite) as page,
        Butler.from_config(repo, collections=collection) as butler,
    ):
        try:
            refs = butler.query_datasets(cutouts_type, where=where, explain=False, limit=None)
        except MissingDatasetTypeError:
            refs = []
        if not refs:
            raise InvalidInputError(
                f"{repo} has no {cutouts_type} in {collection}" + (f" where {where}" if where else "")
            )
        refs = sorted(refs, key=lambda ref: tuple(ref.dataId.required_values))
        total = 0
        cards: list[CutoutCard] = []
        for number, ref in enumerate(refs):
            table = butler.get(ref)
            total += len(table)
            share = (max_sources - len(cards)) // (len(refs) - number)
            if len(table) > share:
                step = len(table) / max(share, 1)
                table = table[[int(row * step) for row in range(share)]]
            if len(table):
                scores, match = (_find(butler, name, ref) for name in (scores_type, match_type))
                place = ", ".join(f"{key} {ref.dataId[key]}" for key in ("visit", "detector"))
                cards += make_cards(table, scores, match, where=place)
        note = f"{len(cards)} of {total} sources on {len(refs)} images of {collection}."
        write_cutouts_page(page, cards, title=f"Stamps of {collection}", note=note)
    click.echo(f"{output}: {note}")


def _find(butler: Butler, name: str, ref: DatasetRef) -> Any:
    from lsst.daf.butler import DatasetNotFoundError, MissingDatasetTypeError

    try:
        return butler.get(name, ref.dataId)
    except (DatasetNotFoundError, MissingDatasetTypeError):
        return None
