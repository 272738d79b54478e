"""One HTML page of tables: what studies of models have found."""

from __future__ import annotations

__all__ = ("StudySection", "render_study_page", "write_study_page")

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from ..errors import InvalidInputError
from ._html import page_environment, png_uri, write_html

STUDY_NOTE = "Each figure with its 95 % interval over objects; ± is the scatter between seeds."


@dataclasses.dataclass(frozen=True)
class StudySection:
    """A section of the page.

    Parameters
    ----------
    title, text
        Heading, and what is asked and how.
    header, rows
        The table, as text; every row has a cell for each column.
    n_names
        How many columns at the left name the rows; the others are figures.
    goals
        What is asked of a figure, by its name.
    drawings
        ``<svg>`` elements.
    pictures
        PNG files by their caption.
    """

    title: str
    text: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    n_names: int = 1
    goals: Mapping[str, str] = dataclasses.field(default_factory=dict)
    drawings: Sequence[str] = ()
    pictures: Mapping[str, bytes] = dataclasses.field(default_factory=dict)

    def __post_init__(self) -> None:
        wrong = sorted({len(row) for row in self.rows} - {len(self.header)})
        if wrong:
            raise InvalidInputError(
                f"section {self.title!r} has rows of {wrong} cells under {len(self.header)} columns"
            )


def write_study_page(
    path: Path,
    sections: Sequence[StudySection],
    *,
    title: str,
    provenance: Mapping[str, str] | None = None,
    note: str = STUDY_NOTE,
    overwrite: bool = False,
) -> Path:
    """Write the page; see `render_study_page`.

    Parameters
    ----------
    path
        File to write; its folder must exist.
    sections, title, provenance, note
        As for `render_study_page`.
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
    return write_html(
        path, render_study_page(sections, title=title, provenance=provenance, note=note), overwrite=overwrite
    )


def render_study_page(
    sections: Sequence[StudySection],
    *,
    title: str,
    provenance: Mapping[str, str] | None = None,
    note: str = STUDY_NOTE,
) -> str:
    """Make the page.

    Parameters
    ----------
    sections
        What it shows, in order.
    title
        Heading of the page.
    provenance
        What made it, label to value.
    note
        Said below the heading.

    Returns
    -------
    str
        HTML that refers to nothing outside itself.
    """
    environment = page_environment()
    environment.filters["png"] = png_uri
    return environment.get_template("study.html").render(
        title=title, sections=sections, provenance=provenance or {}, note=note
    )
