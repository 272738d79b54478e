"""A study: what is asked, its table, and how both are printed."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from lsst.meas.realbogus.evaluation import Estimate
from lsst.meas.realbogus.report import StudySection

from .ledger import Record, Row, rows


@dataclasses.dataclass
class Study:
    """The result of one study.

    ``columns`` names what tells cases apart, ``goals`` what is asked of a figure, in words; ``drawings`` are
    SVG elements, ``pictures`` PNG files by caption.
    """

    name: str
    title: str
    text: str
    columns: tuple[str, ...]
    records: list[Record]
    goals: dict[str, str] = dataclasses.field(default_factory=dict)
    drawings: list[str] = dataclasses.field(default_factory=list)
    pictures: dict[str, bytes] = dataclasses.field(default_factory=dict)

    @property
    def rows(self) -> list[Row]:
        """One row for each case, seeds put together."""
        return list(rows(self.records))

    @property
    def figure_names(self) -> list[str]:
        """Names of all figures, in order of their first appearance."""
        return list(dict.fromkeys(name for record in self.records for name in record.figures))

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows as text."""
        names = self.figure_names
        header = [*self.columns, "seeds", *names]
        body = [
            [*row.case, str(row.n_seeds), *(cell(*row.figures[n]) if n in row.figures else "" for n in names)]
            for row in self.rows
        ]
        return header, body

    def section(self) -> StudySection:
        """The study as a section of a page."""
        header, body = self.table()
        return StudySection(
            self.title, self.text, header, body, len(self.columns), self.goals, self.drawings, self.pictures
        )

    def figures(self) -> dict[str, dict[str, float | int | str]]:
        """Flat figures for a JSON file: mean, ends of the interval and scatter of each."""
        flat: dict[str, dict[str, float | int | str]] = {}
        for row in self.rows:
            for name, (estimate, scatter) in row.figures.items():
                flat[" | ".join((self.name, *row.case, name))] = {
                    "value": estimate.value,
                    "low": estimate.low,
                    "high": estimate.high,
                    "scatter": scatter,
                    "seeds": row.n_seeds,
                }
        return flat


def cell(estimate: Estimate, scatter: float = math.nan) -> str:
    """Write a figure: value, interval, scatter between seeds."""
    if not math.isfinite(estimate.value):
        return "–"
    text = f"{estimate.value:.3f}"
    if math.isfinite(estimate.low):
        text += f" ({estimate.low:.3f}–{estimate.high:.3f})"
    if math.isfinite(scatter):
        text += f" ±{scatter:.3f}"
    return text


def as_text(header: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Write a table for a terminal, turned on its side where it has more columns than rows."""
    if len(header) > len(body) + 1:
        header, *body = zip(header, *body, strict=True)
    widths = [max(len(row[i]) for row in (header, *body)) for i in range(len(header))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip()
             for row in (header, *body)]  # fmt: skip
    lines.insert(1, "  ".join("-" * width for width in widths))
    return "\n".join(lines)
