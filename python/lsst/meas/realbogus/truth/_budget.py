"""Where injected sources are lost on the way to an alert, and why."""

from __future__ import annotations

__all__ = ("BudgetRules", "LossBudget", "Step", "loss_budget")

import dataclasses
import enum
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidInputError
from ..options import Options, option
from ..tables import NO_ID, Column, InjectionFlag, Schema, apply_schema
from ._schema import Fate

Indices = npt.NDArray[np.int64]
Texts = npt.NDArray[np.str_]

_WIDTH = "U48"
_ASSOCIATION: Schema = {
    "diaSourceId": Column("int64", "identifier of the DIA source", required=True),
    "diaObjectId": Column("int64", "its object; 0 or -1 for none", required=True, none=NO_ID),
}
_UNSCORED = ("no_template", "nan", "edge", "degenerate")


class Step(enum.StrEnum):
    """What an injected source has to pass, in this order; after all of them it is kept."""

    DRAWN = "drawn"
    GOOD_PIXELS = "on good pixels"
    DETECTED = "detected"
    UNFLAGGED = "kept by flags"
    SCORED = "scored"
    ABOVE_THRESHOLD = "above threshold"
    ASSOCIATED = "associated"


_OF_FATES: Mapping[Step, tuple[Fate, ...]] = {
    Step.GOOD_PIXELS: (Fate.OFF_IMAGE, Fate.MASKED, Fate.EDGE),
    Step.DETECTED: (Fate.BELOW_THRESHOLD, Fate.MERGED, Fate.UNDETECTED),
}


@dataclasses.dataclass(frozen=True)
class BudgetRules(Options):
    """What a DIA source must be to be kept."""

    threshold: float = option(0.5, "Score from which a source is called real.", min=0.0, max=1.0)
    bad_flags: tuple[str, ...] = option(
        (
            "pixelFlags",
            "pixelFlags_offimage",
            "pixelFlags_badCenter",
            "pixelFlags_edgeCenter",
            "pixelFlags_nodataCenter",
            "pixelFlags_saturatedCenter",
            "pixelFlags_sat_templateCenter",
        ),
        "Flags of which none may be set; those that a table lacks are passed over.",
    )


@dataclasses.dataclass(frozen=True)
class LossBudget:
    """What became of every injected source, to the end.

    Parameters
    ----------
    rows
        The injected sources, one row each object and image: the columns of
        `~lsst.meas.realbogus.truth.INJECTED_FATE` (and ``visit``, ``detector`` where the fates have them),
        ``score``, ``lost_at``, the step at which it was lost, "" if it was not, and ``reason``, why.
    steps
        The steps of which something is known; at the others nothing is lost.
    """

    rows: Table
    steps: tuple[Step, ...]

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def n_kept(self) -> int:
        """How many sources have passed all steps."""
        return int(np.sum(np.asarray(self.rows["lost_at"]) == ""))

    def table(self) -> Table:
        """Lay the budget out.

        Returns
        -------
        astropy.table.Table
            ``step``, ``reason``, ``n``, ``fraction`` of all injected sources, and ``n_left``, how many have
            passed the step. One row for each reason, the most frequent first, one with 0 for a step without
            losses; the last row, of step "kept", is what is left. ``n`` adds up to the number of injected
            sources, ``fraction`` to 1.
        """
        lost_at = np.asarray(self.rows["lost_at"]).astype(str)
        why = np.asarray(self.rows["reason"]).astype(str)
        lines: list[tuple[str, str, int, int]] = []
        left = len(self)
        for step in self.steps:
            reasons, counts = np.unique(why[lost_at == step], return_counts=True)
            left -= int(counts.sum())
            found = sorted(zip(reasons.tolist(), counts.tolist(), strict=True), key=lambda item: -item[1])
            lines += [(step.value, reason, n, left) for reason, n in found or [("", 0)]]
        lines.append(("kept", "", left, left))
        step_names, reasons_, n, n_left = zip(*lines, strict=True)
        total = max(len(self), 1)
        return Table(
            {
                "step": np.array(step_names, str),
                "reason": np.array(reasons_, str),
                "n": np.array(n, int),
                "fraction": np.array(n, float) / total,
                "n_left": np.array(n_left, int),
            }
        )


def loss_budget(
    fates: Table,
    sources: Table,
    *,
    score: str = "score",
    rules: BudgetRules | None = None,
    association: Table | None = None,
) -> LossBudget:
    """Follow every injected source to where it was lost.

    Parameters
    ----------
    fates
        Fates of the injected sources of any number of images, see `INJECTED_FATE`; of rows that share a
        source only the primary one counts.
    sources
        DIA sources of the same images, with ``diaSourceId`` and, where they are known, flags and scores.
    score
        Its column of scores.
    rules
        Threshold and flags.
    association
        Which object each DIA source is of: ``diaSourceId`` and ``diaObjectId``, 0 or -1 for none.

    Returns
    -------
    LossBudget
        Every injected source with the one step at which it was lost. A step of which nothing is known (no
        flags, no scores, no association) loses none. What was found although its pixels are masked has
        passed that step.

    Raises
    ------
    InvalidInputError
        Raised if columns are missing, or a DIA source occurs twice.
    """
    rules = rules or BudgetRules()
    missing = [name for name in ("injection_id", "fate", "diaSourceId") if name not in fates.colnames]
    if missing or "diaSourceId" not in sources.colnames:
        table, names = ("fates", missing) if missing else ("DIA sources", ["diaSourceId"])
        raise InvalidInputError(f"{table}: columns {', '.join(names)} are missing; no budget without them")
    if "is_primary" in fates.colnames:
        fates = fates[np.asarray(fates["is_primary"], bool)]
    fate = np.asarray(fates["fate"]).astype(str)
    row = _rows_of(fates["diaSourceId"], sources["diaSourceId"])
    absent = (fate == Fate.FOUND) & (row < 0)
    steps: dict[Step, Texts] = {Step.DRAWN: _not_drawn(fates, fate)}
    for step, ends in _OF_FATES.items():
        steps[step] = np.where(np.isin(fate, [end.value for end in ends]), fate, "").astype(_WIDTH)
    flags = [name for name in rules.bad_flags if name in sources.colnames]
    if flags or absent.any():
        flagged = _of_sources(_first_flag(sources, flags), row)
        steps[Step.UNFLAGGED] = np.where(absent, "not in table", flagged)
    scores = np.full(len(fates), np.nan)
    if score in sources.colnames:
        values = np.asarray(sources[score], float)
        scores[row >= 0] = values[row[row >= 0]]
        steps[Step.SCORED] = _of_sources(_unscored(sources, values), row)
        low = np.where(values < rules.threshold, "below threshold", "").astype(_WIDTH)
        steps[Step.ABOVE_THRESHOLD] = _of_sources(low, row)
    if association is not None:
        known = apply_schema(association, _ASSOCIATION, name="association")
        objects = np.asarray(known["diaObjectId"])
        of_source = np.append(objects, 0)[_rows_of(fates["diaSourceId"], known["diaSourceId"])]
        steps[Step.ASSOCIATED] = np.where(of_source > 0, "", "no object").astype(_WIDTH)
    lost_at, reason = np.full(len(fates), "", _WIDTH), np.full(len(fates), "", _WIDTH)
    for step, why in steps.items():
        lost = (lost_at == "") & (why != "")
        lost_at[lost], reason[lost] = step.value, why[lost]
    rows = fates.copy()
    rows["score"], rows["lost_at"], rows["reason"] = scores, lost_at.astype(str), reason.astype(str)
    return LossBudget(rows, tuple(steps))


def _not_drawn(fates: Table, fate: Texts) -> Texts:
    """Name the flags of what was not drawn."""
    why = np.where(fate == Fate.NOT_DRAWN, Fate.NOT_DRAWN.value, "").astype(_WIDTH)
    if "injection_flag" in fates.colnames:
        for bits in np.unique(np.asarray(fates["injection_flag"])[fate == Fate.NOT_DRAWN]).tolist():
            name = InjectionFlag(bits).name or f"flag {bits}"
            why[np.asarray(fates["injection_flag"]) == bits] = name.lower()
        why[fate != Fate.NOT_DRAWN] = ""
    return why


def _of_sources(why: Texts, row: Indices) -> Texts:
    """Take the reasons of DIA sources to the injected ones; those without a source have none."""
    return np.append(why, np.array([""], _WIDTH))[row]


def _first_flag(sources: Table, flags: list[str]) -> Texts:
    why = np.full(len(sources), "", _WIDTH)
    for name in reversed(flags):
        why[np.asarray(sources[name], bool)] = name
    return why


def _unscored(sources: Table, scores: npt.NDArray[np.float64]) -> Texts:
    why = np.where(np.isnan(scores), "no score", "").astype(_WIDTH)
    for name in reversed(_UNSCORED):
        if f"flag_{name}" in sources.colnames:
            why[np.isnan(scores) & np.asarray(sources[f"flag_{name}"], bool)] = name.replace("_", " ")
    return why


def _rows_of(wanted: npt.ArrayLike, identifiers: npt.ArrayLike) -> Indices:
    """Return the row of each wanted id, -1 for those that are not there."""
    wanted, identifiers = np.asarray(wanted, np.int64), np.asarray(identifiers, np.int64)
    order = np.argsort(identifiers, kind="stable")
    ordered = identifiers[order]
    if (twice := np.flatnonzero(ordered[1:] == ordered[:-1])).size:
        raise InvalidInputError(f"diaSourceId {ordered[twice[0]]} occurs more than once")
    if not len(ordered):
        return np.full(len(wanted), -1, np.int64)
    at = np.clip(np.searchsorted(ordered, wanted), 0, len(ordered) - 1)
    return np.where((ordered[at] == wanted) & (wanted != NO_ID), order[at], -1).astype(np.int64)
