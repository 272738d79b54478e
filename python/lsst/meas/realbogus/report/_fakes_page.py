"""One HTML page about fakes: who they are, how they were put into images, and their light curves."""

from __future__ import annotations

__all__ = ("FakeCard", "choose_fakes", "render_fakes_page", "write_fakes_page")

import dataclasses
import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import numpy.typing as npt
from astropy.table import Table
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.typing import RcKeyType

from ..injection import KINDS, WAVELENGTHS, InjectionFlag, ParametricModel
from ._html import page_environment, png_uri, write_html

type Pixels = npt.NDArray[np.floating]

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


@dataclasses.dataclass(frozen=True)
class FakeCard:
    """Stamps about one fake.

    Parameters
    ----------
    row
        Its row of the injected catalogue, as a mapping.
    before, after
        The image without and with it, shape ``(h, w)``, NaN where there are no pixels.
    """

    row: dict[str, object]
    before: Pixels
    after: Pixels


def choose_fakes(catalog: Table, number: int) -> npt.NDArray[np.int64]:
    """Choose drawn fakes of every population, bright to faint.

    Parameters
    ----------
    catalog
        Injected rows, with flags.
    number
        How many to choose at most.

    Returns
    -------
    numpy.ndarray
        Numbers of their rows.
    """
    names = np.asarray(catalog["population"]).astype(str)
    drawn, mag = np.asarray(catalog["injection_flag"]) == 0, np.asarray(catalog["mag"], float)
    kinds = sorted(set(names[drawn]))
    chosen: list[int] = []
    for kind in kinds:
        rows = np.flatnonzero(drawn & (names == kind))
        rows = rows[np.argsort(mag[rows], kind="stable")]
        share = max(1, number // len(kinds))
        chosen.extend(
            rows[np.unique(np.linspace(0, len(rows) - 1, min(share, len(rows))).astype(int))].tolist()
        )
    return np.array(chosen[:number], dtype=np.int64)


def write_fakes_page(
    path: Path, title: str, catalog: Table, cards: Sequence[FakeCard], *, overwrite: bool = False
) -> Path:
    """Write the page; see `render_fakes_page`.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    title, catalog, cards
        As for `render_fakes_page`.
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
    return write_html(path, render_fakes_page(title, catalog, cards), overwrite=overwrite)


def render_fakes_page(title: str, catalog: Table, cards: Sequence[FakeCard]) -> str:
    """Make the page.

    Parameters
    ----------
    title
        What the fakes belong to.
    catalog
        Rows of one or more images, injected (with flags) or not.
    cards
        Fakes to show stamps of.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    return (
        page_environment()
        .get_template("fakes.html")
        .render(
            title=title,
            counts=count_populations(catalog),
            flags=count_flags(catalog),
            figures=[
                (name, caption, _png(draw, catalog))
                for name, caption, draw in _FIGURES
                if draw.__name__ != "_light_curves" or _curves(catalog)
            ],
            cards=[(card.row, _stamps_png(card)) for card in cards],
        )
    )


def count_populations(catalog: Table) -> list[tuple[str, int, int, int]]:
    """Return for each population its rows, objects and images."""
    names = np.asarray(catalog["population"]).astype(str)
    counts = []
    for name in sorted(set(names)):
        rows = catalog[names == name]
        own, shared = np.asarray(rows["supernova_id"]), np.asarray(rows["injection_id"])
        objects = len(np.unique(np.where(own > 0, own, -shared)))
        images = len(
            {*zip(np.asarray(rows["visit"]).tolist(), np.asarray(rows["detector"]).tolist(), strict=True)}
        )
        counts.append((name, len(rows), objects, images))
    return counts


def count_flags(catalog: Table) -> list[tuple[str, int]]:
    """Return how many rows were drawn, and how many have each flag."""
    if "injection_flag" not in catalog.colnames:
        return []
    flag = np.asarray(catalog["injection_flag"])
    counts = [("drawn", int(np.count_nonzero(flag == 0)))]
    return counts + [
        (str(f.name), int(np.count_nonzero(flag & f))) for f in InjectionFlag if (flag & f).any()
    ]


def _png(draw: Callable[[Axes, Table], None], catalog: Table) -> str:
    style: dict[RcKeyType, Any] = {
        "font.size": 9.5,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(4.8, 3.2), layout="constrained", dpi=120)
        FigureCanvasAgg(figure)
        draw(figure.add_subplot(), catalog)
        return _encode(figure)


def _encode(figure: Figure) -> str:
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


def _stamps_png(card: FakeCard) -> str:
    """Draw before, after and difference side by side, the first two on one scale."""
    difference = np.asarray(card.after, float) - card.before
    finite = card.before[np.isfinite(card.before)]
    middle = float(np.median(finite)) if finite.size else 0.0
    noise = 1.4826 * float(np.median(np.abs(finite - middle))) if finite.size else 1.0
    top = max(float(np.nanmax(difference, initial=0.0)), 5.0 * noise, 1e-6)
    figure = Figure(figsize=(3.6, 1.2), dpi=100)
    FigureCanvasAgg(figure)
    panels = ((card.before - middle, "gray"), (card.after - middle, "gray"), (difference, "magma"))
    for number, (pixels, colors) in enumerate(panels):
        axes = figure.add_axes((number / 3, 0.0, 0.33, 1.0))
        axes.imshow(pixels, origin="lower", cmap=colors, vmin=-3.0 * noise, vmax=top, interpolation="nearest")
        axes.set_axis_off()
    return _encode(figure)
