"""Figures and HTML pages."""

from __future__ import annotations

from ._cutouts_page import CutoutCard, make_cards, write_cutouts_page
from ._fakes_page import FakeCard, count_populations, write_fakes_page
from ._galleries import choose_galleries
from ._page import write_page
from ._results import Results, Summary, summarize

__all__ = (
    "CutoutCard",
    "FakeCard",
    "Results",
    "Summary",
    "choose_galleries",
    "count_populations",
    "make_cards",
    "summarize",
    "write_cutouts_page",
    "write_fakes_page",
    "write_page",
)
