"""Options that commands share."""

from __future__ import annotations

__all__ = (
    "FILE",
    "NEW_REPO",
    "OUTPUT",
    "FiniteRange",
    "LocalPath",
    "label_options",
    "label_source",
    "overwrite_option",
    "parameters_of",
    "preset_option",
)

import functools
import math
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from ..options import Entry, Options
    from ..repository import LabelSource


class LocalPath(click.Path):
    """Paths to write to on this machine; a URI of another is no folder called ``s3:``.

    Parameters
    ----------
    instead
        What to do for other places, for the message.
    **options
        Those of `click.Path`.
    """

    def __init__(self, instead: str = "write a local file and copy it", **options: Any) -> None:
        super().__init__(path_type=Path, **options)
        self._instead = instead

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the text of an option."""
        if "://" in str(value):
            self.fail(f"{value} is not a path on this machine: {self._instead}.", param, ctx)
        return super().convert(value, param, ctx)


FILE = click.Path(path_type=Path, dir_okay=False, exists=True)
OUTPUT = LocalPath()
NEW_REPO = LocalPath("make the repository locally and copy its datasets with butler transfer-datasets")
preset_option = click.option(
    "--preset",
    default="demo",
    show_default=True,
    metavar="NAME",
    help="Survey to simulate: demo, small, medium; lsstcam, decam, hsc, ztf; or training-N, a number N.",
)
overwrite_option = click.option("--overwrite", is_flag=True, help="Replace the output if it exists.")


def label_options[**P, T](command: Callable[P, T]) -> Callable[P, T]:
    """Let a command take the labels of a run from other datasets; see `label_source`.

    Parameters
    ----------
    command
        Function with the parameters ``match`` and ``unmatched_is_bogus``.
    """
    match = click.option(
        "--match",
        metavar="TYPE",
        default="dia_source_match",
        show_default=True,
        help="Dataset type of the labels of a run; also AP's own matches, fakes_goodSeeingDiff_matchDiaSrc.",
    )
    bogus = click.option(
        "--unmatched-is-bogus",
        is_flag=True,
        help="With AP's matches: sources that match no injected one are bogus, not undecided.",
    )
    return match(bogus(command))


def label_source(match: str, unmatched_is_bogus: bool, *, has_run: bool = True) -> LabelSource:
    """Say where labels are.

    Parameters
    ----------
    match, unmatched_is_bogus
        What `label_options` has read.
    has_run
        Whether the command has been given a run.

    Returns
    -------
    LabelSource
        The same as tasks take by ``connections.match``.

    Raises
    ------
    click.UsageError
        If there is nothing that the options are for.
    """
    from ..repository import LabelSource

    source = LabelSource(match, unmatched_is_bogus)
    if source != LabelSource() and not has_run:
        raise click.UsageError("--match and --unmatched-is-bogus are for the labels of a run in a Butler")
    if unmatched_is_bogus and match == LabelSource().match:
        raise click.UsageError("--unmatched-is-bogus is for AP's matches: name them with --match")
    return source


class FiniteRange(click.FloatRange):
    """Numbers of a range; unlike its base it knows that NaN is in none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Convert the text of an option."""
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{number} is not a finite number.", param, ctx)
        return number


@functools.cache
def parameters_of(options: type[Options]) -> tuple[click.Option, ...]:
    """Make options of a command of those that a class declares, with the same limits.

    Parameters
    ----------
    options
        The class; its values are numbers and texts.

    Returns
    -------
    tuple of click.Option
        One for each field.
    """
    from ..options import entries

    return tuple(
        click.Option(
            [f"--{entry.name.replace('_', '-')}"],
            type=_type_of(entry),
            default=entry.default,
            show_default=entry.default is not None,
            help=entry.doc,
        )
        for entry in entries(options)
    )


def _type_of(entry: Entry) -> Any:
    """Return the type of a parameter; a number without limits shows no range, and is checked by the class."""
    limits = entry.limits
    low, high = (
        bound if open_bound is None else open_bound
        for bound, open_bound in ((limits.min, limits.above), (limits.max, limits.below))
    )
    if low is None and high is None:
        return entry.kind
    if entry.kind is int:
        return click.IntRange(None if low is None else int(low), None if high is None else int(high))
    return FiniteRange(low, high, min_open=limits.above is not None, max_open=limits.below is not None)
