"""The sources that scores are judged on: what was detected, and what was not."""

from __future__ import annotations

__all__ = ("FLAGS", "SCORED_SOURCE", "ScoredSample", "assume_bogus", "read_sample", "score_columns")

import dataclasses
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidCatalogError, InvalidInputError
from ..tables import NO_ID, Column, Schema, apply_schema, make_table, parse_flags, standard_columns
from ..truth import FAKE, Label, Reason

type Floats = npt.NDArray[np.float64]

SCORED_SOURCE: Schema = {
    "visit": Column("int64", "visit", none=NO_ID),
    "detector": Column("int64", "detector", none=NO_ID),
    "band": Column("str", "band"),
    "diaSourceId": Column("int64", "the DIA source, -1 for a change without one", none=NO_ID),
    "label": Column("int8", "1 real, 0 bogus, -1 undecided", required=True),
    "label_reason": Column("str", "why, as in the labels; the fate of what was not detected"),
    "kind": Column("str", "what made it"),
    "object_id": Column("int64", "the object, the same in every visit; -1 for none", none=NO_ID),
    "is_detected": Column("bool", "False for a real change without a DIA source"),
    "snr": Column("float64", "measured signal to noise in the difference, without sign"),
    "snr_true": Column("float64", "expected signal to noise of the change, NaN where it is not known"),
    "mag": Column("float64", "AB magnitude of the measured flux of the difference", "mag"),
    "mag_true": Column("float64", "AB magnitude of the change", "mag"),
    "host_distance": Column("float64", "distance of a fake from the centre of its host", "arcsec"),
    "host_surface_brightness": Column("float64", "of the host where the fake is", "mag / arcsec2"),
    "edge_distance": Column("float64", "to the nearest border of the difference", "pix"),
}
"""One row for each DIA source, and for each real change that has none; scores and flags stand beside it."""

FLAGS = ("pixelFlags", "flag_", "isDipole", "isNegative")
"""How the names of flags begin by which sources are told apart."""


@dataclasses.dataclass(frozen=True)
class ScoredSample:
    """Sources to judge scores on.

    Parameters
    ----------
    table
        Columns of `SCORED_SOURCE`, one of scores for each model, and flags.
    models
        Column of scores by name of the model.
    """

    table: Table
    models: Mapping[str, str]

    def __post_init__(self) -> None:
        for name, column in self.models.items():
            if column not in self.table.colnames:
                raise InvalidInputError(
                    f"no column {column} of scores of {name}; there are {', '.join(self.table.colnames)}"
                )
            scores = np.asarray(self.table[column], float)
            wrong = np.flatnonzero((scores < 0) | (scores > 1))
            if wrong.size:
                raise InvalidCatalogError(
                    "scores", [f"{column} is {scores[wrong[0]]} at row {wrong[0]}; scores lie in [0, 1]"]
                )

    def __len__(self) -> int:
        return len(self.table)

    @property
    def labels(self) -> npt.NDArray[np.int8]:
        """Labels to measure by; unmatched sources are bogus where nothing else is known to be."""
        return assume_bogus(self.table["label"], self.table["label_reason"])

    @property
    def objects(self) -> npt.NDArray[np.int64]:
        """Number of each row's object, -1 for none; ids of fakes and of the truth are of two namespaces."""
        ids = np.asarray(self.table["object_id"], np.int64)
        fake = np.asarray(self.table["kind"]) == FAKE
        number = 2 * np.unique(ids, return_inverse=True)[1] + fake
        return np.where(ids < 0, NO_ID, number).astype(np.int64)

    @property
    def flags(self) -> tuple[str, ...]:
        """Names of the flags."""
        return tuple(
            name
            for name in self.table.colnames
            if name.startswith(FLAGS) and self.table[name].dtype.kind == "b"
        )

    def scores(self, model: str) -> Floats:
        """Return the scores of a model.

        Parameters
        ----------
        model
            Its name.

        Returns
        -------
        numpy.ndarray
            Float64, NaN for no score.
        """
        return np.asarray(self.table[self.models[model]], np.float64)


def assume_bogus(labels: npt.ArrayLike, reasons: npt.ArrayLike) -> npt.NDArray[np.int8]:
    """Call unmatched sources bogus if no source is known to be.

    Parameters
    ----------
    labels, reasons
        Label and its reason of each source.

    Returns
    -------
    numpy.ndarray
        Labels, int8. Purity is a lower limit where they are changed.
    """
    kinds = np.asarray(labels, np.int8)
    if np.any(kinds == Label.BOGUS):
        return kinds
    return np.where(np.asarray(reasons) == Reason.UNMATCHED, np.int8(Label.BOGUS), kinds)


def read_sample(table: Any, models: Mapping[str, str] | None = None) -> ScoredSample:
    """Read a sample from a table, such as a file of scores and labels.

    Parameters
    ----------
    table
        A table of any make with a column ``label`` and at least one of scores; of the other columns of
        `SCORED_SOURCE` those that it has. Without ``is_detected`` all rows are detected.
    models
        Column of scores by name of the model; by default every column that is called ``score``,
        ``reliability`` or begins with ``score_``.

    Returns
    -------
    ScoredSample
        One row for each row of the table, in order.

    Raises
    ------
    InvalidCatalogError
        If a column holds what cannot be used.
    InvalidInputError
        If there are no scores.
    """
    given = apply_schema(standard_columns(table, counts=False), SCORED_SOURCE, name="sample")
    if models is None:
        models = score_columns(given.colnames)
    if not models:
        raise InvalidInputError(
            f"no column of scores (score, reliability or score_NAME) among {', '.join(given.colnames)}"
        )
    values: dict[str, Any] = {name: given[name] for name in SCORED_SOURCE if name in given.colnames}
    values.setdefault("is_detected", np.ones(len(given), bool))
    sample = make_table(SCORED_SOURCE, values, len(given))
    for column in models.values():
        if column in given.colnames:
            sample[column] = np.ma.filled(np.ma.asarray(given[column], np.float64), np.nan)
    for name in given.colnames:
        if name.startswith(FLAGS):
            true, _, wrong = parse_flags(given[name])
            if not wrong.any():
                sample[name] = true
    return ScoredSample(sample, models)


def score_columns(names: Iterable[str]) -> dict[str, str]:
    """Find the columns of scores.

    Parameters
    ----------
    names
        Names of columns.

    Returns
    -------
    dict
        Column by name of the model: those that begin with ``score_``; without such ones ``score`` or
        ``reliability``.
    """
    single = {name: name for name in names if name in ("score", "reliability")}
    return {name.removeprefix("score_"): name for name in names if name.startswith("score_")} or single
