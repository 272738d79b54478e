"""What the headers of FITS images say of an exposure, under the names that observatories use."""

from __future__ import annotations

__all__ = ("Exposure", "first_number", "read_exposure")

import dataclasses
from collections.abc import Iterable

import astropy.io.fits
import astropy.time
import numpy as np

_EXPOSURE_TIMES = ("EXPTIME", "XPOSURE", "EFFEXPTM")
_TIMES = ("MJD-OBS", "MJD-BEG", "EXPSTART", "DATE-OBS", "DATE-BEG")
_FILTERS = ("FILTER", "FILTER1", "FILTER2")


@dataclasses.dataclass(frozen=True)
class Exposure:
    """An exposure as its header tells it.

    Parameters
    ----------
    begin
        Start; the epoch J2000 where the header does not say.
    exposure_time
        Seconds, if the header says.
    detector
        Number of the detector; 0 where the header does not say.
    physical_filter
        Name of the filter; empty where the header does not say.
    psf_fwhm
        Width of stars in pixels, if the header says.
    """

    begin: astropy.time.Time
    exposure_time: float | None
    detector: int
    physical_filter: str
    psf_fwhm: float | None


def first_number(header: astropy.io.fits.Header, keys: Iterable[str]) -> float | None:
    """Return the first positive number that a header has under some keys.

    Parameters
    ----------
    header
        The header.
    keys
        Keywords, in the order of their worth.

    Returns
    -------
    float or None
        The number; `None` if there is none.
    """
    for key in keys:
        value = header.get(key)
        if (
            isinstance(value, int | float)
            and not isinstance(value, bool)
            and np.isfinite(value)
            and value > 0
        ):
            return float(value)
    return None


def read_exposure(header: astropy.io.fits.Header) -> Exposure:
    """Read what a header says of its exposure.

    Parameters
    ----------
    header
        Header of the image, that of the primary HDU included.

    Returns
    -------
    Exposure
        What it says.
    """
    detector = header.get("CCDNUM")
    filters = (str(header.get(key, "")).strip(" _") for key in _FILTERS)
    return Exposure(
        begin=_begin(header),
        exposure_time=first_number(header, _EXPOSURE_TIMES),
        detector=detector if isinstance(detector, int) and detector >= 0 else 0,
        # Cameras with two wheels call the open position of the other one CLEAR.
        physical_filter=next((name for name in filters if name and not name.startswith("CLEAR")), ""),
        psf_fwhm=first_number(header, ("FWHM",)),
    )


def _begin(header: astropy.io.fits.Header) -> astropy.time.Time:
    for key in _TIMES:
        value = header.get(key)
        if isinstance(value, float | int) and value > 0:
            return astropy.time.Time(value, format="mjd", scale="utc").tai
        if isinstance(value, str) and value.strip():
            text, hour = value.strip(), str(header.get("TIME-OBS", "")).strip()
            if key == "DATE-OBS" and hour and len(text) == len("2000-01-01"):
                text = f"{text}T{hour}"
            return astropy.time.Time(text, scale="utc").tai
    return astropy.time.Time("2000-01-01T12:00:00", scale="tai")
