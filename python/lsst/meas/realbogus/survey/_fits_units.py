"""What a count of a FITS image is worth: its flux and its electrons, by the unit and the header."""

from __future__ import annotations

__all__ = ("FluxCalibration", "convert_plane", "parse_unit", "read_calibration")

import dataclasses
import re

import astropy.io.fits
import astropy.units as u
import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.errors import InvalidInputError

from ..tables import magnitude_to_njy
from ._fits_header import first_number

Floats = npt.NDArray[np.float64]

_ZERO_POINTS = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT", "ZEROPOINT", "ZP")
_SATURATIONS = ("ESATUR", "SATURATE", "SATUR")
_COUNTS = (u.electron, u.adu, u.DN, u.count, u.photon)
_AB = u.zero_point_flux((0 * u.ABmag).to(u.Jy))
# What people write beside what FITS and astropy know, in small letters.
_ALIASES = {
    "electrons": u.electron,
    "counts": u.count,
    "cps": u.count / u.s,
    "photons": u.photon,
    "sec": u.s,
    "second": u.s,
}


@dataclasses.dataclass(frozen=True)
class FluxCalibration:
    """What a count is worth.

    Parameters
    ----------
    flux_scale
        Flux of a count [nJy]; `None` where nothing says it.
    source
        What says it, for people.
    gain
        Electrons of a count, if known.
    saturation
        Counts from which pixels are saturated, if known.
    remark
        What a user should know, or empty.
    """

    flux_scale: float | None
    source: str
    gain: float | None
    saturation: float | None
    remark: str


def parse_unit(text: str) -> u.UnitBase | None:
    """Read a unit as FITS has it, or as people write it (``ELECTRONS/S``, ``counts``, ``e-``).

    Parameters
    ----------
    text
        The unit, such as BUNIT.

    Returns
    -------
    astropy.units.UnitBase or None
        The unit; `None` if there is no reading it.
    """
    small = re.sub(r"\be-(?![0-9])", "electron", text.lower())
    for form, word in (("fits", text), ("generic", small), ("generic", text)):
        try:
            with u.set_enabled_aliases(_ALIASES):
                unit = u.Unit(word, format=form)
        except (ValueError, TypeError):
            continue
        if isinstance(unit, u.UnitBase) and _is_known(unit):
            return unit
    return None


def _is_known(unit: u.UnitBase) -> bool:
    """Whether a unit is one of counts, of flux or of surface brightness, or a power of these."""
    root = unit if unit.is_equivalent(u.dimensionless_unscaled) else unit ** (1 / _power(unit))
    return _count(root) is not None or _flux(root, 1 * u.sr, 1 * u.um) is not None


def _power(unit: u.UnitBase) -> int:
    """Return 2 for the unit of a variance, as Jy2, and 1 for others."""
    return 2 if unit.powers and all(power % 2 == 0 for power in unit.powers) else 1


def _count(unit: u.UnitBase) -> tuple[u.UnitBase, bool] | None:
    """Return what a unit counts, and whether it is a rate; `None` for other units."""
    for each in (unit, unit * u.pix):
        for kind in _COUNTS:
            if each == kind:
                return kind, False
            if each == kind / u.s:
                return kind, True
    return None


def _flux(unit: u.UnitBase, area: u.Quantity, pivot: u.Quantity | None) -> float | None:
    """Return what one of a unit is in nJy; surface brightnesses and flux per wavelength too."""
    ways = [*_AB, *(u.spectral_density(pivot) if pivot is not None else [])]
    for factor in (u.dimensionless_unscaled, u.pix, area):
        try:
            return float((1 * unit * factor).to_value(u.nJy, ways))
        except u.UnitConversionError:
            continue
    return None


def read_calibration(
    header: astropy.io.fits.Header,
    *,
    area: float,
    exposure_time: float | None,
    zero_point: float | None = None,
    gain: float | None = None,
    saturation: float | None = None,
) -> FluxCalibration:
    """Find what a count of an image is worth.

    Parameters
    ----------
    header
        Header of the image, that of the primary HDU included.
    area
        Solid angle of a pixel [sr], used where the header has none.
    exposure_time
        Seconds, if known.
    zero_point, gain, saturation
        What a user says, which counts more than the header.

    Returns
    -------
    FluxCalibration
        What was found.

    Notes
    -----
    The flux of a count is, in this order: the user's zero point; the unit, if it is one of flux or of surface
    brightness (times PIXAR_SR, PIXAR_A2 or the WCS's pixel area); a zero point in the header; PHOTMJSR for
    rates, and PHOTFLAM with PHOTPLAM, which is per electron (or count) and second. The gain is that of the
    unit: 1 for electrons, the exposure time for electrons per second, GAIN for other counts, times the
    exposure time for rates. A header's GAIN and saturation say nothing of pixels in units of flux.
    """
    text = str(header.get("BUNIT", "")).strip()
    unit = parse_unit(text) if text else None
    area_quantity = _pixel_area(header, area)
    pivot = first_number(header, ("PHOTPLAM",))
    pivot_quantity = None if pivot is None else pivot * u.AA
    flux = None if unit is None else _flux(unit, area_quantity, pivot_quantity)
    count = None if unit is None or flux is not None else _count(unit)
    header_zero_point = next(
        ((key, value) for key in _ZERO_POINTS if (value := first_number(header, (key,))) is not None), None
    )
    scale, source, remark = None, "", ""
    if zero_point is not None:
        scale, source = float(magnitude_to_njy(zero_point)), f"zero point {zero_point:g}"
    elif flux is not None:
        scale, source = flux, f"BUNIT {text}"
    elif header_zero_point is not None:
        scale, source = float(magnitude_to_njy(header_zero_point[1])), header_zero_point[0]
    elif count is not None:
        scale, source = _sensitivity(header, count[1], exposure_time, area_quantity, pivot_quantity)
    if text and scale is None and flux is None and count is None:
        remark = f"the unit {text!r} is neither one of counts nor one that turns into nJy; give a zero point"
    if gain is None and flux is None:
        gain = _gain(header, count, exposure_time)
    if saturation is None and flux is None and not (count and count[1]):
        saturation = first_number(header, _SATURATIONS)
    return FluxCalibration(scale, source, gain, saturation, remark)


def _pixel_area(header: astropy.io.fits.Header, area: float) -> u.Quantity:
    steradian, arcsec2 = first_number(header, ("PIXAR_SR",)), first_number(header, ("PIXAR_A2",))
    if steradian is not None:
        return steradian * u.sr
    return area * u.sr if arcsec2 is None else (arcsec2 * u.arcsec**2).to(u.sr)


def _sensitivity(
    header: astropy.io.fits.Header,
    is_rate: bool,
    exposure_time: float | None,
    area: u.Quantity,
    pivot: u.Quantity | None,
) -> tuple[float | None, str]:
    """Return the flux of a count by what JWST and HST write of it, both per second."""
    seconds = 1.0 if is_rate else exposure_time
    if seconds is None:
        return None, ""
    brightness, per_wavelength = (first_number(header, (key,)) for key in ("PHOTMJSR", "PHOTFLAM"))
    if brightness is not None:
        return float((brightness * u.MJy / u.sr * area).to_value(u.nJy)) / seconds, "PHOTMJSR"
    if per_wavelength is not None and pivot is not None:
        density = per_wavelength * u.erg / u.s / u.cm**2 / u.AA
        return float(density.to_value(u.nJy, u.spectral_density(pivot))) / seconds, "PHOTFLAM and PHOTPLAM"
    return None, ""


def _gain(
    header: astropy.io.fits.Header, count: tuple[u.UnitBase, bool] | None, exposure_time: float | None
) -> float | None:
    kind, is_rate = count or (u.adu, False)
    gain = 1.0 if kind in (u.electron, u.photon) else first_number(header, ("GAIN",))
    if not is_rate or gain is None:
        return gain
    return None if exposure_time is None else gain * exposure_time


def convert_plane(
    values: Floats, unit: object, image_unit: object, power: int, name: str, area: float
) -> Floats:
    """Bring a plane of noise or variance to the unit of its image.

    Parameters
    ----------
    values
        Pixels of the plane.
    unit, image_unit
        BUNIT of the plane and of the image, if they have any.
    power
        1 for noise, 2 for variance.
    name
        What the plane is called in messages.
    area
        Solid angle of a pixel [sr].

    Returns
    -------
    numpy.ndarray
        Pixels in the unit of the image, or its square. Where a unit is missing or unknown, and where the
        plane only repeats the image's unit, they are what they were.

    Raises
    ------
    InvalidInputError
        If the units do not belong together.
    """
    mine, wanted = (parse_unit(str(text or "").strip()) for text in (unit, image_unit))
    if mine is None or wanted is None or mine == wanted:
        return values
    if (kind := _count(mine)) is not None and kind == _count(wanted):
        return values
    for each in (mine, mine * area * u.sr, mine * (area * u.sr) ** 2):
        try:
            factor = each.to(wanted**power)
        except u.UnitConversionError:
            continue
        return np.asarray(values * factor, float)
    raise InvalidInputError(
        f"{name} is in {unit}, which does not become {image_unit}{'²' if power == 2 else ''}, of the image"
    )
