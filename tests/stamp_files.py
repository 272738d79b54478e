"""Stamp files of every kind, and runs of `realbogus score` that stop."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow.parquet as pq
import pytest
from astropy.io import fits
from astropy.table import Table
from lsst.daf.butler.formatters.parquet import astropy_to_arrow

from lsst.meas.realbogus.model import Classifier

Stamps = dict[str, npt.NDArray[np.float32]]


def write_npz(path: Path, stamps: Stamps, ids: Any, *, packed: bool = False) -> None:
    (np.savez_compressed if packed else np.savez)(path, id=ids, **stamps)


def write_fits(path: Path, stamps: Stamps, ids: Any) -> None:
    cubes = [fits.ImageHDU(cube, name=role.upper()) for role, cube in stamps.items()]
    hdus = [fits.PrimaryHDU(), *cubes, fits.BinTableHDU(Table({"diaSourceId": ids}))]
    fits.HDUList(hdus).writeto(path)


def write_parquet(path: Path, stamps: Stamps, ids: Any, **options: Any) -> None:
    pq.write_table(astropy_to_arrow(Table({"id": ids, **stamps})), path, **options)


def stop_scoring(monkeypatch: pytest.MonkeyPatch, call: int) -> list[int]:
    """Interrupt what asks a model for scores the given time, and return a list that grows with each time."""
    real, calls = Classifier.score, []

    def score(self: Classifier, *args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == call:
            raise KeyboardInterrupt
        return real(self, *args, **kwargs)

    monkeypatch.setattr(Classifier, "score", score)
    return calls
