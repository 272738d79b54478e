"""Figures of training for TensorBoard."""

from __future__ import annotations

__all__ = ("TensorBoardLog",)

import dataclasses
from pathlib import Path

from ..errors import MissingDependencyError
from ._figures import EpochFigures


class TensorBoardLog:
    """Writes the figures of each epoch for TensorBoard; a `Watcher`.

    Parameters
    ----------
    folder
        Folder of the event files. What is there stays, so that a run that goes on adds to its figures.

    Raises
    ------
    MissingDependencyError
        Raised if TensorFlow is not installed.
    """

    def __init__(self, folder: Path) -> None:
        try:
            import tensorflow as tf
        except ImportError as error:
            raise MissingDependencyError("TensorFlow is needed; install the extra 'train'") from error
        self._writer = tf.summary.create_file_writer(str(folder))

    def step(self, epoch: int, step: int, n_steps: int) -> None:
        """Write nothing; see `Watcher.step`.

        Parameters
        ----------
        epoch, step, n_steps
            Not used.
        """

    def epoch(self, epoch: int, figures: EpochFigures) -> None:
        """Write the figures of an epoch; see `Watcher.epoch`.

        Parameters
        ----------
        epoch
            Its number, from 0.
        figures
            Its figures.
        """
        import tensorflow as tf

        with self._writer.as_default():
            for name, value in dataclasses.asdict(figures).items():
                tf.summary.scalar(name, value, step=epoch)
        self._writer.flush()
