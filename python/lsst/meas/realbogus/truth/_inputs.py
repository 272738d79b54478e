"""The tables that matching reads, whoever made them: names, units, ids, signs and positions."""

from __future__ import annotations

__all__ = ("INJECTED", "read_injected", "read_matched_sources", "read_truth")

from typing import Any

import numpy as np
from astropy.table import Table
from lsst.images import SkyProjection

from ..errors import InvalidCatalogError
from ..tables import (
    Column,
    Problem,
    Schema,
    Severity,
    apply_schema,
    check_table,
    magnitude_to_njy,
    read_signs,
    sky_to_pixel,
    standard_columns,
)

_DIA_SOURCE: Schema = {
    "diaSourceId": Column("int64", "identifier", required=True),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "x": Column("float64", "column", "pix"),
    "y": Column("float64", "row", "pix"),
    "psfFlux": Column("float64", "flux in the difference", "nJy", required=True),
    "psfFluxErr": Column("float64", "its error", "nJy", required=True),
    "raErr": Column("float64", "error of ra times cos(dec)", "deg"),
    "decErr": Column("float64", "error of dec", "deg"),
    "isDipole": Column("bool", "is it a dipole?"),
    "bboxSize": Column("float64", "longer side of the footprint", "pix"),
    "pixelFlags_injectedCenter": Column("bool", "injected light in the image, at the centre"),
    "pixelFlags_injected_templateCenter": Column("bool", "injected light in the template, at the centre"),
}
INJECTED: Schema = {
    "injection_id": Column("int64", "identifier", required=True, minimum=0),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "x": Column("float64", "column", "pix"),
    "y": Column("float64", "row", "pix"),
    "mag": Column("float64", "AB magnitude", "mag"),
    "flux": Column("float64", "flux", "nJy"),
    "injection_flag": Column("int64", "why it was not drawn; 0: it was", none=0, required=True),
    "is_visit_source": Column("bool", "drawn in the image", none=True),
    "is_template_source": Column("bool", "drawn in the template"),
    "twin_id": Column("int64", "injection_id of the other row of a variable; 0 for none", none=0, minimum=0),
    "supernova_id": Column("int64", "the object, the same in all visits; 0 for a single epoch", none=0),
    "host_id": Column("int64", "the host, in its own catalogue; 0 for none", none=0),
}
_TRUTH: Schema = {
    "truth_id": Column("int64", "identifier", required=True, minimum=0),
    "kind": Column("str", "what it is", required=True),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "flux": Column("float64", "flux in the image", "nJy", required=True),
    "template_flux": Column("float64", "flux in the template", "nJy", required=True),
    "x": Column("float64", "column", "pix"),
    "y": Column("float64", "row", "pix"),
    "length": Column("float64", "full extent", "pix"),
    "width": Column("float64", "full width", "pix"),
    "radius": Column("float64", "radius of a disk", "pix"),
    "angle": Column("float64", "direction of the length", "deg"),
    "host_id": Column("int64", "truth_id of the host; 0 for none", none=0),
}


def read_matched_sources(
    dia_sources: Any, projection: SkyProjection[Any] | None = None, *, name: str = "DIA sources"
) -> Table:
    """Read DIA sources for matching.

    Parameters
    ----------
    dia_sources
        A table of any make and pipeline generation, see `tables.standard_columns`.
    projection
        Gives pixel positions where the table has none.
    name
        What the table is called in messages.

    Returns
    -------
    astropy.table.Table
        A new table with the columns of the DiaSource table that matching looks at, in their units, and all
        others; ``isNegative`` is the sign, of the flux where no column tells.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used: every reason, with the rows.
    """
    table, problems = check_table(standard_columns(dia_sources, counts=True, name=name), _DIA_SOURCE)
    _place(table, projection, problems)
    reasons = [str(problem) for problem in problems]
    if "psfFlux" in table.colnames:
        try:
            table["isNegative"] = read_signs(table, len(table), name=name, flux=table["psfFlux"])
        except InvalidCatalogError as error:
            reasons += error.reasons
    if reasons:
        raise InvalidCatalogError(name, reasons)
    return table


def read_injected(
    injected: Any, projection: SkyProjection[Any] | None = None, *, name: str = "injected catalogue"
) -> Table:
    """Read a catalogue of injected sources for matching.

    Parameters
    ----------
    injected
        What our injection or lsst.source_injection's ``VisitInjectTask`` writes.
    projection
        Gives pixel positions where the catalogue has none.
    name
        What the catalogue is called in messages.

    Returns
    -------
    astropy.table.Table
        A new table with the same columns, in our units, and ``flux``, of the magnitude where it was not
        there.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used: every reason, with the rows.
    """
    table, problems = check_table(injected, INJECTED)
    if "flux" not in table.colnames:
        if "mag" in table.colnames:
            table["flux"] = magnitude_to_njy(table["mag"])
            table["flux"].unit = "nJy"
        else:
            problems.append(Problem(Severity.ERROR, "column flux is missing, and there is no mag either"))
    if projection is not None:
        _place(table, projection, problems)
    if problems:
        raise InvalidCatalogError(name, map(str, problems))
    return table


def read_truth(truth: Any, *, name: str = "truth table") -> Table:
    """Read a truth table for matching.

    Parameters
    ----------
    truth
        A table with columns ``truth_id``, ``kind``, ``ra``, ``dec``, ``flux``, ``template_flux``.
    name
        What the table is called in messages.

    Returns
    -------
    astropy.table.Table
        A new table with the same columns, in our units.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used: every reason, with the rows.
    """
    return apply_schema(truth, _TRUTH, name=name)


def _place(table: Table, projection: SkyProjection[Any] | None, problems: list[Problem]) -> None:
    """Add pixel positions to a table that has none."""
    if ("x" in table.colnames and "y" in table.colnames) or problems:
        return
    if projection is None:
        reason = "columns x and y are missing, and no projection is given to make them of ra and dec"
        problems.append(Problem(Severity.ERROR, reason))
        return
    table["x"], table["y"] = sky_to_pixel(projection, np.asarray(table["ra"]), np.asarray(table["dec"]))
    table["x"].unit = table["y"].unit = "pix"
