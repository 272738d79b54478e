"""Stamps: extraction, missing pixels, the stamp table."""

from __future__ import annotations

from ._alerts import Alert, read_alerts, stamp_batch
from ._catalogs import STANDARD_COLUMNS, read_dia_sources, read_sources
from ._extraction import (
    DEFAULT_BAD_PLANES,
    NOWHERE,
    Mode,
    Stamps,
    TrimmedStamp,
    extract,
    first_pixels,
    stamp_shape,
)
from ._image_files import ImageFile, read_image_file
from ._options import CutoutOptions, PixelOptions
from ._planes import BIT_OF_PLANE, PLANES, plane_bits, plane_names, translate
from ._readers import Handle, PixelInput, PixelReader, open_pixels
from ._rotation import extract_north_up, north_up_matrices
from ._stamp_files import StampBatch, StampFile, open_stamp_file
from ._stamp_table import StampTableSchema, check_stamp_table, stamp_table, stamp_table_schema, stamps_of
from ._triplets import MISSING_BITS, ROLES, StampBlock, concatenate, extract_triplets

__all__ = (
    "BIT_OF_PLANE",
    "DEFAULT_BAD_PLANES",
    "MISSING_BITS",
    "NOWHERE",
    "PLANES",
    "ROLES",
    "STANDARD_COLUMNS",
    "Alert",
    "CutoutOptions",
    "Handle",
    "ImageFile",
    "Mode",
    "PixelInput",
    "PixelOptions",
    "PixelReader",
    "StampBatch",
    "StampBlock",
    "StampFile",
    "StampTableSchema",
    "Stamps",
    "TrimmedStamp",
    "check_stamp_table",
    "concatenate",
    "extract",
    "extract_north_up",
    "extract_triplets",
    "first_pixels",
    "north_up_matrices",
    "open_pixels",
    "open_stamp_file",
    "plane_bits",
    "plane_names",
    "read_alerts",
    "read_dia_sources",
    "read_image_file",
    "read_sources",
    "stamp_batch",
    "stamp_shape",
    "stamp_table",
    "stamp_table_schema",
    "stamps_of",
    "translate",
)
