"""Where data comes from without a telescope: instruments, the simulator, FITS ingest, the repository."""

from __future__ import annotations

__all__ = (
    "PRESETS",
    "FlexibleInstrument",
    "FrameOptions",
    "RealBogusCam",
    "SimulatedImage",
    "SurveyConfig",
    "Visit",
    "ingest_fits",
    "load_config",
    "make_schedule",
    "measure_sources",
    "simulate_survey",
    "simulate_visit",
)

from .config import PRESETS, SurveyConfig, load_config
from .fits_frame import FrameOptions
from .ingest import ingest_fits
from .instrument import FlexibleInstrument, RealBogusCam
from .schedule import Visit, make_schedule
from .simulate_survey import simulate_survey
from .simulate_visit import SimulatedImage, simulate_visit
from .sources import measure_sources
