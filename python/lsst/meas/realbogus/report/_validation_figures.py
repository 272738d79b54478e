"""Figures of a validation of injections."""

from __future__ import annotations

__all__ = ("draw_validation", "validation_figure")

import numpy as np
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ..evaluation import Pull, Validation, measure_pull
from ._figures import BOGUS, INK, REAL, figure_panels, svg

_BIASED = {
    "magnitude": "AB magnitude",
    "host_sb": "host beneath (mag / arcsec²)",
    "edge_distance": "distance to the edge (pixels)",
    "detector": "detector",
}


def validation_figure(validation: Validation) -> Figure:
    """Draw pulls, biases in bins, and the noise of the added light.

    Parameters
    ----------
    validation
        What `~lsst.meas.realbogus.evaluation.validate_injection` returns.

    Returns
    -------
    matplotlib.figure.Figure
        Eight panels.
    """
    recovery, options = validation.recovery, validation.options
    bright = recovery[np.asarray(recovery["snr_expected"]) >= options.min_snr]
    with figure_panels(4, 13.2, 6.0, rows=2) as (figure, axes):
        flux = measure_pull(bright["psfFlux"], bright["flux"], bright["psfFluxErr"])
        _draw_pull(axes[0], flux, "Flux")
        axes[0].set_ylabel("fakes")
        for axis, name in zip(axes[1:3], "xy", strict=True):
            pull = measure_pull(bright[f"{name}_measured"], bright[name], bright[f"{name}Err"])
            _draw_pull(axis, pull, f"Position, {name}")
        _draw_noise(axes[3], validation)
        for axis, (quantity, label) in zip(axes[4:], _BIASED.items(), strict=True):
            _draw_bias(axis, validation.bins, quantity, label, options.max_bin_flux_bias)
        axes[4].set_ylabel("measured / injected flux − 1")
        return figure


def draw_validation(validation: Validation) -> str:
    """Draw the same for a page.

    Parameters
    ----------
    validation
        As for `validation_figure`.

    Returns
    -------
    str
        An ``<svg>`` element.
    """
    return svg(validation_figure(validation))


def _draw_pull(axis: Axes, pull: Pull, title: str) -> None:
    edges = np.linspace(-5, 5, 26).tolist()
    centre = np.linspace(-5, 5, 201)
    axis.hist(np.clip(pull.values, -4.99, 4.99), edges, color=REAL, alpha=0.35)
    normal = np.exp(-0.5 * centre**2) / np.sqrt(2 * np.pi)
    axis.plot(centre, normal * pull.values.size * (edges[1] - edges[0]), color=INK, lw=1.2)
    axis.set(title=title, xlabel="(measured − injected) / error", xlim=(-5, 5))
    axis.margins(y=0.3)
    text = f"centre {pull.centre:+.2f} ± {pull.centre_error:.2f}\nwidth {pull.width:.2f}"
    axis.text(0.98, 0.96, text, transform=axis.transAxes, ha="right", va="top", fontsize=8.5, color="#52606d")


def _draw_noise(axis: Axes, validation: Validation) -> None:
    """Draw noise over added variance, fake by fake, against the light added."""
    freedom = np.asarray(validation.added["n_pixels"], float) - 1
    good = freedom > 0
    ratio = np.asarray(validation.added["chi2"])[good] / freedom[good]
    axis.set(title="Noise and added variance", xlabel="pixels compared", ylabel="noise² / added variance")
    if not good.any():
        axis.text(0.5, 0.5, "no pixels were compared", transform=axis.transAxes, ha="center", color="#52606d")
        return
    low, high = validation.options.noise_ratio
    axis.axhspan(low, high, color=REAL, alpha=0.12, lw=0)
    axis.plot(freedom[good] + 1, ratio, ".", color=REAL, ms=4, alpha=0.6)
    axis.axhline(1, color=INK, lw=1)
    axis.set(xscale="log", ylim=(0, max(2.0, float(np.quantile(ratio, 0.98)) * 1.1)))


def _draw_bias(axis: Axes, bins: Table, quantity: str, label: str, limit: float) -> None:
    rows = bins[(np.asarray(bins["quantity"]) == quantity) & (np.asarray(bins["n"]) > 0)]
    axis.axhspan(-limit, limit, color=REAL, alpha=0.12, lw=0)
    axis.axhline(0, color=INK, lw=1)
    axis.set(title="Flux by " + label.partition(" (")[0], xlabel=label)
    if not len(rows):
        axis.text(0.5, 0.9, "none", transform=axis.transAxes, ha="center", color="#52606d")
        return
    bias, error = np.asarray(rows["flux_bias"]), np.nan_to_num(np.asarray(rows["flux_bias_error"]))
    worst = np.abs(bias) - limit > 1.96 * error
    place = np.arange(len(rows))
    for color, here in ((REAL, ~worst), (BOGUS, worst)):
        axis.errorbar(
            place[here], bias[here], error[here], fmt="o", ms=4.5, lw=0, elinewidth=1.2, color=color
        )
    many = len(rows) > 12
    shown = place[:: max(1, len(rows) // 8)] if many else place
    names = [str(rows["label"][i]).replace(" to ", "–") for i in shown]
    axis.set_xticks(shown.tolist(), names, rotation=0 if many or quantity == "detector" else 30, fontsize=8)
    span = max(0.12, float(np.nanmax(np.abs(bias[np.asarray(rows["n"]) > 2]), initial=0.0)) * 1.3)
    axis.set_ylim(-span, span)
