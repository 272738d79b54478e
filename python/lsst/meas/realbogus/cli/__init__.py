"""The command `realbogus`."""

from __future__ import annotations

__all__ = ("main",)

import importlib
from collections.abc import Mapping

import click

from ._command import Group
from ._software import package_version

# Command name -> module of this package that holds it as ``command``; imported on use.
_COMMANDS: Mapping[str, str] = {
    "cutouts": "cutouts",
    "demo": "demo",
    "explain": "explain",
    "evaluate": "evaluate",
    "fakes": "fakes",
    "lightcurves": "lightcurves",
    "model": "model",
    "night": "night",
    "report": "report",
    "score": "score",
    "survey": "survey",
    "train": "train",
    "truth": "truth",
    "validate": "validate",
}


class _LazyGroup(Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        command = importlib.import_module(f"{__name__}.{_COMMANDS[cmd_name]}").command
        assert isinstance(command, click.Command)
        return command


def _show_version(ctx: click.Context, param: click.Parameter, wanted: bool) -> None:
    if wanted:
        click.echo(f"realbogus, version {package_version()}")
        ctx.exit()


@click.group(cls=_LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show the version and exit.",
)
def main() -> None:
    """Fake supernovae, stamps and real/bogus scores of difference-image sources."""
