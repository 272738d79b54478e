"""Rest-frame values of the parametric light curves: kinds of supernovae and their bands.

Magnitudes are AB, phases rest-frame days from the maximum of the reference band. The numbers are rounded from
the literature:

* Ia: colours and lags at maximum of the normal template (Hsiao et al. 2007, ApJ 663, 1187), rise about 18 d
  (Hayden et al. 2010, ApJ 712, 350), decline of 1.1 mag in 15 d in B (Phillips 1993, ApJ 413, L105), second
  maximum in i and z (Folatelli et al. 2010, AJ 139, 120), peak -19.35 in B with 0.15 mag left after the
  brighter-slower relation (Betoule et al. 2014, A&A 568, A22).
* II: peak -16.75 +- 1.0 in V, decline of 1.3 mag / 100 d on the plateau and 1.5 mag / 100 d on the tail,
  plateau to about 85 d after maximum (Anderson et al. 2014, ApJ 786, 67); rise 7.5 d in g, longer in the red
  (Gonzalez-Gaitan et al. 2015, MNRAS 451, 2212); rapid fading in u and g (Galbany et al. 2016, AJ 151, 33).
* Ibc: peak -17.6 +- 0.9 in V (Richardson et al. 2014, AJ 147, 118; Drout et al. 2011, ApJ 741, 97), rise of
  about 20 d, decline of 0.5 to 1.0 mag in 15 d from i to B, tail 0.02 mag / d (Taddia et al. 2015, A&A 574,
  A60).
"""

from __future__ import annotations

__all__ = ("KINDS", "BandShape", "Kind")

import dataclasses
from collections.abc import Mapping


@dataclasses.dataclass(frozen=True)
class BandShape:
    """Light curve in one rest-frame band.

    Parameters
    ----------
    wavelength
        Effective wavelength in nm.
    color
        Magnitude at this band's maximum minus that of the reference band at its own.
    lag
        Days from the reference maximum to this band's.
    rise
        Days from explosion to maximum.
    slope, soften
        Decline of the fast part in mag / d, and the days over which it sets in.
    tail, tail_slope
        Share of the slow part at maximum, and its decline in mag / d.
    bump, bump_day, bump_width
        Second maximum: flux relative to the first, day, and standard deviation in days.
    plateau, drop, drop_width
        Day, depth in mag and width in days of the end of a plateau.
    """

    wavelength: float
    color: float
    lag: float
    rise: float
    slope: float
    soften: float
    tail: float
    tail_slope: float
    bump: float = 0.0
    bump_day: float = 25.0
    bump_width: float = 7.0
    plateau: float = 85.0
    drop: float = 0.0
    drop_width: float = 6.0


@dataclasses.dataclass(frozen=True)
class Kind:
    """A kind of supernova.

    Parameters
    ----------
    name
        Ia, II or Ibc.
    peak_abs_mag, peak_scatter
        Mean absolute magnitude of the reference band at maximum, and its standard deviation.
    stretch_scatter, stretch_slope
        Standard deviation of the stretch about 1, and how many mag brighter a supernova of stretch 2 would
        be.
    last_phase
        Rest-frame days from maximum after which nothing is injected.
    bands
        Light curves, from blue to red; the reference band is the one of zero colour and lag.
    """

    name: str
    peak_abs_mag: float
    peak_scatter: float
    stretch_scatter: float
    stretch_slope: float
    last_phase: float
    bands: tuple[BandShape, ...]


_IA = (
    BandShape(355.0, 0.50, -2.0, 16.0, 0.135, 5.0, 0.05, 0.018),
    BandShape(440.0, 0.00, 0.0, 18.0, 0.113, 5.0, 0.075, 0.0155),
    BandShape(550.0, 0.12, 1.5, 19.0, 0.070, 5.0, 0.10, 0.024),
    BandShape(640.0, 0.28, 1.0, 19.0, 0.080, 5.0, 0.10, 0.030, 0.17, 24.0, 8.0),
    BandShape(770.0, 0.80, -2.0, 17.0, 0.098, 5.0, 0.10, 0.038, 0.42, 26.0, 8.0),
    BandShape(900.0, 0.90, -2.5, 16.5, 0.110, 5.0, 0.10, 0.038, 0.60, 26.0, 8.0),
)

_II = (
    BandShape(355.0, 0.10, -1.5, 6.0, 0.075, 3.0, 0.01, 0.010, drop=1.0),
    BandShape(440.0, 0.00, -1.0, 7.0, 0.033, 3.0, 0.10, 0.012, drop=1.7),
    BandShape(550.0, 0.00, 0.0, 8.5, 0.013, 3.0, 0.10, 0.014, drop=2.0),
    BandShape(640.0, 0.10, 1.0, 9.5, 0.008, 3.0, 0.10, 0.014, drop=2.0),
    BandShape(770.0, 0.25, 2.0, 11.0, 0.006, 3.0, 0.10, 0.013, drop=1.8),
    BandShape(900.0, 0.30, 3.0, 12.0, 0.005, 3.0, 0.10, 0.013, drop=1.7),
)

_IBC = (
    BandShape(355.0, 1.20, -4.0, 14.0, 0.140, 6.0, 0.07, 0.015),
    BandShape(440.0, 0.55, -2.0, 16.0, 0.115, 6.0, 0.12, 0.018),
    BandShape(550.0, 0.00, 0.0, 18.0, 0.085, 6.0, 0.15, 0.020),
    BandShape(640.0, -0.05, 1.5, 20.0, 0.070, 7.0, 0.18, 0.020),
    BandShape(770.0, 0.05, 3.0, 21.5, 0.062, 7.0, 0.20, 0.020),
    BandShape(900.0, 0.05, 4.0, 22.5, 0.060, 7.0, 0.20, 0.020),
)

KINDS: Mapping[str, Kind] = {
    "Ia": Kind("Ia", -19.35, 0.15, 0.08, 1.5, 150.0, _IA),
    "II": Kind("II", -16.75, 1.0, 0.10, 0.0, 200.0, _II),
    "Ibc": Kind("Ibc", -17.60, 0.9, 0.15, 0.0, 150.0, _IBC),
}
