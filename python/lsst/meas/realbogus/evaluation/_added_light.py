"""Whether injection added the light, the noise and the variance that it should have."""

from __future__ import annotations

__all__ = ("ADDED_LIGHT", "measure_added_light")

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.images import Box, Image

from ..errors import InvalidInputError
from ..tables import Column, Schema, make_table

type Floats = npt.NDArray[np.floating]

ADDED_LIGHT: Schema = {
    "injection_id": Column("int64", "identifier of the injected source"),
    "flux": Column("float64", "flux of the catalogue", "nJy"),
    "flux_added": Column(
        "float64", "sum of what the image gained in the stamp; NaN if cut, shared or in other units", "nJy"
    ),
    "variance_added": Column("float64", "sum of what the variance plane gained in the stamp"),
    "n_pixels": Column("int64", "pixels with enough light to compare noise and variance"),
    "chi2": Column("float64", "sum of (gain - expected gain)^2 / added variance over those pixels"),
}
"""What `measure_added_light` makes; ``chi2`` has ``n_pixels - 1`` degrees of freedom."""

MIN_COUNTS = 10.0
"""Least number of electrons that a pixel gained to take part: below, single electrons rule the scatter."""


def measure_added_light(before: tuple[Image, Image], after: tuple[Image, Image], injected: Table) -> Table:
    """Compare an image before and after injection, fake by fake.

    Light and variance that a point source adds are proportional to each other, whatever the PSF: both follow
    the star's profile. What the image gained, less the best multiple of what the variance plane gained, is
    therefore the noise that was drawn, and its square over the added variance is chi-squared if the two agree
    (Poisson noise of the source: lsst.source_injection, section *Noise*).

    Parameters
    ----------
    before, after
        Image and variance plane, without and with fakes, on the same pixels.
    injected
        Injected catalogue of the image: ``injection_id``, ``x``, ``y``, ``flux``, ``injection_draw_size``.
        Rows that were not drawn are left out.

    Returns
    -------
    astropy.table.Table
        Table of schema `ADDED_LIGHT`, a row for each drawn row.

    Raises
    ------
    InvalidInputError
        Raised if the images have different boxes.
    """
    boxes = [plane.bbox for plane in (*before, *after)]
    if any(box != boxes[0] for box in boxes):
        raise InvalidInputError(
            f"images before and after injection differ: boxes {', '.join(map(str, boxes))}"
        )
    light, variance = (
        np.asarray(new.array, np.float64) - np.asarray(old.array, np.float64)
        for old, new in zip(before, after, strict=True)
    )
    in_njy = str(after[0].unit) == "nJy"
    drawn = injected[np.asarray(injected["injection_flag"]) == 0]
    shared = _shared(drawn)
    rows = [
        _measure_one(light, variance, boxes[0], row, in_njy and not is_shared)
        for row, is_shared in zip(drawn, shared.tolist(), strict=True)
    ]
    names = ("flux_added", "variance_added", "n_pixels", "chi2")
    columns = {name: np.array([row[i] for row in rows]) for i, name in enumerate(names)} if rows else {}
    return make_table(ADDED_LIGHT, {"injection_id": drawn["injection_id"], "flux": drawn["flux"], **columns})


def _shared(drawn: Table) -> npt.NDArray[np.bool_]:
    """Whether the stamp of each fake overlaps another's."""
    reach = np.asarray(drawn["injection_draw_size"], np.float64) / 2 + 1.5
    overlaps = np.ones((len(drawn), len(drawn)), bool)
    for name in ("x", "y"):
        place = np.asarray(drawn[name], np.float64)
        overlaps &= np.abs(place[:, None] - place) < reach[:, None] + reach
    return np.asarray(overlaps.sum(axis=1) > 1)


def _measure_one(
    light: Floats, variance: Floats, bbox: Box, row: Table.Row, is_alone: bool
) -> tuple[float, float, int, float]:
    half = max(int(row["injection_draw_size"]), 3) // 2 + 1
    x, y = round(float(row["x"])) - bbox.x.start, round(float(row["y"])) - bbox.y.start
    inside = (
        slice(max(y - half, 0), max(y + half + 1, 0)),
        slice(max(x - half, 0), max(x + half + 1, 0)),
    )
    gain, added = light[inside], variance[inside]
    is_whole = gain.shape == (2 * half + 1, 2 * half + 1)
    good = np.isfinite(gain) & np.isfinite(added)
    total = float(added[good].sum())
    flux = float(gain.sum()) if is_alone and is_whole and good.all() else np.nan
    good &= added > 0
    if total <= 0 or not good.any():
        return flux, total, 0, np.nan
    # Counts are gain / slope, their variance in the image's unit counts * slope^2: light = variance / slope.
    per_variance = gain[good].sum() / added[good].sum()
    bright = good & (added * per_variance**2 >= MIN_COUNTS)
    n = int(bright.sum())
    if n < 2:
        return flux, total, 0, np.nan
    gain, added = gain[bright], added[bright]
    return flux, total, n, float(np.sum((gain - added * (gain.sum() / added.sum())) ** 2 / added))
