"""The columns of a catalogue of fakes, and the bits of ``injection_flag``."""

from __future__ import annotations

__all__ = (
    "FLAG_BITS",
    "INJECTED_CATALOG",
    "INJECTION_CATALOG",
    "stack_catalogs",
)

from collections.abc import Mapping, Sequence

from astropy.table import Table, vstack

from ..tables import Column, InjectionFlag, Schema, empty_table

FLAG_BITS: Mapping[str, int] = {str(flag.name): flag.value.bit_length() - 1 for flag in InjectionFlag}
"""Bit number of each flag, as it stands in the metadata of an injected catalogue."""

INJECTION_CATALOG: Schema = {
    "injection_id": Column("int64", "one row on one image; unique over the survey", minimum=0),
    "supernova_id": Column(
        "int64", "the object, the same in all visits; 0 for a single epoch", none=0, minimum=0
    ),
    "twin_id": Column("int64", "injection_id of the other row of a variable; 0 for none", none=0, minimum=0),
    "population": Column("U16", "which population the row was drawn from", none="user"),
    "source_type": Column("U16", "profile, as lsst.source_injection names it", none="Star"),
    "visit": Column("int64", "the visit that the row is for", none=0),
    "detector": Column("int64", "the detector whose hosts or area the row came from", none=0),
    "band": Column("U8", "band of mag"),
    "mjd": Column("float64", "middle of the exposure, TAI", "d"),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "mag": Column("float64", "AB magnitude of the light that is added", "mag", required=True),
    "is_visit_source": Column("bool", "the light goes into the visit image", none=True),
    "is_template_source": Column("bool", "the light goes into the template"),
    "host_id": Column("int64", "id of the host or star in its own catalogue; 0 for none", none=0),
    "host_ra": Column("float64", "position of the host", "deg"),
    "host_dec": Column("float64", "position of the host", "deg"),
    "host_mag": Column("float64", "magnitude of the host", "mag"),
    "host_a": Column("float64", "semi-major axis of the host (rms)", "arcsec"),
    "host_b": Column("float64", "semi-minor axis of the host (rms)", "arcsec"),
    "host_pa": Column("float64", "position angle of the major axis, north through east", "deg"),
    "host_offset": Column("float64", "distance of the fake from the host's centre", "arcsec"),
    "host_sb": Column("float64", "surface brightness of the host at the fake", "mag / arcsec2"),
    "delta_mag": Column("float64", "mag minus host_mag", "mag"),
    "mag_offset": Column("float64", "visit minus template magnitude of a variable", "mag"),
    "sn_type": Column("U8", "Ia, II, Ibc, or what the model calls itself"),
    "sn_model": Column("U24", "light-curve model"),
    "redshift": Column("float64", "redshift"),
    "peak_mjd": Column("float64", "time of rest-frame B (or V) maximum", "d"),
    "peak_abs_mag": Column("float64", "absolute magnitude at maximum, this supernova's own", "mag"),
    "stretch": Column("float64", "time stretch of the light curve (x1 for SALT2)"),
    "phase": Column("float64", "rest-frame days from maximum", "d"),
}
"""A catalogue of fakes, as `make_catalog` writes it; `inject` needs the required ones and injection_id."""

INJECTED_CATALOG: Schema = {
    **INJECTION_CATALOG,
    "draw_size": Column("int64", "wanted side of the stamp", "pix", none=0, minimum=0),
    "n": Column("float64", "Sersic index, of sources that are not drawn"),
    "x": Column("float64", "column, parent coordinates", "pix"),
    "y": Column("float64", "row, parent coordinates", "pix"),
    "flux": Column("float64", "flux of the light that is added", "nJy"),
    "injection_flag": Column("int64", "why the row was not drawn, bits of InjectionFlag; 0: it was", none=0),
    "injection_draw_size": Column("int64", "side of the stamp", "pix", none=0),
}
"""A catalogue with what injections, ours and lsst.source_injection's, add or understand besides."""


def stack_catalogs(parts: Sequence[Table]) -> Table:
    """Put catalogues with the same columns below each other, an empty one if there are none.

    Parameters
    ----------
    parts
        Catalogues with the same columns.

    Returns
    -------
    astropy.table.Table
        All their rows.
    """
    filled = [part for part in parts if len(part)]
    if not filled:
        return parts[0].copy() if parts else empty_table(INJECTION_CATALOG)
    return vstack(filled, metadata_conflicts="silent") if len(filled) > 1 else filled[0]
