"""One HTML page about fakes: who they are, how they were put into images, and what became of them."""

from __future__ import annotations

__all__ = ("FakeCard", "choose_fakes", "render_fakes_page", "write_fakes_page")

import dataclasses
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..tables import InjectionFlag
from ..truth import Fate
from ._fakes_figures import draw_fakes_figures
from ._html import page_environment, write_html
from ._stamps import FakeStretch, pack_panels, stretch_fake

type Pixels = npt.NDArray[np.floating]


@dataclasses.dataclass(frozen=True)
class FakeCard:
    """Stamps about one fake.

    Parameters
    ----------
    row
        Its row of the injected catalogue, as a mapping; also ``fate`` and ``snr_expected`` where they are
        known.
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
        Rows of one or more images, injected (with flags) or not; with a column ``fate``, what became of
        them.
    cards
        Fakes to show stamps of.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    environment = page_environment()
    environment.filters["words"] = lambda name: str(name).replace("_", " ")
    fates, by_population = count_population_fates(catalog)
    return environment.get_template("fakes.html").render(
        title=title,
        counts=count_populations(catalog),
        flags=count_flags(catalog),
        fates=fates,
        by_population=by_population,
        figures=draw_fakes_figures(catalog),
        cards=[
            (card.row, _fate_kind(card), *_packed(stretch_fake(card.before, card.after))) for card in cards
        ],
    )


def _packed(stretch: FakeStretch) -> tuple[str, FakeStretch]:
    return pack_panels(stretch.panels), stretch


def _fate_kind(card: FakeCard) -> str:
    """Return the colour of a fate's badge: that of real sources if it was found, of bogus ones if lost."""
    fate = card.row.get("fate", "")
    return "real" if fate == Fate.FOUND else "" if fate == Fate.NOT_DRAWN else "bogus"


def count_populations(catalog: Table) -> list[tuple[str, int, int, int]]:
    """Count fakes by population.

    Parameters
    ----------
    catalog
        Rows of one or more images.

    Returns
    -------
    list of tuple
        For each population its name, rows, objects and images.
    """
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


def count_population_fates(catalog: Table) -> tuple[list[str], dict[str, list[int]]]:
    """Count what became of the fakes of each population.

    Parameters
    ----------
    catalog
        Rows of one or more images, with ``fate`` (empty where unknown) if it is known of any.

    Returns
    -------
    fates : list of str
        Those that occur, in the order of `~lsst.meas.realbogus.truth.Fate`.
    counts : dict
        Population to its number of fakes of each.
    """
    if "fate" not in catalog.colnames:
        return [], {}
    names, fate = (np.asarray(catalog[column]).astype(str) for column in ("population", "fate"))
    fates = [kind.value for kind in Fate if (fate == kind.value).any()]
    return fates, {
        str(name): [int(np.sum((names == name) & (fate == kind))) for kind in fates]
        for name in sorted(set(names))
    }


def count_flags(catalog: Table) -> list[tuple[str, int]]:
    """Count how many rows were drawn, and how many have each flag.

    Parameters
    ----------
    catalog
        Rows of one or more images, with ``injection_flag`` if they were injected.

    Returns
    -------
    list of tuple
        Name and number; nothing for a catalogue that was not injected.
    """
    if "injection_flag" not in catalog.colnames:
        return []
    flag = np.asarray(catalog["injection_flag"])
    counts = [("drawn", int(np.count_nonzero(flag == 0)))]
    return counts + [
        (str(f.name), int(np.count_nonzero(flag & f))) for f in InjectionFlag if (flag & f).any()
    ]
