"""`realbogus explain`: what decides scores."""

from __future__ import annotations

__all__ = ("command",)

import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import click

from ..options import from_settings
from ..tables import atomic_output, write_table_file
from ._command import Command, say
from ._common import FILE, OUTPUT, label_options, label_source, overwrite_option

if TYPE_CHECKING:
    from ..cutouts import DifferenceSign, StampBatch
    from ..model import Contract
    from ..repository import LabelSource


@click.command(
    "explain",
    cls=Command,
    examples="""
    realbogus explain --run repo u/me/realbogus -o explanation.html
    realbogus explain --run repo u/me/ap --match fakes_goodSeeingDiff_matchDiaSrc --unmatched-is-bogus
    realbogus explain stamps.npz -m mine.rbmodel -o explanation.html --table explanation.parquet
    realbogus explain stamps.npz -m a.rbmodel -m b.rbmodel -o ensemble.html -c embedding.method=pca
    """,
)
@click.argument("file", required=False, type=FILE)
@click.option(
    "--run", nargs=2, metavar="REPO COLLECTION", help="Stamps and labels of this collection of a Butler."
)
@click.option("--where", default="", help='Butler expression that selects images, such as "visit = 42".')
@click.option("-m", "--model", "models", multiple=True, default=("package:dia",), show_default=True,
              help="Model: package:NAME, path or URI of an .rbmodel file; several: an ensemble.")  # fmt: skip
@click.option("-o", "--output", type=OUTPUT, default=Path("explanation.html"), show_default=True,
              help="Page to write.")  # fmt: skip
@click.option("--table", "table_file", type=OUTPUT, help="Write the table of all sources, a row each, here.")
@click.option("--winners", "winners_file", type=OUTPUT, help="Write the table of images by outcome here.")
@click.option("--max-sources", type=click.IntRange(min=1), default=3000, show_default=True,
              help="Sources to explain, spread evenly over the images or the file.")  # fmt: skip
@click.option("--difference-sign", type=click.Choice(["science-minus-template", "as-detected"]),
              help="As for realbogus score.")  # fmt: skip
@click.option("-c", "--config", "settings", multiple=True, metavar="NAME=VALUE",
              help="As threshold=0.7 or embedding.method=pca; all are in doc/options.md.")  # fmt: skip
@label_options
@overwrite_option
def command(
    file: Path | None,
    run: tuple[str, str] | None,
    where: str,
    models: tuple[str, ...],
    output: Path,
    table_file: Path | None,
    winners_file: Path | None,
    max_sources: int,
    difference_sign: DifferenceSign | None,
    settings: tuple[str, ...],
    match: str,
    unmatched_is_bogus: bool,
    overwrite: bool,
) -> None:
    """Explain the scores of the stamps in FILE (npz, parquet, FITS) or of a --run on a page to look at.

    The page shows which image decides, a map of the sources, and the hardest cases, which can be labelled
    there. It is one file that needs nothing else. Needs the extra 'train' (TensorFlow).
    """
    if (file is None) == (run is None):
        raise click.UsageError("give a file of stamps or --run REPO COLLECTION")
    from ..explanation import ExplanationOptions, count_winners, explain_stamps, load_explainer
    from ..report import write_explanation_page

    options = from_settings(ExplanationOptions(), settings)
    labels = label_source(match, unmatched_is_bogus, has_run=run is not None)
    with contextlib.ExitStack() as stack:
        page, *tables = (
            None if path is None else stack.enter_context(atomic_output(path, overwrite=overwrite))
            for path in (output, table_file, winners_file)
        )
        assert page is not None
        explainer = load_explainer(*models)
        batches, total = _read(file, run, where, explainer.contract, max_sources, difference_sign, labels)
        explanation = explain_stamps(explainer, batches, options)
        winners = count_winners(explanation.table)
        name = " ".join(run) if run else str(file)
        note = f"{len(explanation.table)} of {total} sources of {name}."
        write_explanation_page(
            page, explainer, explanation, batches, options, title="What decides the scores", note=note
        )
        for path, table in zip(tables, (explanation.table, winners), strict=True):
            if path is not None:
                write_table_file(table, path)
    say(f"{output}: {note}")
    for row in winners:
        if row["n"]:
            shares = ", ".join(f"{image} {row[image]}" for image in explainer.contract.inputs)
            say(f"{row['outcome']}: {row['n']} sources; decided by {shares}")


def _read(
    file: Path | None,
    run: tuple[str, str] | None,
    where: str,
    contract: Contract,
    max_sources: int,
    difference_sign: DifferenceSign | None,
    labels: LabelSource,
) -> tuple[list[StampBatch], int]:
    """Return the stamps to explain, and of how many sources they were chosen."""
    if file is not None:
        from ..cutouts import open_stamp_file
        from ..explanation import read_stamp_batches

        with open_stamp_file(file) as opened:
            total = opened.n_rows
        chosen = read_stamp_batches(file, contract, max_sources=max_sources, difference_sign=difference_sign)
        return list(chosen), total
    from ..repository import read_stamps_with_labels

    assert run is not None
    return read_stamps_with_labels(*run, where=where, max_sources=max_sources, labels=labels)
