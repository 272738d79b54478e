"""Light curves of sncosmo's sources, where it and its data are installed."""

from __future__ import annotations

__all__ = ("SncosmoModel", "salt2_magnitudes")

import functools
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError, MissingDependencyError
from ._lightcurves import distance_modulus
from ._supernova_kinds import KINDS

type Floats = npt.NDArray[np.float64]

_REFERENCE_BAND = {"Ia": "bessellb", "II": "bessellv", "Ibc": "bessellv"}
_BANDS = {**{b: f"lsst{b}" for b in "ugrizy"}, "Y": "desy", "VR": "sdssr"}


@functools.cache
def _source(name: str) -> Any:
    """Load a source once; sncosmo downloads what it does not have."""
    try:
        import sncosmo
    except ImportError as error:
        raise MissingDependencyError("light curves of sncosmo need the package sncosmo") from error
    try:
        return sncosmo.get_source(name)
    except OSError as error:
        raise MissingDependencyError(
            f"sncosmo has no data for source {name!r} here and cannot download it ({error}); "
            "set SNCOSMO_DATA_DIR to a folder that holds it, or use the parametric model"
        ) from error


class SncosmoModel:
    """A source of sncosmo as a light-curve model.

    Parameters
    ----------
    source
        Its name in sncosmo's registry.
    kind
        ``Ia``, ``II`` or ``Ibc``: says which band the absolute magnitude is of.
    """

    def __init__(self, source: str, kind: str) -> None:
        self._source = _source(source)
        self._name = source
        self._kind = kind

    @property
    def name(self) -> str:
        """Name in catalogues."""
        return self._name[:24]

    @property
    def phase_range(self) -> tuple[float, float]:
        """First and last rest-frame day of the source."""
        return float(self._source.minphase()), min(
            float(self._source.maxphase()), KINDS[self._kind].last_phase
        )

    def magnitude(
        self,
        band: str,
        mjd: npt.ArrayLike,
        redshift: Floats,
        peak_mjd: Floats,
        peak_abs_mag: Floats,
        stretch: Floats,
    ) -> Floats:
        """Return apparent AB magnitudes, NaN where the source has no flux.

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
        import sncosmo

        if band not in _BANDS:
            raise InvalidInputError(f"no sncosmo bandpass for band {band!r}; known are {', '.join(_BANDS)}")
        model = sncosmo.Model(source=self._source)
        out = np.full(len(redshift), np.nan)
        time = np.broadcast_to(np.asarray(mjd, dtype=np.float64), out.shape)
        model.set(z=0.0, t0=0.0)
        rest = model.source.peakmag(_REFERENCE_BAND[self._kind], "ab")
        for row in range(len(out)):
            model.set(z=redshift[row], t0=0.0)
            shift = peak_abs_mag[row] - rest + distance_modulus(redshift[row])
            # Stretch slows time about maximum.
            out[row] = _bandmag(model, band, (time[row] - peak_mjd[row]) / stretch[row]) + shift
        return out


def salt2_magnitudes(
    band: str, mjd: float, redshift: Floats, t0: Floats, x0: Floats, x1: Floats, c: Floats
) -> Floats:
    """Return magnitudes of SALT2 light curves by sncosmo.

    Parameters
    ----------
    band, mjd
        Observed band and time.
    redshift, t0, x0, x1, c
        SALT2 parameters (Guy et al. 2007, A&A 466, 11), shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        AB magnitudes, NaN where there is no flux.
    """
    import sncosmo

    if band not in _BANDS:
        raise InvalidInputError(f"no sncosmo bandpass for band {band!r}; known are {', '.join(_BANDS)}")
    model = sncosmo.Model(source=_source("salt2"))
    out = np.full(len(redshift), np.nan)
    for row in range(len(out)):
        model.set(z=redshift[row], t0=t0[row], x0=x0[row], x1=x1[row], c=c[row])
        out[row] = _bandmag(model, band, mjd)
    return out


def _bandmag(model: Any, band: str, time: float) -> float:
    """Return a magnitude, NaN outside the source's epochs, of which sncosmo repeats the last for ever."""
    if not model.mintime() <= time <= model.maxtime():
        return float("nan")
    return float(model.bandmag(_BANDS[band], "ab", time))
