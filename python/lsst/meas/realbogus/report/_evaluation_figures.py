"""Figures of an evaluation, for a page and for the Butler."""

from __future__ import annotations

__all__ = ("evaluation_plots",)

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from scipy.special import expit
from scipy.stats import norm

from ..evaluation import DETECTED, END_TO_END, Evaluation
from ._figures import INK, MUTED, figure_panels, model_colors

type Floats = npt.NDArray[np.float64]

_LINES = {DETECTED: "-", END_TO_END: (0, (4, 2))}
_SAID = {DETECTED: "of the detected", END_TO_END: "end to end"}
# As Acero-Cuellar et al. colour them.
_CELLS = {"tp": "#465eb4", "fn": "#ff834d", "fp": "#ffb04b", "tn": "#7b93cc"}
_BINNED = ("SNR", "magnitude", "host distance", "host brightness", "edge distance", "band")
_UNITS = {
    "host distance": "host distance (arcsec)",
    "host brightness": "host brightness (mag / arcsec²)",
    "edge distance": "edge distance (pixels)",
}


def evaluation_plots(evaluation: Evaluation) -> dict[str, Figure]:
    """Draw an evaluation.

    Parameters
    ----------
    evaluation
        What was measured.

    Returns
    -------
    dict
        Figures by name: ``curves`` (ROC, purity against completeness with the recall that detection allows,
        DET), ``parts`` (purity against completeness to limits of magnitude, above cuts of SNR, and by band),
        ``confusion`` (matrices with their rates), ``thresholds``, ``bins``, ``efficiency``, ``calibration``.
    """
    models = list(dict.fromkeys(evaluation.figures["model"].tolist()))
    return {
        "curves": _draw_curves(evaluation, models),
        "parts": _draw_parts(evaluation, models),
        "confusion": _draw_confusion(evaluation, models),
        "thresholds": _draw_thresholds(evaluation, models),
        "bins": _draw_bins(evaluation, models),
        "efficiency": _draw_efficiency(evaluation),
        "calibration": _draw_calibration(evaluation, models),
    }


def _chosen(table: Table, **values: str) -> Table:
    here = np.ones(len(table), bool)
    for name, value in values.items():
        here &= np.asarray(table[name]).astype(str) == value
    return table[here]


def _draw_curves(evaluation: Evaluation, models: Sequence[str]) -> Figure:
    colors = model_colors(models)
    with figure_panels(3, 12.6, 4.4) as (figure, (roc, purity, det)):
        for model, scope in itertools.product(models, (DETECTED, END_TO_END)):
            curve = _chosen(evaluation.curves, model=model, scope=scope, variable="all", name="all")
            if not len(curve):
                continue
            line: dict[str, Any] = {"color": colors[model], "ls": _LINES[scope], "lw": 1.7}
            passing, complete = (np.asarray(curve[n], float) for n in ("false_positive_rate", "completeness"))
            label = f"{model}, {_SAID[scope]}"
            roc.step(np.append(0, passing), np.append(0, complete), where="post", label=label, **line)
            purity.plot(complete, curve["purity"], label=label, **line)
            if scope == END_TO_END:
                most = float(complete.max())
                purity.axvline(most, color=colors[model], lw=1, ls=":")
            with np.errstate(divide="ignore"):
                inside = (passing > 0) & (complete < 1)
                det.plot(norm.ppf(passing[inside]), norm.ppf(1 - complete[inside]), **line)
        purity.plot([], [], color=MUTED, lw=1, ls=":", label="completeness that detection allows")
        roc.set(
            title="ROC", xlabel="false positive rate", ylabel="completeness", xlim=(-0.01, 1), ylim=(0, 1.02)
        )
        purity.set(title="Purity and completeness", xlabel="completeness", ylabel="purity")
        purity.set(xlim=(0, 1.02), ylim=(0, 1.02))
        ticks = [0.001, 0.01, 0.05, 0.2, 0.5, 0.8]
        for side in (det.xaxis, det.yaxis):
            side.set_ticks(norm.ppf(ticks).tolist(), [f"{tick:g}" for tick in ticks])
        det.set(title="DET", xlabel="false positive rate", ylabel="fraction of reals missed")
        det.set(xlim=norm.ppf((0.0005, 0.9)), ylim=norm.ppf((0.0005, 0.9)))
        for axis in (roc, purity):
            axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.16), fontsize=8)
        return figure


def _draw_parts(evaluation: Evaluation, models: Sequence[str]) -> Figure:
    """Draw purity against completeness to limits and above cuts (DMTN-274, figure 3), and by band."""
    kinds = {"to limits and above cuts": ["SNR cut", "magnitude limit"], "by band": ["band"]}
    with figure_panels(4, 16.4, 4.0 * len(models), rows=len(models)) as (figure, axes):
        panels = itertools.product(models, kinds.items(), (DETECTED, END_TO_END))
        for axis, (model, (title, variables), scope) in zip(axes, panels, strict=True):
            parts = _chosen(evaluation.curves, model=model, scope=scope)
            parts = parts[np.isin(np.asarray(parts["variable"]), variables)]
            names = list(dict.fromkeys(parts["name"].tolist()))
            for name, color in model_colors(names).items():
                curve = _chosen(parts, name=name)
                axis.plot(curve["completeness"], curve["purity"], color=color, lw=1.5, label=name)
            axis.set(title=f"{model}, {_SAID[scope]},\n{title}", xlabel="completeness", ylabel="purity")
            axis.set(xlim=(0, 1.02), ylim=(0, 1.02))
            if names:
                axis.legend(loc="lower left", fontsize=8)
        return figure


def _draw_confusion(evaluation: Evaluation, models: Sequence[str]) -> Figure:
    rows = [
        row
        for model, scope in itertools.product(models, (DETECTED, END_TO_END))
        for row in _chosen(evaluation.figures, model=model, scope=scope, variable="all", name="all")
    ]
    with figure_panels(len(rows), 4.1 * len(rows), 3.9) as (figure, axes):
        for axis, row in zip(axes, rows, strict=True):
            total = max(sum(int(row[name]) for name in _CELLS), 1)
            for (name, color), (x, y) in zip(_CELLS.items(), ((0, 1), (1, 1), (0, 0), (1, 0)), strict=True):
                axis.add_patch(Rectangle((x, y), 1, 1, color=color, alpha=0.8, lw=0))
                text = f"{name.upper()}\n{int(row[name])}\n{int(row[name]) / total:.2%}"
                axis.text(x + 0.5, y + 0.5, text, ha="center", va="center", color="white", weight="bold")
            beside = {
                (2.3, 1.5): ("sensitivity", "completeness"),
                (2.3, 0.5): ("specificity", "specificity"),
                (0.5, -0.28): ("precision", "purity"),
                (1.5, -0.28): ("NPV", "npv"),
                (2.3, -0.28): ("accuracy", "accuracy"),
            }
            for (left, up), (called, name) in beside.items():
                interval = f"{row[f'{name}_low']:.3f}–{row[f'{name}_high']:.3f}"
                axis.text(
                    left + 0.15 * (left > 2), up, f"{called}\n{row[name]:.2%}\n{interval}",
                    ha="center", va="center", fontsize=8.5, color=INK,
                )  # fmt: skip
            axis.set(xlim=(0, 2.9), ylim=(-0.55, 2), title=f"{row['model']}, {_SAID[str(row['scope'])]}")
            axis.set_xticks([0.5, 1.5], ["called real", "called bogus"])
            axis.set_yticks([0.5, 1.5], ["bogus", "real"])
            axis.xaxis.tick_top()
            axis.tick_params(length=0)
            axis.grid(visible=False)
            for spine in axis.spines.values():
                spine.set_visible(False)
        return figure


def _draw_thresholds(evaluation: Evaluation, models: Sequence[str]) -> Figure:
    colors = {"completeness": "#1d4ed8", "purity": "#be185d", "mcc": "#4d7c0f"}
    with figure_panels(len(models), 5.2 * len(models), 3.6) as (figure, axes):
        for axis, model in zip(axes, models, strict=True):
            for scope, (name, color) in itertools.product((DETECTED, END_TO_END), colors.items()):
                curve = _chosen(evaluation.curves, model=model, scope=scope, variable="all", name="all")
                axis.plot(
                    curve["threshold"], curve[name], color=color, ls=_LINES[scope], lw=1.6,
                    label=f"{name.upper() if name == 'mcc' else name}, {_SAID[scope]}",
                )  # fmt: skip
            axis.set(title=model, xlabel="threshold of the score", xlim=(0, 1), ylim=(-0.02, 1.02))
            axis.legend(loc="lower center", fontsize=8)
        return figure


def _draw_bins(evaluation: Evaluation, models: Sequence[str]) -> Figure:
    known = set(evaluation.figures["variable"].tolist())
    variables = [name for name in _BINNED if name in known]
    colors = model_colors(models)
    with figure_panels(len(variables), 4.0 * len(variables), 6.0, rows=2) as (figure, axes):
        for i, variable in enumerate(variables):
            part = _chosen(evaluation.figures, variable=variable)
            names = _in_order(part)
            for axis, figure_name in ((axes[i], "completeness"), (axes[i + len(variables)], "purity")):
                for j, (model, scope) in enumerate(itertools.product(models, (DETECTED, END_TO_END))):
                    rows = _chosen(part, model=model, scope=scope)
                    place = np.array([names.index(str(name)) for name in rows["name"]], float)
                    value, low, high = (
                        np.asarray(rows[f"{figure_name}{end}"], float) for end in ("", "_low", "_high")
                    )
                    error = np.nan_to_num(np.abs(np.stack([value - low, high - value])))
                    axis.errorbar(
                        place + (j - len(models) + 0.5) * 0.12, value, error, fmt="o", ms=4.5, lw=0,
                        elinewidth=1.1, color=colors[model], label=f"{model}, {_SAID[scope]}",
                        mfc=colors[model] if scope == DETECTED else "white",
                    )  # fmt: skip
                axis.set_xticks(range(len(names)), names, rotation=50, ha="right", fontsize=7.5)
                axis.set(ylim=(-0.03, 1.05), xlim=(-0.6, len(names) - 0.4))
                axis.set_title(_UNITS.get(variable, variable))
        axes[0].set_ylabel("completeness")
        axes[len(variables)].set_ylabel("purity")
        axes[0].legend(loc="lower right", fontsize=7.5)
        return figure


def _in_order(part: Table) -> list[str]:
    """Return the names of bins from the lowest, those without ends last."""
    rows = {str(row["name"]): (float(row["low"]), float(row["high"])) for row in part}
    return sorted(
        rows, key=lambda name: (np.isnan(rows[name][0]), rows[name] if rows[name][0] == rows[name][0] else ())
    )


def _draw_efficiency(evaluation: Evaluation) -> Figure:
    fits = evaluation.efficiency
    bands = list(dict.fromkeys(fits["band"].tolist())) if len(fits) else []
    bands = [band for band in bands if band != "all" or len(bands) != 2]  # one band is all there is
    with figure_panels(max(len(bands), 1), 4.8 * max(len(bands), 1), 3.7) as (figure, axes):
        for axis, band in zip(axes, bands, strict=False):
            here = _chosen(fits, band=band)
            colors = {**model_colors(here["step"].tolist()[1:]), "detected": INK}
            for row in here:
                step, color = str(row["step"]), colors[str(row["step"])]
                bins = _chosen(evaluation.efficiency_bins, band=band, step=step)
                bins = bins[np.asarray(bins["n"]) > 0]
                centre, value = (bins["mag_low"] + bins["mag_high"]) / 2, np.asarray(bins["fraction"], float)
                error = np.abs(np.stack([value - bins["low"], bins["high"] - value]))
                label = step if np.isnan(row["m50"]) else f"{step}: m50 = {row['m50']:.2f}"
                axis.errorbar(
                    centre, value, error, fmt="o", ms=3.5, lw=0, elinewidth=0.8, color=color, alpha=0.7
                )
                mag = np.linspace(bins["mag_low"].min(), bins["mag_high"].max(), 200)
                fall = row["plateau"] * expit(-(mag - row["midpoint"]) / row["width"])
                axis.plot(mag, fall, color=color, lw=1.6, label=label)
            axis.axhline(0.5, color=MUTED, lw=0.8, ls=":")
            axis.set(title=f"band {band}", xlabel="true magnitude", ylim=(-0.03, 1.05))
            axis.legend(loc="lower left", fontsize=8)
        axes[0].set_ylabel("fraction found")
        return figure


def _draw_calibration(evaluation: Evaluation, models: Sequence[str]) -> Figure:
    colors = model_colors(models)
    with figure_panels(1, 4.6, 3.9) as (figure, (axis,)):
        axis.plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
        for model in models:
            part = _chosen(evaluation.reliability, model=model)
            value = np.asarray(part["real_fraction"], float)
            error = np.abs(np.stack([value - part["low"], part["high"] - value]))
            axis.errorbar(
                part["score"], value, error, fmt="o-", ms=4, lw=1.2, color=colors[model], label=model
            )
        axis.set(xlabel="mean score", ylabel="fraction real", xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        axis.legend(loc="upper left")
        return figure
