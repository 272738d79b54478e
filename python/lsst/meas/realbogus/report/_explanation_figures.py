"""Figures of explanations, as Acero-Cuellar et al. (2023) draw them: colours, maps and bins are theirs."""

from __future__ import annotations

__all__ = ("draw_attributions", "draw_segments", "embedding_figure", "segments_figure")

import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from ..cutouts import StampBatch
from ..explanation import Explainer, prepare_batch, split_segments
from ._figures import _STYLE, figure_panels, svg

OUTCOME_COLORS: Mapping[str, str] = {
    "TP": "#465eb4",
    "FN": "#ff834d",
    "FP": "#ffb04b",
    "TN": "#7b93cc",
    "undecided": "#9aa5b1",
    "unscored": "#d9dee4",
}
_IMAGE_COLORS = {"difference": "gray", "science": "#b3e2cd", "template": "#ddd8f5"}
type _Panels = Mapping[str, npt.NDArray[np.floating]]

_BINS = np.linspace(0, 1, 31).tolist()


def segments_figure(winners: Table, table: Table) -> Figure:
    """Draw which image has the largest share of the saliency, by outcome, and the shares of all.

    Parameters
    ----------
    winners
        As from `~lsst.meas.realbogus.explanation.count_winners`.
    table
        As from `~lsst.meas.realbogus.explanation.explain_stamps`.

    Returns
    -------
    matplotlib.figure.Figure
        Tree maps of true and false positives and negatives, and histograms of the shares: right answers at
        the left, errors at the right.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(10, 5.4), layout="constrained")
        FigureCanvasAgg(figure)
        trees, histograms = figure.subfigures(1, 2, width_ratios=(1, 1.3), squeeze=False)[0]
        rows = {str(row["outcome"]): row for row in winners}
        for axis, outcome in zip(trees.subplots(2, 2).flat, ("TP", "FN", "FP", "TN"), strict=True):
            _tree(axis, outcome, rows[outcome])
        outcomes = np.asarray(table["outcome"]).astype(str)
        groups = (("TP (outlined) and TN", ("TP", "TN")), ("FP (outlined) and FN", ("FP", "FN")))
        shown = [image for image in _IMAGE_COLORS if np.isfinite(table[f"importance_{image}"]).any()]
        axes = histograms.subplots(max(len(shown), 1), 2, sharex=True, squeeze=False)
        for image, pair in zip(shown, axes, strict=False):
            for axis, (title, group) in zip(pair, groups, strict=True):
                parts = [np.asarray(table[f"importance_{image}"])[outcomes == name] for name in group]
                axis.hist(
                    [part[np.isfinite(part)] for part in parts], _BINS, stacked=True, label=list(group),
                    color=[_IMAGE_COLORS[image]] * 2, edgecolor=["#1f2933", "none"], linewidth=0.6,
                )  # fmt: skip
                axis.set_axisbelow(True)
                axis.axvline(1 / len(shown), color="#1f2933", lw=0.8, ls=":")
                axis.set(xlim=(0, 1), title=title if image == shown[0] else None)
                axis.yaxis.get_major_locator().set_params(integer=True)
                if axis is pair[0]:
                    axis.set_ylabel(f"{image}\nsources")
                if image == shown[-1]:
                    axis.set_xlabel("share of the saliency")
        return figure


def draw_segments(winners: Table, table: Table) -> str:
    """Draw `segments_figure` for a page.

    Parameters
    ----------
    winners, table
        As for `segments_figure`.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    with mpl.rc_context(_STYLE):
        return svg(segments_figure(winners, table))


def _tree(axis: Axes, outcome: str, row: Any) -> None:
    """Draw a square whose areas are the counts of each image: the largest at the left, the others beside."""
    axis.set(xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], aspect="equal")
    axis.set_title(f"{outcome}: {row['n']}")
    axis.spines[:].set_visible(False)
    counts = sorted(((int(row[image]), image) for image in _IMAGE_COLORS), reverse=True)
    total = sum(count for count, _ in counts)
    if not total:
        axis.text(0.5, 0.5, "none", ha="center", va="center", color="#9aa5b1")
        return
    rest = total - counts[0][0]
    split, bottom = counts[0][0] / total, 0.0
    for number, (count, image) in enumerate(counts):
        if not count:
            continue
        height = 1.0 if number == 0 else count / rest
        x, width = (0.0, split) if number == 0 else (split, 1 - split)
        y = 0.0 if number == 0 else bottom
        bottom += 0.0 if number == 0 else height
        axis.add_patch(
            Rectangle((x, y), width, height, facecolor=OUTCOME_COLORS[outcome], alpha=0.8, ec="white", lw=2)
        )
        label = f"{image}\n{count} ({100 * count / total:.0f} %)"
        upright = width < 0.35 and height > width
        if (width if upright else height) > 0.1 and width * height > 0.04:
            axis.text(
                x + width / 2, y + height / 2, label, ha="center", va="center", fontsize=8,
                color="white", rotation=90 if upright else 0,
            )  # fmt: skip


def embedding_figure(table: Table, color_by: str = "outcome") -> Figure:
    """Draw the map of the last hidden layer.

    Parameters
    ----------
    table
        As from `~lsst.meas.realbogus.explanation.explain_stamps`.
    color_by
        Column of words that gives the colours: ``outcome`` or ``kind``.

    Returns
    -------
    matplotlib.figure.Figure
        The map.
    """
    words = np.asarray(table[color_by]).astype(str)
    known = np.isfinite(np.asarray(table["embedding_x"], float))
    names = sorted(
        set(words[known].tolist()), key=list(OUTCOME_COLORS).index if color_by == "outcome" else str
    )
    cycle = mpl.colormaps["tab20"]
    with figure_panels(1, 6.4, 5) as (figure, (axis,)):
        for number, name in enumerate(names):
            here = known & (words == name)
            color = OUTCOME_COLORS[name] if color_by == "outcome" else cycle(number % 20)
            axis.plot(
                table["embedding_x"][here], table["embedding_y"][here], ".", ms=4, color=color,
                label=f"{name or 'unknown'} ({here.sum()})",
            )  # fmt: skip
        axis.set(xticks=[], yticks=[], title=f"Last hidden layer of {table.meta.get('model', 'the model')}")
        axis.set_xlabel(f"{table.meta.get('embedding', '')}".upper())
        axis.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=8)
        return figure


def draw_attributions(explainer: Explainer, batch: StampBatch, titles: Sequence[str]) -> list[bytes]:
    """Draw stamps, what the network sees, and what in it decides.

    Parameters
    ----------
    explainer
        The model.
    batch
        A few sources.
    titles
        A line above each.

    Returns
    -------
    list of bytes
        A PNG for each source. Rows: A stamps, B normalised inputs, C saliency, D integrated gradients and,
        where there is one, E Grad-CAM.
    """
    inputs = prepare_batch(explainer.contract, batch).inputs
    maps = {
        "B": split_segments(explainer.contract, inputs),
        "C": split_segments(explainer.contract, explainer.saliency(inputs)),
        "D": split_segments(explainer.contract, explainer.integrated_gradients(inputs)[0]),
    }
    cams = explainer.grad_cam(inputs) if explainer.has_convolution else None
    images = explainer.contract.inputs
    pictures = []
    for row, title in enumerate(titles):
        rows: dict[str, _Panels] = {"A": {image: batch.stamps[image][row] for image in images}}
        for name, segments in maps.items():
            rows[name] = {image: segments[image][row] for image in images}
        if cams is not None:
            rows["E"] = dict(_cam_panels(explainer, cams[row], images))
        pictures.append(_sheet(title, rows))
    return pictures


def _cam_panels(
    explainer: Explainer, cam: npt.NDArray[np.float32], images: Sequence[str]
) -> Iterator[tuple[str, npt.NDArray[np.float32]]]:
    """Yield the part of the map that lies over each image; stacked images share it."""
    size = explainer.contract.stamp_size
    for number, image in enumerate(images):
        side = explainer.contract.layout == "side_by_side"
        yield image, cam[:, number * size : (number + 1) * size] if side else cam


_ROW_NAMES = {
    "A": "stamps",
    "B": "normalised",
    "C": "saliency",
    "D": "integrated\ngradients",
    "E": "Grad-CAM",
}


def _sheet(title: str, rows: Mapping[str, _Panels]) -> bytes:
    images = list(next(iter(rows.values())))
    with mpl.rc_context(_STYLE):
        figure = Figure(
            figsize=(1.75 * len(images) + 0.6, 1.5 * len(rows) + 0.5), dpi=80, layout="constrained"
        )
        FigureCanvasAgg(figure)
        figure.suptitle(title, fontsize=9.5)
        grid = figure.subplots(len(rows), len(images), squeeze=False)
        for line, (letter, panels) in zip(grid, rows.items(), strict=True):
            finite = np.concatenate([p[np.isfinite(p)].ravel() for p in panels.values()])
            lowest, highest = (finite.min(), finite.max()) if finite.size else (0, 1)
            strongest = max(abs(lowest), abs(highest)) or 1.0
            for axis, (image, pixels) in zip(line, panels.items(), strict=True):
                axis.grid(visible=False)
                axis.set(xticks=[], yticks=[], title=image if letter == "A" else None)
                colors, low, high = {
                    "A": ("Greys", None, None),  # each on its own scale
                    "B": ("PRGn", -4.0, 4.0),
                    "C": ("Greens", lowest, highest),
                    "D": ("PRGn", -strongest, strongest),
                    "E": ("Greens", 0.0, 1.0),
                }[letter]
                shown = axis.imshow(pixels, origin="lower", cmap=colors, vmin=low, vmax=high)
                if letter == "A":
                    figure.colorbar(shown, ax=axis, shrink=0.8).ax.tick_params(labelsize=6)
            line[0].set_ylabel(f"{letter}  {_ROW_NAMES[letter]}", fontsize=8.5)
            if letter == "C":
                bar = figure.colorbar(shown, ax=list(line), shrink=0.8, ticks=[lowest, highest])
                bar.ax.set_yticklabels(["0", "1"])
                bar.set_label("Pixel relative\nimportance", fontsize=7)
            elif letter != "A":
                figure.colorbar(shown, ax=list(line), shrink=0.8).ax.tick_params(labelsize=6)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png")
        return buffer.getvalue()
