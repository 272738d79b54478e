"""Detection and measurement, of difference images and of science images."""

from __future__ import annotations

from ._dia_catalog import DiaCatalog, SourceIds, detect_and_measure
from ._options import DetectionOptions, SourceOptions
from ._schema import DIA_SOURCE, SOURCE
from ._source_catalog import measure_sources
from ._visit import measure_difference

__all__ = (
    "DIA_SOURCE",
    "SOURCE",
    "DetectionOptions",
    "DiaCatalog",
    "SourceIds",
    "SourceOptions",
    "detect_and_measure",
    "measure_difference",
    "measure_sources",
)
