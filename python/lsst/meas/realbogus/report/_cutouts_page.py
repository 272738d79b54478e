"""A page of stamps to look through: one card a source, with its scores and flags, filtered in the browser."""

from __future__ import annotations

__all__ = ("CutoutCard", "make_cards", "render_cutouts_page", "write_cutouts_page")

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Row, Table

from ..cutouts import ROLES, check_stamp_table, plane_names, stamps_of
from ..errors import InvalidCatalogError
from ..truth import Label
from ._html import page_environment, write_html
from ._stamps import pack_panels, stretch_triplet


@dataclass(frozen=True)
class CutoutCard:
    """What is shown of one source.

    Parameters
    ----------
    id, where
        Identifier (text, because browsers round long numbers) and image it is on.
    stamps
        Its stamps, packed.
    roles
        What they are of, in order.
    snr, x, y, ra, dec
        Numbers of the stamp table, positions in pixels and in degrees.
    scores
        By name, `None` where there is none: of each model, if the table of scores tells them apart,
        otherwise ``score``.
    flags
        Names of flags of the score table that are set, and what the stamps themselves tell.
    planes
        Mask planes that are set at the centre of any stamp.
    label, reason
        What it is, where that is known.
    """

    id: str
    where: str
    stamps: str
    roles: tuple[str, ...]
    snr: float | None
    x: float | None
    y: float | None
    ra: float | None
    dec: float | None
    scores: dict[str, float | None]
    flags: tuple[str, ...]
    planes: tuple[str, ...]
    label: str
    reason: str


def make_cards(
    cutouts: Table, scores: Table | None = None, match: Table | None = None, *, where: str = ""
) -> list[CutoutCard]:
    """Make the cards of one table of stamps.

    Parameters
    ----------
    cutouts
        A ``dia_source_cutouts`` table.
    scores
        Scores of these sources (and perhaps others), as in ``dia_source_reliability``.
    match
        What they are, as in ``dia_source_match``.
    where
        What to call the image.

    Returns
    -------
    list of CutoutCard
        One a row, in order.

    Raises
    ------
    InvalidCatalogError
        If the first table is no table of stamps, or another lacks its identifiers.
    """
    check_stamp_table(cutouts)
    scored = _rows_of(cutouts, scores, ("id", "diaSourceId"), "scores")
    matched = _rows_of(cutouts, match, ("diaSourceId",), "match")
    roles = tuple(role for role in ROLES if role in cutouts.colnames)
    pixels = {role: stamps_of(cutouts, role) for role in roles}
    names = _score_names(scores)
    cards = []
    for number, row in enumerate(cutouts):
        score, truth = scored[number], matched[number]
        centers = [plane_names(row[f"{role}_mask_center"]) for role in roles]
        cards.append(
            CutoutCard(
                id=str(row["diaSourceId"]),
                where=where,
                stamps=pack_panels(stretch_triplet({role: pixels[role][number] for role in roles})),
                roles=roles,
                snr=_number(row["snr"], 2),
                x=_number(row["x"], 2),
                y=_number(row["y"], 2),
                ra=_number(row["ra"], 7),
                dec=_number(row["dec"], 7),
                scores={} if score is None else {name: _number(score[name], 5) for name in names},
                flags=_flags(row, score),
                planes=tuple(sorted({plane for planes in centers for plane in planes})),
                label="" if truth is None else Label(int(truth["label"])).name.lower(),
                reason="" if truth is None else str(truth["label_reason"]),
            )
        )
    return cards


def _rows_of(cutouts: Table, other: Table | None, names: Sequence[str], what: str) -> list[Row | None]:
    """Find the row of each source in another table, `None` where it has none."""
    if other is None:
        return [None] * len(cutouts)
    column = next((name for name in names if name in other.colnames), None)
    if column is None:
        raise InvalidCatalogError(what, [f"no column {' or '.join(names)}"])
    rows = {int(identifier): row for row, identifier in enumerate(other[column])}
    found = (rows.get(int(identifier)) for identifier in cutouts["diaSourceId"])
    return [None if row is None else other[row] for row in found]


def _score_names(scores: Table | None) -> list[str]:
    """Find the columns of scores; ``score`` repeats that of the first model where models have their own."""
    if scores is None:
        return []
    own = [name for name in scores.colnames if name.startswith("score_")]
    return own or [name for name in scores.colnames if name == "score"]


def _flags(row: Row, score: Row | None) -> tuple[str, ...]:
    flags = ["negative"] if row["isNegative"] else []
    if row["leaves_image"]:
        flags.append("edge")
    if row["fraction_missing"] > 0:
        flags.append("missing pixels")
    if score is not None:
        named = (name for name in score.colnames if name.startswith("flag_") and score[name])
        flags += [name.removeprefix("flag_").replace("_", " ") for name in named]
    return tuple(dict.fromkeys(flags))


def _number(value: Any, digits: int) -> float | None:
    return round(float(value), digits) if np.isfinite(value) else None


def render_cutouts_page(cards: Sequence[CutoutCard], *, title: str, note: str = "") -> str:
    """Make the page.

    Parameters
    ----------
    cards
        The sources.
    title
        Heading of the page.
    note
        A sentence below it.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    scores = list(dict.fromkeys(name for card in cards for name in card.scores))
    return (
        page_environment()
        .get_template("cutouts.html")
        .render(
            title=title,
            note=note,
            scores=scores,
            flags=sorted({flag for card in cards for flag in card.flags}),
            labels=sorted({card.label for card in cards if card.label}),
            facts=card_facts(cards, scores),
            stamps="\n".join(card.stamps for card in cards),
            total=len(cards),
        )
    )


def card_facts(cards: Sequence[CutoutCard], scores: Sequence[str]) -> str:
    """Write what is known of the sources column by column, a tenth of the size of a list of cards."""
    columns: dict[str, Any] = {
        name: [getattr(card, name) for card in cards] for name in ("id", "snr", "x", "y", "ra", "dec")
    }
    columns["scores"] = {name: [card.scores.get(name) for card in cards] for name in scores}
    for name in ("where", "roles", "flags", "planes", "label", "reason"):
        values = [getattr(card, name) for card in cards]
        number = {value: number for number, value in enumerate(dict.fromkeys(values))}
        columns[name] = {"values": list(number), "index": [number[value] for value in values]}
    # No tag may end the script early.
    return json.dumps(columns, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def write_cutouts_page(
    path: Path, cards: Sequence[CutoutCard], *, title: str, note: str = "", overwrite: bool = False
) -> Path:
    """Write the page; see `render_cutouts_page`.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    cards, title, note
        As for `render_cutouts_page`.
    overwrite
        Replace the file if it exists.

    Returns
    -------
    pathlib.Path
        The file.

    Raises
    ------
    OutputError
        If the file exists or cannot be written.
    """
    return write_html(path, render_cutouts_page(cards, title=title, note=note), overwrite=overwrite)
