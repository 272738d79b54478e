"""Catalogues in the forms that other packages read: lsst.source_injection's, and AP's."""

from __future__ import annotations

__all__ = ("SELECTION", "shard", "to_source_injection", "to_visit_detector_fakes", "trixels")

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.sphgeom import HtmPixelization, UnitVector3d

from ..errors import InvalidCatalogError
from ..tables import apply_schema, empty_table, magnitude_to_njy
from ._schema import INJECTION_CATALOG, stack_catalogs

SELECTION = "np.isin(injection_catalog['visit'], {visit})"
"""Setting of lsst.source_injection's ``selection`` with which a visit takes its own rows of a shard."""

_SHARD_COLUMNS = (
    "injection_id",
    "ra",
    "dec",
    "source_type",
    "mag",
    "visit",
    "detector",
    "supernova_id",
    "twin_id",
    "population",
    "host_id",
    "sn_type",
    "redshift",
    "phase",
)


def to_source_injection(catalog: Table, target: str = "visit") -> Table:
    """Return the rows and columns that lsst.source_injection can use.

    Parameters
    ----------
    catalog
        Catalogue of fakes.
    target
        ``visit`` or ``template``.

    Returns
    -------
    astropy.table.Table
        Plain columns without units (it converts units, but not of columns that it does not know). Rows
        without a finite magnitude stay, and will be flagged.
    """
    wanted = np.asarray(catalog[f"is_{target}_source"], dtype=bool)
    rows = catalog[wanted]
    return Table({name: np.asarray(rows[name]) for name in _SHARD_COLUMNS})


def trixels(ra: npt.ArrayLike, dec: npt.ArrayLike, level: int = 7) -> npt.NDArray[np.int64]:
    """Return the HTM trixels of positions in degrees.

    Parameters
    ----------
    ra, dec
        Degrees, shape ``(n,)``.
    level
        Depth of the HTM pixelisation.

    Returns
    -------
    numpy.ndarray
        Int64, shape ``(n,)``.
    """
    pixels = HtmPixelization(level)
    a, d = np.deg2rad(np.atleast_1d(ra)), np.deg2rad(np.atleast_1d(dec))
    vectors = np.stack([np.cos(d) * np.cos(a), np.cos(d) * np.sin(a), np.sin(d)], axis=1)
    return np.array([pixels.index(UnitVector3d(*vector)) for vector in vectors.tolist()], dtype=np.int64)


def shard(catalogs: Iterable[Table], trixel: int, band: str, target: str = "visit") -> Table:
    """Collect the rows of many images that lie in one trixel.

    Parameters
    ----------
    catalogs
        Catalogues of images that overlap the trixel.
    trixel
        HTM index at level 7.
    band
        Band of the rows.
    target
        ``visit`` or ``template``.

    Returns
    -------
    astropy.table.Table
        Rows for lsst.source_injection, sorted by ``injection_id``, each row once.

    Raises
    ------
    InvalidCatalogError
        If an ``injection_id`` stands for different rows.
    """
    parts = []
    for catalog in catalogs:
        catalog = apply_schema(catalog, INJECTION_CATALOG, name="catalogue of fakes")
        here = (np.asarray(catalog["band"]).astype(str) == band) & np.isfinite(catalog["ra"])
        rows = catalog[here]
        parts.append(rows[trixels(rows["ra"], rows["dec"]) == trixel])
    table = to_source_injection(stack_catalogs(parts) if parts else empty_table(INJECTION_CATALOG), target)
    table.sort("injection_id")
    ids = np.asarray(table["injection_id"])
    repeated = ids[1:][ids[1:] == ids[:-1]]
    if len(repeated):
        raise InvalidCatalogError(
            f"injection catalogue of trixel {trixel}, band {band}",
            [f"injection_id {value} occurs more than once" for value in np.unique(repeated)[:5]],
        )
    return table


def to_visit_detector_fakes(catalog: Table, x: npt.ArrayLike, y: npt.ArrayLike) -> Table:
    """Return a catalogue with the columns of AP's ``VisitDetectorFakeSourceCat``.

    Parameters
    ----------
    catalog
        Catalogue of fakes of one image.
    x, y
        Their pixel positions.

    Returns
    -------
    astropy.table.Table
        Columns as lsst.ap.pipe's createApFakes writes and pipe_tasks' matching reads; ``hosted_fake`` and
        ``isVariable`` are booleans, missing numbers NaN. Of a variable's two rows the template's has the
        ``twin_id``: that matching looks for rows without one, and gives what it finds to their twins.
        The column is there only if a row has a twin; the matching fails if there are none.
    """
    east = (np.asarray(catalog["ra"]) - np.asarray(catalog["host_ra"]) + 180.0) % 360.0 - 180.0
    host_mag = np.asarray(catalog["host_mag"])
    table = Table(
        {
            "injection_id": np.asarray(catalog["injection_id"]),
            "x": np.asarray(x, dtype=np.float64),
            "y": np.asarray(y, dtype=np.float64),
            **{
                name: np.asarray(catalog[name])
                for name in ("ra", "dec", "mag", "source_type", "visit", "detector")
            },
            "isVisitSource": np.asarray(catalog["is_visit_source"]),
            "isTemplateSource": np.asarray(catalog["is_template_source"]),
            **{
                name: np.asarray(catalog[name])
                for name in (
                    "host_id",
                    "host_mag",
                    "host_ra",
                    "host_dec",
                    "host_a",
                    "host_b",
                    "host_pa",
                    "delta_mag",
                )
            },
            "host_flux": magnitude_to_njy(host_mag),
            "delta_ra": east * 3600.0,
            "delta_dec": (np.asarray(catalog["dec"]) - np.asarray(catalog["host_dec"])) * 3600.0,
            "hosted_fake": np.isin(np.asarray(catalog["population"]), ("hosted", "supernova", "faint_grid")),
            "twin_id": np.where(catalog["is_visit_source"], 0, catalog["twin_id"]),
            "mag_offset": np.asarray(catalog["mag_offset"]),
            "isVariable": np.asarray(catalog["population"]) == "variable",
        }
    )
    if not np.any(table["twin_id"]):
        table.remove_column("twin_id")
    return table
