"""One HTML page, complete in itself, that shows what a run has made."""

from __future__ import annotations

__all__ = ("render_page", "write_page")

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..evaluation import (
    KindResult,
    Results,
    Summary,
    bin_fraction,
    count_fates,
    count_kinds,
    even_edges,
    measure_pull,
    summarize,
    threshold_curve,
)
from ..truth import Fate, Label
from . import _figures as figures
from ._galleries import Gallery
from ._html import page_environment, write_html
from ._stamps import pack_panels, stretch_triplet

_N_BINS = 8


def write_page(
    path: Path,
    results: Results,
    galleries: Sequence[Gallery] = (),
    *,
    title: str,
    overwrite: bool = False,
) -> Path:
    """Write the page of a run.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    results
        Tables and scores of the run.
    galleries
        Stamps to show.
    title
        Heading of the page.
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
    return write_html(path, render_page(results, galleries, title=title), overwrite=overwrite)


def render_page(results: Results, galleries: Sequence[Gallery] = (), *, title: str) -> str:
    """Make the page of a run.

    Parameters
    ----------
    results
        Tables and scores of the run.
    galleries
        Stamps to show.
    title
        Heading of the page.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    environment = page_environment()
    environment.filters["pack"] = lambda stamps: pack_panels(stretch_triplet(stamps))
    environment.filters["score"] = lambda value: "–" if np.isnan(value) else f"{value:.3f}"
    summary, kinds = summarize(results), count_kinds(results)
    return environment.get_template("run.html").render(
        title=title,
        results=results,
        galleries=galleries,
        summary=summary,
        drawings=_drawings(results, summary, kinds),
        kinds=kinds,
        fates=count_fates(np.asarray(results.fates["fate"]), tuple(fate.value for fate in Fate)),
        images=tabulate_images(results),
        colors=figures.model_colors(list(results.models)),
        label_names={int(label): label.name.lower() for label in Label},
    )


def _drawings(results: Results, summary: Summary, kinds: Sequence[KindResult]) -> dict[str, str]:
    scores = {name: results.scores(name) for name in results.models}
    drawings = dict.fromkeys(("histograms", "curves", "completeness", "pulls", "kinds"), "")
    if scores:
        bogus = "unmatched" if summary.bogus_assumed else "bogus"
        drawings["histograms"] = figures.draw_histograms(scores, results.labels, results.threshold, bogus)
        curves = {name: threshold_curve(values, results.labels) for name, values in scores.items()}
        areas = {model.name: model.area[0] for model in summary.models}
        if any(curve.threshold.size for curve in curves.values()):
            drawings["curves"] = figures.draw_curves(curves, areas, results.threshold)
        decided = [kind for kind in kinds if kind.n and kind.label != Label.UNDECIDED]
        if decided:
            drawings["kinds"] = figures.draw_kinds(decided, results.threshold)
    drawn = results.fates[np.asarray(results.fates["fate"]) != Fate.NOT_DRAWN]
    if len(drawn):
        drawings["completeness"] = _completeness(results, drawn)
    if len(recovered := _recovered(results)):
        drawings["pulls"] = figures.draw_pulls(
            {
                "Flux": measure_pull(recovered["psfFlux"], recovered["flux"], recovered["psfFluxErr"]),
                "Position, x": measure_pull(recovered["x"], recovered["x_injected"], recovered["xErr"]),
                "Position, y": measure_pull(recovered["y"], recovered["y_injected"], recovered["yErr"]),
            }
        )
    return drawings


def _completeness(results: Results, drawn: Table) -> str:
    chosen = np.asarray(results.fates["fate"]) != Fate.NOT_DRAWN
    found = np.asarray(drawn["fate"]) == Fate.FOUND
    panels, log = {}, {}
    for label, column, is_log in (("expected SNR", "snr_expected", True), ("magnitude", "mag", False)):
        values = np.asarray(drawn[column], float)
        if not np.isfinite(values).any():
            continue
        edges = even_edges(values, _N_BINS, log=is_log)
        curves = {"found": bin_fraction(values, found, edges)}
        for name in results.models:
            passed = results.passes(name)[chosen]
            curves[f"found, {name} ≥ {results.threshold:g}"] = bin_fraction(values, passed, edges)
        panels[label], log[label] = curves, is_log
    return figures.draw_completeness(panels, log) if panels else ""


def _recovered(results: Results) -> Table:
    """Found injected sources: measured and injected fluxes and positions side by side."""
    found = results.fates[np.asarray(results.fates["fate"]) == Fate.FOUND]
    order = np.argsort(np.asarray(results.sources["diaSourceId"]))
    ids = np.asarray(results.sources["diaSourceId"])[order]
    rows = order[np.searchsorted(ids, np.asarray(found["diaSourceId"]))]
    recovered = results.sources[rows][["psfFlux", "psfFluxErr", "x", "y", "xErr", "yErr"]]
    recovered["flux"], recovered["x_injected"], recovered["y_injected"] = (
        found["flux"],
        found["x"],
        found["y"],
    )
    return recovered


def tabulate_images(results: Results) -> list[dict[str, object]]:
    """Count sources and injected sources image by image."""
    keys = sorted(
        {(int(r["visit"]), int(r["detector"])) for t in (results.sources, results.fates) for r in t}
    )
    rows: list[dict[str, object]] = []
    for visit, detector in keys:
        sources, fates = (
            table[(np.asarray(table["visit"]) == visit) & (np.asarray(table["detector"]) == detector)]
            for table in (results.sources, results.fates)
        )
        label, fate = np.asarray(sources["label"]), np.asarray(fates["fate"])
        rows.append(
            {
                "visit": visit,
                "detector": detector,
                "sources": len(sources),
                "real": int(np.sum(label == Label.REAL)),
                "bogus": int(np.sum(label == Label.BOGUS)),
                "undecided": int(np.sum(label == Label.UNDECIDED)),
                "injected": len(fates),
                "found": int(np.sum(fate == Fate.FOUND)),
                "unscored": [
                    int(np.sum(~np.isfinite(np.asarray(sources[column], float))))
                    for column in results.models.values()
                ],
            }
        )
    return rows
