"""Angular distances."""

from __future__ import annotations

__all__ = ("separation",)

import numpy as np
import numpy.typing as npt


def separation(
    ra: npt.ArrayLike, dec: npt.ArrayLike, other_ra: npt.ArrayLike, other_dec: npt.ArrayLike
) -> npt.NDArray[np.float64]:
    """Return angular distances.

    Parameters
    ----------
    ra, dec, other_ra, other_dec
        Positions in degrees, arrays that broadcast against each other; NaN is no position.

    Returns
    -------
    numpy.ndarray
        Float64 distances in arcsec along great circles (`astropy.coordinates.SkyCoord.separation`); NaN
        where a position is none.
    """
    import astropy.units as u
    from astropy.coordinates import SkyCoord

    ra, dec, other_ra, other_dec = np.broadcast_arrays(
        *(np.asarray(v, np.float64) for v in (ra, dec, other_ra, other_dec))
    )
    known = np.isfinite(ra) & np.isfinite(other_ra) & (np.abs(dec) <= 90.0) & (np.abs(other_dec) <= 90.0)
    out = np.full(ra.shape, np.nan)
    first = SkyCoord(ra[known], dec[known], unit=u.deg)
    second = SkyCoord(other_ra[known], other_dec[known], unit=u.deg)
    out[known] = first.separation(second).to_value(u.arcsec)
    return out
