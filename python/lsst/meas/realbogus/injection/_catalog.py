"""Catalogues of fakes for one image."""

from __future__ import annotations

__all__ = ("make_catalog",)

import dataclasses

import numpy as np
from astropy.table import Table
from lsst.images import VisitImage

from ..tables import njy_to_magnitude
from ._dc2 import dc2_supernovae
from ._faint_grid import faint_grid
from ._hosts import Hosts, read_host_table, select_hosts, usable_rows
from ._ids import ImageId
from ._options import CatalogOptions
from ._populations import halton_sources, hosted, hostless
from ._schema import stack_catalogs
from ._sky import Footprint
from ._supernovae import supernovae
from ._tables import from_user_table
from ._variables import link_twins, template_sources, variables

_DEFAULT = CatalogOptions()


def make_catalog(
    sources: Table,
    footprint: Footprint | VisitImage,
    options: CatalogOptions = _DEFAULT,
    *,
    seed: int,
    image_id: ImageId | None = None,
    host_table: Table | None = None,
    user_table: Table | None = None,
    truth: Table | None = None,
    name: str = "source table",
) -> Table:
    """Make the fakes of one image.

    Parameters
    ----------
    sources
        Sources measured on the image, see `select_hosts`.
    footprint
        The image, or its visit, detector, band, time, pixels and projection.
    options
        Which populations and how many.
    seed
        Seed of the survey; the result depends on it, the image and the tables only.
    image_id
        Packed data id that makes ``injection_id`` unique; made from visit and detector if not given.
    host_table
        Hosts common to all images, with shapes on the sky (`merge_hosts` makes one), for supernovae that
        are then at exactly the same position in every visit. The image's own sources are used if it is not
        given.
    user_table
        A user's rows, see `from_user_table`.
    truth
        Supernovae of DC2, see `~lsst.meas.realbogus.truth.read_dc2_truth`.
    name
        What the source table is called in messages.

    Returns
    -------
    astropy.table.Table
        The catalogue, columns as in `INJECTION_CATALOG`.

    Raises
    ------
    InvalidCatalogError
        If a table lacks columns, or nothing in it can be used.
    InvalidInputError
        If the image's ids leave no room for so many fakes.
    """
    footprint = footprint if isinstance(footprint, Footprint) else Footprint.of(footprint)
    if image_id is None:
        image_id = ImageId.from_visit_detector(footprint.visit, footprint.detector)
    user_rows = []
    if user_table is not None:
        user_rows.append(from_user_table(user_table, footprint, padding=options.padding))
        image_id.rows(len(user_rows[0]))  # whether they fit is better told before the work
    sources = read_host_table(sources, options.host, name=name)
    hosts = select_hosts(sources, footprint.projection, options.host, name=name)
    near = hosted(hosts, footprint, options.hosted, seed)
    random = options.random
    parts = [
        near,
        hostless(len(near), footprint, options.hostless, seed),
        halton_sources("random", footprint, random.density, (random.mag_min, random.mag_max), seed),
        template_sources(footprint, options.template, seed),
        faint_grid(hosts, footprint, options.faint_grid, seed),
    ]
    if options.variable.fraction > 0.0:
        is_star = np.asarray(sources["extendedness"]) <= options.variable.extendedness_max
        stars = sources[is_star & usable_rows(sources, options.host)]
        mags = njy_to_magnitude(stars[options.host.flux_column])
        parts.append(variables(stars, mags, footprint, options.variable, seed))
    if options.supernova.fraction > 0.0:
        common = hosts if host_table is None else _hosts_near(host_table, footprint, options)
        parts.append(supernovae(common, footprint, options.supernova, seed))
    if truth is not None:
        model = options.supernova.model
        limit = options.supernova.mag_max
        parts.append(
            dc2_supernovae(truth, footprint, seed=seed, mag_max=limit, model=model, padding=options.padding)
        )
    catalog = stack_catalogs([*parts, *user_rows])
    catalog["injection_id"] = image_id.rows(len(catalog))
    link_twins(catalog)
    return catalog


def _hosts_near(host_table: Table, footprint: Footprint, options: CatalogOptions) -> Hosts:
    hosts = select_hosts(
        host_table, None, dataclasses.replace(options.host, shape="columns"), name="host catalogue"
    )
    return hosts[footprint.contains(hosts.ra, hosts.dec, options.padding)]
