"""One HTML page, complete in itself, that shows what a run has made."""

from __future__ import annotations

__all__ = ("render_page", "write_page")

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..evaluation import (
    KindResult,
    Results,
    Summary,
    Validation,
    bin_fraction,
    count_confusion,
    count_fates,
    count_kinds,
    even_edges,
    recover_injected,
    summarize,
    threshold_curve,
    validate_injection,
)
from ..truth import BudgetRules, Fate, Label, LossBudget, Step, loss_budget
from . import _figures as figures
from ._cutouts_page import CutoutCard, card_facts
from ._galleries import Gallery
from ._html import page_environment, write_html
from ._seed_figures import draw_confusions
from ._stamps import pack_panels, stretch_triplet
from ._validation_figures import draw_validation
from ._words import describe_run

_N_BINS = 8


def write_page(
    path: Path,
    results: Results,
    galleries: Sequence[Gallery] = (),
    *,
    title: str,
    validation: Validation | None = None,
    cards: Sequence[CutoutCard] = (),
    overwrite: bool = False,
) -> Path:
    """Write the page of a run; see `render_page`.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    results, galleries, title, validation, cards
        As for `render_page`.
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
    page = render_page(results, galleries, title=title, validation=validation, cards=cards)
    return write_html(path, page, overwrite=overwrite)


def render_page(
    results: Results,
    galleries: Sequence[Gallery] = (),
    *,
    title: str,
    validation: Validation | None = None,
    cards: Sequence[CutoutCard] = (),
) -> str:
    """Make the page of a run.

    Parameters
    ----------
    results
        Tables and scores of the run.
    galleries
        Stamps to show.
    title
        Heading of the page.
    validation
        Checks of the injections; by default of what the tables tell.
    cards
        Sources to look through, each with its stamps: 10,000 are 56 MB at most.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    environment = page_environment()
    environment.filters["pack"] = lambda stamps: pack_panels(stretch_triplet(stamps))
    environment.filters["score"] = lambda value: "–" if np.isnan(value) else f"{value:.3f}"
    if validation is None and len(results.fates):
        validation = validate_injection(recover_injected(results.sources, results.fates))
    summary, kinds, budgets = summarize(results), count_kinds(results), _budgets(results)
    names = list(dict.fromkeys(name for card in cards for name in card.scores))
    return environment.get_template("run.html").render(
        title=title,
        results=results,
        words=describe_run(summary, budgets, validation, results.threshold),
        galleries=galleries,
        summary=summary,
        drawings=_drawings(results, summary, kinds),
        kinds=kinds,
        losses=_tabulate_losses(budgets),
        fates=count_fates(np.asarray(results.fates["fate"]), tuple(fate.value for fate in Fate)),
        validation=validation,
        validation_figure="" if validation is None else draw_validation(validation),
        images=tabulate_images(results),
        colors=figures.model_colors(list(results.models)),
        label_names={int(label): label.name.lower() for label in Label},
        cards=cards,
        card_scores=names,
        card_facts=card_facts(cards, names) if cards else "",
        card_stamps="\n".join(card.stamps for card in cards),
    )


def _budgets(results: Results) -> dict[str, LossBudget]:
    """Follow the injected sources to their end, for each model."""
    if not len(results.fates):
        return {}
    rules = BudgetRules(threshold=results.threshold)
    return {
        name: loss_budget(results.fates, results.sources, score=column, rules=rules)
        for name, column in results.models.items()
    }


def _tabulate_losses(budgets: Mapping[str, LossBudget]) -> list[dict[str, object]]:
    """Lay the budgets of all models beside each other, a row for each step and reason."""
    counts: dict[tuple[str, str], dict[str, int]] = {}
    tables = {name: budget.table() for name, budget in budgets.items()}
    steps = [step.value for step in Step] + ["kept"]
    for name, table in tables.items():
        for row in table:
            counts.setdefault((str(row["step"]), str(row["reason"])), {})[name] = int(row["n"])
    lost = {step for (step, reason), parts in counts.items() if reason and any(parts.values())}
    shown = sorted(
        (key for key in counts if key[1] or key[0] not in lost),
        key=lambda key: (steps.index(key[0]), -max(counts[key].values())),
    )
    total = max((len(budget) for budget in budgets.values()), default=0) or 1
    return [
        {
            "step": step,
            "reason": reason,
            "n": {name: counts[step, reason].get(name, 0) for name in budgets},
            "percent": {name: 100 * counts[step, reason].get(name, 0) / total for name in budgets},
        }
        for step, reason in shown
    ]


def _drawings(results: Results, summary: Summary, kinds: Sequence[KindResult]) -> Mapping[str, str]:
    scores = {name: results.scores(name) for name in results.models}
    drawings = dict.fromkeys(("histograms", "confusions", "curves", "completeness", "kinds"), "")
    if scores:
        bogus = "unmatched" if summary.bogus_assumed else "bogus"
        drawings["histograms"] = figures.draw_histograms(scores, results.labels, results.threshold, bogus)
        curves = {name: threshold_curve(values, results.labels) for name, values in scores.items()}
        areas = {model.name: model.area[0] for model in summary.models}
        if any(curve.threshold.size for curve in curves.values()):
            matrices = {
                name: count_confusion(values, results.labels, results.threshold)
                for name, values in scores.items()
            }
            drawings["confusions"] = draw_confusions(matrices, curves)
            drawings["curves"] = figures.draw_curves(curves, areas, results.threshold)
        decided = [kind for kind in kinds if kind.n and kind.label != Label.UNDECIDED]
        if decided:
            drawings["kinds"] = figures.draw_kinds(decided, results.threshold)
    drawn = results.fates[np.asarray(results.fates["fate"]) != Fate.NOT_DRAWN]
    if len(drawn):
        drawings["completeness"] = _completeness(results, drawn)
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
