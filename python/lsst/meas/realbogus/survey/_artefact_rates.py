"""How much of every artefact a survey needs from which a classifier learns them all."""

from __future__ import annotations

__all__ = ("TRAINING_ARTEFACTS",)

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

TRAINING_ARTEFACTS: Mapping[str, Any] = MappingProxyType(
    {
        "cloud_patches": 0.06,
        "soft_blobs": 12.0,
        "ghost_disks": 5.0,
        "glint_trails": 4.0,
        "aberrated_visits": 0.2,
        "core_defects": 0.3,
        "charge_trails": 0.25,
        "persistence": 4.0,
        "streaks": 15.0,
        "cosmic_ray_hits": 20.0,
        "hot_pixels": 8.0,
        "crosstalk": 3.0,
        "missing_blocks": 20.0,
        "refraction": 6.0,
        "brighter_fatter": 0.03,
    }
)
"""Numbers for `SurveyConfig.replace`: far above the rates of the sky, so that images hold some of each."""
