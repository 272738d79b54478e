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
from ._fixed_arrays import FixedArrays
from ._image_files import ImageFile, read_image_file
from ._options import CutoutOptions, PixelOptions
from ._planes import BIT_OF_PLANE, PLANES, plane_bits, plane_names, translate
from ._psf_width import psf_fwhm, psf_fwhm_at
from ._readers import Handle, PixelInput, PixelReader, open_pixels
from ._rotation import extract_north_up, north_up_matrices
from ._stamp_files import DIFFERENCE_SIGNS, DifferenceSign, StampBatch, StampFile, open_stamp_file
from ._stamp_table import (
    StampTableSchema,
    StoredStamps,
    check_stamp_table,
    stamp_table,
    stamp_table_schema,
    stamps_of,
    stored_stamps,
)
from ._triplets import MISSING_BITS, OUTSIDE_BITS, ROLES, StampBlock, concatenate, extract_triplets

__all__ = (
    "BIT_OF_PLANE",
    "DEFAULT_BAD_PLANES",
    "DIFFERENCE_SIGNS",
    "MISSING_BITS",
    "NOWHERE",
    "OUTSIDE_BITS",
    "PLANES",
    "ROLES",
    "STANDARD_COLUMNS",
    "Alert",
    "CutoutOptions",
    "DifferenceSign",
    "FixedArrays",
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
    "StoredStamps",
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
    "psf_fwhm",
    "psf_fwhm_at",
    "read_alerts",
    "read_dia_sources",
    "read_image_file",
    "read_sources",
    "stamp_batch",
    "stamp_shape",
    "stamp_table",
    "stamp_table_schema",
    "stamps_of",
    "stored_stamps",
    "translate",
)
