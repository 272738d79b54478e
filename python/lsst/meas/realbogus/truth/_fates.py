"""A fate for every injected source."""

from __future__ import annotations

__all__ = ("FateRules", "injected_fates")

import dataclasses

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..errors import InvalidCatalogError
from ..options import Options, option
from ..tables import NO_ID, make_table, njy_to_magnitude, separation
from ._conditions import EDGE_PLANES, MASKED_PLANES, Conditions
from ._inputs import read_injected, read_matched_sources
from ._labels import Matched
from ._objects import injected_objects
from ._schema import INJECTED_FATE, Fate


@dataclasses.dataclass(frozen=True)
class FateRules(Options):
    """Limits between the ways a source can be lost."""

    detection_threshold: float = option(
        5.0, "Expected SNR below which an injected source is not meant to be found.", min=0.0
    )
    merge_radius: float = option(
        6.0,
        "A lost source this near another DIA source is merged with it (pixels); half the size of that "
        "source's box if that is larger.",
        min=0.0,
    )
    masked_planes: tuple[str, ...] = option(
        MASKED_PLANES, "Mask planes whose pixels cannot hold a detection."
    )
    edge_planes: tuple[str, ...] = option(
        EDGE_PLANES, "Mask planes of the border, where the kernel or the detection filter does not fit."
    )


def injected_fates(
    injected: Table,
    dia_sources: Table,
    matched: Matched,
    conditions: Conditions | None = None,
    *,
    rules: FateRules | None = None,
) -> Table:
    """Say of every injected source what became of it.

    Parameters
    ----------
    injected
        Catalogue of injected sources, as for `injected_objects`, with ``x`` and ``y``.
    dia_sources
        DIA sources of the image.
    matched
        What `label_dia_sources` found for the same two tables.
    conditions
        The difference image at the injected positions; without it no source is known to be masked, at
        the edge or below the threshold.
    rules
        Limits.

    Returns
    -------
    astropy.table.Table
        Table of schema `INJECTED_FATE`, one row for every row of the catalogue, in order. The two rows of a
        variable share their fate, unless one of them was not drawn, and one of them is primary.

    Raises
    ------
    InvalidCatalogError
        Raised if columns are missing.
    """
    rules = rules or FateRules()
    injected, dia_sources = read_injected(injected), read_matched_sources(dia_sources)
    if not {"x", "y"} <= set(injected.colnames):
        reason = "columns x and y are missing; with the difference image they are made of ra and dec"
        raise InvalidCatalogError("injected catalogue", [reason])
    n = len(injected)
    conditions = conditions or Conditions.unknown(n)
    objects = injected_objects(injected)
    drawn = np.asarray(injected["injection_flag"]) == 0
    light = np.asarray(injected["flux"], float)
    flux = np.where(drawn, objects.change[objects.of_row], light)
    with np.errstate(invalid="ignore", divide="ignore"):
        snr = np.abs(flux) / conditions.flux_error
    mag = njy_to_magnitude(np.abs(flux))
    if "mag" in injected.colnames:
        single = (np.abs(flux) == np.abs(light)) | ~np.isfinite(flux)
        mag = np.where(single, np.asarray(injected["mag"], float), mag)
    is_primary = np.zeros(n, bool)
    is_primary[objects.primary] = True
    source = matched.injected_to_source
    found = source >= 0
    fate = np.select(
        [
            ~drawn,
            found,
            ~conditions.on_image,
            conditions.masked,
            conditions.edge,
            (snr < rules.detection_threshold) | (flux == 0),
            _beside_another(injected, dia_sources, rules),
        ],
        [
            Fate.NOT_DRAWN.value,
            Fate.FOUND.value,
            Fate.OFF_IMAGE.value,
            Fate.MASKED.value,
            Fate.EDGE.value,
            Fate.BELOW_THRESHOLD.value,
            Fate.MERGED.value,
        ],
        default=Fate.UNDETECTED.value,
    )
    ids, distance = np.full(n, NO_ID), np.full(n, np.nan)
    ids[found] = np.asarray(dia_sources["diaSourceId"], np.int64)[source[found]]
    distance[found] = separation(
        injected["ra"][found],
        injected["dec"][found],
        dia_sources["ra"][source[found]],
        dia_sources["dec"][source[found]],
    )
    columns = {
        "injection_id": injected["injection_id"],
        "is_primary": is_primary,
        "fate": fate,
        "diaSourceId": ids,
        "match_distance": distance,
        "flux": flux,
        "snr_expected": snr,
        "mag": mag,
        "x": injected["x"],
        "y": injected["y"],
        "injection_flag": injected["injection_flag"],
        **conditions.columns(),
    }
    return make_table(INJECTED_FATE, columns)


def _beside_another(injected: Table, dia_sources: Table, rules: FateRules) -> npt.NDArray[np.bool_]:
    """Whether each injected source lies within the reach of some DIA source."""
    if not len(injected) or not len(dia_sources):
        return np.zeros(len(injected), bool)
    reach = np.full(len(dia_sources), rules.merge_radius)
    if "bboxSize" in dia_sources.colnames:
        reach = np.maximum(reach, np.asarray(dia_sources["bboxSize"], float) / 2)
    gap = np.hypot(
        np.asarray(injected["x"], float)[:, None] - np.asarray(dia_sources["x"], float),
        np.asarray(injected["y"], float)[:, None] - np.asarray(dia_sources["y"], float),
    )
    return np.asarray((gap <= reach).any(axis=1))
