"""`realbogus report`: one page about a run."""

from __future__ import annotations

__all__ = ("command",)

from pathlib import Path

import click

from ._command import Command, say
from ._common import FiniteRange, LocalPath, overwrite_option


@click.command(
    "report",
    cls=Command,
    examples="""
    realbogus report repo u/me/realbogus -o report.html
    realbogus report repo u/me/realbogus -o r.html --where "band = 'r'" --threshold 0.7 --overwrite
    """,
)
@click.argument("repo")
@click.argument("collection")
@click.option("-o", "--output", type=LocalPath(dir_okay=False), default=Path("report.html"),
              show_default=True, help="Page to write.")  # fmt: skip
@click.option("--where", default="", help='Butler expression to select images, such as "visit = 42".')
@click.option("--threshold", type=FiniteRange(0, 1), default=0.5, show_default=True,
              help="Score from which a source is called real.")  # fmt: skip
@click.option("--max-sources", type=click.IntRange(min=0), default=10_000, show_default=True,
              help="Sources to look through, spread evenly over the images; 0 for none.")  # fmt: skip
@click.option("--title", help="Heading of the page; by default the name of the collection.")
@overwrite_option
def command(
    repo: str,
    collection: str,
    output: Path,
    where: str,
    threshold: float,
    max_sources: int,
    title: str | None,
    overwrite: bool,
) -> None:
    """Write a page about COLLECTION of the Butler REPO: scores, losses, validation, kinds, stamps, software.

    The page is one file that needs nothing else. Sources to look through are those whose stamps the task
    extractCutouts has kept.
    """
    from ..repository import open_repository
    from ..tables import atomic_output
    from ._run_page import write_run_page
    from ._software import package_version

    provenance = {"repository": repo, "collection": collection}
    if where:
        provenance["images"] = where
    provenance["page made by"] = f"realbogus report of meas_realbogus {package_version()}"
    with atomic_output(output, overwrite=overwrite) as page, open_repository(repo, collection) as butler:
        summary = write_run_page(
            page,
            butler,
            collection,
            title=title or f"Real/bogus report of {collection}",
            where=where,
            threshold=threshold,
            max_sources=max_sources,
            provenance=provenance,
        )
    say(f"{output}: {summary.n_sources} sources on {summary.n_images} images of {collection}")
