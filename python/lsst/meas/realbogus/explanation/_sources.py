"""Stamps with what is known of their sources, from tables and from files."""

from __future__ import annotations

__all__ = ("labelled_batch", "read_stamp_batches")

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..cutouts import DifferenceSign, StampBatch, open_stamp_file
from ..model import Contract
from ..tables import NO_ID
from ..truth import Label
from ._explain import KNOWN, check_roles


def labelled_batch(
    cutouts: Table, match: Table | None = None, *, visit: int = NO_ID, detector: int = NO_ID
) -> StampBatch:
    """Take the sources of one image with their labels.

    Parameters
    ----------
    cutouts
        A ``dia_source_cutouts`` table.
    match
        The ``dia_source_match`` of these sources, in any order; sources that are not in it are undecided.
    visit, detector
        Of the image.

    Returns
    -------
    StampBatch
        Its sources, in order, with columns for `explain_stamps`.
    """
    n = len(cutouts)
    columns: dict[str, npt.NDArray[Any]] = {
        "visit": np.full(n, visit),
        "detector": np.full(n, detector),
        "snr": np.asarray(cutouts["snr"], np.float32),
        "label": np.full(n, int(Label.UNDECIDED)),
        "kind": np.full(n, "", "U24"),
    }
    if match is not None and len(match):
        ids, wanted = np.asarray(match["diaSourceId"]), np.asarray(cutouts["diaSourceId"])
        order = np.argsort(ids, kind="stable")
        place = order[np.minimum(np.searchsorted(ids, wanted, sorter=order), len(ids) - 1)]
        known = ids[place] == wanted
        name = "kind" if "kind" in match.colnames else "label_reason"
        columns["label"][known] = np.asarray(match["label"])[place[known]]
        columns["kind"][known] = np.asarray(match[name]).astype(str)[place[known]]
    return StampBatch.from_table(cutouts, columns)


def read_stamp_batches(
    path: Path,
    contract: Contract,
    *,
    max_sources: int | None = None,
    difference_sign: DifferenceSign | None = None,
) -> Iterator[StampBatch]:
    """Read the sources of a stamp file for an explanation.

    Parameters
    ----------
    path
        A stamp file, see `~lsst.meas.realbogus.cutouts.open_stamp_file`. Columns ``label`` (1 real, 0 bogus),
        ``kind``, ``snr``, ``visit`` and ``detector`` are used where it has them.
    contract
        The model's, which says what images are needed.
    max_sources
        Sources to read at most, spread evenly over the file; `None` for all.
    difference_sign
        As for `~lsst.meas.realbogus.cutouts.open_stamp_file`.

    Yields
    ------
    StampBatch
        Sources in order.

    Raises
    ------
    InvalidInputError
        Raised if the file lacks an image.
    """
    with open_stamp_file(path, difference_sign=difference_sign) as file:
        check_roles(contract, file.roles)
        names = [name for name in KNOWN if file.has_column(name)]
        rows = np.arange(file.n_rows)
        if max_sources is not None and file.n_rows > max_sources:
            rows = np.linspace(0, file.n_rows - 1, max_sources).astype(int)
        start = 0
        for batch in file.batches(columns=names, psf=contract.psf is not None):
            here = rows[slice(*np.searchsorted(rows, (start, start + len(batch))))] - start
            start += len(batch)
            if here.size:
                yield batch[here]
