"""Segments of a network's input: which image decides."""

from __future__ import annotations

__all__ = (
    "OUTCOMES",
    "WINNERS",
    "classify_outcomes",
    "count_winners",
    "image_shares",
    "segment_names",
    "split_segments",
)

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..model import Contract
from ..tables import Column, Schema, make_table
from ..truth import Label

type Floats = npt.NDArray[np.float32]

IMAGES = ("difference", "science", "template")
OUTCOMES: Mapping[str, str] = {
    "TP": "real, called real",
    "FN": "real, called bogus",
    "FP": "bogus, called real",
    "TN": "bogus, called bogus",
    "undecided": "of unknown label",
    "unscored": "without a score",
}
"""What became of a source, and what that means; every source has one of these."""

WINNERS: Schema = {
    "outcome": Column("str", "TP, FN, FP, TN, undecided or unscored"),
    "n": Column("int64", "Number of sources."),
    **{
        name: column
        for image in IMAGES
        for name, column in (
            (image, Column("int64", f"Sources in which the {image} has the largest share.")),
            (f"{image}_percent", Column("float64", "The same in per cent of the sources of this outcome.")),
            (f"{image}_mean", Column("float64", f"Mean share of the {image}, NaN for none.")),
        )
    },
}
"""How often each image decides, by outcome; images that the model does not look at win nothing."""


def segment_names(contract: Contract) -> tuple[str, ...]:
    """Name the parts of a network's input.

    Parameters
    ----------
    contract
        The model's.

    Returns
    -------
    tuple of str
        Images in the order of the network, then ``"psf"`` and ``"missing"`` where it is shown these.
    """
    beside = (("psf", contract.psf is not None), ("missing", contract.missing.show))
    return (*contract.inputs, *(name for name, shown in beside if shown))


def split_segments(contract: Contract, pixels: npt.NDArray[Any]) -> dict[str, npt.NDArray[Any]]:
    """Cut an input of a network, or an attribution of it, into its segments.

    Parameters
    ----------
    contract
        The model's.
    pixels
        Shape ``(n, rows, columns, channels)``.

    Returns
    -------
    dict
        By name of the segment, ``(n, size, size)`` each, views.
    """
    names, size = segment_names(contract), contract.stamp_size
    if contract.layout == "side_by_side":
        return {name: pixels[:, :, i * size : (i + 1) * size, 0] for i, name in enumerate(names)}
    return {name: pixels[..., i] for i, name in enumerate(names)}


def image_shares(contract: Contract, sums: Floats) -> dict[str, Floats]:
    """Return I_diff, I_srch and I_tmpl: the share of each image in the saliency (Acero-Cuellar et al. 2023).

    Parameters
    ----------
    contract
        The model's.
    sums
        Saliency summed over each segment, ``(n, s)``, in the order of `segment_names`.

    Returns
    -------
    dict
        Float32 ``(n,)`` for each of difference, science and template, NaN for images that the model does not
        look at and where no pixel has any influence. Those of the images add up to 1. ``psf`` and
        ``missing`` are the saliency of what is shown beside the images over that of the images.
    """
    names = segment_names(contract)
    of = {name: sums[:, i].astype(np.float64) for i, name in enumerate(names)}
    total = np.sum([of[name] for name in contract.inputs], axis=0)
    nothing = np.full(len(sums), np.nan)
    return {
        name: np.divide(of[name], total, out=nothing.copy(), where=total > 0).astype(np.float32)
        if name in of
        else nothing.astype(np.float32)
        for name in (*IMAGES, "psf", "missing")
    }


def classify_outcomes(
    scores: npt.ArrayLike, labels: npt.ArrayLike, threshold: float = 0.5
) -> npt.NDArray[np.str_]:
    """Name the outcome of each source, a key of `OUTCOMES`.

    Parameters
    ----------
    scores
        Shape ``(n,)``, NaN for none.
    labels
        1 real, 0 bogus, -1 undecided.
    threshold
        Score from which a source is called real.

    Returns
    -------
    numpy.ndarray
        Words, shape ``(n,)``.

    Examples
    --------
    >>> classify_outcomes([0.9, 0.1, 0.9, 0.1, 0.5, float("nan")], [1, 1, 0, 0, -1, 1]).tolist()
    ['TP', 'FN', 'FP', 'TN', 'undecided', 'unscored']
    """
    score, label = np.asarray(scores, float), np.asarray(labels)
    called = score >= threshold
    decided = np.where(
        label == Label.REAL, np.where(called, "TP", "FN"), np.where(called, "FP", "TN")
    ).astype("U9")
    decided[label == Label.UNDECIDED] = "undecided"
    decided[~np.isfinite(score)] = "unscored"
    return decided


def count_winners(table: Mapping[str, npt.ArrayLike] | Table) -> Table:
    """Count which image has the largest share, by outcome.

    Parameters
    ----------
    table
        ``outcome``, ``segment`` and ``importance_difference``, ``…_science``, ``…_template``, as from
        `explain_stamps`.

    Returns
    -------
    astropy.table.Table
        A table of the schema `WINNERS`, with a row for each of `OUTCOMES` that there is, and always for the
        first four; ``n`` adds up to the number of sources.
    """
    outcome, segment = np.asarray(table["outcome"]).astype(str), np.asarray(table["segment"]).astype(str)
    names = [name for i, name in enumerate(OUTCOMES) if i < 4 or np.any(outcome == name)]
    columns: dict[str, list[Any]] = {name: [] for name in WINNERS}
    for name in names:
        here = outcome == name
        n = int(here.sum())
        columns["outcome"].append(name)
        columns["n"].append(n)
        for image in IMAGES:
            won = int(np.sum(segment[here] == image))
            share = np.asarray(table[f"importance_{image}"], float)[here]
            known = share[np.isfinite(share)]
            columns[image].append(won)
            columns[f"{image}_percent"].append(100 * won / n if n else np.nan)
            columns[f"{image}_mean"].append(known.mean() if known.size else np.nan)
    return make_table(WINNERS, columns)
