"""Fakes that are in templates too: variable stars, and sources that have gone."""

from __future__ import annotations

__all__ = ("link_twins", "template_sources", "variables")

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack
from scipy.special import ndtri

from ..randomness import uniform
from ..tables import make_table
from ._options import TemplateSourceOptions, VariableOptions
from ._populations import halton_sources, image_columns
from ._schema import INJECTION_CATALOG
from ._sky import Footprint


def template_sources(footprint: Footprint, options: TemplateSourceOptions, seed: int) -> Table:
    """Make fakes for the template alone, which leave negatives in the difference.

    Parameters
    ----------
    footprint
        The image.
    options
        Numbers.
    seed
        Seed of the survey.

    Returns
    -------
    astropy.table.Table
        Rows of population ``template``.
    """
    table = halton_sources("template", footprint, options.density, (options.mag_min, options.mag_max), seed)
    table["is_visit_source"], table["is_template_source"] = False, True
    return table


def variables(
    stars: Table,
    star_mags: npt.NDArray[np.float64],
    footprint: Footprint,
    options: VariableOptions,
    seed: int,
) -> Table:
    """Give a share of the stars a companion that varies.

    Parameters
    ----------
    stars
        Columns ``sourceId``, ``ra``, ``dec``.
    star_mags
        Their magnitudes.
    footprint
        The image.
    options
        Numbers.
    seed
        Seed of the survey.

    Returns
    -------
    astropy.table.Table
        Two rows for each: one for the template and one for the visit, ``mag_offset`` apart in magnitude.
        Rows come in pairs, the template's in the first half; `link_twins` fills ``twin_id``.
    """
    ids = np.asarray(stars["sourceId"])
    draws = uniform(seed, f"variable/{footprint.visit}/{footprint.detector}", ids, 2)
    chosen = draws[:, 0] < options.fraction
    chosen &= (star_mags >= options.star_mag_min) & (star_mags <= options.star_mag_max)
    offset = options.offset_mean + options.offset_scatter * ndtri(draws[chosen, 1])
    mag = star_mags[chosen] + options.mag_below_star
    pair = [
        make_table(
            INJECTION_CATALOG,
            {
                **image_columns(footprint),
                "population": "variable",
                "ra": stars["ra"][chosen],
                "dec": stars["dec"][chosen],
                "mag": mag + (offset if in_visit else 0.0),
                "is_visit_source": in_visit,
                "is_template_source": not in_visit,
                "host_id": ids[chosen],
                "host_ra": stars["ra"][chosen],
                "host_dec": stars["dec"][chosen],
                "host_mag": star_mags[chosen],
                "host_offset": 0.0,
                "mag_offset": offset,
            },
            int(chosen.sum()),
        )
        for in_visit in (False, True)
    ]
    return vstack(pair, metadata_conflicts="silent")


def link_twins(catalog: Table) -> None:
    """Fill ``twin_id`` of the variables of one image, in place, once rows have their ids."""
    rows = np.flatnonzero(np.asarray(catalog["population"]) == "variable")
    first, second = rows[: len(rows) // 2], rows[len(rows) // 2 :]
    ids = np.asarray(catalog["injection_id"])
    catalog["twin_id"][first], catalog["twin_id"][second] = ids[second], ids[first]
