"""A page that links a map of sources, the objects they are of, and their light curves with stamps."""

from __future__ import annotations

__all__ = (
    "MAX_SOURCES",
    "SourceMap",
    "choose_objects",
    "render_light_curves_page",
    "write_light_curves_page",
)

import dataclasses
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..association import Confirmation, LightCurves
from ..errors import InvalidInputError
from ..tables import NO_ID
from ..truth import Label
from ._cutouts_page import CutoutCard
from ._html import page_environment, write_html

MAX_SOURCES = 10_000
"""Sources on a page, by default."""

_LABELS = {int(label): label.name.lower() for label in Label}


@dataclasses.dataclass(frozen=True)
class SourceMap:
    """Places of sources in a plane, such as an embedding of a network's last hidden layer.

    Parameters
    ----------
    name
        What to call it.
    ids
        ``diaSourceId`` of each source, int64, shape ``(n,)``.
    points
        Places, shape ``(n, 2)``; sources with NaN are not shown.
    """

    name: str
    ids: npt.ArrayLike
    points: npt.ArrayLike


def choose_objects(curves: LightCurves, max_sources: int) -> npt.NDArray[np.int64]:
    """Choose the objects that a page shows.

    Parameters
    ----------
    curves
        All of them.
    max_sources
        Sources of the chosen objects at most.

    Returns
    -------
    numpy.ndarray
        Their ``diaObjectId``: confirmed ones first, then those with the most sources.
    """
    objects = curves.objects
    confirmed = np.asarray(objects["confirmation"]) == Confirmation.CONFIRMED
    count = np.asarray(objects["nDiaSources"], np.int64)
    ids = np.asarray(objects["diaObjectId"])
    order = np.lexsort((ids, -count, ~confirmed))
    return ids[order[np.cumsum(count[order]) <= max_sources]]


def render_light_curves_page(
    curves: LightCurves,
    cards: Sequence[CutoutCard] = (),
    *,
    title: str,
    note: str = "",
    source_map: SourceMap | None = None,
    max_sources: int = MAX_SOURCES,
) -> str:
    """Make the page.

    Parameters
    ----------
    curves
        Objects and light curves.
    cards
        Stamps of sources, from `make_cards`; other sources are shown without.
    title
        Heading of the page.
    note
        A sentence below it.
    source_map
        A map on which sources lie beside those like them; without, there are the other axes.
    max_sources
        Sources on the page at most, see `choose_objects`.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.

    Raises
    ------
    InvalidInputError
        If the map has not two numbers for each of its sources.
    """
    chosen = choose_objects(curves, max_sources)
    objects = curves.objects[np.isin(curves.objects["diaObjectId"], chosen)]
    epochs = curves.epochs[np.isin(curves.epochs["diaObjectId"], chosen)]
    ids = np.asarray(epochs["diaSourceId"])
    with_stamps = [card for card in cards if int(card.id) in set(ids.tolist())]
    facts: dict[str, Any] = {
        "threshold": curves.options.confirmation.threshold,
        "objects": _object_facts(objects),
        "epochs": _epoch_facts(objects, epochs, with_stamps),
        "map": None if source_map is None else _map_facts(source_map, ids),
    }
    total = len(curves.association)
    shown = int(np.sum(ids != NO_ID))
    return (
        page_environment()
        .get_template("light_curves.html")
        .render(
            title=title,
            note=note,
            shown=f"{len(objects)} of {len(curves.objects)} objects, {shown} of {total} sources.",
            words=[word for word in Confirmation if word in set(objects["confirmation"].tolist())],
            labels=sorted(set(facts["objects"]["label"])),
            map_name="" if source_map is None else source_map.name,
            # No tag may end the script early.
            facts=json.dumps(facts, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c"),
            stamps="\n".join(card.stamps for card in with_stamps),
        )
    )


def write_light_curves_page(
    path: Path,
    curves: LightCurves,
    cards: Sequence[CutoutCard] = (),
    *,
    title: str,
    note: str = "",
    source_map: SourceMap | None = None,
    max_sources: int = MAX_SOURCES,
    overwrite: bool = False,
) -> Path:
    """Write the page; see `render_light_curves_page`.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    curves, cards, title, note, source_map, max_sources
        As for `render_light_curves_page`.
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
    html = render_light_curves_page(
        curves, cards, title=title, note=note, source_map=source_map, max_sources=max_sources
    )
    return write_html(path, html, overwrite=overwrite)


def _object_facts(objects: Table) -> dict[str, Any]:
    return {
        "id": _texts(objects["diaObjectId"]),
        **{
            name: _numbers(objects[column], digits)
            for name, column, digits in (
                ("ra", "ra", 7),
                ("dec", "dec", 7),
                ("sources", "nDiaSources", 0),
                ("visits", "nVisits", 0),
                ("above", "nAbove", 0),
                ("score", "medianScore", 4),
            )
        },
        "confirmation": objects["confirmation"].tolist(),
        "label": [_LABELS[int(label)] for label in objects["label"]],
        "crowded": np.asarray(objects["isCrowded"]).astype(int).tolist(),
    }


def _epoch_facts(objects: Table, epochs: Table, cards: Sequence[CutoutCard]) -> dict[str, Any]:
    """Write light curves column by column; ``stamp`` is the number of the stamps of each, -1 for none."""
    index = np.searchsorted(np.asarray(objects["diaObjectId"]), np.asarray(epochs["diaObjectId"]))
    by_id = {int(card.id): number for number, card in enumerate(cards)}
    rows = [by_id.get(identifier, -1) for identifier in epochs["diaSourceId"].tolist()]
    known = [None if row < 0 else cards[row] for row in rows]
    return {
        "object": index.tolist(),
        "id": [
            "" if identifier == str(NO_ID) else identifier for identifier in _texts(epochs["diaSourceId"])
        ],
        "visit": _numbers(epochs["visit"], 0),
        "detector": _numbers(epochs["detector"], 0),
        "band": np.asarray(epochs["band"]).astype(str).tolist(),
        "mjd": _numbers(epochs["midpointMjdTai"], 5),
        "flux": _numbers(epochs["psfFlux"], 1),
        "error": _numbers(epochs["psfFluxErr"], 1),
        "score": _numbers(epochs["score"], 4),
        "label": [_LABELS[int(label)] for label in epochs["label"]],
        "reason": ["" if card is None else card.reason for card in known],
        "flags": [", ".join(card.flags) if card else "" for card in known],
        "stamp": rows,
        "roles": list(cards[0].roles) if cards else [],
    }


def _map_facts(source_map: SourceMap, ids: npt.NDArray[np.int64]) -> dict[str, Any]:
    """Find the place of each epoch."""
    points, of = np.asarray(source_map.points, float), np.asarray(source_map.ids, np.int64)
    if points.shape != (len(of), 2):
        raise InvalidInputError(
            f"the map must have two numbers for each of {len(of)} sources; got {points.shape}"
        )
    places = np.full((len(ids), 2), np.nan)
    order = np.argsort(of)
    if of.size:
        found = order[np.minimum(np.searchsorted(of, ids, sorter=order), of.size - 1)]
        there = of[found] == ids
        places[there] = points[found[there]]
    return {"name": source_map.name, "x": _numbers(places[:, 0], 4), "y": _numbers(places[:, 1], 4)}


def _texts(identifiers: Any) -> list[str]:
    """Write identifiers as text, because browsers round long numbers."""
    return [str(identifier) for identifier in np.asarray(identifiers).tolist()]


def _numbers(values: Any, digits: int) -> list[float | int | None]:
    if digits == 0:
        return [int(value) for value in values]
    return [round(value, digits) if np.isfinite(value) else None for value in map(float, values)]
