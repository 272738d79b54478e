"""Figures of a night: focal plane, visits, and distributions of scores."""

from __future__ import annotations

__all__ = ("Corners", "draw_night", "night_plots")

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import PolyCollection
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from ..evaluation import Night
from ._figures import BOGUS, INK, MUTED, REAL, figure_panels, svg

type Corners = Mapping[int, npt.NDArray[np.float64]]

_SHOWN = {
    "sources": "DIA sources per image",
    "above": "above the threshold per image",
    "fraction_unscored": "fraction without a score",
}
_MANY = 30
"""More detectors than this are not named on the map."""


def night_plots(night: Night, corners: Corners | None = None) -> dict[str, Figure]:
    """Draw a night.

    Parameters
    ----------
    night
        What `~lsst.meas.realbogus.evaluation.compare_night` returns.
    corners
        Corners of each detector; without, detectors lie in a square in order of their numbers.

    Returns
    -------
    dict
        Figures by name: ``focal_plane``, rates of each detector over those of the reference where the
        detectors lie, those that drifted with a thick outline; ``visits``, rates of every visit; ``scores``,
        how the scores of each collection are distributed. Without the first two where no detectors or visits
        were compared.
    """
    figures = {
        "focal_plane": _draw_focal_plane(night, corners or {}),
        "visits": _draw_visits(night),
        "scores": _draw_distributions(night),
    }
    return {name: figure for name, figure in figures.items() if figure is not None}


def draw_night(night: Night, corners: Corners | None = None) -> dict[str, str]:
    """Draw a night for pages and files.

    Parameters
    ----------
    night, corners
        As for `night_plots`.

    Returns
    -------
    dict
        ``<svg>`` elements by the names of `night_plots`.
    """
    return {name: svg(figure) for name, figure in night_plots(night, corners).items()}


def _draw_focal_plane(night: Night, corners: Corners) -> Figure | None:
    drift = night.drift[np.asarray(night.drift["group"]) == "detector"]
    detectors = np.unique(np.asarray(drift["detector"]))
    if not len(detectors):
        return None
    places = _places(detectors, corners)
    with figure_panels(len(_SHOWN), 13.2, 4.6) as (figure, axes):
        for axis, (quantity, label) in zip(axes, _SHOWN.items(), strict=True):
            rows = drift[np.asarray(drift["quantity"]) == quantity]
            rows = rows[np.argsort(np.asarray(rows["collection"]), kind="stable")]
            ratio = {int(row["detector"]): float(row["ratio"]) for row in rows}
            marked = {int(row["detector"]) for row in rows if row["drifted"]}
            names = [number for number in ratio if np.isfinite(ratio[number])]
            patches = PolyCollection(
                [places[number] for number in names],
                array=np.array([ratio[number] for number in names]),
                cmap="PuOr_r",
                norm=LogNorm(0.5, 2.0),
                edgecolors=[INK if number in marked else "#ffffff" for number in names],
                linewidths=[2.2 if number in marked else 0.6 for number in names],
            )
            axis.add_collection(patches)
            axis.autoscale_view()
            axis.set(aspect="equal", xticks=[], yticks=[], title=label)
            axis.grid(visible=False)
            axis.spines[:].set_visible(False)
            for number in names if len(names) <= _MANY else sorted(marked):
                x, y = places[number].mean(axis=0)
                color = "#ffffff" if abs(np.log2(ratio[number])) > 0.5 else INK
                axis.text(x, y, str(number), ha="center", va="center", fontsize=7.5, color=color)
            bar = figure.colorbar(patches, ax=axis, orientation="horizontal", shrink=0.8, extend="both")
            bar.set_ticks([0.5, 0.7, 1, 1.4, 2], labels=["0.5", "0.7", "1", "1.4", "2"])
            bar.ax.minorticks_off()
            bar.set_label("over the reference")
        return figure


def _places(detectors: npt.NDArray[np.int64], corners: Corners) -> dict[int, npt.NDArray[np.float64]]:
    """Return the corners of each detector, in a grid where not all are known."""
    if all(int(number) in corners for number in detectors):
        return {int(number): np.asarray(corners[int(number)]) for number in detectors}
    side = int(np.ceil(np.sqrt(len(detectors))))
    square = np.array([(0, 0), (0.94, 0), (0.94, 0.94), (0, 0.94)])
    return {int(number): square + (i % side, -(i // side)) for i, number in enumerate(detectors)}


def _draw_visits(night: Night) -> Figure | None:
    drift = night.drift[np.asarray(night.drift["group"]) == "visit"]
    if not len(drift):
        return None
    with figure_panels(1, 13.2, 7.6, rows=len(_SHOWN)) as (figure, axes):
        for axis, (quantity, label) in zip(axes, _SHOWN.items(), strict=True):
            rows = drift[np.asarray(drift["quantity"]) == quantity]
            rows = rows[np.lexsort((np.asarray(rows["visit"]), np.asarray(rows["collection"])))]
            _draw_rates(axis, rows)
            axis.set(title=label, ylabel="over the reference")
        axes[-1].set_xlabel("visits, in order")
        return figure


def _draw_rates(axis: Axes, rows: npt.NDArray[np.void]) -> None:
    place, ratio, drifted = np.arange(len(rows)), np.asarray(rows["ratio"]), np.asarray(rows["drifted"], bool)
    low, high = np.asarray(rows["low"]), np.asarray(rows["high"])
    axis.axhline(1, color=INK, lw=1)
    for color, here in ((REAL, ~drifted), (BOGUS, drifted)):
        axis.vlines(place[here], low[here], high[here], color=color, lw=1, alpha=0.5)
        axis.plot(place[here], ratio[here], ".", color=color, ms=5 if len(rows) < 200 else 2.5)
    shown = place[:: max(1, len(rows) // 10)]
    axis.set_xticks(shown.tolist(), [str(rows["visit"][i]) for i in shown], fontsize=8)
    known = np.concatenate([low, high])
    known = known[np.isfinite(known) & (known > 0)]
    limits = np.clip([known.min(initial=0.5), known.max(initial=2.0)], 0.05, 20)
    axis.set(yscale="log", ylim=(limits[0] / 1.1, limits[1] * 1.1))
    few = limits[1] < 10 * limits[0]
    axis.yaxis.set_minor_locator(LogLocator(subs=(1.5, 2, 3, 5, 7) if few else (2, 5)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter("{x:g}")


def _draw_distributions(night: Night) -> Figure:
    names = np.asarray(night.counts["collection"]).astype(str)
    edges = np.linspace(0, 1, np.shape(night.counts["histogram"])[1] + 1)
    with figure_panels(1, 8.8, 3.2) as (figure, (axis,)):
        if not night.is_own_reference:
            _stairs(axis, np.asarray(night.reference["histogram"]).sum(axis=0), edges, "reference", MUTED)
        for i, name in enumerate(np.unique(names)[:8].tolist()):
            total = np.asarray(night.counts["histogram"])[names == name].sum(axis=0)
            _stairs(axis, total, edges, name, f"C{i}" if i else REAL)
        axis.axvline(night.options.threshold, color=INK, lw=1, ls=(0, (4, 3)))
        axis.set(xlabel="score", ylabel="fraction of the scores", xlim=(0, 1), yscale="log")
        axis.yaxis.set_major_formatter("{x:g}")
        if axis.get_legend_handles_labels()[1]:
            axis.legend(loc="upper right")
        return figure


def _stairs(
    axis: Axes, counts: npt.NDArray[np.int64], edges: npt.NDArray[np.float64], name: str, color: str
) -> None:
    if counts.sum():
        axis.stairs(counts / counts.sum(), edges, color=color, lw=1.5, label=f"{name} ({counts.sum()})")
