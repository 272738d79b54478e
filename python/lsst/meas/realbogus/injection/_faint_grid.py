"""Fakes for efficiency curves: even in magnitude and in the light beneath them."""

from __future__ import annotations

__all__ = ("faint_grid",)

import numpy as np
from astropy.table import Table

from ..randomness import generator
from ..tables import empty_table, make_table
from ._host_light import central_surface_brightness
from ._hosts import Hosts
from ._offsets import place
from ._options import FaintGridOptions
from ._populations import host_columns, image_columns
from ._schema import INJECTION_CATALOG
from ._sequences import halton
from ._sky import Footprint

_MAG_PER_E = 2.5 / np.log(10.0)


def faint_grid(hosts: Hosts, footprint: Footprint, options: FaintGridOptions, seed: int) -> Table:
    """Make fakes even in magnitude and in surface brightness.

    Parameters
    ----------
    hosts
        Galaxies on the image.
    footprint
        The image.
    options
        Numbers.
    seed
        Seed of the survey.

    Returns
    -------
    astropy.table.Table
        Rows of population ``faint_grid``. The pairs of magnitude and surface brightness are a Halton
        sequence; each takes one of the hosts that are bright enough at their centre, and lies where its
        Gaussian profile has faded to the wanted surface brightness. Pairs that no host reaches are left out.
    """
    if not options.number or not len(hosts):
        return empty_table(INJECTION_CATALOG)
    rng = generator(seed, "faint-grid", footprint.visit, footprint.detector)
    points = halton(options.number, 2, rng)
    mag = options.mag_min + points[:, 0] * (options.mag_max - options.mag_min)
    span = options.surface_brightness_max - options.surface_brightness_min
    wanted = options.surface_brightness_min + points[:, 1] * span
    centre = central_surface_brightness(hosts.mag, hosts.a, hosts.b)
    order = np.argsort(centre, kind="stable")
    n_reach = np.searchsorted(centre[order], wanted, side="right")
    draws = rng.random((options.number, 2))
    reached = n_reach > 0
    host = order[np.floor(draws[:, 0] * n_reach).astype(int)[reached]]
    chosen, wanted, mag, angle = hosts[host], wanted[reached], mag[reached], 2.0 * np.pi * draws[reached, 1]
    radius = np.sqrt(2.0 * (wanted - centre[host]) / _MAG_PER_E)
    ra, dec, distance = place(chosen, radius * np.cos(angle), radius * np.sin(angle) * chosen.b / chosen.a)
    return make_table(
        INJECTION_CATALOG,
        {
            **image_columns(footprint),
            **host_columns(chosen),
            "population": "faint_grid",
            "ra": ra,
            "dec": dec,
            "mag": mag,
            "delta_mag": mag - chosen.mag,
            "host_offset": distance,
            "host_sb": wanted,
        },
        len(host),
    )
