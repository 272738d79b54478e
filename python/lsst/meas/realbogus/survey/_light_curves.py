"""How the brightness of stars and of the nuclei of galaxies changes with time."""

from __future__ import annotations

__all__ = ("Shape", "relative_flux")

import enum

import astropy.table
import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.randomness import uniform

Floats = npt.NDArray[np.float64]

_N_MODES = 64
_RISE = 0.15
"""Share of its period in which a pulsating star brightens."""
_ECLIPSE = 0.06
"""Half of the duration of an eclipse, as a share of the period."""


class Shape(enum.IntEnum):
    """Shapes of light curves."""

    SINE = 0
    PULSATION = 1
    ECLIPSES = 2
    WALK = 3


def relative_flux(seed: int, objects: astropy.table.Table, mjd: float) -> Floats:
    """Return the fluxes of what varies, in units of their middle, at a time.

    Parameters
    ----------
    seed
        Seed of the survey.
    objects
        Columns ``truth_id``, ``shape`` (`Shape`), ``amplitude`` [mag], ``period`` [days] and ``phase``.
    mjd
        The time.

    Returns
    -------
    numpy.ndarray
            One number an object, 1 where the amplitude is 0. It depends on the seed, the object and the time
        only, so all visits and bands see one light curve.

    Notes
    -----
    Periodic variables go from half an amplitude above the mean magnitude to half an amplitude below: as
    sines, by a quick rise and a slow decline (RR Lyrae stars), or in eclipses, every second half as deep.

    Active nuclei are damped random walks (Kelly, Bechtold & Siemiginowska 2009; MacLeod et al. 2010):
    Gaussian processes of the magnitude with covariance ``exp(-|dt| / tau) SF_inf^2 / 2``, where
    ``amplitude`` is SF_inf and ``period`` is tau. A walk is a sum of 64 cosines whose frequencies are drawn
    from the power spectrum of the process, a Cauchy distribution of width 1 / tau, and whose phases are
    uniform (random Fourier features, Rahimi & Recht 2007): its covariance is exactly that above, and it can
    be asked for at any date, in any order.
    """
    shape = np.asarray(objects["shape"])
    turn = mjd / np.maximum(np.asarray(objects["period"]), 0.1) + np.asarray(objects["phase"])
    fading = np.select(
        [shape == Shape.PULSATION, shape == Shape.ECLIPSES],
        [_pulsation(turn % 1), _eclipses(turn % 1)],
        np.sin(2 * np.pi * turn),
    )
    walks = np.flatnonzero(shape == Shape.WALK)
    fading[walks] = np.sqrt(2) * _walk(
        seed, np.asarray(objects["truth_id"])[walks], np.asarray(objects["period"])[walks], mjd
    )
    flux: Floats = 10 ** (-0.2 * np.asarray(objects["amplitude"]) * fading)
    return flux


def _pulsation(phase: Floats) -> Floats:
    return np.where(phase < _RISE, 1 - 2 * phase / _RISE, 2 * (phase - _RISE) / (1 - _RISE) - 1)


def _eclipses(phase: Floats) -> Floats:
    from_first, from_second = np.minimum(phase, 1 - phase), np.abs(phase - 0.5)
    depth = np.maximum(_dip(from_first), 0.5 * _dip(from_second))
    return 2 * depth - 1


def _dip(distance: Floats) -> Floats:
    """Return 1 at mid-eclipse and 0 outside, with a slope between."""
    dip: Floats = np.clip(2 * (1 - distance / _ECLIPSE), 0, 1)
    return dip


def _walk(seed: int, ids: npt.NDArray[np.int64], tau: Floats, mjd: float) -> Floats:
    """Return damped random walks of variance 1."""
    draws = uniform(seed, "sky-walks", ids, 2 * _N_MODES)
    frequency = np.tan(np.pi * (draws[:, :_N_MODES] - 0.5)) / tau[:, np.newaxis]
    waves = np.cos(frequency * (mjd - 60000.0) + 2 * np.pi * draws[:, _N_MODES:])
    walk: Floats = np.sqrt(2 / _N_MODES) * waves.sum(axis=1)
    return walk
