"""Populations of fakes that live for one image: each function returns rows without identifiers."""

from __future__ import annotations

__all__ = ("halton_sources", "host_columns", "hosted", "hostless", "image_columns")

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..randomness import generator, uniform
from ..tables import empty_table, make_table
from ._hosts import Hosts
from ._offsets import draw_offsets, place
from ._options import HostedOptions, HostlessOptions
from ._schema import INJECTION_CATALOG
from ._sequences import halton
from ._sky import Footprint

type Floats = npt.NDArray[np.float64]


def image_columns(footprint: Footprint) -> dict[str, int | str | float]:
    """Return the columns that are the same for all rows of an image."""
    return {
        "visit": footprint.visit,
        "detector": footprint.detector,
        "band": footprint.band,
        "mjd": footprint.mjd,
    }


def host_columns(hosts: Hosts) -> dict[str, npt.NDArray[np.generic]]:
    """Return the columns that describe hosts."""
    return {
        "host_id": hosts.id,
        "host_ra": hosts.ra,
        "host_dec": hosts.dec,
        "host_mag": hosts.mag,
        "host_a": hosts.a,
        "host_b": hosts.b,
        "host_pa": hosts.pa,
    }


def hosted(hosts: Hosts, footprint: Footprint, options: HostedOptions, seed: int) -> Table:
    """Make fakes near a share of the galaxies, with magnitudes relative to their hosts.

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
        Rows of population ``hosted``. Each galaxy decides by its own id, whatever the others are.
    """
    purpose = f"hosted/{footprint.visit}/{footprint.detector}"
    draws = uniform(seed, purpose, hosts.id, 4)
    chosen = draws[:, 0] < options.fraction
    hosts, draws = hosts[chosen], draws[chosen]
    span = options.mag_below_host - options.mag_above_host
    mag = np.maximum(hosts.mag + options.mag_above_host + span * draws[:, 1], options.mag_min)
    visible = mag <= options.mag_max
    hosts, draws, mag = hosts[visible], draws[visible], mag[visible]
    major, minor = draw_offsets(
        options.offset_law, draws[:, 2:], hosts.b / hosts.a, sersic_index=options.sersic_index
    )
    ra, dec, distance = place(hosts, major, minor, options.offset_scale)
    return make_table(
        INJECTION_CATALOG,
        {
            **image_columns(footprint),
            **host_columns(hosts),
            "population": "hosted",
            "ra": ra,
            "dec": dec,
            "mag": mag,
            "delta_mag": mag - hosts.mag,
            "host_offset": distance,
        },
        len(hosts),
    )


def hostless(n_hosted: int, footprint: Footprint, options: HostlessOptions, seed: int) -> Table:
    """Make fakes far from anything, uniform in area and magnitude.

    Parameters
    ----------
    n_hosted
        Number of hosted fakes on the image, of which these are a share.
    footprint
        The image.
    options
        Numbers.
    seed
        Seed of the survey.

    Returns
    -------
    astropy.table.Table
        Rows of population ``hostless``; the expected number is ``n_hosted * fraction / (1 - fraction)``.
    """
    rng = generator(seed, "hostless", footprint.visit, footprint.detector)
    expected = n_hosted * options.fraction / (1.0 - options.fraction)
    n_rows = int(np.floor(expected + rng.random()))
    ra, dec = footprint.positions(rng.random((n_rows, 2)))
    mag = rng.uniform(options.mag_min, options.mag_max, n_rows)
    return make_table(
        INJECTION_CATALOG,
        {
            **image_columns(footprint),
            "population": "hostless",
            "ra": ra,
            "dec": dec,
            "mag": mag,
        },
        n_rows,
    )


def halton_sources(
    population: str, footprint: Footprint, density: float, mag_range: tuple[float, float], seed: int
) -> Table:
    """Make fakes on a Halton sequence, which covers an image more evenly than independent positions.

    Parameters
    ----------
    population
        What the rows are called.
    footprint
        The image.
    density
        Fakes in a square degree.
    mag_range
        Brightest and faintest.
    seed
        Seed of the survey.

    Returns
    -------
    astropy.table.Table
        Rows uniform in area and magnitude, their expected number the density times the area.
    """
    if density <= 0.0:
        return empty_table(INJECTION_CATALOG)
    rng = generator(seed, population, footprint.visit, footprint.detector)
    n_rows = int(np.floor(density * footprint.area + rng.random()))
    points = halton(n_rows, 3, rng)
    ra, dec = footprint.positions(points[:, :2])
    mag = mag_range[0] + points[:, 2] * (mag_range[1] - mag_range[0])
    return make_table(
        INJECTION_CATALOG,
        {
            **image_columns(footprint),
            "population": population,
            "ra": ra,
            "dec": dec,
            "mag": mag,
        },
        n_rows,
    )
