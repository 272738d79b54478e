"""What all commands have in common: options of how much they say, examples in their help, how errors end."""

from __future__ import annotations

__all__ = ("Command", "Group", "is_quiet", "say")

import functools
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from ._failures import explain

_LOG = logging.getLogger(__name__)
_META = "lsst.meas.realbogus."
_LEVELS = ("DEBUG", "INFO", "WARNING", "ERROR")


def is_quiet() -> bool:
    """Tell whether the running command was given ``--quiet``: it shows no progress and no summary."""
    return bool(_value("quiet"))


def say(text: str) -> None:
    """Tell what was done, unless the command is to be quiet.

    Parameters
    ----------
    text
        A sentence.
    """
    if not is_quiet():
        click.echo(text)


def _value(name: str) -> Any:
    context = click.get_current_context(silent=True)
    return None if context is None else context.meta.get(_META + name)


def _keep(context: click.Context, parameter: click.Parameter, value: Any) -> None:
    """Keep an option's value where the groups above a command see it."""
    if value:
        context.meta[_META + str(parameter.name)] = value


def _shared_options() -> list[click.Parameter]:
    option = functools.partial(click.Option, expose_value=False, callback=_keep)
    return [
        option(["-v", "--verbose"], count=True, help="Say what is done; twice: in detail."),
        option(
            ["--log-level"],
            type=click.Choice(_LEVELS, case_sensitive=False),
            help="Say what is at least so important.  [default: WARNING]",
        ),
        option(["-q", "--quiet"], is_flag=True, help="No progress, no summary, no warnings."),
        option(["--debug"], is_flag=True, help="Show the traceback of an error."),
    ]


class Command(click.Command):
    """A command with the shared options and with examples.

    Parameters
    ----------
    examples
        Command lines, one a line.
    """

    def __init__(self, *args: Any, examples: str = "", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = tuple(line.strip() for line in examples.strip().splitlines() if line.strip())
        taken = {parameter.name for parameter in self.params}
        self.params += [option for option in _shared_options() if option.name not in taken]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the examples."""
        _write_examples(formatter, self.examples)
        super().format_epilog(ctx, formatter)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command with its messages going to the terminal."""
        with _messages():
            return super().invoke(ctx)


class Group(click.Group):
    """A group of such commands; the examples are the first ones of its commands."""

    command_class = Command
    group_class = type

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params += _shared_options()

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write an example of each command."""
        _write_examples(formatter, self.first_examples(ctx))
        super().format_epilog(ctx, formatter)

    def first_examples(self, ctx: click.Context) -> tuple[str, ...]:
        """Return the first example of each command.

        Parameters
        ----------
        ctx
            Context of the group.

        Returns
        -------
        tuple of str
            Command lines.
        """
        examples: list[str] = []
        for name in self.list_commands(ctx):
            command = self.get_command(ctx, name)
            if isinstance(command, Group):
                examples += command.first_examples(ctx)[:1]
            elif isinstance(command, Command):
                examples += command.examples[:1]
        return tuple(examples)

    def invoke(self, ctx: click.Context) -> Any:
        """Run a command; at the outermost group, make messages of errors."""
        if ctx.parent is not None:
            return super().invoke(ctx)
        try:
            return super().invoke(ctx)
        except BaseException as error:
            failure = explain(error)
            if failure is None or ctx.meta.get(_META + "debug"):
                raise
            raise failure from error


def _write_examples(formatter: click.HelpFormatter, examples: tuple[str, ...]) -> None:
    if examples:
        with formatter.section("Examples"):
            for example in examples:
                formatter.write(f"{'':>{formatter.current_indent}}{example}\n")


class _Messages(logging.Handler):
    """Writes messages to standard error, each once."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Write a message."""
        text = f"{record.levelname.lower()}: {record.getMessage()}"
        if text not in self._said:
            self._said.add(text)
            click.echo(text, err=True)


@contextmanager
def _messages() -> Iterator[None]:
    import astropy  # noqa: F401 (it would show warnings in its own way if it were imported later)

    level = str(_value("log_level") or "").upper()
    if not level:
        level = "ERROR" if is_quiet() else _LEVELS[max(0, 2 - (_value("verbose") or 0))]
    root, lsst = logging.getLogger(), logging.getLogger("lsst")
    handler = _Messages(logging.getLevelNamesMapping()[level])
    before = root.level, lsst.level
    root.addHandler(handler)
    root.setLevel(max(handler.level, logging.WARNING))  # details of other packages are nobody's wish here
    lsst.setLevel(handler.level)
    with warnings.catch_warnings():
        warnings.showwarning = _log_warning
        try:
            yield
        finally:
            root.setLevel(before[0])
            lsst.setLevel(before[1])
            root.removeHandler(handler)


def _log_warning(message: Warning | str, category: type[Warning], *_: object, **__: object) -> None:
    """Say a warning without the line of source where it arose."""
    _LOG.warning("%s", " ".join(str(message).split()))
