"""Where data comes from without a telescope: instruments, the simulator, FITS ingest, the repository."""

from __future__ import annotations

from ._companions import Companions
from ._config import PRESETS, SurveyConfig, load_config
from ._demo_images import ChosenImages, DemoImages, choose_images, ingested_images, simulated_images
from ._frame_options import FrameOptions
from ._ingest import ingest_fits
from ._repository import skymap_of
from ._schedule import Visit, make_schedule
from ._simulate_survey import simulate_survey
from ._simulate_visit import SimulatedImage, simulate_visit
from .instrument import FlexibleInstrument, RealBogusCam

__all__ = (
    "PRESETS",
    "ChosenImages",
    "Companions",
    "DemoImages",
    "FlexibleInstrument",
    "FrameOptions",
    "RealBogusCam",
    "SimulatedImage",
    "SurveyConfig",
    "Visit",
    "choose_images",
    "ingest_fits",
    "ingested_images",
    "load_config",
    "make_schedule",
    "simulate_survey",
    "simulate_visit",
    "simulated_images",
    "skymap_of",
)
