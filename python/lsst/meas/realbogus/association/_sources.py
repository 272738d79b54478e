"""DIA sources of one image as association reads them, and what an image covers."""

from __future__ import annotations

__all__ = ("SkyImage", "read_epochs")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.sphgeom import Region

from ..errors import InvalidCatalogError
from ..tables import apply_schema, make_table, standard_columns
from ._schema import EPOCH


@dataclasses.dataclass(frozen=True)
class SkyImage:
    """What is known of an image of one visit and detector without opening it.

    Parameters
    ----------
    visit, detector, band
        The image.
    mjd
        Middle of the exposure, TAI.
    region
        What it covers on the sky, `None` where that is not known. Regions of Butler data ids are a few
        pixels wider than the image.
    """

    visit: int
    detector: int
    band: str
    mjd: float
    region: Region | None = None

    def covers(self, ra: npt.ArrayLike, dec: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which positions lie in the region.

        Parameters
        ----------
        ra, dec
            Degrees, shape ``(n,)``.

        Returns
        -------
        numpy.ndarray
            Bool, shape ``(n,)``.
        """
        if self.region is None:
            return np.zeros(np.shape(ra), bool)
        ra, dec = np.radians(np.asarray(ra, float)), np.radians(np.asarray(dec, float))
        good = np.isfinite(ra) & np.isfinite(dec)
        inside = self.region.contains(np.where(good, ra, 0.0), np.where(good, dec, 0.0))
        return np.asarray(inside, bool) & good


def read_epochs(
    dia_sources: Any,
    scores: Any = None,
    match: Any = None,
    *,
    image: SkyImage | None = None,
    name: str = "DIA sources",
) -> Table:
    """Read what association needs to know of DIA sources.

    Parameters
    ----------
    dia_sources
        A table of any make and pipeline generation, see `~lsst.meas.realbogus.tables.standard_columns`; it
        may hold scores and labels itself.
    scores
        Scores of the same sources in the same order, as ``dia_source_reliability``.
    match
        Labels of the same sources in the same order, as ``dia_source_match``.
    image
        The image they are of, for columns that the table lacks.
    name
        What the table is called in messages.

    Returns
    -------
    astropy.table.Table
        The columns of `EPOCH`, one row for each source, in order.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used, or scores or labels are of other sources.
    """
    table = standard_columns(dia_sources, counts=True, name=name)
    if image is not None:
        known = {
            "visit": image.visit,
            "detector": image.detector,
            "band": image.band,
            "midpointMjdTai": image.mjd,
        }
        for column, value in known.items():
            if column not in table.colnames:
                table[column] = np.full(len(table), value)
    for other, column, key in ((scores, "score", "id"), (match, "label", "diaSourceId")):
        if other is not None:
            if not np.array_equal(np.asarray(other[key]), np.asarray(table["diaSourceId"])):
                raise InvalidCatalogError(name, [f"{column}s are of other sources, or in another order"])
            table[column] = np.asarray(other[column])
    table = apply_schema(table, EPOCH, name=name)
    return make_table(EPOCH, {key: table[key] for key in EPOCH if key in table.colnames}, len(table))
