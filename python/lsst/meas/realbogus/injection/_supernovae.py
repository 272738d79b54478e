"""Supernovae with light curves: every visit and band that covers one sees the same."""

from __future__ import annotations

__all__ = ("light_curve_models", "supernovae", "visible_windows")

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy.special import ndtri

from ..randomness import uniform
from ..tables import empty_table, make_table, sky_cell
from ._hosts import Hosts
from ._ids import supernova_ids, supernova_keys
from ._lightcurves import LightCurveModel, ParametricModel, redshift_quantile
from ._offsets import draw_offsets, place
from ._options import SupernovaOptions
from ._populations import host_columns, image_columns
from ._schema import INJECTION_CATALOG, stack_catalogs
from ._sky import Footprint
from ._sncosmo_model import SncosmoModel
from ._supernova_kinds import KINDS

type Floats = npt.NDArray[np.float64]

_STRETCH_LIMITS = (0.6, 1.4)
_SCATTER_LIMIT = 3.0


def light_curve_models(options: SupernovaOptions) -> dict[str, LightCurveModel]:
    """Return the model of each kind of supernova.

    Parameters
    ----------
    options
        Which family, and sncosmo's names.

    Returns
    -------
    dict
        Model by kind of supernova.
    """
    if options.model == "sncosmo":
        names = {"Ia": options.sncosmo_ia, "II": options.sncosmo_ii, "Ibc": options.sncosmo_ibc}
        return {kind: SncosmoModel(name, kind) for kind, name in names.items()}
    return {kind: ParametricModel(kind) for kind in KINDS}


def visible_windows(mjd: float, models: Mapping[str, LightCurveModel], options: SupernovaOptions) -> range:
    """Return the windows of time whose supernovae may be alight at a time."""
    stretch = (1.0 + options.redshift_max) * _STRETCH_LIMITS[1]
    first = mjd - stretch * max(model.phase_range[1] for model in models.values())
    last = mjd - stretch * min(model.phase_range[0] for model in models.values())
    return range(int(np.floor(first / options.window)), int(np.floor(last / options.window)) + 1)


def supernovae(hosts: Hosts, footprint: Footprint, options: SupernovaOptions, seed: int) -> Table:
    """Find the supernovae that are alight on an image.

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
        Rows of population ``supernova``.

    Notes
    -----
    A host decides by numbers keyed on the seed, its cell of the sky and the window of time: whether, when,
    what kind, how bright and how fast. Nothing else enters, so images that see the same host agree without
    knowing of each other. Of several hosts in a cell the brightest counts. The position also depends on the
    host's position and shape as they are in the table that is given; a table of hosts common to all visits
    makes it exactly the same.
    """
    if options.fraction == 0.0 or not len(hosts):
        return empty_table(INJECTION_CATALOG)
    models = light_curve_models(options)
    cells = sky_cell(hosts.ra, hosts.dec, options.cell)
    hosts, cells = _one_per_cell(hosts, cells)
    windows = visible_windows(footprint.mjd, models, options)
    return stack_catalogs([_in_window(hosts, cells, w, footprint, models, options, seed) for w in windows])


def _one_per_cell(hosts: Hosts, cells: npt.NDArray[np.int64]) -> tuple[Hosts, npt.NDArray[np.int64]]:
    """Keep the brightest host of each cell, in the order of the cells."""
    order = np.lexsort((hosts.id, hosts.mag, cells))
    first = np.ones(len(order), dtype=bool)
    first[1:] = cells[order][1:] != cells[order][:-1]
    return hosts[order[first]], cells[order[first]]


def _in_window(
    hosts: Hosts,
    cells: npt.NDArray[np.int64],
    window: int,
    footprint: Footprint,
    models: Mapping[str, LightCurveModel],
    options: SupernovaOptions,
    seed: int,
) -> Table:
    keys = supernova_keys(cells, window)
    explode = uniform(seed, "supernova", keys, 1)[:, 0] < options.fraction
    hosts, keys = hosts[explode], keys[explode]
    draws = uniform(seed, "supernova-parameters", keys, 7)
    kinds = _kinds(draws[:, 0], options)
    peak_mjd = (window + draws[:, 1]) * options.window
    redshift = redshift_quantile(draws[:, 2], options.redshift_min, options.redshift_max)
    redshift = np.where(np.isfinite(hosts.redshift) & (hosts.redshift >= 0.001), hosts.redshift, redshift)
    stretch = np.array([KINDS[k].stretch_scatter for k in kinds]) * _normal(draws[:, 3]) + 1.0
    stretch = np.clip(stretch, *_STRETCH_LIMITS)
    mean, scatter, slope = (
        np.array([getattr(KINDS[k], name) for k in kinds], dtype=float)
        for name in ("peak_abs_mag", "peak_scatter", "stretch_slope")
    )
    peak_abs_mag = mean + scatter * _normal(draws[:, 4]) - slope * (stretch - 1.0)
    mag = np.full(len(keys), np.nan)
    names = np.array([models[k].name for k in kinds], dtype="U24")
    for kind, model in models.items():
        of = kinds == kind
        mag[of] = model.magnitude(
            footprint.band, footprint.mjd, redshift[of], peak_mjd[of], peak_abs_mag[of], stretch[of]
        )
    ratio = hosts.b / hosts.a
    major, minor = draw_offsets(options.offset_law, draws[:, 5:], ratio, sersic_index=options.sersic_index)
    ra, dec, distance = place(hosts, major, minor, options.offset_scale)
    catalog = make_table(
        INJECTION_CATALOG,
        {
            **image_columns(footprint),
            **host_columns(hosts),
            "population": "supernova",
            "supernova_id": supernova_ids(seed, keys),
            "ra": ra,
            "dec": dec,
            "mag": mag,
            "delta_mag": mag - hosts.mag,
            "host_offset": distance,
            "sn_type": kinds,
            "sn_model": names,
            "redshift": redshift,
            "peak_mjd": peak_mjd,
            "peak_abs_mag": peak_abs_mag,
            "stretch": stretch,
            "phase": (footprint.mjd - peak_mjd) / (1.0 + redshift),
        },
        len(keys),
    )
    return catalog[np.nan_to_num(mag, nan=np.inf) <= options.mag_max]


def _kinds(share: Floats, options: SupernovaOptions) -> npt.NDArray[np.str_]:
    edge = options.share_ia + options.share_ii
    return np.where(share < options.share_ia, "Ia", np.where(share < edge, "II", "Ibc"))


def _normal(uniforms: Floats) -> Floats:

    return np.asarray(np.clip(ndtri(uniforms), -_SCATTER_LIMIT, _SCATTER_LIMIT))
