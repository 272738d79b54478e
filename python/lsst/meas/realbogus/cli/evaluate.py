"""`realbogus evaluate`: how good scores are."""

from __future__ import annotations

__all__ = ("command",)

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..errors import InvalidInputError
from ..options import from_settings
from ..tables import atomic_output, read_table_file
from ._command import Command, say
from ._common import FILE, LocalPath, label_options, label_source, overwrite_option
from ._results import write_results

if TYPE_CHECKING:
    from astropy.table import Table

    from ..evaluation import ScoredSample
    from ..repository import LabelSource


@click.command(
    "evaluate",
    cls=Command,
    examples="""
    realbogus evaluate repo u/me/realbogus -o evaluation
    realbogus evaluate repo u/me/realbogus -o evaluation --where "band = 'r'" -c criteria.threshold=0.6
    realbogus evaluate repo u/me/ap -o evaluation --match fakes_goodSeeingDiff_matchDiaSrc
    realbogus evaluate scores.parquet --labels labels.csv -o evaluation --format csv
    """,
)
@click.argument("source")
@click.argument("collection", required=False)
@click.option("-o", "--output", required=True, type=LocalPath(file_okay=False),
              help="Folder to write; it is made if need be.")  # fmt: skip
@click.option(
    "--labels", type=FILE, help="Table of labels, joined to a table of scores by diaSourceId or id."
)
@click.option("--where", default="", help='Butler expression to select images, such as "visit = 42".')
@click.option("-c", "--config", "settings", multiple=True, metavar="NAME=VALUE",
              help="What is measured, as criteria.threshold=0.6; see doc/options.md.")  # fmt: skip
@click.option("--format", "ending", type=click.Choice(["ecsv", "csv", "parquet"]), default="ecsv",
              show_default=True, help="Format of the tables.")  # fmt: skip
@label_options
@overwrite_option
def command(
    source: str,
    collection: str | None,
    output: Path,
    labels: Path | None,
    where: str,
    settings: tuple[str, ...],
    ending: str,
    match: str,
    unmatched_is_bogus: bool,
    overwrite: bool,
) -> None:
    """Judge the scores of COLLECTION in the Butler repository SOURCE, or of the table SOURCE.

    A table has columns of scores (score, reliability or score_NAME) and a column label (1 real, 0 bogus, -1
    undecided); others that it may have are in doc/evaluation.md. Real changes that were not detected are rows
    with is_detected false. The folder gets evaluation.html, metrics.json, the sample, all tables, and the
    figures as SVG.
    """
    from ..evaluation import EvaluationOptions, evaluate
    from ..report import draw_evaluation, write_evaluation_page

    options = from_settings(EvaluationOptions(), settings)
    of_run = label_source(match, unmatched_is_bogus, has_run=collection is not None)
    output.mkdir(parents=True, exist_ok=True)
    with atomic_output(output / "evaluation.html", overwrite=overwrite) as page:
        sample = _read(source, collection, labels, where, of_run)
        evaluation = evaluate(sample, options)
        provenance = {"source": source} | ({"collection": collection} if collection else {})
        provenance |= {"where": where} if where else {}
        drawings = draw_evaluation(evaluation)
        title = f"Scores of {collection or source}"
        write_evaluation_page(page, evaluation, title=title, provenance=provenance, drawings=drawings)
        tables = {"sources": sample.table, **evaluation.tables}
        write_results(output, tables, evaluation.metrics, drawings, ending=ending, overwrite=overwrite)
    for row in evaluation.requirement:
        if row["band"] == "all" and row["scope"] == "detected" and math.isnan(row["real_fraction"]):
            say(f"{row['model']}: OSS-REQ-0353 is {row['verdict']} at these sources")
    say(f"{output / 'evaluation.html'}: {len(sample)} rows judged")


def _read(
    source: str, collection: str | None, labels: Path | None, where: str, of_run: LabelSource
) -> ScoredSample:
    from ..evaluation import read_sample
    from ..repository import read_sample_of_run

    if collection is not None:
        if labels is not None:
            raise InvalidInputError(
                f"--labels is for tables; the labels of a collection are its {of_run.match}"
            )
        return read_sample_of_run(source, collection, where=where, labels=of_run)
    if where:
        raise InvalidInputError("--where selects images of a collection; name one after the repository")
    if Path(source).is_dir():
        raise InvalidInputError(
            f"{source} is a folder; to judge a run, name its collection after the repository"
        )
    table = read_table_file(source)
    return read_sample(table if labels is None else _join(table, read_table_file(labels), source, labels))


def _join(scores: Table, labels: Table, source: str, name: Path) -> Table:
    """Put scores beside labels: what has no score is kept without one, what has no label is undecided."""
    import numpy as np
    from astropy.table import join

    for table, called in ((scores, source), (labels, str(name))):
        if "id" in table.colnames and "diaSourceId" not in table.colnames:
            table.rename_column("id", "diaSourceId")
        if "diaSourceId" not in table.colnames:
            raise InvalidInputError(f"{called} has neither diaSourceId nor id to join by")
        ids, counts = np.unique(np.asarray(table["diaSourceId"]), return_counts=True)
        if (twice := ids[(counts > 1) & (ids >= 0)]).size:
            raise InvalidInputError(f"{called}: diaSourceId {twice[0]} stands in more than one row")
    labels.remove_columns([c for c in labels.colnames if c in scores.colnames and c != "diaSourceId"])
    joined = join(labels, scores, keys="diaSourceId", join_type="outer", metadata_conflicts="silent")
    if "label" in joined.colnames and hasattr(joined["label"], "filled"):
        joined["label"] = joined["label"].filled(-1)
    return joined
