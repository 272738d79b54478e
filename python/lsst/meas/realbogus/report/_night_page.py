"""One HTML page of a night."""

from __future__ import annotations

__all__ = ("write_night_page",)

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from astropy.table import Table

from ..evaluation import REASONS, Night
from ._night_figures import Corners, draw_night
from ._study_page import StudySection, write_study_page

_ROWS = 60
_NOTE = (
    "Rates over those of the reference, each with its 95 % interval. What has drifted is significant "
    "after correction for all comparisons, and large enough to matter."
)


def write_night_page(
    path: Path,
    night: Night,
    *,
    title: str,
    corners: Corners | None = None,
    provenance: Mapping[str, str] | None = None,
    overwrite: bool = False,
) -> Path:
    """Write the page of a night.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    night
        What `~lsst.meas.realbogus.evaluation.compare_night` returns.
    title
        Heading of the page.
    corners
        Corners of each detector in the focal plane, if known.
    provenance
        What was read, label to value.
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
    sections = [_drift(night), *_figures(night, corners), _counts(night), *_reasons(night)]
    return write_study_page(
        path, sections, title=title, provenance=provenance, note=_NOTE, overwrite=overwrite
    )


def _drift(night: Night) -> StudySection:
    drifted, options = night.drifted, night.options
    against = "the rest of the night" if night.is_own_reference else "the reference"
    text = (
        f"{len(drifted)} of {len(night.drift)} comparisons with {against}. Significant: at most "
        f"{100 * options.false_discoveries:g} % of what is listed is chance (Benjamini-Yekutieli). "
        f"Large: rates that differ by a factor of {options.min_ratio:g}, distributions of scores with a "
        f"Kolmogorov-Smirnov distance of {options.min_distance:g}, of {options.min_sources} sources or more. "
        "For scores the ratio is the chance that a score exceeds one of the reference."
    )
    header = ("group", "", "quantity", "sources", "value", "reference", "over the reference", "q")
    return StudySection("What drifted", text, header, [_row(row) for row in drifted[:_ROWS]], n_names=3)


def _row(row: Table.Row) -> tuple[str, ...]:
    which = str(row["collection"]) if row["group"] == "collection" else str(row[str(row["group"])])
    has_interval = np.isfinite(row["low"])
    interval = f" ({row['low']:.2f}–{row['high']:.2f})" if has_interval else ""
    return (
        str(row["group"]),
        which,
        str(row["quantity"]).replace("_", " "),
        str(row["n"]),
        f"{row['value']:.4g}",
        f"{row['reference']:.4g}" if np.isfinite(row["reference"]) else "",
        f"{row['ratio']:.3g}{interval}",
        f"{row['q_value']:.1e}" if row["q_value"] > 0 else "< 1e-300",
    )


def _figures(night: Night, corners: Corners | None) -> Iterator[StudySection]:
    said = {
        "focal_plane": (
            "Focal plane",
            "Rates of each detector, visits that drifted left out. A thick outline: it drifted."
            + ("" if corners else " The geometry is not known: detectors lie in order of their numbers."),
        ),
        "visits": ("Visits", "Rates of each visit. Orange: it drifted."),
        "scores": ("Scores", "Of all visits and detectors together."),
    }
    for name, drawing in draw_night(night, corners).items():
        title, text = said[name]
        yield StudySection(title, text, (), (), drawings=(drawing,))


def _counts(night: Night) -> StudySection:
    tables = {"night": night.counts} if night.is_own_reference else {
        "night": night.counts, "reference": night.reference
    }  # fmt: skip
    header = ("", "images", "visits", "detectors", "sources", "scored", "above")
    rows = [
        (
            name,
            str(len(table)),
            *(str(len(np.unique(np.asarray(table[key])))) for key in ("visit", "detector")),
            *(str(int(np.asarray(table[key]).sum())) for key in ("n", "n_scored", "n_above")),
        )
        for name, table in tables.items()
    ]
    text = f"Above: scores of at least {night.options.threshold:g}."
    return StudySection("What was counted", text, header, rows)


def _reasons(night: Night) -> Iterator[StudySection]:
    """List the images with the most sources without a score, and why."""
    counts = night.counts
    lacking = np.asarray(counts["n"]) - np.asarray(counts["n_scored"])
    worst = np.argsort(-lacking, kind="stable")[:20]
    worst = worst[lacking[worst] > 0]
    if len(worst):
        header = ("visit", "detector", "sources", "without a score", *(r.replace("_", " ") for r in REASONS))
        rows = [
            (
                *(str(counts[key][i]) for key in ("visit", "detector", "n")),
                str(lacking[i]),
                *(str(counts[f"unscored_{reason}"][i]) for reason in REASONS),
            )
            for i in worst.tolist()
        ]
        text = f"{lacking.sum()} sources have no score; the images with the most. Flags may be several."
        yield StudySection("Without a score", text, header, rows, n_names=2)
