"""Checkpoints: everything that a training run needs to go on as if it had not been interrupted."""

from __future__ import annotations

__all__ = ("Checkpoint",)

import hashlib
import json
import zipfile
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..tables import atomic_output

type Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Checkpoint:
    """A file with the state of a training run.

    Parameters
    ----------
    path
        The file, replaced as a whole whenever a state is saved.
    run
        What decides the course of the run (options, layers, steps): a file of another run is refused.
    """

    path: Path
    run: Mapping[str, Any]

    def _identity(self) -> str:
        return hashlib.sha256(json.dumps(self.run, sort_keys=True).encode()).hexdigest()

    def save(self, arrays: Mapping[str, Any], notes: Mapping[str, Any]) -> None:
        """Write a state.

        Parameters
        ----------
        arrays
            Arrays by name.
        notes
            What JSON can say.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        text = json.dumps({"run": self._identity(), **notes})
        with atomic_output(self.path, overwrite=True) as place, place.open("wb") as file:
            np.savez(file, **{**arrays, "notes": np.frombuffer(text.encode(), np.uint8)})

    def load(self) -> tuple[dict[str, Array], dict[str, Any]] | None:
        """Read the last state.

        Returns
        -------
        tuple or None
            Arrays and notes as they were saved, `None` if nothing was.

        Raises
        ------
        InvalidInputError
            Raised if the file belongs to another run or cannot be read.
        """
        if not self.path.exists():
            return None
        try:
            with np.load(self.path, allow_pickle=False) as content:
                arrays = {name: content[name] for name in content.files}
            notes = json.loads(arrays.pop("notes").tobytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile, zlib.error) as error:
            raise InvalidInputError(
                f"{self.path} is no checkpoint, or a damaged one: {error}; remove it to begin anew"
            ) from error
        if notes.pop("run") != self._identity():
            raise InvalidInputError(
                f"{self.path} is the checkpoint of a run with other options, layers or data; remove it, or "
                "keep the checkpoints of this run elsewhere"
            )
        return arrays, notes
