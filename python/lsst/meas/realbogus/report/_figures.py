"""Figures of a report, as SVG in memory."""

from __future__ import annotations

__all__ = (
    "draw_completeness",
    "draw_curves",
    "draw_histograms",
    "draw_kinds",
    "figure_panels",
    "model_colors",
    "svg",
)

import io
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..evaluation import BinnedFraction, KindResult, ThresholdCurve
from ..truth import Label

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # of matplotlib 3.11

Floats = npt.NDArray[np.float64]

REAL, BOGUS, INK, MUTED = "#0f766e", "#c2410c", "#1f2933", "#9aa5b1"
_MODEL_COLORS = (
    "#1d4ed8", "#be185d", "#7c3aed", "#b45309", "#0e7490", "#4d7c0f",
    "#475569", "#dc2626", "#0d9488", "#a16207", "#6d28d9", "#111827",
)  # fmt: skip

_STYLE: dict[RcKeyType, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 9.5,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": "#7b8794",
    "axes.labelcolor": INK,
    "axes.titlesize": 10.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.grid": True,
    "grid.color": "#e4e7eb",
    "grid.linewidth": 0.7,
    "xtick.color": "#52606d",
    "ytick.color": "#52606d",
    "legend.edgecolor": "none",
    "legend.framealpha": 0.85,
    # Names of models are text, not formulae.
    "text.parse_math": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "lsst.meas.realbogus",
}


def model_colors(models: Sequence[str]) -> dict[str, str]:
    """Give every model a colour, the same in all figures."""
    return {name: _MODEL_COLORS[i % len(_MODEL_COLORS)] for i, name in enumerate(models)}


@contextmanager
def figure_panels(n: int, width: float, height: float, rows: int = 1) -> Iterator[tuple[Figure, list[Axes]]]:
    """Make a figure in the style of the pages.

    Parameters
    ----------
    n
        Panels beside each other.
    width, height
        Size of the figure in inches.
    rows
        Rows of panels below each other.

    Yields
    ------
    matplotlib.figure.Figure, list of matplotlib.axes.Axes
        The figure, and its panels row by row.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        FigureCanvasAgg(figure)
        yield figure, list(figure.subplots(rows, n, squeeze=False).ravel())


def svg(figure: Figure) -> str:
    """Return a figure as an ``<svg>`` element, its text as text."""
    text = io.StringIO()
    with mpl.rc_context(_STYLE):
        figure.savefig(text, format="svg", metadata={"Date": None}, transparent=True)
    drawing = text.getvalue()
    return drawing[drawing.index("<svg") :]


def draw_histograms(
    scores: Mapping[str, Floats], labels: npt.NDArray[np.int8], threshold: float, bogus_name: str = "bogus"
) -> str:
    """Draw the distribution of each model's scores, real and bogus sources apart.

    Parameters
    ----------
    scores
        Scores by model.
    labels
        Labels of the same sources.
    threshold
        Where to draw the line.
    bogus_name
        What to call the sources with label 0.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    edges = np.linspace(0, 1, 26).tolist()
    with figure_panels(len(scores), 4.4 * len(scores), 2.9) as (figure, axes):
        for axis, (name, values) in zip(axes, scores.items(), strict=True):
            for label, color, legend in ((0, BOGUS, bogus_name), (1, REAL, "real")):
                here = values[(labels == label) & np.isfinite(values)]
                axis.hist(here, edges, color=color, alpha=0.28)
                axis.hist(here, edges, color=color, histtype="step", lw=1.5, label=f"{legend} ({here.size})")
            axis.axvline(threshold, color=INK, lw=1, ls=(0, (4, 3)))
            axis.set(title=name, xlabel="score", ylabel="sources", yscale="symlog", xlim=(0, 1))
            axis.set_ylim(bottom=0)
            axis.yaxis.set_major_formatter("{x:.0f}")
            axis.legend(loc="upper center")
        return svg(figure)


def draw_curves(curves: Mapping[str, ThresholdCurve], areas: Mapping[str, float], threshold: float) -> str:
    """Draw the ROC curve and purity against completeness.

    Parameters
    ----------
    curves
        Curves by model.
    areas
        Area under each ROC curve, for the legend.
    threshold
        Threshold to mark on every curve.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    colors = model_colors(list(curves))
    with figure_panels(2, 8.8, 4.3) as (figure, (roc, purity)):
        for name, curve in curves.items():
            if not curve.threshold.size:
                continue
            color, mark = colors[name], int(np.searchsorted(-curve.threshold, -threshold, side="right")) - 1
            x, y = np.append(0, curve.false_positive_rate), np.append(0, curve.completeness)
            roc.step(x, y, where="post", color=color, lw=1.8, label=f"{name}  (area {areas[name]:.3f})")
            purity.fill_between(curve.completeness, *curve.purity_interval, color=color, alpha=0.13, lw=0)
            purity.plot(curve.completeness, curve.purity, color=color, lw=1.8, label=name)
            if mark >= 0:
                roc.plot(curve.false_positive_rate[mark], curve.completeness[mark], "o", color=color, ms=6)
                purity.plot(curve.completeness[mark], curve.purity[mark], "o", color=color, ms=6)
        roc.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":", label="chance")
        for axis in (roc, purity):
            axis.plot([], [], "o", color=MUTED, ms=6, label=f"at a score of {threshold:g}")
        purity.fill_between([], [], color=MUTED, alpha=0.3, lw=0, label="95 % interval of purity")
        roc.set(xlabel="false positive rate", ylabel="completeness", xlim=(-0.01, 1), ylim=(0, 1.02))
        roc.set_title("ROC")
        purity.set(xlabel="completeness", ylabel="purity", xlim=(0, 1.02), ylim=(0, 1.02))
        purity.set_title("Purity and completeness")
        for axis in (roc, purity):
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
        return svg(figure)


def draw_completeness(panels: Mapping[str, Mapping[str, BinnedFraction]], log: Mapping[str, bool]) -> str:
    """Draw completeness of injected sources in bins.

    Parameters
    ----------
    panels
        For every panel, by the label of its axis, the curves by name; the first is detection alone.
    log
        Whether each panel's axis is logarithmic.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    with figure_panels(len(panels), 4.4 * len(panels), 3.3) as (figure, axes):
        for axis, (label, curves) in zip(axes, panels.items(), strict=True):
            colors = {**model_colors(list(curves)[1:]), next(iter(curves)): INK}
            for i, (name, binned) in enumerate(curves.items()):
                low, high = binned.edges[:-1], binned.edges[1:]
                centre = np.sqrt(low * high) if log[label] else (low + high) / 2
                shift = (i - (len(curves) - 1) / 2) * 0.12
                centre = centre * (high / low) ** shift if log[label] else centre + shift * (high - low)
                some = binned.trials > 0
                error = np.abs(np.stack([binned.low, binned.high]) - binned.value)[:, some]
                axis.errorbar(
                    centre[some], binned.value[some], error, color=colors[name], fmt="o-", ms=4.5, lw=1.3,
                    elinewidth=1, label=name,
                )  # fmt: skip
            axis.set(xlabel=label, ylabel="completeness", ylim=(-0.03, 1.05))
            if log[label]:
                axis.set_xscale("log")
                axis.xaxis.set_major_formatter("{x:g}")
                axis.set_xticks([t for t in (1, 2, 5, 10, 20, 50, 100, 200, 500) if low[0] <= t <= high[-1]])
                axis.minorticks_off()
        axes[0].legend(loc="lower right", fontsize=8.5)
        return svg(figure)


def draw_kinds(kinds: Sequence[KindResult], threshold: float) -> str:
    """Draw the fraction of each kind of source that models call real.

    Parameters
    ----------
    kinds
        Real and bogus kinds, each with at least one source.
    threshold
        Score from which a source is called real.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    models = list(kinds[0].models)
    colors = model_colors(models)
    with figure_panels(1, 8.8, 1.3 + 0.27 * len(kinds)) as (figure, (axis,)):
        place = np.arange(len(kinds), dtype=float)
        for i, name in enumerate(models):
            parts = [kind.models[name].above for kind in kinds]
            value = np.array([part.value for part in parts])
            error = np.abs(np.array([[part.low, part.high] for part in parts]) - value[:, None]).T
            axis.errorbar(
                value, place + (i - (len(models) - 1) / 2) * 0.2, xerr=error, fmt="o", ms=4.5, lw=0,
                elinewidth=1.2, color=colors[name], label=name,
            )  # fmt: skip
        axis.set_yticks(place.tolist(), [f"{kind.kind.replace('_', ' ')} ({kind.n})" for kind in kinds])
        for tick, kind in zip(axis.get_yticklabels(), kinds, strict=True):
            tick.set_color(REAL if kind.label == Label.REAL else BOGUS)
        axis.set(xlabel=f"fraction of the sources with a score of at least {threshold:g}", xlim=(-0.02, 1.02))
        axis.set_ylim(len(kinds) - 0.5, -0.5)
        axis.legend(loc="lower center", bbox_to_anchor=(0.5, 1.0), ncols=len(models))
        return svg(figure)
