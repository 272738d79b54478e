"""Sources of many visits put together: objects, their light curves, and which of them these confirm."""

from __future__ import annotations

from ._associate import Association, associate
from ._confirmation import ConfirmationOptions, confirm
from ._light_curves import LightCurveOptions, LightCurves, make_light_curves
from ._objects import describe_objects
from ._schema import (
    DIA_OBJECT,
    DIA_SOURCE_ASSOCIATION,
    EPOCH,
    LIGHT_CURVE,
    Confirmation,
    dia_object_schema,
)
from ._sources import SkyImage, read_epochs

__all__ = (
    "DIA_OBJECT",
    "DIA_SOURCE_ASSOCIATION",
    "EPOCH",
    "LIGHT_CURVE",
    "Association",
    "Confirmation",
    "ConfirmationOptions",
    "LightCurveOptions",
    "LightCurves",
    "SkyImage",
    "associate",
    "confirm",
    "describe_objects",
    "dia_object_schema",
    "make_light_curves",
    "read_epochs",
)
