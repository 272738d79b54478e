"""Supernovae of the DESC DC2 simulation as fakes: SALT2 parameters and positions from its truth tables."""

from __future__ import annotations

__all__ = ("dc2_supernovae", "read_dc2_truth")

import sqlite3
from pathlib import Path

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidInputError
from ..tables import Column, Schema, apply_schema, make_table, read_table_file
from ._ids import supernova_ids, truth_keys
from ._lightcurves import ParametricModel, distance_modulus
from ._populations import image_columns
from ._schema import INJECTION_CATALOG
from ._sky import Footprint
from ._sncosmo_model import salt2_magnitudes

type Floats = npt.NDArray[np.float64]

_SQLITE = {
    "snid_in": "snid",
    "snra_in": "ra",
    "sndec_in": "dec",
    "z_in": "redshift",
    "t0_in": "t0",
    "x0_in": "x0",
    "x1_in": "x1",
    "c_in": "c",
    "galaxy_id": "host_id",
}
_CSV = {
    "snid": "snid",
    "snra": "ra",
    "sndec": "dec",
    "z": "redshift",
    "t0": "t0",
    "x0": "x0",
    "x1": "x1",
    "c": "c",
}

_TRUTH: Schema = {
    "snid": Column("U40", "name", required=True),
    "ra": Column("float64", "position", "deg", required=True),
    "dec": Column("float64", "position", "deg", required=True),
    "redshift": Column("float64", "redshift", required=True),
    "t0": Column("float64", "time of maximum, MJD", "d", required=True),
    "x0": Column("float64", "SALT2 amplitude", required=True),
    "x1": Column("float64", "SALT2 stretch", required=True),
    "c": Column("float64", "SALT2 colour", required=True),
    "host_id": Column("int64", "id of the host; 0 for none", none=0, required=True),
}

_MB_ZERO = 10.50
"""AB magnitude in rest-frame B at maximum of a SALT2 source of x0 = 1 (from mB of the truth tables)."""

_COLOR_LAW = {355.0: 0.95, 440.0: 0.0, 550.0: -1.0, 640.0: -1.5, 770.0: -2.0, 900.0: -2.3}
"""Magnitudes per unit of SALT2 colour c, relative to B (Guy et al. 2007, fig. 3)."""


def read_dc2_truth(path: str | Path) -> Table:
    """Read a truth table of DC2's supernovae.

    Parameters
    ----------
    path
        SQLite file with a table ``sne_params`` (as ``sne_cosmoDC2_v1.1.4_MS_DDF``), or a csv file with
        columns ``snid, x0, t0, x1, c, z, snra, sndec`` (as the uDDF lists).

    Returns
    -------
    astropy.table.Table
        Columns snid (str), ra, dec [deg], redshift, t0 [MJD], x0, x1, c, host_id (0 for none), in the order
        of snid.

    Raises
    ------
    InvalidInputError
        If the file is neither.
    InvalidCatalogError
        If columns are missing or hold what cannot be used.
    """
    path = Path(path)
    if not path.is_file():
        raise InvalidInputError(f"no truth table {path}")
    if path.suffix == ".csv":
        raw, names = read_table_file(path), _CSV
    else:
        raw, names = _read_sqlite(path), _SQLITE
    schema = {old: _TRUTH[new] for old, new in names.items()}
    table = apply_schema(raw, schema, name=str(path))[list(names)]
    table.rename_columns(list(names), list(names.values()))
    table = make_table(_TRUTH, {name: table[name] for name in table.colnames}, len(table))
    table.sort("snid")
    return table


def _read_sqlite(path: Path) -> Table:
    try:
        connection = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro&immutable=1", uri=True)
        cursor = connection.execute(f"SELECT {', '.join(_SQLITE)} FROM sne_params")
        rows = cursor.fetchall()
    except sqlite3.DatabaseError as error:
        raise InvalidInputError(f"{path} is not a truth table of DC2 supernovae: {error}") from error
    finally:
        if "connection" in locals():
            connection.close()
    return Table(rows=rows, names=list(_SQLITE))


def dc2_supernovae(
    truth: Table,
    footprint: Footprint,
    *,
    seed: int,
    mag_max: float = 26.0,
    model: str = "parametric",
    padding: int = 32,
) -> Table:
    """Make fakes of the truth supernovae that are alight on an image.

    Parameters
    ----------
    truth
        Table from `read_dc2_truth`; its order names the supernovae.
    footprint
        The image.
    seed
        Seed of the survey, which names the supernovae.
    mag_max
        Fainter ones are left out.
    model
        ``sncosmo`` for SALT2 itself, where sncosmo has its data; ``parametric`` for the built-in Ia with x1
        as a stretch, x0 as the brightness in B and c as a colour.
    padding
        Pixels outside the image that still count.

    Returns
    -------
    astropy.table.Table
        Rows of population ``dc2``; ``stretch`` holds x1.
    """
    if model not in ("parametric", "sncosmo"):
        raise InvalidInputError(f"DC2 light curves are 'parametric' or 'sncosmo'; got {model!r}")
    keys = truth_keys(np.arange(len(truth)))
    near = footprint.contains(np.asarray(truth["ra"], float), np.asarray(truth["dec"], float), padding)
    rows, keys = truth[near], keys[near]
    z, t0, x0, x1, c = (np.asarray(rows[k], dtype=np.float64) for k in ("redshift", "t0", "x0", "x1", "c"))
    if model == "sncosmo":
        mag = salt2_magnitudes(footprint.band, footprint.mjd, z, t0, x0, x1, c)
    else:
        mag = _parametric_magnitudes(footprint, z, t0, x0, x1, c)
    catalog = make_table(
        INJECTION_CATALOG,
        {
            **image_columns(footprint),
            "population": "dc2",
            "supernova_id": supernova_ids(seed, keys),
            "ra": rows["ra"],
            "dec": rows["dec"],
            "mag": mag,
            "host_id": rows["host_id"],
            "sn_type": "Ia",
            "sn_model": "salt2" if model == "sncosmo" else "parametric-Ia",
            "redshift": z,
            "peak_mjd": t0,
            "peak_abs_mag": _MB_ZERO - 2.5 * np.log10(x0) - distance_modulus(z),
            "stretch": x1,
            "phase": (footprint.mjd - t0) / (1.0 + z),
        },
        len(rows),
    )
    return catalog[np.nan_to_num(mag, nan=np.inf) <= mag_max]


def _parametric_magnitudes(
    footprint: Footprint, z: Floats, t0: Floats, x0: Floats, x1: Floats, c: Floats
) -> Floats:
    from ._lightcurves import WAVELENGTHS

    # Stretch of x1 and B magnitude of x0: Guy et al. 2007, sections 5 and 6.
    stretch = 0.98 + 0.091 * x1 + 0.003 * x1**2 - 0.00075 * x1**3
    peak_abs_mag = _MB_ZERO - 2.5 * np.log10(x0) + 2.5 * np.log10(1.0 + z) - distance_modulus(z)
    mag = ParametricModel("Ia").magnitude(footprint.band, footprint.mjd, z, t0, peak_abs_mag, stretch)
    law = np.interp(WAVELENGTHS[footprint.band] / (1.0 + z), list(_COLOR_LAW), list(_COLOR_LAW.values()))
    return np.asarray(mag + c * law)
