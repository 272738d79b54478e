"""A page of stamps to look through: one card a source, with its score and flags, filtered in the browser."""

from __future__ import annotations

__all__ = ("CutoutCard", "make_cards", "render_cutouts_page", "write_cutouts_page")

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Row, Table

from ..cutouts import ROLES, check_stamp_table, plane_names, stamps_of
from ..errors import InvalidCatalogError
from ..truth import Label
from ._figures import triplet_png
from ._html import page_environment, png_uri, write_html

_SCORES = ("score", "score_dia", "score_nodia")


@dataclass(frozen=True)
class CutoutCard:
    """What is shown of one source.

    Attributes
    ----------
    id, where
        Identifier (text, because browsers round long numbers) and image it is on.
    image
        Its stamps as a data URI.
    snr, x, y, fraction_missing
        Numbers of the stamp table.
    negative
        Is it negative in the difference?
    scores
        By name, `None` where there is none.
    flags
        Names of flags of the score table that are set, and what the stamps themselves tell.
    planes
        Mask planes that are set at the centre of any stamp.
    label, reason
        What it is, where that is known.
    """

    id: str
    where: str
    image: str
    snr: float | None
    x: float | None
    y: float | None
    fraction_missing: float
    negative: bool
    scores: dict[str, float | None]
    flags: list[str]
    planes: list[str]
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
    roles = [role for role in ROLES if role in cutouts.colnames]
    pixels = {role: stamps_of(cutouts, role) for role in roles}
    cards = []
    for number, row in enumerate(cutouts):
        score, truth = scored[number], matched[number]
        centers = [plane_names(row[f"{role}_mask_center"]) for role in roles]
        cards.append(
            CutoutCard(
                id=str(row["diaSourceId"]),
                where=where,
                image=_data_uri({role: pixels[role][number] for role in roles}),
                snr=_number(row["snr"]),
                x=_number(row["x"]),
                y=_number(row["y"]),
                fraction_missing=float(row["fraction_missing"]),
                negative=bool(row["isNegative"]),
                scores={
                    name: _number(score[name])
                    for name in _SCORES
                    if score is not None and name in score.colnames
                },
                flags=_flags(row, score),
                planes=sorted({plane for planes in centers for plane in planes}),
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


def _flags(row: Row, score: Row | None) -> list[str]:
    flags = ["negative"] if row["isNegative"] else []
    if row["leaves_image"]:
        flags.append("edge")
    if row["fraction_missing"] > 0:
        flags.append("missing pixels")
    if score is not None:
        named = (name for name in score.colnames if name.startswith("flag_") and score[name])
        flags += [name.removeprefix("flag_").replace("_", " ") for name in named]
    return list(dict.fromkeys(flags))


def _number(value: Any) -> float | None:
    return round(float(value), 5) if np.isfinite(value) else None


def _data_uri(stamps: dict[str, npt.NDArray[np.float32]]) -> str:
    return png_uri(triplet_png(stamps))


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
    environment = page_environment()
    content = json.dumps([asdict(card) for card in cards], allow_nan=False)
    names = [name for name in _SCORES if any(name in card.scores for card in cards)]
    return environment.get_template("cutouts.html").render(
        title=title,
        note=note,
        roles=ROLES,
        scores=names,
        flags=sorted({flag for card in cards for flag in card.flags}),
        labels=sorted({card.label for card in cards if card.label}),
        # No tag may end the script early.
        cards=content.replace("<", "\\u003c"),
        total=len(cards),
    )


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
