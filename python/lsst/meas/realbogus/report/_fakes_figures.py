"""Figures of the page about fakes."""

from __future__ import annotations

__all__ = ("draw_fakes_figures",)

import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from ..injection import KINDS, WAVELENGTHS, ParametricModel
from ._html import png_uri

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType  # of matplotlib 3.11

_COLORS = ("#1d4ed8", "#c2410c", "#0f766e", "#7c3aed", "#b45309", "#be185d", "#4b5563", "#65a30d", "#0891b2")
_BAND_COLORS = {
    "u": "#7c3aed",
    "g": "#0f766e",
    "r": "#b91c1c",
    "i": "#b45309",
    "z": "#4b5563",
    "y": "#111827",
}
_N_CURVES = 6


def draw_fakes_figures(catalog: Table) -> list[tuple[str, str, str]]:
    """Draw what fakes are like.

    Parameters
    ----------
    catalog
        Rows of one or more images.

    Returns
    -------
    list of tuple
        Name, caption and picture (a data URI) of each figure that has something to show.
    """
    return [
        (name, caption, _png(draw, catalog))
        for name, caption, draw in _FIGURES
        if draw is not _light_curves or _curves(catalog)
    ]


def _png(draw: Callable[[Axes, Table], None], catalog: Table) -> str:
    style: dict[RcKeyType, Any] = {
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        # Names of populations are text, not formulae.
        "text.parse_math": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(4.8, 3.2), layout="constrained", dpi=120)
        FigureCanvasAgg(figure)
        draw(figure.add_subplot(), catalog)
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})
    return png_uri(buffer.getvalue())


def _by_population(catalog: Table, column: str) -> dict[str, npt.NDArray[np.float64]]:
    """Return the finite values of a column by population, leaving out populations without any."""
    names = np.asarray(catalog["population"]).astype(str)
    values = np.asarray(catalog[column], dtype=np.float64)
    found = {name: values[(names == name) & np.isfinite(values)] for name in sorted(set(names))}
    return {name: chosen for name, chosen in found.items() if len(chosen)}


def _histogram(axes: Axes, values: dict[str, npt.NDArray[np.float64]], label: str) -> None:
    if values:
        everything = np.concatenate(list(values.values()))
        edges = np.linspace(everything.min() - 1e-9, everything.max() + 1e-9, 25)
        axes.hist(
            list(values.values()),
            bins=list(edges),
            stacked=True,
            label=list(values),
            color=_COLORS[: len(values)],
        )
        axes.legend(fontsize=8)
    axes.set(xlabel=label, ylabel="fakes")


def _magnitudes(axes: Axes, catalog: Table) -> None:
    _histogram(axes, _by_population(catalog, "mag"), "AB magnitude")


def _offsets(axes: Axes, catalog: Table) -> None:
    scaled = Table({"population": catalog["population"]})
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled["offset"] = np.asarray(catalog["host_offset"]) / np.asarray(catalog["host_a"])
    _histogram(axes, _by_population(scaled, "offset"), "offset from host / rms semi-major axis")


def _host_magnitudes(axes: Axes, catalog: Table) -> None:
    names = np.asarray(catalog["population"]).astype(str)
    for color, name in zip(_COLORS, sorted(set(names)), strict=False):
        rows = catalog[(names == name) & np.isfinite(np.asarray(catalog["host_mag"], float))]
        if len(rows):
            axes.plot(rows["host_mag"], rows["mag"], ".", ms=4, color=color, label=name)
    low, high = axes.get_xlim()
    axes.plot([low, high], [low, high], color="#9aa5b1", lw=0.8, zorder=0)
    axes.set(xlabel="host magnitude", ylabel="fake magnitude")
    if axes.get_legend_handles_labels()[1]:
        axes.legend(fontsize=8)


def _sky(axes: Axes, catalog: Table) -> None:
    names = np.asarray(catalog["population"]).astype(str)
    for color, name in zip(_COLORS, sorted(set(names)), strict=False):
        rows = catalog[names == name]
        axes.plot(rows["ra"], rows["dec"], ".", ms=3, color=color, label=name)
    axes.invert_xaxis()
    axes.set(xlabel="right ascension (deg)", ylabel="declination (deg)")
    axes.ticklabel_format(useOffset=False)


def _curves(catalog: Table) -> list[Table]:
    """Return the rows of the supernovae that were seen most often, one table each."""
    ids = np.asarray(catalog["supernova_id"])
    known = ids > 0
    unique, counts = np.unique(ids[known], return_counts=True)
    best = unique[np.lexsort((unique, -counts))][:_N_CURVES]
    return [catalog[ids == one] for one in best]


def _light_curves(axes: Axes, catalog: Table) -> None:
    """Draw injected epochs, and the curve they were taken from where it is of the built-in family."""
    for number, rows in enumerate(_curves(catalog)):
        first = rows[0]
        days = np.asarray(rows["mjd"], float) - float(first["peak_mjd"])
        for band in sorted(set(np.asarray(rows["band"]).astype(str))):
            color = _BAND_COLORS.get(band, "#111827")
            of = np.asarray(rows["band"]).astype(str) == band
            axes.plot(days[of], np.asarray(rows["mag"])[of], "o", ms=4, color=color, alpha=0.9)
            if str(first["sn_model"]).startswith("parametric") and first["population"] == "supernova":
                axes.plot(*_model_curve(first, band), color=color, lw=0.8, alpha=0.7)
        axes.annotate(
            str(number + 1), (days[0], float(rows["mag"][0])), xytext=(4, 4), textcoords="offset points"
        )
    for band in sorted(set(np.asarray(catalog["band"]).astype(str))):
        axes.plot([], [], "o-", color=_BAND_COLORS.get(band, "#111827"), label=band)
    axes.invert_yaxis()
    axes.legend(fontsize=8)
    axes.set(xlabel="days from maximum (observed)", ylabel="AB magnitude")


def _model_curve(row: Table.Row, band: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    days = np.linspace(-30.0, 120.0, 151)
    if band not in WAVELENGTHS or str(row["sn_type"]) not in KINDS:
        return days, np.full(len(days), np.nan)
    parameters = [
        np.full(len(days), float(row[k])) for k in ("redshift", "peak_mjd", "peak_abs_mag", "stretch")
    ]
    mag = ParametricModel(str(row["sn_type"])).magnitude(band, days + float(row["peak_mjd"]), *parameters)
    brightest = np.nanmin(mag)
    return days, np.where(mag < brightest + 4.0, mag, np.nan)


_FIGURES: tuple[tuple[str, str, Callable[[Axes, Table], None]], ...] = (
    ("Magnitudes", "Light that was added, by population.", _magnitudes),
    ("Hosts", "Fakes against their hosts; the line is equality.", _host_magnitudes),
    ("Offsets", "Distance from the host's centre in units of its size.", _offsets),
    ("Positions", "On the sky.", _sky),
    ("Light curves", "Points are injected epochs, lines the model they were taken from.", _light_curves),
)
