"""The two tables of an image: labels of DIA sources, and fates of injected sources."""

from __future__ import annotations

__all__ = ("DifferencePlanes", "MatchTables", "Matches", "check_tables", "match", "match_tables")

import dataclasses
import functools
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..imaging import Place, check_catalog, pixel_scale
from ..tables import empty_table
from ._conditions import Conditions, measure_conditions, noise_equivalent_area
from ._fates import FateRules, injected_fates
from ._inputs import INJECTED, read_matched_sources
from ._labels import label_dia_sources
from ._mask_labels import mask_labels
from ._objects import join_injected
from ._rules import MatchRules

if TYPE_CHECKING:
    from lsst.images import Image, Mask, MaskedImage
    from lsst.images.psfs import PointSpreadFunction


@dataclasses.dataclass(frozen=True)
class DifferencePlanes:
    """What matching looks at of a difference image: all but its pixels.

    Parameters
    ----------
    mask, variance
        Planes, the second in nJy squared.
    psf
        Its PSF, if it has one.
    place
        Where it lies.
    """

    mask: Mask
    variance: Image
    psf: PointSpreadFunction | None
    place: Place

    @classmethod
    def of(cls, difference: MaskedImage) -> DifferencePlanes:
        """Take the planes of an image in memory.

        Parameters
        ----------
        difference
            The difference image.
        """
        psf = getattr(difference, "psf", None)
        return cls(difference.mask, difference.variance, psf, Place.of(difference))

    @functools.cached_property
    def fwhm(self) -> float | None:
        """Width of the PSF in the middle of the image, in arcsec: that of a Gaussian with the same
        noise-equivalent area; `None` where there is no PSF, or none there, or no projection.
        """
        if self.psf is None or self.place.projection is None:
            return None
        box = self.place.box
        area = noise_equivalent_area(self.psf, box.x.center, box.y.center)
        if not np.isfinite(area):
            return None
        return float(np.sqrt(2 * np.log(2) * area / np.pi) * pixel_scale(self.place.projection, box))

    def conditions(
        self, x: npt.ArrayLike, y: npt.ArrayLike, rules: FateRules, *, with_noise: bool
    ) -> Conditions:
        """Look at the image at some places; see `measure_conditions`.

        Parameters
        ----------
        x, y
            Parent pixels.
        rules
            Which planes are masks and edges.
        with_noise
            Is the error of a PSF fit wanted?

        Returns
        -------
        Conditions
            One entry for each place.
        """
        return measure_conditions(
            x,
            y,
            mask=self.mask,
            variance=self.variance,
            psf=self.psf if with_noise else None,
            masked_planes=rules.masked_planes,
            edge_planes=rules.edge_planes,
        )


@dataclasses.dataclass(frozen=True)
class MatchTables:
    """What is known of the DIA sources and of the injected sources of one image.

    Parameters
    ----------
    sources
        The DIA sources, as `read_matched_sources` returns them.
    match
        Table of schema `~lsst.meas.realbogus.truth.DIA_SOURCE_MATCH`, row by row.
    fates
        Table of schema `~lsst.meas.realbogus.truth.INJECTED_FATE`.
    """

    sources: Table
    match: Table
    fates: Table


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


def match_tables(
    dia_sources: Table,
    injected: Table | None = None,
    truth: Table | None = None,
    *,
    injected_template: Table | None = None,
    planes: DifferencePlanes | None = None,
    rules: MatchRules | None = None,
    fate_rules: FateRules | None = None,
) -> MatchTables:
    """Make the two tables of an image; `match` for those who write them.

    Parameters
    ----------
    dia_sources, injected, truth, injected_template
        As for `match`.
    planes
        What is known of the difference image.
    rules, fate_rules
        Radii and limits.

    Returns
    -------
    MatchTables
        One row for every DIA source and one for every injected source, in order.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing, identifiers occur twice, or a table is of another image.
    """
    projection = None if planes is None else planes.place.projection
    fate_rules = fate_rules or FateRules()
    sources = read_matched_sources(dia_sources, projection)
    injected = empty_table(INJECTED) if injected is None else injected
    injected = join_injected(injected, injected_template, projection)
    if planes is None:
        matched, there = label_dia_sources(sources, injected, truth, rules=rules), None
    else:
        check_tables(planes.place, sources, injected, truth)
        x, y = sources["x"], sources["y"]
        matched = label_dia_sources(
            sources,
            injected,
            truth,
            rules=rules,
            fwhm=planes.fwhm,
            conditions=planes.conditions(x, y, fate_rules, with_noise=False),
            mask_label=mask_labels(x, y, planes.mask),
        )
        there = planes.conditions(injected["x"], injected["y"], fate_rules, with_noise=True)
    fates = injected_fates(injected, sources, matched, there, rules=fate_rules)
    return MatchTables(sources, matched.table, fates)


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
    tables = match_tables(
        dia_sources,
        injected,
        truth,
        injected_template=injected_template,
        planes=None if difference is None else DifferencePlanes.of(difference),
        rules=rules,
        fate_rules=fate_rules,
    )
    sources = tables.sources
    for name in tables.match.colnames:
        if name != "diaSourceId":
            sources[name] = tables.match[name]
    return Matches(sources, tables.fates)


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
