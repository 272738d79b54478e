"""What commands show on a terminal: text as it is, plain tables, bars for counts of images."""

from __future__ import annotations

__all__ = ("Follow", "following", "plain_table", "terminal")

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ._command import is_quiet

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

#: Called with the number of images done, the number of all and what was done.
Follow = Callable[[int, int, str], None]


def terminal(*, stderr: bool = False) -> Console:
    """Make a console that shows names and paths as they are, brackets and colons too; silent if ``--quiet``.

    Parameters
    ----------
    stderr
        Write to the standard error, where progress belongs.
    """
    from rich.console import Console

    return Console(quiet=is_quiet(), stderr=stderr, markup=False, emoji=False)


def plain_table(*headings: str, title: str | None = None) -> Table:
    """Make a table without a frame.

    Parameters
    ----------
    *headings
        Of its columns.
    title
        Text above it.
    """
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    return Table(*headings, title=title, title_justify="left", box=SIMPLE_HEAD, pad_edge=False)


@contextmanager
def following(title: str, console: Console | None = None, *, transient: bool = False) -> Iterator[Follow]:
    """Show a bar for a count that is known at the first report.

    Parameters
    ----------
    title
        Text before the bar.
    console
        Where to; by default the standard error.
    transient
        Take the bar away at the end.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:<10}", markup=False), BarColumn(), MofNCompleteColumn())
    what_column = TextColumn("{task.fields[what]}", markup=False)
    bar = Progress(
        *columns,
        TimeElapsedColumn(),
        what_column,
        console=console or terminal(stderr=True),
        transient=transient,
    )
    with bar:
        task = bar.add_task(title, total=None, what="")

        def follow(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, what=what)

        yield follow
        if bar.tasks[0].total is None:
            bar.update(task, completed=1, total=1, what="there already")
