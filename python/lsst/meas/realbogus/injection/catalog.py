"""Catalogues of fakes for one image."""

from __future__ import annotations

__all__ = ("make_catalog",)

from astropy.table import Table

from .hosts import select_hosts
from .ids import ImageId
from .options import CatalogOptions
from .populations import hosted, hostless
from .schema import stack_catalogs
from .sky import Footprint

_DEFAULT = CatalogOptions()


def make_catalog(
    sources: Table,
    footprint: Footprint,
    options: CatalogOptions = _DEFAULT,
    *,
    seed: int,
    image_id: ImageId | None = None,
    name: str = "source table",
) -> Table:
    """Make the fakes of one image.

    Parameters
    ----------
    sources
        Sources measured on the image, see `select_hosts`.
    footprint
        The image: visit, detector, band, time, pixels and projection.
    options
        Which populations and how many.
    seed
        Seed of the survey; the result depends on it, the image and its sources only.
    image_id
        Packed data id that makes ``injection_id`` unique; made from visit and detector if not given.
    name
        What the source table is called in messages.

    Returns
    -------
    astropy.table.Table
        The catalogue, columns as in `schema.COLUMNS`.

    Raises
    ------
    InvalidCatalogError
        If the source table lacks columns.
    """
    hosts = select_hosts(sources, footprint.projection, options.host, name=name)
    near = hosted(hosts, footprint, options.hosted, seed)
    far = hostless(len(near), footprint, options.hostless, seed)
    catalog = stack_catalogs([near, far])
    if image_id is None:
        image_id = ImageId.from_visit_detector(footprint.visit, footprint.detector)
    catalog["injection_id"] = image_id.rows(len(catalog))
    return catalog
