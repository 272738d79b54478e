"""Catalogues of sources by the names of the DiaSource and Source tables, whichever pipeline named them."""

from __future__ import annotations

__all__ = ("standard_columns",)

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ._astropy import as_astropy

if TYPE_CHECKING:
    from astropy.table import Table

type _Names = tuple[str, ...]

# What belongs together is taken from one generation: afw's slots first, then the algorithms behind them.
_NAMES: Mapping[_Names, tuple[_Names, ...]] = {
    ("diaSourceId",): (("id",), ("sourceId",)),
    ("sourceId",): (("id",), ("host_id",), ("objectId",)),
    ("x", "y"): (
        ("slot_Centroid_x", "slot_Centroid_y"),
        ("centroid_x", "centroid_y"),
        ("base_SdssCentroid_x", "base_SdssCentroid_y"),
        ("base_NaiveCentroid_x", "base_NaiveCentroid_y"),
    ),
    ("ra", "dec"): (
        ("ra", "decl"),
        ("RA", "DEC"),
        ("coord_ra_deg", "coord_dec_deg"),
        ("coord_ra", "coord_dec"),
    ),
    ("raErr", "decErr"): (("raErr", "declErr"), ("coord_raErr", "coord_decErr")),
    ("psfFlux", "psfFluxErr"): (
        ("slot_PsfFlux_flux", "slot_PsfFlux_fluxErr"),
        ("base_PsfFlux_flux", "base_PsfFlux_fluxErr"),
    ),
    ("apFlux", "apFluxErr"): (
        ("slot_ApFlux_flux", "slot_ApFlux_fluxErr"),
        ("base_CircularApertureFlux_12_0_flux", "base_CircularApertureFlux_12_0_fluxErr"),
    ),
    ("ixx", "iyy", "ixy"): (
        ("slot_Shape_xx", "slot_Shape_yy", "slot_Shape_xy"),
        ("base_SdssShape_xx", "base_SdssShape_yy", "base_SdssShape_xy"),
    ),
    ("ixxPSF", "iyyPSF", "ixyPSF"): (
        ("slot_PsfShape_xx", "slot_PsfShape_yy", "slot_PsfShape_xy"),
        ("base_SdssShape_psf_xx", "base_SdssShape_psf_yy", "base_SdssShape_psf_xy"),
    ),
    ("extendedness",): (
        ("base_ClassificationExtendedness_value",),
        ("base_ClassificationSizeExtendedness_value",),
    ),
    ("snr",): (("slot_Centroid_signalToNoise",), ("ip_diffim_DipoleFit_signalToNoise",)),
    ("isDipole",): (("ip_diffim_DipoleFit_classification",), ("ip_diffim_ClassificationDipole_value",)),
}
_COUNTS: Mapping[_Names, tuple[_Names, ...]] = {
    ("psfFlux", "psfFluxErr"): (
        ("slot_PsfFlux_instFlux", "slot_PsfFlux_instFluxErr"),
        ("base_PsfFlux_instFlux", "base_PsfFlux_instFluxErr"),
    ),
    ("apFlux", "apFluxErr"): (
        ("slot_ApFlux_instFlux", "slot_ApFlux_instFluxErr"),
        ("base_CircularApertureFlux_12_0_instFlux", "base_CircularApertureFlux_12_0_instFluxErr"),
    ),
}
_RADIANS = ("coord_ra", "coord_dec", "coord_raErr", "coord_decErr")
_FLAGS = ("base_PixelFlags_flag_", "pixelFlags_")


def standard_columns(catalog: Any, *, counts: bool, name: str = "table") -> Table:
    """Add to a catalogue the columns of the DiaSource and Source tables that it has by other names.

    Parameters
    ----------
    catalog
        An astropy, arrow or pandas table, a structured array, a mapping of columns, or an afw catalogue. An
        afw `SourceCatalog` that was read from its FITS file as a plain table is understood too.
    counts
        Take afw's instrumental fluxes too, for the unit of the pixels: that of difference images and of
        images that are calibrated, nJy. Otherwise calibrated fluxes only.
    name
        What the catalogue is called in messages.

    Returns
    -------
    astropy.table.Table
        A new table over the same columns, and those by their standard names; afw's angles are in radians
        whether their columns say so or not.
    """
    from astropy.table import Table

    out = Table(as_astropy(catalog, name), copy=False)
    _add(out, _NAMES)
    if counts:
        _add(out, _COUNTS)
    for column in [c for c in out.colnames if c.startswith(_FLAGS[0])]:
        standard = _FLAGS[1] + column.removeprefix(_FLAGS[0])
        if standard not in out.colnames:
            out[standard] = out[column]
    return out


def _add(table: Table, known: Mapping[_Names, tuple[_Names, ...]]) -> None:
    for standard, generations in known.items():
        # An error may be missing where the value is there, a coordinate may not.
        needed = 1 if standard[-1].endswith("FluxErr") else len(standard)
        if all(name in table.colnames for name in standard[:needed]):
            continue
        for names in generations:
            if all(name in table.colnames for name in names[:needed]):
                for new, old in zip(standard, names, strict=True):
                    if old in table.colnames and old != new:
                        table.add_column(table[old].copy(copy_data=False), name=new)
                        _set_unit(table, new, old)
                break


def _set_unit(table: Table, new: str, old: str) -> None:
    if old in _RADIANS and table[old].unit is None:
        table[new].unit = "rad"
    elif "_instFlux" in old:
        table[new].unit = None  # "ct" there means the unit of the image
