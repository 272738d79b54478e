"""Labels beside the sources they are of, and fates, in one call."""

from __future__ import annotations

__all__ = ("Matches", "check_tables", "match")

import dataclasses
from typing import TYPE_CHECKING

from astropy.table import Table

from ..imaging import Place, check_catalog
from ..tables import empty_table
from ._conditions import measure_conditions
from ._fates import FateRules, injected_fates
from ._inputs import INJECTED, read_matched_sources
from ._labels import MatchRules, label_dia_sources
from ._objects import join_injected

if TYPE_CHECKING:
    from lsst.images import MaskedImage


@dataclasses.dataclass(frozen=True)
class Matches:
    """DIA sources of one image with what they are, and injected sources with what became of them.

    Parameters
    ----------
    sources
        The DIA sources with the columns of `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH`.
    fates
        Table of schema `~lsst.meas.realbogus.truth.INJECTED_FATE`.
    """

    sources: Table
    fates: Table


def match(
    dia_sources: Table,
    injected: Table | None = None,
    truth: Table | None = None,
    *,
    injected_template: Table | None = None,
    difference: MaskedImage | None = None,
    rules: MatchRules | None = None,
    fate_rules: FateRules | None = None,
) -> Matches:
    """Say of every DIA source of one image what it is, and of every injected source what became of it.

    Parameters
    ----------
    dia_sources
        DIA sources of any make and pipeline generation, see `read_matched_sources`.
    injected
        Catalogue of injected sources, as `~lsst.meas.realbogus.injection.inject` returns it or
        lsst.source_injection writes it.
    truth
        Truth table of the image, if there is one.
    injected_template
        The same catalogue of what was injected into the template, if anything was.
    difference
        The difference image; without it no source is known to be masked, at the edge or below the threshold.
    rules, fate_rules
        Radii and limits.

    Returns
    -------
    Matches
        One row for every DIA source and one for every injected source, in order.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing, identifiers occur twice, or a table is of another image.
    """
    projection = None if difference is None else difference.sky_projection
    sources = read_matched_sources(dia_sources, projection)
    fate_rules = FateRules() if fate_rules is None else fate_rules
    injected = empty_table(INJECTED) if injected is None else injected
    injected = join_injected(injected, injected_template, projection)
    if difference is not None:
        check_tables(Place.of(difference), sources, injected, truth)
    matched = label_dia_sources(sources, injected, truth, rules=rules)
    conditions = None
    if difference is not None:
        conditions = measure_conditions(
            injected["x"],
            injected["y"],
            mask=difference.mask,
            variance=difference.variance,
            psf=getattr(difference, "psf", None),
            masked_planes=fate_rules.masked_planes,
            edge_planes=fate_rules.edge_planes,
        )
    fates = injected_fates(injected, sources, matched, conditions, rules=fate_rules)
    for name in matched.table.colnames:
        if name != "diaSourceId":
            sources[name] = matched.table[name]
    return Matches(sources, fates)


def check_tables(place: Place, dia_sources: Table, injected: Table, truth: Table | None = None) -> None:
    """Refuse tables that are of another image than the difference.

    Parameters
    ----------
    place
        The difference image.
    dia_sources, injected, truth
        As for `match`.

    Raises
    ------
    InvalidCatalogError
        Raised if a table names another visit or detector, or has its sources elsewhere.
    """
    image = "difference image"
    check_catalog("DIA sources", dia_sources, image, place)
    # Rows may have been made for a neighbour and reach over; true positions are not those of the WCS.
    check_catalog("injected catalogue", injected, image, place, columns=("visit",))
    if truth is not None:
        check_catalog("truth table", truth, image, dataclasses.replace(place, projection=None))
