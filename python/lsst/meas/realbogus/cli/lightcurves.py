"""`realbogus lightcurves`: look at the objects of a run."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from ..tables import atomic_output
from ._command import Command, say
from ._common import FILE, LocalPath, label_options, label_source, overwrite_option
from ._results import write_results

if TYPE_CHECKING:
    from lsst.daf.butler import Butler

    from ..report import CutoutCard, SourceMap


@click.command(
    "lightcurves",
    cls=Command,
    examples="""
    realbogus lightcurves repo u/me/realbogus -o lightcurves.html
    realbogus lightcurves repo u/me/realbogus --tables light_curves --max-sources 2000
    realbogus lightcurves repo u/me/realbogus -c radius=1 -c confirmation.min_epochs=3 --where "band = 'r'"
    """,
)
@click.argument("repo")
@click.argument("collection")
@click.option("-o", "--output", type=LocalPath(dir_okay=False),
              default=Path("lightcurves.html"), show_default=True, help="Page to write.")  # fmt: skip
@click.option("--where", default="", help='Butler expression to select images, such as "visit < 42".')
@click.option("-c", "--config", "settings", multiple=True, metavar="NAME=VALUE",
              help="As radius=1 or confirmation.min_epochs=3; all are in doc/options.md.")  # fmt: skip
@click.option("--max-sources", type=click.IntRange(min=1), default=10_000, show_default=True,
              help="Sources on the page; those of confirmed objects come first.")  # fmt: skip
@click.option("--map", "map_file", type=FILE,
              help="Map to lay sources out on, as realbogus explain --table writes it; by default "
              "dia_source_explanation of the collection, if it has one.")  # fmt: skip
@click.option("--tables", type=LocalPath(file_okay=False),
              help="Folder for the tables of the task: association, objects, epochs (parquet).")  # fmt: skip
@click.option("--cutouts", "cutouts_type", default="dia_source_cutouts", show_default=True,
              help="Dataset of stamps, shown where there is one.")  # fmt: skip
@label_options
@overwrite_option
def command(
    repo: str,
    collection: str,
    output: Path,
    where: str,
    settings: tuple[str, ...],
    max_sources: int,
    map_file: Path | None,
    tables: Path | None,
    cutouts_type: str,
    match: str,
    unmatched_is_bogus: bool,
    overwrite: bool,
) -> None:
    """Put the sources in COLLECTION of the Butler REPO together to objects, and draw a page of light curves.

    The objects are those of the task associateLightCurves. A map of sources, the light curve of an object
    with the stamps of each epoch, and a list of objects are linked. The page is one file that needs nothing
    else.
    """
    from ..association import Confirmation, LightCurveOptions
    from ..options import from_settings
    from ..report import choose_objects, make_cards, write_light_curves_page
    from ..repository import find_datasets, open_repository, read_cutouts, read_light_curves

    options = from_settings(LightCurveOptions(), settings)
    labels = label_source(match, unmatched_is_bogus)
    cards: list[CutoutCard] = []
    with (
        atomic_output(output, overwrite=overwrite) as page,
        open_repository(repo, collection) as butler,
    ):
        source_map = _read_map(map_file, butler)
        curves = read_light_curves(butler, collection, where=where, options=options, labels=labels)
        shown = np.isin(curves.association["diaObjectId"], choose_objects(curves, max_sources))
        wanted = np.asarray(curves.association["diaSourceId"])[shown]
        if find_datasets(butler, cutouts_type, where):
            for stored in read_cutouts(butler, where=where, cutouts=cutouts_type, labels=labels):
                cutouts = stored.cutouts[np.isin(stored.cutouts["diaSourceId"], wanted)]
                cards += make_cards(cutouts, stored.scores, stored.match, where=stored.where)
        write_light_curves_page(
            page,
            curves,
            cards,
            title=f"Light curves of {collection}",
            source_map=source_map,
            max_sources=max_sources,
        )
        if tables is not None:
            names = ("association", "objects", "epochs")
            write_results(tables, {name: getattr(curves, name) for name in names}, overwrite=overwrite)
    confirmed = int(np.sum(curves.objects["confirmation"] == Confirmation.CONFIRMED))
    say(
        f"{output}: {len(curves.association)} sources of {len(curves.objects)} objects, {confirmed} "
        f"confirmed; {int(shown.sum())} sources on the page, {len(cards)} with stamps"
    )


def _read_map(file: Path | None, butler: Butler) -> SourceMap | None:
    """Read the map of a file, or else that of the run's explanation, if it has one."""
    from ..legacy import get_table
    from ..report import SourceMap
    from ..repository import find_datasets
    from ..tables import Column, apply_schema, read_table_file

    columns = {
        "diaSourceId": Column("int64", "identifier of the source", required=True),
        "embedding_x": Column("float64", "place on the map", required=True),
        "embedding_y": Column("float64", "place on the map", required=True),
    }
    if file is not None:
        name, tables = str(file), [read_table_file(file)]
    else:
        name = "dia_source_explanation"
        tables = [get_table(butler.getDeferred(ref)) for ref in find_datasets(butler, name)]
    if not tables:
        return None
    parts = [apply_schema(table, columns, name=name) for table in tables]
    ids, x, y = (np.concatenate([part[column] for part in parts]) for column in columns)
    return SourceMap(str(parts[0].meta.get("embedding", "map")), ids, np.stack([x, y], axis=1))
