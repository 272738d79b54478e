"""Columns of the table of DIA sources."""

from __future__ import annotations

__all__ = ("COLUMNS", "FLAG_PLANES", "empty_table", "make_table")

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Column, Table

FLAG_PLANES: dict[str, tuple[str, bool]] = {
    "bad": ("BAD", True),
    "cr": ("COSMIC_RAY", True),
    "edge": ("DETECTION_EDGE", True),
    "interpolated": ("INTERPOLATED", True),
    "nodata": ("NO_DATA", True),
    "saturated": ("SATURATED", True),
    "saturated_template": ("SATURATED_TEMPLATE", True),
    "suspect": ("SUSPECT", True),
    "streak": ("STREAK", True),
    "high_variance": ("HIGH_VARIANCE", True),
    "injected": ("INJECTED", True),
    "injected_template": ("INJECTED_TEMPLATE", True),
}
"""Mask plane of each pixel flag, and whether a flag for the centre goes with it."""

_MEASURED: tuple[tuple[str, str, str, str], ...] = (
    ("diaSourceId", "i8", "", "Identifier, unique over the survey"),
    ("visit", "i8", "", "Visit"),
    ("detector", "i8", "", "Detector"),
    ("band", "U16", "", "Band"),
    ("midpointMjdTai", "f8", "d", "Middle of the exposure, MJD TAI"),
    ("ra", "f8", "deg", "Right ascension, ICRS"),
    ("dec", "f8", "deg", "Declination, ICRS"),
    ("raErr", "f4", "deg", "Error of ra times cos(dec)"),
    ("decErr", "f4", "deg", "Error of dec"),
    ("x", "f8", "pix", "Column, parent coordinates"),
    ("y", "f8", "pix", "Row, parent coordinates"),
    ("xErr", "f4", "pix", "Error of x"),
    ("yErr", "f4", "pix", "Error of y"),
    ("apFlux", "f4", "nJy", "Flux on the difference image in an aperture"),
    ("apFluxErr", "f4", "nJy", "Error of apFlux"),
    ("snr", "f4", "", "Significance of the detection: absolute value of the score at its peak"),
    ("psfFlux", "f4", "nJy", "PSF flux on the difference image"),
    ("psfFluxErr", "f4", "nJy", "Error of psfFlux"),
    ("psfChi2", "f4", "", "Chi-squared of the PSF fit"),
    ("psfNdata", "i4", "", "Pixels in the PSF fit"),
    ("scienceFlux", "f4", "nJy", "PSF flux at the same place on the science image"),
    ("scienceFluxErr", "f4", "nJy", "Error of scienceFlux"),
    ("templateFlux", "f4", "nJy", "PSF flux at the same place on the matched template"),
    ("templateFluxErr", "f4", "nJy", "Error of templateFlux"),
    ("dipoleMeanFlux", "f4", "nJy", "Mean absolute flux of the two lobes"),
    ("dipoleMeanFluxErr", "f4", "nJy", "Error of dipoleMeanFlux"),
    ("dipoleFluxDiff", "f4", "nJy", "Sum of the signed fluxes of the two lobes"),
    ("dipoleFluxDiffErr", "f4", "nJy", "Error of dipoleFluxDiff"),
    ("dipoleLength", "f4", "arcsec", "Distance of the lobes"),
    (
        "dipoleAngle",
        "f4",
        "deg",
        "Position angle from the negative to the positive lobe, north over east",
    ),
    ("dipoleChi2", "f4", "", "Chi-squared of the dipole fit"),
    ("dipoleNdata", "i4", "", "Pixels in the dipole fit"),
    ("isDipole", "?", "", "Is the source well described as a dipole?"),
    ("isNegative", "?", "", "Is the source fainter in the science image?"),
    ("dipoleFitAttempted", "?", "", "Was a dipole fitted?"),
    ("ixx", "f4", "pix2", "Second moment along x, Gaussian-weighted"),
    ("iyy", "f4", "pix2", "Second moment along y, Gaussian-weighted"),
    ("ixy", "f4", "pix2", "Mixed second moment, Gaussian-weighted"),
    ("ixxPSF", "f4", "pix2", "The same of the PSF"),
    ("iyyPSF", "f4", "pix2", "The same of the PSF"),
    ("ixyPSF", "f4", "pix2", "The same of the PSF"),
    ("extendedness", "f4", "", "0 for the size of the PSF, 1 for larger; NaN where the size is not known"),
    ("bboxSize", "i4", "pix", "Longer side of the footprint"),
    ("pixelFlags", "?", "", "No pixel could be measured"),
)


def _columns() -> dict[str, tuple[str, str, str]]:
    out = {name: (dtype, unit, text) for name, dtype, unit, text in _MEASURED}
    for flag, (plane, with_centre) in FLAG_PLANES.items():
        out[f"pixelFlags_{flag}"] = ("?", "", f"The footprint touches {plane} pixels")
        if with_centre:
            out[f"pixelFlags_{flag}Center"] = ("?", "", f"The 3x3 pixels at the centre touch {plane}")
    return out


COLUMNS = _columns()
"""Type, unit and meaning of each column, in order; names as in the DiaSource table of the LSST schemas."""


def make_table(values: Mapping[str, npt.ArrayLike | Any], count: int) -> Table:
    """Make a table with every column; those without values are NaN, 0 or False.

    Parameters
    ----------
    values
        Arrays of ``count`` values, or single values, by column.
    count
        Number of rows.

    Raises
    ------
    KeyError
        If a value is not of a column.
    """
    unknown = set(values) - set(COLUMNS)
    if unknown:
        raise KeyError(f"not columns of a DIA source: {sorted(unknown)}")
    table = Table()
    for name, (dtype, unit, text) in COLUMNS.items():
        default = np.nan if dtype in ("f4", "f8") else np.zeros(1, dtype=dtype)[0]
        data = np.full(count, default, dtype=dtype)
        if name in values:
            data[:] = values[name]
        table[name] = Column(data, unit=unit or None, description=text)
    return table


def empty_table() -> Table:
    """Return a table with all columns and no rows."""
    return make_table({}, 0)
