"""A page that explains scores: which image decides, a map of the sources, the hardest cases to label."""

from __future__ import annotations

__all__ = ("render_explanation_page", "write_explanation_page")

import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..cutouts import ROLES, StampBatch
from ..evaluation import KindResult, Results, count_kinds
from ..explanation import (
    OUTCOMES,
    Explainer,
    Explanation,
    ExplanationOptions,
    count_winners,
    find_hardest,
    prepare_batch,
    split_segments,
)
from ..tables import empty_table
from ..truth import INJECTED_FATE, Label
from ._contact_sheets import visible_stamps
from ._explanation_figures import OUTCOME_COLORS, draw_attributions, draw_segments
from ._figures import draw_kinds
from ._html import page_environment, png_uri, write_html
from ._stamps import pack_panels, stretch_triplet

type Rows = npt.NDArray[np.intp]

_EXAMPLES = ("TP", "FN", "FP", "TN")


def render_explanation_page(
    explainer: Explainer,
    explanation: Explanation,
    batches: Sequence[StampBatch],
    options: ExplanationOptions | None = None,
    *,
    title: str,
    note: str = "",
) -> str:
    """Make the page.

    Parameters
    ----------
    explainer
        The model.
    explanation
        What `~lsst.meas.realbogus.explanation.explain_stamps` made of these stamps.
    batches
        The stamps, in the order of its rows.
    options
        As they were for the explanation.
    title, note
        Heading of the page, and a sentence below it.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    options, table = options or ExplanationOptions(), explanation.table
    winners = count_winners(table)
    hardest = find_hardest(table, options.hardest, options.threshold)
    every = {
        "fp": (
            "Bogus, called real",
            hardest.false_positives,
            f"of {hardest.n_false_positives}, highest first",
        ),
        "fn": (
            "Real, called bogus",
            hardest.false_negatives,
            f"of {hardest.n_false_negatives}, lowest first",
        ),
        "unsure": ("Unsure", hardest.unsure, f"nearest to {options.threshold:g}, whatever their label"),
    }
    sheets = [
        {"name": name, "title": text, "rows": rows.tolist(), "text": f"{rows.size} {order}"}
        for name, (text, rows, order) in every.items()
        if rows.size
    ]
    shown = np.unique(np.concatenate([rows for _, rows, _ in every.values()]))
    kinds = _kinds(table, options.threshold)
    return (
        page_environment()
        .get_template("explanation.html")
        .render(
            title=title,
            note=note,
            model=table.meta["model"],
            map_name=table.meta["embedding"].upper().replace("PCA", "principal components"),
            threshold=options.threshold,
            winners=winners,
            images=[
                image for image in ("difference", "science", "template") if image in explainer.contract.inputs
            ],
            outcomes=OUTCOMES,
            colors=OUTCOME_COLORS,
            drawing=draw_segments(winners, table),
            examples=_examples(explainer, table, batches),
            kinds=kinds,
            kinds_drawing=draw_kinds(kinds, options.threshold) if kinds else "",
            label_names={int(label): label.name.lower() for label in Label},
            sheets=sheets,
            facts=_facts(table, batches, sheets, explainer.contract.inputs),
            stamps="\n".join(_packed_stamps(batches)),
            saliency=_packed_saliency(explainer, batches, shown),
            shown=shown.tolist(),
            total=len(table),
        )
    )


def _kinds(table: Table, threshold: float) -> list[KindResult]:
    """Count what the model lets through of each kind, real kinds first."""
    decided = table[np.asarray(table["label"]) != Label.UNDECIDED]
    if not len(decided):
        return []
    sources = Table({name: decided[name] for name in ("diaSourceId", "label", "kind", "score")})
    sources["label_reason"] = sources["kind"]
    results = Results(sources, empty_table(INJECTED_FATE), {table.meta["model"]: "score"}, threshold)
    return [kind for kind in count_kinds(results) if kind.n]


def _examples(explainer: Explainer, table: Table, batches: Sequence[StampBatch]) -> list[dict[str, str]]:
    """Draw, of each outcome, the source with the median score."""
    outcome, score = np.asarray(table["outcome"]).astype(str), np.asarray(table["score"], float)
    rows, titles = [], []
    for name in _EXAMPLES:
        here = np.flatnonzero(outcome == name)
        if here.size:
            row = int(here[np.argsort(score[here], kind="stable")[here.size // 2]])
            called = "real" if name in ("TP", "FP") else "bogus"
            label = "real" if name in ("TP", "FN") else "bogus"
            rows.append(row)
            titles.append(
                f"ID: {table['diaSourceId'][row]}, label: {label}, pred: {called} ({score[row]:.3f})"
            )
    if not rows:
        return []
    parts = [_pick(batches, np.array([row])) for row in rows]
    pictures = [
        draw_attributions(explainer, part, [text])[0] for part, text in zip(parts, titles, strict=True)
    ]
    return [
        {"title": text, "picture": png_uri(picture)} for text, picture in zip(titles, pictures, strict=True)
    ]


def _pick(batches: Sequence[StampBatch], rows: Rows) -> StampBatch:
    """Return sources of one batch by their rows in all."""
    firsts = np.cumsum([0, *(len(batch) for batch in batches)])
    number = int(np.searchsorted(firsts, rows[0], side="right")) - 1
    return batches[number][rows - firsts[number]]


def _in_order(images: Iterable[str]) -> list[str]:
    """Return images in the order in which stamps are shown everywhere."""
    return sorted(images, key=ROLES.index)


def _packed_stamps(batches: Sequence[StampBatch]) -> list[str]:
    lines = []
    for batch in batches:
        pixels = visible_stamps(batch)
        lines += [
            pack_panels(stretch_triplet({role: stamps[row] for role, stamps in pixels.items()}))
            for row in range(len(batch))
        ]
    return lines


def _packed_saliency(explainer: Explainer, batches: Sequence[StampBatch], rows: Rows) -> str:
    """Pack the saliency of some sources, black where a pixel decides most."""
    lines, names = [], _in_order(explainer.contract.inputs)
    for row in rows:
        part = _pick(batches, np.array([row]))
        saliency = split_segments(
            explainer.contract, explainer.saliency(prepare_batch(explainer.contract, part).inputs)
        )
        panels = np.stack([saliency[name][0] for name in names])
        top = panels.max()
        lines.append(pack_panels(list(1 - panels / top if top > 0 else np.ones_like(panels))))
    return "\n".join(lines)


def _facts(
    table: Table, batches: Sequence[StampBatch], sheets: Sequence[dict[str, Any]], inputs: Sequence[str]
) -> str:
    """Write what is known of the sources, column by column."""

    def numbers(name: str, digits: int) -> list[float | None]:
        values = np.asarray(table[name], float)
        return [round(float(value), digits) if np.isfinite(value) else None for value in values]

    columns: dict[str, Any] = {
        "id": [str(value) for value in table["diaSourceId"]],
        "visit": [str(value) for value in table["visit"]],
        "detector": np.asarray(table["detector"]).tolist(),
        "label": np.asarray(table["label"]).tolist(),
        "kind": [str(value).replace("_", " ") for value in table["kind"]],
        "outcome": [str(value) for value in table["outcome"]],
        "segment": [str(value) for value in table["segment"]],
        "score": numbers("score", 4),
        "snr": numbers("snr", 2),
        "x": numbers("embedding_x", 3),
        "y": numbers("embedding_y", 3),
        "shares": {
            image: numbers(f"importance_{image}", 3)
            for image in ("difference", "science", "template")
            if image in inputs
        },
        "roles": _in_order(batches[0].stamps),
        "segments": _in_order(inputs),
        "sheets": {sheet["name"]: sheet["rows"] for sheet in sheets},
        "colors": dict(OUTCOME_COLORS),
        "threshold": table.meta["threshold"],
        "model": table.meta["model"],
    }
    # No tag may end the script early.
    return json.dumps(columns, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")


def write_explanation_page(
    path: Path,
    explainer: Explainer,
    explanation: Explanation,
    batches: Sequence[StampBatch],
    options: ExplanationOptions | None = None,
    *,
    title: str,
    note: str = "",
    overwrite: bool = False,
) -> Path:
    """Write the page; see `render_explanation_page`.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    explainer, explanation, batches, options, title, note
        As for `render_explanation_page`.
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
    html = render_explanation_page(explainer, explanation, batches, options, title=title, note=note)
    return write_html(path, html, overwrite=overwrite)
