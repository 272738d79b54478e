"""Read source catalogues of any pipeline generation into one set of columns, every row kept."""

from __future__ import annotations

__all__ = ("STANDARD_COLUMNS", "read_dia_sources", "read_sources")

from typing import Any

import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from astropy.table import Table
from lsst.images import SkyProjection

from ..errors import InvalidCatalogError
from ..tables import as_astropy, read_signs

STANDARD_COLUMNS: tuple[str, ...] = ("id", "x", "y", "ra", "dec", "is_negative", "snr", "flux", "flux_err")
"""Columns that every catalogue gets; NaN (False) where it says nothing."""

# Each quantity by the names it has had: DiaSource tables, afw catalogues (slots first), older pipelines.
_IDS = ("diaSourceId", "id", "sourceId")
_SCIENCE_IDS = ("sourceId", "id", "objectId")
_CENTROIDS = (
    ("x", "y"),
    ("slot_Centroid_x", "slot_Centroid_y"),
    ("centroid_x", "centroid_y"),
    ("base_SdssCentroid_x", "base_SdssCentroid_y"),
    ("base_NaiveCentroid_x", "base_NaiveCentroid_y"),
)
_DEGREES = (("ra", "dec"), ("ra", "decl"), ("RA", "DEC"), ("coord_ra_deg", "coord_dec_deg"))
_RADIANS = (("coord_ra", "coord_dec"),)
_FLUXES = ("psfFlux", "slot_PsfFlux_instFlux", "base_PsfFlux_instFlux", "apFlux", "slot_ApFlux_instFlux")
_SNRS = ("snr", "slot_Centroid_signalToNoise", "ip_diffim_DipoleFit_signalToNoise")

type FloatArray = npt.NDArray[np.float64]


def read_dia_sources(
    catalog: Any, projection: SkyProjection[Any] | None = None, *, name: str = "DIA source catalogue"
) -> Table:
    """Read a catalogue of DIA sources, whichever pipeline made it.

    Parameters
    ----------
    catalog
        An astropy, arrow or pandas table, a structured array, a mapping of columns, or an afw catalogue. An
        afw `SourceCatalog` that was read from its FITS file as a plain table is understood too.
    projection
        Where the catalogue has no pixel positions, the projection that turns its sky positions into them.
    name
        What to call the catalogue in messages.

    Returns
    -------
    astropy.table.Table
        `STANDARD_COLUMNS`, one row for each of the catalogue's, in order: ``id`` int64; ``x``, ``y`` parent
        pixel coordinates; ``ra``, ``dec`` degrees; ``is_negative`` (the flag, otherwise the sign of the
        flux); ``snr`` (as measured, otherwise of the flux); ``flux``, ``flux_err`` in the catalogue's unit.

    Raises
    ------
    InvalidCatalogError
        If there is no id, or no way to a pixel position. A row whose position is NaN is not an error.

    Examples
    --------
    >>> table = read_dia_sources({"diaSourceId": [7], "x": [10.5], "y": [3.0], "psfFlux": [-20.0]})
    >>> table["id", "x", "y", "is_negative"].as_array()[0].item()
    (7, 10.5, 3.0, True)
    """
    return _read(catalog, projection, name, _IDS)


def read_sources(
    catalog: Any, projection: SkyProjection[Any] | None = None, *, name: str = "source catalogue"
) -> Table:
    """Read a catalogue of sources on a science image, as candidates for the path without difference images.

    Parameters
    ----------
    catalog, projection, name
        As for `read_dia_sources`.

    Returns
    -------
    astropy.table.Table
        `STANDARD_COLUMNS`; ``is_negative`` is False throughout.

    Raises
    ------
    InvalidCatalogError
        As for `read_dia_sources`.
    """
    table = _read(catalog, projection, name, _SCIENCE_IDS)
    table["is_negative"] = False
    return table


def _read(catalog: Any, projection: SkyProjection[Any] | None, name: str, id_names: tuple[str, ...]) -> Table:
    columns = as_astropy(catalog, name)
    reasons: list[str] = []
    ids = _identifiers(columns, id_names, reasons)
    ra, dec = _sky(columns)
    x, y = _pixels(columns)
    if x is None and ra is not None and dec is not None and projection is not None:
        x, y = _project(ra, dec, projection)
    if x is None or y is None:
        reasons.append(
            "no pixel position: none of "
            + ", ".join("/".join(pair) for pair in _CENTROIDS)
            + (" (it has sky positions: give a projection)" if ra is not None else " and no sky position")
        )
    if reasons:
        raise InvalidCatalogError(name, [*reasons, f"columns are {', '.join(columns.colnames[:20])}"])
    nothing = np.full(len(columns), np.nan)
    flux, flux_err = _flux(columns)
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.abs(flux / flux_err)
    for column in reversed([c for c in _SNRS if c in columns.colnames]):
        theirs = _floats(columns[column])
        snr = np.where(np.isfinite(theirs), theirs, snr)
    negative = read_signs(columns, len(columns), name=name, flux=flux)
    return Table(
        {
            "id": ids,
            "x": x,
            "y": y,
            "ra": nothing if ra is None else ra,
            "dec": nothing if dec is None else dec,
            "is_negative": negative,
            "snr": snr,
            "flux": flux,
            "flux_err": flux_err,
        }
    )


def _identifiers(columns: Table, names: tuple[str, ...], reasons: list[str]) -> npt.NDArray[np.int64]:
    found = next((c for c in names if c in columns.colnames), None)
    if found is None:
        reasons.append(f"no id: none of {', '.join(names)}")
        return np.zeros(len(columns), np.int64)
    values = columns[found]
    masked = np.flatnonzero(np.ma.getmaskarray(values))
    if masked.size:
        reasons.append(f"{found} is missing in rows {', '.join(map(str, masked[:10]))}")
    array = np.ma.getdata(values)
    if array.dtype.kind not in "iu":
        reasons.append(f"{found} must be of integers, not {array.dtype}")
        return np.zeros(len(columns), np.int64)
    return array.astype(np.int64)


def _pixels(columns: Table) -> tuple[FloatArray, FloatArray] | tuple[None, None]:
    for x, y in _CENTROIDS:
        if x in columns.colnames and y in columns.colnames:
            return _floats(columns[x]), _floats(columns[y])
    return None, None


def _sky(columns: Table) -> tuple[FloatArray, FloatArray] | tuple[None, None]:
    for pairs, unit in ((_DEGREES, u.deg), (_RADIANS, u.rad)):
        for ra, dec in pairs:
            if ra in columns.colnames and dec in columns.colnames:
                return _degrees(columns[ra], unit), _degrees(columns[dec], unit)
    return None, None


def _degrees(column: Any, unit: u.UnitBase) -> FloatArray:
    factor = (column.unit or unit).to(u.deg)
    return _floats(column) * float(factor)


def _floats(column: Any) -> FloatArray:
    values = np.ma.getdata(column).astype(np.float64)
    return np.where(np.ma.getmaskarray(column), np.nan, values)


def _flux(columns: Table) -> tuple[FloatArray, FloatArray]:
    for name in _FLUXES:
        if name in columns.colnames:
            error = name + "Err"
            flux = _floats(columns[name])
            return flux, _floats(columns[error]) if error in columns.colnames else np.full(len(flux), np.nan)
    nothing = np.full(len(columns), np.nan)
    return nothing, nothing.copy()


def _project(
    ra: FloatArray, dec: FloatArray, projection: SkyProjection[Any]
) -> tuple[FloatArray, FloatArray]:
    usable = np.isfinite(ra) & np.isfinite(dec) & (np.abs(dec) <= 90)
    x, y = np.full(len(ra), np.nan), np.full(len(ra), np.nan)
    if usable.any():
        point = projection.sky_to_pixel(SkyCoord(ra[usable], dec[usable], unit=u.deg))
        x[usable], y[usable] = point.x, point.y
    return x, y
