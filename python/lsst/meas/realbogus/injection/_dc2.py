"""Supernovae of the DESC DC2 simulation as fakes, and their magnitudes."""

from __future__ import annotations

__all__ = ("dc2_magnitudes", "dc2_supernovae")

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidInputError
from ..tables import make_table
from ._ids import supernova_ids, truth_keys
from ._lightcurves import WAVELENGTHS, ParametricModel, distance_modulus
from ._populations import image_columns
from ._schema import INJECTION_CATALOG
from ._sky import Footprint
from ._sncosmo_model import salt2_magnitudes

type Floats = npt.NDArray[np.float64]

_MB_ZERO = 10.50
"""AB magnitude in rest-frame B at maximum of a SALT2 source of x0 = 1 (from mB of the truth tables)."""

_COLOR_LAW = {355.0: 0.95, 440.0: 0.0, 550.0: -1.0, 640.0: -1.5, 770.0: -2.0, 900.0: -2.3}
"""Magnitudes per unit of SALT2 colour c, relative to B (Guy et al. 2007, fig. 3)."""


def dc2_magnitudes(truth: Table, band: str, mjd: float, model: str = "parametric") -> Floats:
    """Return the magnitudes of truth supernovae in one visit.

    Parameters
    ----------
    truth
        Table from `~lsst.meas.realbogus.truth.read_dc2_truth`.
    band, mjd
        Band, and middle of the exposure.
    model
        ``sncosmo`` for SALT2 itself, where sncosmo has its data; ``parametric`` for the built-in Ia with x1
        as a stretch, x0 as the brightness in B and c as a colour.

    Returns
    -------
    numpy.ndarray
        AB magnitudes, float64, NaN where there is no light.

    Raises
    ------
    InvalidInputError
        If there is no such model.
    """
    if model not in ("parametric", "sncosmo"):
        raise InvalidInputError(f"DC2 light curves are 'parametric' or 'sncosmo'; got {model!r}")
    z, t0, x0, x1, c = (np.asarray(truth[k], dtype=np.float64) for k in ("redshift", "t0", "x0", "x1", "c"))
    if model == "sncosmo":
        return salt2_magnitudes(band, mjd, z, t0, x0, x1, c)
    # Stretch of x1 and B magnitude of x0: Guy et al. 2007, sections 5 and 6.
    stretch = 0.98 + 0.091 * x1 + 0.003 * x1**2 - 0.00075 * x1**3
    peak_abs_mag = _MB_ZERO - 2.5 * np.log10(x0) + 2.5 * np.log10(1.0 + z) - distance_modulus(z)
    mag = ParametricModel("Ia").magnitude(band, mjd, z, t0, peak_abs_mag, stretch)
    law = np.interp(WAVELENGTHS[band] / (1.0 + z), list(_COLOR_LAW), list(_COLOR_LAW.values()))
    return np.asarray(mag + c * law)


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
        Table from `~lsst.meas.realbogus.truth.read_dc2_truth`; its order names the supernovae.
    footprint
        The image.
    seed
        Seed of the survey, which names the supernovae.
    mag_max
        Fainter ones are left out.
    model
        As for `dc2_magnitudes`.
    padding
        Pixels outside the image that still count.

    Returns
    -------
    astropy.table.Table
        Rows of population ``dc2``; ``stretch`` holds x1.
    """
    keys = truth_keys(np.arange(len(truth)))
    near = footprint.contains(np.asarray(truth["ra"], float), np.asarray(truth["dec"], float), padding)
    rows, keys = truth[near], keys[near]
    z, t0, x0, x1 = (np.asarray(rows[k], dtype=np.float64) for k in ("redshift", "t0", "x0", "x1"))
    mag = dc2_magnitudes(rows, footprint.band, footprint.mjd, model)
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
