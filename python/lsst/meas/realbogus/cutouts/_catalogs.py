"""Read source catalogues of any pipeline generation into one set of columns, every row kept."""

from __future__ import annotations

__all__ = ("STANDARD_COLUMNS", "read_dia_sources", "read_sources")

import dataclasses
from typing import Any

import astropy.units as u
import numpy as np
from astropy.table import Table
from lsst.images import SkyProjection

from ..errors import InvalidCatalogError
from ..tables import (
    Column,
    Schema,
    as_astropy,
    check_table,
    make_table,
    read_signs,
    sky_to_pixel,
    standard_columns,
)

STANDARD_COLUMNS: Schema = {
    "id": Column("int64", "Identifier"),
    "x": Column("float64", "Column, parent coordinates", "pix"),
    "y": Column("float64", "Row, parent coordinates", "pix"),
    "ra": Column("float64", "Right ascension", "deg"),
    "dec": Column("float64", "Declination", "deg"),
    "is_negative": Column("bool", "Is the source negative in the difference image?"),
    "snr": Column("float64", "Signal-to-noise ratio"),
    "flux": Column("float64", "Flux, in the catalogue's unit"),
    "flux_err": Column("float64", "Error of flux"),
}
"""Columns that every catalogue gets; NaN (False) where it says nothing."""

_IDS = ("diaSourceId", "id", "sourceId")
_SCIENCE_IDS = ("sourceId", "id", "objectId")
_NUMBERS = ("x", "y", "ra", "dec", "snr")
_FLUXES = ("psfFlux", "apFlux")


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
    given = as_astropy(catalog, name)
    columns = standard_columns(given, counts=True, name=name)
    schema = {column: dataclasses.replace(STANDARD_COLUMNS[column], required=False) for column in _NUMBERS}
    id_name = next((column for column in id_names if column in given.colnames), None)
    flux_name = next((column for column in _FLUXES if column in columns.colnames), None)
    if id_name is not None:
        schema[id_name] = STANDARD_COLUMNS["id"]
    if flux_name is not None:
        unit = _flux_unit(columns[flux_name].unit)
        schema |= {column: Column("float64", "flux", unit) for column in (flux_name, f"{flux_name}Err")}
    table, problems = check_table(columns[[c for c in schema if c in columns.colnames]], schema)
    reasons = [str(problem) for problem in problems]
    if id_name is None:
        reasons.insert(0, f"no id: none of {', '.join(id_names)}")
    nothing = np.full(len(columns), np.nan)
    values = {column: np.asarray(table[column]) for column in table.colnames}
    has_sky = "ra" in values and "dec" in values
    if not {"x", "y"} <= set(values):
        if has_sky and projection is not None:
            values["x"], values["y"] = sky_to_pixel(projection, values["ra"], values["dec"])
        else:
            ways = " (it has sky positions: give a projection)" if has_sky else " and no sky position"
            reasons.append(f"no pixel position: neither x and y nor a centroid of afw's{ways}")
    if reasons:
        raise InvalidCatalogError(name, [*reasons, f"columns are {', '.join(given.colnames[:20])}"])
    flux, flux_err = (values.get(f"{flux_name}{ending}", nothing) for ending in ("", "Err"))
    with np.errstate(divide="ignore", invalid="ignore"):
        snr = np.abs(flux / flux_err)
    measured = values.get("snr", nothing)
    return make_table(
        STANDARD_COLUMNS,
        {
            "id": values[str(id_name)],
            **{column: values[column] for column in ("x", "y", "ra", "dec") if column in values},
            "is_negative": read_signs(columns, len(columns), name=name, flux=flux),
            "snr": np.where(np.isfinite(measured), measured, snr),
            "flux": flux,
            "flux_err": flux_err,
        },
        len(columns),
    )


def _flux_unit(unit: Any) -> str:
    """Return nJy for all that can be turned into it, otherwise the unit: signs and ratios need no more."""
    known = unit is None or u.Unit(unit, parse_strict="silent").is_equivalent(u.nJy)
    return "nJy" if known else str(unit)
