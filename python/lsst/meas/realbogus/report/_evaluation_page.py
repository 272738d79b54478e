"""One HTML page that says how good the scores of a sample are."""

from __future__ import annotations

__all__ = ("draw_evaluation", "write_evaluation_page")

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from astropy.table import Table

from ..evaluation import END_TO_END, Evaluation
from ._evaluation_figures import evaluation_plots
from ._figures import svg
from ._study_page import StudySection, write_study_page

_FIGURES: Mapping[str, str] = {
    "area": "area under ROC",
    "average_precision": "average precision",
    "rate": "TPR at fixed FPR",
    "completeness": "completeness",
    "specificity": "specificity",
    "purity": "purity",
    "npv": "NPV",
    "accuracy": "accuracy",
    "mcc": "MCC",
    "brier": "Brier",
    "nll": "NLL",
    "calibration_error": "ECE",
}
_IN_BINS = ("completeness", "purity", "specificity", "accuracy", "mcc", "area")
_SCOPES = {"detected": "of the detected", END_TO_END: "end to end"}
_LEAD = (
    "Of the detected: what the classifier makes of the sources it sees. End to end: real changes that were "
    "not detected count as missed. Intervals of 95 % are by object."
)


def draw_evaluation(evaluation: Evaluation) -> dict[str, str]:
    """Draw the figures of the page.

    Parameters
    ----------
    evaluation
        What was measured.

    Returns
    -------
    dict
        SVG by name, the names of `evaluation_plots`.
    """
    return {name: svg(figure) for name, figure in evaluation_plots(evaluation).items()}


def write_evaluation_page(
    path: Path,
    evaluation: Evaluation,
    *,
    title: str,
    provenance: Mapping[str, str] | None = None,
    drawings: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a page with everything that was measured.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    evaluation
        What was measured.
    title
        Heading of the page.
    provenance
        What was judged, label to value.
    drawings
        What `draw_evaluation` has drawn, if it has.
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
    return write_study_page(
        path,
        list(_sections(evaluation, drawings or draw_evaluation(evaluation))),
        title=title,
        note=_LEAD,
        provenance=provenance,
        overwrite=overwrite,
    )


def _sections(evaluation: Evaluation, drawings: Mapping[str, str]) -> Iterator[StudySection]:
    figures, metrics = evaluation.figures, evaluation.metrics
    whole = figures[np.asarray(figures["variable"]) == "all"]
    yield StudySection(
        "Figures",
        f"{metrics['numAllDiaSources']} DIA sources: {metrics['numRealDiaSources']} real, "
        f"{metrics['numBogusDiaSources']} bogus, {metrics['numUndecidedDiaSources']} undecided. "
        f"{metrics['numMissedChanges']} real changes have no source; end to end, those that were expected to "
        "be found count, in “every change” all of them.",
        ("model", "sources", "real", "missed", "bogus", "no score", *_FIGURES.values()),
        [_row(row, tuple(_FIGURES), _name_of(row)) for row in whole],
        n_names=2,
    )
    yield _drawn(
        "Confusion matrices",
        "At the threshold. Sources without a score, and end to end real changes without a source, are called "
        "bogus.",
        drawings["confusion"],
    )
    yield _drawn(
        "Curves",
        "The dotted line is the completeness that detection allows: no threshold gives more.",
        drawings["curves"],
    )
    yield _drawn(
        "Curves by brightness and band",
        "Purity against completeness of what is brighter than limits of magnitude (DMTN-274, figure 3) and "
        "above cuts of SNR, and in each band. Detected sources are chosen by what was measured, end to end "
        "real changes by what is true.",
        drawings["parts"],
    )
    yield StudySection(
        "OSS-REQ-0353",
        "Whether some threshold gives the required completeness and purity (90 and 95 % by default) for "
        "sources of an SNR of 6, in each band; undecided where the intervals leave it open. Purity is for "
        "sources of which the stated fraction is real.",
        ("model", "sources", "band", "fraction real", "real", "bogus", "verdict", "lowest threshold",
         "highest threshold", "best purity", "best completeness"),
        list(_requirement(evaluation.requirement)),
        n_names=3,
        drawings=[drawings["thresholds"]],
    )  # fmt: skip
    yield StudySection(
        "Detection efficiency",
        "Fraction of the injected sources that are detected, and detected and kept, against true magnitude; "
        "the curve is plateau / (1 + exp((m - midpoint) / width)), m50 where it is 0.5.",
        ("band", "step", "of", "found", "all", "m50", "plateau", "midpoint", "width"),
        list(_efficiency(evaluation.efficiency)),
        n_names=3,
        drawings=[drawings["efficiency"]],
    )
    yield _drawn(
        "Calibration", "The fraction of reals in bins of equal numbers of sources.", drawings["calibration"]
    )
    if len(evaluation.comparison):
        yield _comparison(evaluation.comparison)
    parts = figures[np.asarray(figures["variable"]) != "all"]
    yield StudySection(
        "In bins",
        "Detected sources are binned by what was measured, end to end real changes by what is true. Bins of "
        "hosts and kinds are judged against all sources of the other label.",
        ("variable", "bin", "model", "sources", "real", "missed", "bogus", "no score",
         *(_FIGURES[name] for name in _IN_BINS)),
        [_row(row, _IN_BINS, (str(row["variable"]), str(row["name"]), str(row["model"]),
                              _SCOPES[str(row["scope"])])) for row in parts],
        n_names=4,
        drawings=[drawings["bins"]],
    )  # fmt: skip


def _drawn(title: str, text: str, drawing: str) -> StudySection:
    return StudySection(title, text, (), (), drawings=[drawing])


def _name_of(row: Any) -> tuple[str, str]:
    scope = _SCOPES[str(row["scope"])]
    return str(row["model"]), scope if row["name"] == "all" else f"{scope}, {row['name']}"


def _row(row: Any, names: Sequence[str], first: Sequence[str]) -> tuple[str, ...]:
    counts = (str(row[name]) for name in ("n_real", "n_missed", "n_bogus", "n_unscored"))
    return (*first, *counts, *(_cell(row, name) for name in names))


def _cell(row: Any, name: str, digits: int = 3) -> str:
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    if not np.isfinite(value):
        return "none"
    return f"{value:.{digits}f}" + (f" ({low:.{digits}f}–{high:.{digits}f})" if np.isfinite(low) else "")


def _requirement(table: Table) -> Iterator[tuple[str, ...]]:
    for row in table:
        fraction = float(row["real_fraction"])
        yield (
            str(row["model"]),
            _SCOPES[str(row["scope"])],
            str(row["band"]),
            "as given" if np.isnan(fraction) else f"{fraction:g}",
            str(row["n_real"]),
            str(row["n_bogus"]),
            str(row["verdict"]),
            *(
                _cell(row, name)
                for name in ("lowest_threshold", "highest_threshold", "best_purity", "best_completeness")
            ),
        )


def _efficiency(table: Table) -> Iterator[tuple[str, ...]]:
    for row in table:
        yield (
            *(str(row[name]) for name in ("band", "step", "of", "n_found", "n")),
            *(_cell(row, name, 2) for name in ("m50", "plateau", "midpoint", "width")),
        )


def _comparison(table: Table) -> StudySection:
    rows = []
    for row in table:
        interval = f"{row['difference']:+.4f} ({row['low']:+.4f}–{row['high']:+.4f})"
        rows.append((str(row["second"]), str(row["first"]), str(row["figure"]).replace("_", " "), interval))
    pairs = {(str(row["first"]), str(row["second"])): row for row in table}
    said = "; ".join(
        f"only {first} is right on {row['n_first']} sources, only {second} on {row['n_second']}: p = "
        f"{row['p_value']:.2g} by McNemar's exact test, {row['p_value_objects']:.2g} by object"
        for (first, second), row in pairs.items()
    )
    return StudySection(
        "Models compared",
        f"Differences of the figures of the detected sources, measured in the same bootstrap draws; {said}.",
        ("model", "less", "figure", "difference"),
        rows,
        n_names=3,
    )
