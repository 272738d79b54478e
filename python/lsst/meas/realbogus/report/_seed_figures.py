"""Confusion matrices and ROC curves as Acero-Cuellar et al. (2023) draw them."""

from __future__ import annotations

__all__ = ("draw_confusions",)

from collections.abc import Mapping

import numpy as np
from matplotlib.axes import Axes

from ..evaluation import Confusion, ThresholdCurve
from ._figures import MUTED, figure_panels, svg

_TP, _FN, _FP, _TN = "#465eb4", "#ff834d", "#ffb04b", "#7b93cc"
_CURVES = ("#465eb4", "#ffb04b", "#2f7d4f", "#8a3ffc", "#444444")


def draw_confusions(confusions: Mapping[str, Confusion], curves: Mapping[str, ThresholdCurve]) -> str:
    """Draw the confusion matrix of each model, and all ROC curves with the corner that matters enlarged.

    Colours and layout are those of Acero-Cuellar et al. (2023, figures 6 to 8): counts, with per cent of the
    sources that are really so.

    Parameters
    ----------
    confusions
        By model.
    curves
        By model; those without a threshold are left out.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    n = len(confusions) + 1
    with figure_panels(n, 3.5 * n, 3.5) as (figure, axes):
        for axis, (name, confusion) in zip(axes, confusions.items(), strict=False):
            _draw_matrix(axis, name, confusion)
        corner = axes[-1].inset_axes((0.42, 0.12, 0.54, 0.5))
        for color, (name, curve) in zip(_CURVES, curves.items(), strict=False):
            if curve.threshold.size:
                x, y = np.append(0, curve.false_positive_rate), np.append(0, curve.completeness)
                for axis in (axes[-1], corner):
                    axis.step(x, y, where="post", color=color, lw=1.8, label=name)
        corner.set(xlim=(0, 0.15), ylim=(0.75, 1.0))
        corner.tick_params(labelsize=7)
        axes[-1].plot([0, 1], [0, 1], color=MUTED, lw=0.8, ls=":")
        axes[-1].set(
            title="ROC",
            xlabel="false positive rate",
            ylabel="true positive rate",
            xlim=(0, 1),
            ylim=(0, 1.01),
        )
        if axes[-1].get_legend_handles_labels()[1]:
            axes[-1].legend(loc="upper center", bbox_to_anchor=(0.5, -0.2), ncols=2, fontsize=8)
        return svg(figure)


def _draw_matrix(axis: Axes, name: str, confusion: Confusion) -> None:
    tp, fn, fp, tn = (int(count) for count in confusion.counts)
    cells = ((0, 1, tp, tp + fn, _TP, "TP"), (1, 1, fn, tp + fn, _FN, "FN"),
             (0, 0, fp, fp + tn, _FP, "FP"), (1, 0, tn, fp + tn, _TN, "TN"))  # fmt: skip
    for x, y, count, whole, color, kind in cells:
        axis.fill_between([x, x + 1], y, y + 1, color=color, alpha=0.8, lw=0)
        share = f"{100 * count / whole:.1f} %" if whole else "–"
        axis.text(x + 0.5, y + 0.5, f"{kind}\n{count}\n{share}", ha="center", va="center", fontsize=11)
    axis.set(title=name, xlim=(0, 2), ylim=(0, 2), aspect="equal", xlabel="called", ylabel="is")
    axis.set_xticks([0.5, 1.5], ["real", "bogus"])
    axis.set_yticks([0.5, 1.5], ["bogus", "real"], rotation=90, va="center")
    axis.tick_params(length=0)
    axis.grid(visible=False)
    axis.spines[:].set_visible(False)
