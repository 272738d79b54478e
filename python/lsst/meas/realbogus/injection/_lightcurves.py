"""Light curves of supernovae: one interface, a parametric family, and sncosmo where it is installed.

The family is a rest-frame magnitude as a function of phase and wavelength. In each of six rest-frame bands
the flux after maximum is the sum of a fast and a slow exponential decline, with a second maximum (Ia in the
near infrared) or a plateau and its end (II) where the kind has one; before maximum it rises smoothly from
the explosion. Between bands the magnitude is linear in the logarithm of wavelength, so a redshift moves
smoothly through them:

    m(band, t) = M(phase, wavelength / (1 + z)) + DM(z) - 2.5 log10(1 + z),   phase = (t - t_peak) / (1 + z)
"""

from __future__ import annotations

__all__ = ("WAVELENGTHS", "LightCurveModel", "ParametricModel", "distance_modulus", "redshift_quantile")

import functools
from collections.abc import Mapping
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ._supernova_kinds import KINDS, BandShape

type Floats = npt.NDArray[np.float64]

WAVELENGTHS: Mapping[str, float] = {
    "u": 368.5,
    "g": 480.2,
    "r": 623.1,
    "i": 754.2,
    "z": 869.1,
    "y": 973.7,
    "Y": 990.0,
    "VR": 630.0,
}
"""Effective wavelengths of observed bands in nm (LSST throughputs v1.9; VR and Y of DECam)."""

_HUBBLE, _OMEGA_M = 70.0, 0.3
_BLUE_LIMIT = 250.0


class LightCurveModel(Protocol):
    """Apparent magnitudes of supernovae of one kind."""

    @property
    def name(self) -> str:
        """What the model calls itself in catalogues."""
        ...

    @property
    def phase_range(self) -> tuple[float, float]:
        """First and last rest-frame day from maximum with light worth injecting, at unit stretch."""
        ...

    def magnitude(
        self,
        band: str,
        mjd: npt.ArrayLike,
        redshift: Floats,
        peak_mjd: Floats,
        peak_abs_mag: Floats,
        stretch: Floats,
    ) -> Floats:
        """Return apparent AB magnitudes, NaN where there is no light.

        Parameters
        ----------
        band
            Observed band.
        mjd
            Time, one or one for each supernova.
        redshift, peak_mjd, peak_abs_mag, stretch
            Parameters, one each for each supernova; the magnitude is that of the reference band at maximum.
        """
        ...


class ParametricModel:
    """The built-in family.

    Parameters
    ----------
    kind
        ``Ia``, ``II`` or ``Ibc``.

    Examples
    --------
    >>> import numpy as np
    >>> one = np.ones(1)
    >>> mag = ParametricModel("Ia").magnitude("r", 60000.0, 0.1 * one, 60000.0 * one, -19.35 * one, one)
    >>> bool(18.5 < mag[0] < 19.5)
    True
    """

    def __init__(self, kind: str) -> None:
        if kind not in KINDS:
            raise InvalidInputError(f"unknown kind of supernova {kind!r}; known are {', '.join(KINDS)}")
        self.kind = KINDS[kind]
        self._bands = self.kind.bands
        self._log_wavelengths = np.log([shape.wavelength for shape in self._bands])

    @property
    def name(self) -> str:
        """Name in catalogues."""
        return f"parametric-{self.kind.name}"

    @property
    def phase_range(self) -> tuple[float, float]:
        """First and last rest-frame day."""
        return -max(shape.rise - shape.lag for shape in self._bands), self.kind.last_phase

    def rest_magnitude(self, wavelength: npt.ArrayLike, phase: npt.ArrayLike) -> Floats:
        """Return the absolute magnitude relative to the reference band's maximum, at unit stretch.

        Parameters
        ----------
        wavelength
            Rest-frame nm.
        phase
            Rest-frame days from the reference band's maximum.

        Returns
        -------
        numpy.ndarray
            AB magnitudes, infinite before the explosion.
        """
        wavelength, phase = np.broadcast_arrays(np.atleast_1d(wavelength), np.atleast_1d(phase))
        at_bands = np.stack([band_magnitude(shape, phase - shape.lag) for shape in self._bands])
        where = np.log(np.clip(wavelength, _BLUE_LIMIT, self._bands[-1].wavelength))
        low = np.clip(np.searchsorted(self._log_wavelengths, where) - 1, 0, len(self._bands) - 2)
        left, right = self._log_wavelengths[low], self._log_wavelengths[low + 1]
        weight = (where - left) / (right - left)
        first, second = (np.take_along_axis(at_bands, row[None], axis=0)[0] for row in (low, low + 1))
        dark = ~(np.isfinite(first) & np.isfinite(second))
        out = np.where(dark, 0.0, first) * (1.0 - weight) + np.where(dark, 0.0, second) * weight
        return np.asarray(np.where(dark, np.inf, out))

    def magnitude(
        self,
        band: str,
        mjd: npt.ArrayLike,
        redshift: Floats,
        peak_mjd: Floats,
        peak_abs_mag: Floats,
        stretch: Floats,
    ) -> Floats:
        """Return apparent AB magnitudes, NaN before the explosion and after the last phase.

        Parameters
        ----------
        band
            Band.
        mjd
            Times, MJD.
        redshift, peak_mjd, peak_abs_mag, stretch
            Redshift, time of maximum [MJD], absolute magnitude there and time stretch, shape ``(n,)``.

        Returns
        -------
        numpy.ndarray
            Float64 magnitudes, shape ``(n,)``.
        """
        if band not in WAVELENGTHS:
            raise InvalidInputError(
                f"no light curves in band {band!r}; the parametric family has {', '.join(WAVELENGTHS)}"
            )
        phase = (np.asarray(mjd) - peak_mjd) / (1.0 + redshift) / stretch
        relative = self.rest_magnitude(WAVELENGTHS[band] / (1.0 + redshift), phase)
        mag = peak_abs_mag + relative + distance_modulus(redshift) - 2.5 * np.log10(1.0 + redshift)
        return np.asarray(np.where(np.isfinite(relative) & (phase <= self.kind.last_phase), mag, np.nan))


def band_magnitude(shape: BandShape, phase: Floats) -> Floats:
    """Return magnitudes relative to the reference band's maximum in one rest-frame band.

    Parameters
    ----------
    shape
        The band's numbers.
    phase
        Rest-frame days from this band's own maximum.

    Returns
    -------
    numpy.ndarray
        Magnitudes; infinite before the explosion.
    """
    after = np.maximum(phase, 0.0)
    fast = (1.0 - shape.tail) * 10.0 ** (-0.4 * shape.slope * _soft(after, shape.soften))
    slow = shape.tail * 10.0 ** (-0.4 * shape.tail_slope * after)
    bump = shape.bump * np.exp(-0.5 * ((after - shape.bump_day) / shape.bump_width) ** 2)
    at_maximum = 1.0 + shape.bump * np.exp(-0.5 * (shape.bump_day / shape.bump_width) ** 2)
    flux = (fast + slow + bump) / at_maximum
    # The end of a plateau: a Fermi function in magnitudes (Olivares et al. 2010, ApJ 715, 833).
    dimming = shape.drop / (1.0 + np.exp(-(after - shape.plateau) / shape.drop_width)) if shape.drop else 0.0
    step = np.clip(1.0 + phase / shape.rise, 0.0, 1.0)
    # Quadratic after the explosion, as an expanding fireball, and flat at maximum.
    flux = flux * step**2 * (3.0 - 2.0 * step)
    with np.errstate(divide="ignore"):
        return np.asarray(shape.color - 2.5 * np.log10(flux) + dimming)


def _soft(days: Floats, width: float) -> Floats:
    """Days since maximum, with a flat start."""
    return np.asarray(np.sqrt(days**2 + width**2) - width)


@functools.cache
def _distance_table() -> tuple[Floats, Floats, Floats]:
    from astropy.cosmology import FlatLambdaCDM

    cosmology = FlatLambdaCDM(H0=_HUBBLE, Om0=_OMEGA_M)
    redshift = np.geomspace(1e-3, 3.0, 600)
    volume = cosmology.comoving_volume(redshift).value
    # Events per observer's time in shells of equal rest-frame rate density: dV / (1 + z).
    shells = np.diff(volume, prepend=0.0) / (1.0 + redshift)
    return redshift, cosmology.distmod(redshift).value, np.cumsum(shells)


def distance_modulus(redshift: npt.ArrayLike) -> Floats:
    """Return distance moduli (flat universe, 70 km/s/Mpc, matter 0.3), for redshifts of 0.001 to 3."""
    table, modulus, _ = _distance_table()
    return np.asarray(np.interp(np.log(redshift), np.log(table), modulus))


def redshift_quantile(share: npt.ArrayLike, low: float, high: float) -> Floats:
    """Return redshifts below which lies a share of a constant rate per comoving volume and proper time.

    Parameters
    ----------
    share
        Numbers in (0, 1).
    low, high
        Redshifts that hold all of them.
    """
    table, _, events = _distance_table()
    first, last = np.interp([low, high], table, events)
    return np.asarray(np.interp(first + np.asarray(share) * (last - first), events, table))
