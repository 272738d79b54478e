"""How every table is declared and checked: columns, units, ids, signs, positions; how files are written.

Every room imports this one, so its modules import astropy and pyarrow where they use them.
"""

from __future__ import annotations

from ._astropy import as_astropy
from ._checking import apply_schema, check_table
from ._files import TABLE_ENDINGS, read_table_file, write_table_file
from ._generations import standard_columns
from ._ids import MAX_DETECTORS, image_id, source_id_base
from ._injection_flags import InjectionFlag
from ._input import inflate, open_fits, reading, unzip
from ._magnitudes import magnitude_to_njy, njy_to_magnitude
from ._output import atomic_output
from ._schema import NO_ID, Column, Schema, empty_table, make_table
from ._signs import SIGN_COLUMNS, read_signs, sign_column
from ._sky import pixel_to_sky, separation, sky_cell, sky_to_pixel
from ._values import Problem, Severity, parse_flags, rows_where

__all__ = (
    "MAX_DETECTORS",
    "NO_ID",
    "SIGN_COLUMNS",
    "TABLE_ENDINGS",
    "Column",
    "InjectionFlag",
    "Problem",
    "Schema",
    "Severity",
    "apply_schema",
    "as_astropy",
    "atomic_output",
    "check_table",
    "empty_table",
    "image_id",
    "inflate",
    "magnitude_to_njy",
    "make_table",
    "njy_to_magnitude",
    "open_fits",
    "parse_flags",
    "pixel_to_sky",
    "read_signs",
    "read_table_file",
    "reading",
    "rows_where",
    "separation",
    "sign_column",
    "sky_cell",
    "sky_to_pixel",
    "source_id_base",
    "standard_columns",
    "unzip",
    "write_table_file",
)
