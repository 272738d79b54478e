"""Where in its host a fake lies."""

from __future__ import annotations

__all__ = ("draw_offsets", "place", "sersic_radius")

import numpy as np
import numpy.typing as npt
from scipy.special import gammaincinv, gammaln, ndtri

from ..errors import InvalidInputError
from ._hosts import Hosts
from ._sky import offset_position

type Floats = npt.NDArray[np.float64]

_TRUNCATION = 0.99  # of the light: the tail of high indices reaches other galaxies


def draw_offsets(
    law: str, uniforms: Floats, axis_ratio: Floats, *, sersic_index: float = 1.0
) -> tuple[Floats, Floats]:
    """Draw offsets in units of the semi-major axis.

    Parameters
    ----------
    law
        ``radial``: a distance N(0, a) along a uniform direction of the ellipse (the recipe of ML4transients,
        peaked at the centre); ``gaussian``: the two-dimensional normal with the host's second moments;
        ``sersic``: the light of a Sersic profile with those moments.
    uniforms
        Uniform numbers, shape ``(n, 2)``.
    axis_ratio
        b / a, shape ``(n,)``.
    sersic_index
        Index of the ``sersic`` law.

    Returns
    -------
    major, minor
        Offsets along the axes, in units of a.
    """
    angle = 2.0 * np.pi * uniforms[:, 1]
    if law == "radial":
        radius = ndtri(uniforms[:, 0])
    elif law == "gaussian":
        radius = np.sqrt(-2.0 * np.log(uniforms[:, 0]))
    elif law == "sersic":
        radius = sersic_radius(uniforms[:, 0] * _TRUNCATION, sersic_index)
    else:
        raise InvalidInputError(f"unknown offset law {law!r}; known are radial, gaussian, sersic")
    return radius * np.cos(angle), radius * np.sin(angle) * axis_ratio


def sersic_radius(enclosed: npt.ArrayLike, index: float) -> Floats:
    """Return the radius that holds a share of the light of a Sersic profile, in units of its rms semi-axis.

    Parameters
    ----------
    enclosed
        Share of the light, in [0, 1).
    index
        Sersic index n: surface brightness exp(-(r / h)**(1 / n)).

    Returns
    -------
    numpy.ndarray
        Radii; the enclosed light is the regularised incomplete gamma function P(2n, (r / h)**(1 / n))
        (Graham & Driver 2005, PASA 22, 118, eq. 2).
    """
    radius = gammaincinv(2.0 * index, np.asarray(enclosed, float)) ** index
    # <r^2> = h^2 gamma(4n) / gamma(2n); each axis has half of it.
    rms = np.exp(0.5 * (gammaln(4.0 * index) - gammaln(2.0 * index))) / np.sqrt(2.0)
    return np.asarray(radius / rms)


def place(hosts: Hosts, major: Floats, minor: Floats, scale: float = 1.0) -> tuple[Floats, Floats, Floats]:
    """Turn offsets along the axes of hosts into positions.

    Parameters
    ----------
    hosts
        Galaxies.
    major, minor
        Offsets from `draw_offsets`.
    scale
        Factor on the offsets.

    Returns
    -------
    ra, dec
        Degrees.
    distance
        Arcsec from the host's centre.
    """
    pa = np.deg2rad(hosts.pa)
    along, across = scale * major * hosts.a, scale * minor * hosts.a
    east = along * np.sin(pa) + across * np.cos(pa)
    north = along * np.cos(pa) - across * np.sin(pa)
    ra, dec = offset_position(hosts.ra, hosts.dec, east, north)
    return ra, dec, np.hypot(east, north)
