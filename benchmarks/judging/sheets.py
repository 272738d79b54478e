"""Contact sheets: the stamps that a model gets wrong, beside simulated ones of the same kind."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from lsst.meas.realbogus.report import stretch_triplet

from .sets import JudgedSet

ROLES = ("science", "template", "difference")
PER_SHEET, COLUMNS, CELL, GAP = 48, 4, 63, 3

type Floats = npt.NDArray[np.float64]
type Rows = npt.NDArray[np.intp]


def write_sheets(
    folder: Path,
    judged: JudgedSet,
    scores: Floats,
    model: str,
    simulated: tuple[JudgedSet, Floats] | None = None,
    threshold: float = 0.5,
) -> list[Path]:
    """Write one sheet of the bogus sources above the threshold and one of the real ones below, worst first.

    Where simulated stamps are given, each source has at its right the simulated one of the same label that is
    nearest in kind, sign, SNR and score.
    """
    folder.mkdir(parents=True, exist_ok=True)
    passed = np.flatnonzero((judged.label == 0) & (scores >= threshold))
    lost = np.flatnonzero((judged.label == 1) & ~(scores >= threshold))
    undecided = np.flatnonzero((judged.label == -1) & np.isfinite(scores))
    sheets = {
        "false-positives": passed[np.argsort(-scores[passed], kind="stable")],
        "lost-reals": lost[np.argsort(np.nan_to_num(scores[lost], nan=-1), kind="stable")],
        "undecided": undecided[np.argsort(-scores[undecided], kind="stable")],
    }
    paths = []
    for what, rows in sheets.items():
        if rows.size:
            path = folder / f"{judged.name}-{_plain(model)}-{what}.png"
            title = f"{judged.name}: {what.replace('-', ' ')} of {model}, {rows.size} of {len(judged)}"
            _draw(path, title, judged, scores, rows[:PER_SHEET], simulated)
            paths.append(path)
    return paths


def _plain(name: str) -> str:
    return "".join(c if c.isalnum() or c in ".-" else "-" for c in name)


def _draw(
    path: Path,
    title: str,
    judged: JudgedSet,
    scores: Floats,
    rows: Rows,
    simulated: tuple[JudgedSet, Floats] | None,
) -> None:
    panels = 3 if simulated is None else 6
    columns = COLUMNS if simulated is None else 2
    width, height = panels * (CELL + GAP) + 4 * GAP, CELL + 18
    n_lines = -(-len(rows) // columns)
    figure = Figure(figsize=(columns * width / 50, (n_lines * height + 24) / 50), dpi=100)
    FigureCanvasAgg(figure)
    axis = figure.add_axes((0, 0, 1, 1))
    axis.set(xlim=(0, columns * width), ylim=(n_lines * height, -24))
    axis.axis("off")
    axis.text(4, -8, title, fontsize=11, weight="bold")
    for number, row in enumerate(rows.tolist()):
        x, y = (number % columns) * width + GAP, (number // columns) * height
        _place(axis, judged, row, float(scores[row]), x, y)
        if simulated is not None:
            other, other_scores = simulated
            twin = _twin(judged, row, float(scores[row]), other, other_scores)
            if twin is not None:
                _place(axis, other, twin, float(other_scores[twin]), x + 3 * (CELL + GAP) + 2 * GAP, y)
    figure.savefig(path)


def _place(axis: object, judged: JudgedSet, row: int, score: float, x: float, y: float) -> None:
    stamps = {role: judged.stamps[role][row] for role in ROLES if role in judged.stamps}
    for i, grey in enumerate(stretch_triplet(stamps)):
        left = x + i * (CELL + GAP)
        shown = np.ma.masked_invalid(np.clip(grey, 0, 1))
        axis.imshow(  # type: ignore[attr-defined]
            np.where(shown.mask, 0.5, shown.filled(0.5))[..., None].repeat(3, -1)
            * np.where(np.ma.getmaskarray(shown)[..., None], (1.6, 1.0, 0.9), 1.0),
            extent=(left, left + CELL, y + CELL, y), origin="lower", interpolation="nearest",
        )  # fmt: skip
    sign = "−" if judged.is_negative[row] else ""
    text = f"{score:.2f}  {judged.kind[row]}  {sign}{abs(judged.snr[row]):.1f}σ"
    if np.isfinite(judged.psf_fwhm[row]):
        text += f"  {judged.psf_fwhm[row]:.1f}px"
    axis.text(x, y + CELL + 10, f"{row}: {text}", fontsize=7)  # type: ignore[attr-defined]


def _twin(judged: JudgedSet, row: int, score: float, other: JudgedSet, scores: Floats) -> int | None:
    """Choose the simulated source of the same label that is nearest in kind, sign, SNR, PSF and score."""
    candidates = np.flatnonzero(other.label == judged.label[row])
    if not candidates.size:
        return None
    snr = np.nan_to_num(
        np.log(np.maximum(np.abs(judged.snr[row]), 1) / np.maximum(np.abs(other.snr[candidates]), 1))
    )
    psf = np.nan_to_num(np.log(judged.psf_fwhm[row] / other.psf_fwhm[candidates]))
    distance = (
        2.0 * (other.kind[candidates] != judged.kind[row])
        + 1.0 * (other.is_negative[candidates] != judged.is_negative[row])
        + np.abs(snr)
        + np.abs(psf)
        + 2.0 * np.abs(np.nan_to_num(scores[candidates]) - np.nan_to_num(score))
    )
    return int(candidates[np.argmin(distance)])
