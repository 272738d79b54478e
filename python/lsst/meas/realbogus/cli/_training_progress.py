"""How training goes on, on a terminal."""

from __future__ import annotations

__all__ = ("TrainingProgress",)

from typing import TYPE_CHECKING

import click

from ._command import is_quiet

if TYPE_CHECKING:
    from ..training import EpochFigures


class TrainingProgress:
    """A bar of the steps of an epoch, and a line of figures for each epoch; a context manager.

    Parameters
    ----------
    title
        What is trained.
    """

    def __init__(self, title: str) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        console = Console(stderr=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[figures]}"),
            console=console,
            disable=is_quiet() or not console.is_terminal,
        )
        self._title = title
        self._task = self._bar.add_task(title, total=None, figures="")

    def __enter__(self) -> TrainingProgress:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        """Move the bar; see `Watcher.step`."""
        description = f"{self._title}, epoch {epoch + 1}"
        self._bar.update(self._task, completed=step + 1, total=n_steps, description=description)

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        """Show the figures of an epoch; see `Watcher.epoch`."""
        text = (
            f"loss {figures.loss:.4f}, AUC {figures.auc:.4f}, TPR at 1 % FPR {figures.tpr:.3f} "
            f"(learning: loss {figures.training_loss:.4f})"
        )
        self._bar.update(self._task, figures=text)
        if not is_quiet():
            click.echo(f"{self._title}, epoch {epoch + 1}: {text}", err=True)
