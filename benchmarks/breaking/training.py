"""`realbogus train model` with a checkpoint, given again until the model is there."""

from __future__ import annotations

import dataclasses
import importlib
from pathlib import Path

import numpy as np

from lsst.meas.realbogus.cli import main
from lsst.meas.realbogus.randomness import generator

_SETTINGS = (
    "filters=4,4,4",
    "stamp_size=15",
    "training.epochs=4",
    "training.batch_size=16",
    "training.checkpoint_steps=2",
    "augmentation.borders=0",
    "augmentation.smaller=0",
)


@dataclasses.dataclass(frozen=True)
class Training:
    """A training of a small network.

    Parameters
    ----------
    folder
        Folder of the stamps.
    name
        Of the model and its checkpoint.
    """

    folder: Path
    name: str = ""

    def into(self, name: str) -> Training:
        """Return the same training with another output."""
        return dataclasses.replace(self, name=name)

    def prepare(self, n: int = 240) -> None:
        """Import what takes long, and draw stars and hot pixels on noise."""
        importlib.import_module("keras")
        rng = generator(1, "faults-stamps")
        y, x = np.mgrid[-10:11, -10:11]
        label = (np.arange(n) % 2).astype(np.int8)
        star, pixel = 12 * np.exp(-0.125 * (x**2 + y**2)), 60.0 * (np.hypot(x, y) < 0.5)
        source = np.where(label[:, None, None] == 1, star, pixel)
        template = rng.normal(size=(n, 21, 21)).astype(np.float32)
        science = (rng.normal(size=(n, 21, 21)) + source).astype(np.float32)
        self.folder.mkdir(exist_ok=True)
        images = {"difference": science - template, "science": science, "template": template}
        np.savez(self.folder / "stamps.npz", label=label, **images)

    def run(self) -> int:
        """Give the command in this process."""
        words = ["train", "model", self.folder / "stamps.npz", "-o", self.folder / f"{self.name}.rbmodel"]
        words += ["--checkpoint", self.folder / f"{self.name}-state", "--overwrite"]
        for setting in _SETTINGS:
            words += ["-c", setting]
        try:
            main.main(list(map(str, words)), prog_name="realbogus")
        except SystemExit as end:
            return end.code if isinstance(end.code, int) else 1
        return 0

    def model(self) -> bytes:
        """Return the model file; empty if there is none."""
        path = self.folder / f"{self.name}.rbmodel"
        return path.read_bytes() if path.exists() else b""
