"""Fakes in and out of Butler repositories, for `realbogus fakes`."""

from __future__ import annotations

__all__ = ("put_shards", "read_cards", "read_catalogs")

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.daf.butler import Butler, DatasetType
from lsst.images import Box, NoOverlapError

from ..errors import InvalidCatalogError, InvalidInputError
from ..injection import stack_catalogs, trixels
from ..report import FakeCard


def put_shards(butler: Butler, rows: Table, band: str | None, dataset_type: str, *, name: str) -> int:
    """Divide a table by trixel and band, and put the parts.

    Parameters
    ----------
    butler
        Butler with a run to write to.
    rows
        Columns ``ra``, ``dec`` in degrees, ``mag``, and others to carry along.
    band
        Band of all rows, if the table has no column ``band``.
    dataset_type
        Dataset type with dimensions (htm7, band); registered if need be.
    name
        What the table is called in messages.

    Returns
    -------
    int
        Number of datasets.
    """
    if "band" not in rows.colnames and band is None:
        raise InvalidCatalogError(name, ["there is no column band, and no band was given"])
    bands = np.asarray(rows["band"]).astype(str) if band is None else np.full(len(rows), band)
    if "source_type" not in rows.colnames:
        rows["source_type"] = np.full(len(rows), "Star")
    if "injection_id" not in rows.colnames:
        rows["injection_id"] = np.arange(1, len(rows) + 1)
    where = trixels(np.asarray(rows["ra"]), np.asarray(rows["dec"]))
    butler.registry.registerDatasetType(
        DatasetType(dataset_type, ("htm7", "band"), "ArrowAstropy", universe=butler.dimensions)
    )
    plain = Table({column: np.asarray(rows[column]) for column in rows.colnames})
    keys = sorted(set(zip(where.tolist(), bands.tolist(), strict=True)))
    with butler.transaction():
        for trixel, key_band in keys:
            part = plain[(where == trixel) & (bands == key_band)]
            butler.put(part, dataset_type, htm7=trixel, band=key_band)
    return len(keys)


def read_catalogs(butler: Butler, dataset_type: str, where: str) -> Table:
    """Read the injected catalogues of all images and put them below each other."""
    refs = butler.query_datasets(dataset_type, where=where, explain=False)
    if not refs:
        raise InvalidInputError(
            f"no {dataset_type} in {', '.join(butler.collections.defaults)} {where}".rstrip()
        )
    return stack_catalogs([butler.get(ref) for ref in sorted(refs, key=lambda ref: str(ref.dataId))])


def read_cards(
    butler: Butler, catalog: Table, image: str, prefix: str, number: int, size: int
) -> list[FakeCard]:
    """Choose drawn fakes of every population, bright to faint, and read the pixels about them."""
    cards = []
    for row in catalog[_choose(catalog, number)]:
        visit, detector = int(row["visit"]), int(row["detector"])
        box = Box.factory[0:size, 0:size]
        start = (round(float(row["y"])) - size // 2, round(float(row["x"])) - size // 2)
        box = Box.from_shape(box.shape, start)
        stamps = [_stamp(butler, name, visit, detector, box) for name in (image, prefix + image)]
        cards.append(FakeCard(dict(zip(catalog.colnames, row, strict=True)), *stamps))
    return cards


def _choose(catalog: Table, number: int) -> npt.NDArray[np.int64]:
    names = np.asarray(catalog["population"]).astype(str)
    drawn, mag = np.asarray(catalog["injection_flag"]) == 0, np.asarray(catalog["mag"], float)
    kinds = sorted(set(names[drawn]))
    chosen: list[int] = []
    for kind in kinds:
        rows = np.flatnonzero(drawn & (names == kind))
        rows = rows[np.argsort(mag[rows], kind="stable")]
        share = max(1, number // len(kinds))
        chosen.extend(
            rows[np.unique(np.linspace(0, len(rows) - 1, min(share, len(rows))).astype(int))].tolist()
        )
    return np.array(chosen[:number], dtype=np.int64)


def _stamp(butler: Butler, name: str, visit: int, detector: int, box: Box) -> npt.NDArray[np.float64]:
    """Read pixels, NaN where the box leaves the image."""
    (ref,) = butler.query_datasets(name, where=f"visit = {visit} AND detector = {detector}", limit=1)
    out = np.full(box.shape, np.nan)
    try:
        inside = box.intersection(butler.get(f"{name}.bbox", ref.dataId))
    except NoOverlapError:
        return out
    pixels = butler.get(f"{name}.image", ref.dataId, parameters={"bbox": inside})
    out[inside.slice_within(box)] = pixels.array
    return out
