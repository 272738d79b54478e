"""Figures and HTML pages."""

from __future__ import annotations

from ._contact_sheets import contact_sheets
from ._cutouts_page import CutoutCard, make_cards, write_cutouts_page
from ._evaluation_figures import evaluation_plots
from ._evaluation_page import draw_evaluation, write_evaluation_page
from ._explanation_figures import embedding_figure, segments_figure
from ._explanation_page import write_explanation_page
from ._fakes_page import FakeCard, choose_fakes, count_populations, write_fakes_page
from ._figures import draw_curves
from ._galleries import Gallery, TripletCard, choose_galleries
from ._light_curves_page import SourceMap, choose_objects, write_light_curves_page
from ._night_figures import draw_night, night_plots
from ._night_page import write_night_page
from ._page import write_page
from ._stamps import stretch_triplet
from ._study_page import StudySection, write_study_page
from ._validation_figures import draw_validation, validation_figure

__all__ = (
    "CutoutCard",
    "FakeCard",
    "Gallery",
    "SourceMap",
    "StudySection",
    "TripletCard",
    "choose_fakes",
    "choose_galleries",
    "choose_objects",
    "contact_sheets",
    "count_populations",
    "draw_curves",
    "draw_evaluation",
    "draw_night",
    "draw_validation",
    "embedding_figure",
    "evaluation_plots",
    "make_cards",
    "night_plots",
    "segments_figure",
    "stretch_triplet",
    "validation_figure",
    "write_cutouts_page",
    "write_evaluation_page",
    "write_explanation_page",
    "write_fakes_page",
    "write_light_curves_page",
    "write_night_page",
    "write_page",
    "write_study_page",
)
