"""Columns of the tables of sources: of DIA sources, and of the sources of a science image."""

from __future__ import annotations

__all__ = ("DIA_SOURCE", "FLAG_PLANES", "SOURCE", "SOURCE_FLAG_PLANES")

from collections.abc import Mapping

from ..tables import Column, Schema

FLAG_PLANES: dict[str, tuple[str, bool]] = {
    "bad": ("BAD", True),
    "cr": ("COSMIC_RAY", True),
    "edge": ("DETECTION_EDGE", True),
    "interpolated": ("INTERPOLATED", True),
    "nodata": ("NO_DATA", True),
    "saturated": ("SATURATED", True),
    "sat_template": ("SAT_TEMPLATE", True),
    "suspect": ("SUSPECT", True),
    "streak": ("STREAK", True),
    "high_variance": ("HIGH_VARIANCE", True),
    "injected": ("INJECTED", True),
    "injected_template": ("INJECTED_TEMPLATE", True),
}
"""Mask plane of each pixel flag of a DIA source, and whether a flag for the centre goes with it."""

SOURCE_FLAG_PLANES = {
    name: FLAG_PLANES[name] for name in ("bad", "cr", "edge", "interpolated", "nodata", "saturated")
}
"""The same of a source on a science image."""

_MEASURED: Schema = {
    "diaSourceId": Column("int64", "Identifier, unique over the survey"),
    "visit": Column("int64", "Visit"),
    "detector": Column("int64", "Detector"),
    "band": Column("U16", "Band"),
    "midpointMjdTai": Column("float64", "Middle of the exposure, MJD TAI", "d"),
    "ra": Column("float64", "Right ascension, ICRS", "deg"),
    "dec": Column("float64", "Declination, ICRS", "deg"),
    "raErr": Column("float32", "Error of ra times cos(dec)", "deg"),
    "decErr": Column("float32", "Error of dec", "deg"),
    "x": Column("float64", "Column, parent coordinates", "pix"),
    "y": Column("float64", "Row, parent coordinates", "pix"),
    "xErr": Column("float32", "Error of x", "pix"),
    "yErr": Column("float32", "Error of y", "pix"),
    "apFlux": Column("float32", "Flux on the difference image in an aperture", "nJy"),
    "apFluxErr": Column("float32", "Error of apFlux", "nJy"),
    "snr": Column("float32", "Significance of the detection: absolute value of the score at its peak"),
    "psfFlux": Column("float32", "PSF flux on the difference image", "nJy"),
    "psfFluxErr": Column("float32", "Error of psfFlux", "nJy"),
    "psfChi2": Column("float32", "Chi-squared of the PSF fit"),
    "psfNdata": Column("int32", "Pixels in the PSF fit"),
    "scienceFlux": Column("float32", "PSF flux at the same place on the science image", "nJy"),
    "scienceFluxErr": Column("float32", "Error of scienceFlux", "nJy"),
    "templateFlux": Column("float32", "PSF flux at the same place on the matched template", "nJy"),
    "templateFluxErr": Column("float32", "Error of templateFlux", "nJy"),
    "dipoleMeanFlux": Column("float32", "Mean absolute flux of the two lobes", "nJy"),
    "dipoleMeanFluxErr": Column("float32", "Error of dipoleMeanFlux", "nJy"),
    "dipoleFluxDiff": Column("float32", "Sum of the signed fluxes of the two lobes", "nJy"),
    "dipoleFluxDiffErr": Column("float32", "Error of dipoleFluxDiff", "nJy"),
    "dipoleLength": Column("float32", "Distance of the lobes", "arcsec"),
    "dipoleAngle": Column(
        "float32", "Position angle from the negative to the positive lobe, north over east", "deg"
    ),
    "dipoleChi2": Column("float32", "Chi-squared of the dipole fit"),
    "dipoleNdata": Column("int32", "Pixels in the dipole fit"),
    "isDipole": Column("bool", "Is the source well described as a dipole?"),
    "isNegative": Column("bool", "Is the source fainter in the science image?"),
    "dipoleFitAttempted": Column("bool", "Was a dipole fitted?"),
    "ixx": Column("float32", "Second moment along x, Gaussian-weighted", "pix2"),
    "iyy": Column("float32", "Second moment along y, Gaussian-weighted", "pix2"),
    "ixy": Column("float32", "Mixed second moment, Gaussian-weighted", "pix2"),
    "ixxPSF": Column("float32", "The same of the PSF", "pix2"),
    "iyyPSF": Column("float32", "The same of the PSF", "pix2"),
    "ixyPSF": Column("float32", "The same of the PSF", "pix2"),
    "extendedness": Column(
        "float32", "0 for the size of the PSF, 1 for larger; NaN where the size is not known"
    ),
    "bboxSize": Column("int32", "Longer side of the footprint", "pix"),
    "pixelFlags": Column("bool", "No pixel could be measured"),
}

_SOURCE: Schema = {
    "sourceId": Column("int64", "Identifier, unique over the survey"),
    "visit": Column("int64", "Visit"),
    "detector": Column("int64", "Detector"),
    "band": Column("U8", "Band"),
    "ra": Column("float64", "Right ascension, ICRS", "deg"),
    "dec": Column("float64", "Declination, ICRS", "deg"),
    "x": Column("float64", "Column, parent coordinates", "pix"),
    "y": Column("float64", "Row, parent coordinates", "pix"),
    "psfFlux": Column("float64", "PSF flux", "nJy"),
    "psfFluxErr": Column("float64", "Error of psfFlux", "nJy"),
    "apFlux": Column(
        "float64", "Total flux: near the source, plus what a star would have farther out", "nJy"
    ),
    "apFluxErr": Column("float64", "Error of apFlux", "nJy"),
    "ixx": Column("float64", "Adaptive second moment along x", "pix2"),
    "iyy": Column("float64", "Adaptive second moment along y", "pix2"),
    "ixy": Column("float64", "Adaptive mixed second moment", "pix2"),
    "ixxPSF": Column("float64", "The same of the PSF", "pix2"),
    "iyyPSF": Column("float64", "The same of the PSF", "pix2"),
    "ixyPSF": Column("float64", "The same of the PSF", "pix2"),
    "extendedness": Column("float64", "Probability that the source is wider than the PSF"),
}


def _with_flags(columns: Schema, planes: Mapping[str, tuple[str, bool]]) -> Schema:
    flags = {}
    for flag, (plane, with_centre) in planes.items():
        flags[f"pixelFlags_{flag}"] = Column("bool", f"The footprint touches {plane} pixels")
        if with_centre:
            flags[f"pixelFlags_{flag}Center"] = Column("bool", f"The 3x3 pixels at the centre touch {plane}")
    return {**columns, **flags}


DIA_SOURCE: Schema = _with_flags(_MEASURED, FLAG_PLANES)
"""The table of DIA sources; names as in the DiaSource table of the LSST schemas."""

SOURCE: Schema = _with_flags(_SOURCE, SOURCE_FLAG_PLANES)
"""The table of the sources of a science image; names as in the Source table of the LSST schemas."""
