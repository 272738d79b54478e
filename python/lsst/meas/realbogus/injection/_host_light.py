"""How bright hosts are, at their centres and beneath fakes."""

from __future__ import annotations

__all__ = ("central_surface_brightness", "light_beneath")

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..tables import apply_schema
from ._schema import INJECTION_CATALOG

type Floats = npt.NDArray[np.float64]

_MAG_PER_E = 2.5 / np.log(10.0)
_PLACES = ("ra", "dec", "host_ra", "host_dec", "host_mag", "host_a", "host_b", "host_pa", "host_sb")


def central_surface_brightness(mag: npt.ArrayLike, a: npt.ArrayLike, b: npt.ArrayLike) -> Floats:
    """Return the central surface brightness of galaxies as Gaussians of their moments.

    Parameters
    ----------
    mag
        Magnitudes.
    a, b
        Semi-axes (rms) in arcsec.

    Returns
    -------
    numpy.ndarray
        Magnitudes in a square arcsecond.
    """
    area = 2.0 * np.pi * np.asarray(a, np.float64) * np.asarray(b, np.float64)
    return np.asarray(np.asarray(mag, np.float64) + 2.5 * np.log10(area))


def light_beneath(catalog: Table) -> Floats:
    """Return the surface brightness of the host at each fake.

    Parameters
    ----------
    catalog
        Catalogue of fakes; columns of `INJECTION_CATALOG` that it lacks hold nothing.

    Returns
    -------
    numpy.ndarray
        Magnitudes in a square arcsecond: ``host_sb`` where the catalogue has it, else of a Gaussian of the
        host's moments, which falls faster than a galaxy; NaN for fakes without a host.
    """
    columns = [name for name in _PLACES if name in catalog.colnames]
    schema = {name: INJECTION_CATALOG[name] for name in columns}
    known = apply_schema(catalog[columns], schema, name="injected catalogue")
    nothing = np.full(len(catalog), np.nan)
    ra, dec, host_ra, host_dec, mag, a, b, angle, brightness = (
        np.asarray(known[name], np.float64) if name in columns else nothing for name in _PLACES
    )
    east = ((ra - host_ra + 180.0) % 360.0 - 180.0) * np.cos(np.radians(dec)) * 3600.0
    north = (dec - host_dec) * 3600.0
    turn = np.radians(angle)
    with np.errstate(invalid="ignore", divide="ignore"):
        along = (north * np.cos(turn) + east * np.sin(turn)) / a
        across = (east * np.cos(turn) - north * np.sin(turn)) / b
        profile = central_surface_brightness(mag, a, b) + 0.5 * _MAG_PER_E * (along**2 + across**2)
    return np.where(np.isfinite(brightness), brightness, profile)
