"""Where data comes from without a telescope: instruments, the simulator, FITS ingest, the repository."""

from __future__ import annotations

from ._artefact_rates import TRAINING_ARTEFACTS
from ._companions import Companions
from ._config import SurveyConfig, load_config
from ._demo_images import ChosenImages, DemoImages, choose_images, ingested_images, simulated_images
from ._frame_options import FrameOptions
from ._ingest import ingest_fits
from ._presets import PRESETS, find_preset
from ._regimes import limiting_magnitude, suited_pipeline
from ._repository import skymap_of
from ._schedule import Visit, make_schedule
from ._simulate_survey import simulate_survey
from ._simulate_visit import SimulatedImage, simulate_visit
from ._training_surveys import REGIMES, Regime, training_regime, training_role, training_survey
from .instrument import FlexibleInstrument, RealBogusCam

__all__ = (
    "PRESETS",
    "REGIMES",
    "TRAINING_ARTEFACTS",
    "ChosenImages",
    "Companions",
    "DemoImages",
    "FlexibleInstrument",
    "FrameOptions",
    "RealBogusCam",
    "Regime",
    "SimulatedImage",
    "SurveyConfig",
    "Visit",
    "choose_images",
    "find_preset",
    "ingest_fits",
    "ingested_images",
    "limiting_magnitude",
    "load_config",
    "make_schedule",
    "simulate_survey",
    "simulate_visit",
    "simulated_images",
    "skymap_of",
    "suited_pipeline",
    "training_regime",
    "training_role",
    "training_survey",
)
