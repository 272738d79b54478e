"""Where data comes from without a telescope: instruments, the simulator, FITS ingest, the repository."""

from __future__ import annotations

from ._config import PRESETS, SurveyConfig, load_config
from ._fits_frame import FrameOptions
from ._ingest import ingest_fits
from ._schedule import Visit, make_schedule
from ._simulate_survey import simulate_survey
from ._simulate_visit import SimulatedImage, simulate_visit
from .instrument import FlexibleInstrument, RealBogusCam

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
    "simulate_survey",
    "simulate_visit",
)
