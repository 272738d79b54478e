"""Fakes in and out of a repository."""

from __future__ import annotations

__all__ = ("put_shards", "read_fake_stamps", "read_injected_catalogs")

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.daf.butler import Butler, DatasetType
from lsst.daf.butler.registry import ConflictingDefinitionError
from lsst.images import Box, NoOverlapError

from ..errors import InvalidCatalogError, InvalidInputError
from ..injection import stack_catalogs, trixels
from ..legacy import get_table
from ._open import find_table, require_datasets

Pixels = npt.NDArray[np.float64]


def put_shards(butler: Butler, rows: Table, band: str | None, dataset_type: str, *, name: str) -> int:
    """Divide a table by trixel and band, and put the parts.

    Parameters
    ----------
    butler
        Butler with a run to write to, which holds no fakes yet.
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

    Raises
    ------
    InvalidCatalogError
        Raised if the rows have no band.
    InvalidInputError
        Raised if the repository does not know a band, has a dataset type of that name and another kind, or
        has fakes in the run.
    """
    if "band" not in rows.colnames and band is None:
        raise InvalidCatalogError(name, ["there is no column band, and no band was given"])
    bands = np.asarray(rows["band"]).astype(str) if band is None else np.full(len(rows), band)
    if (bands == "").any():
        raise InvalidCatalogError(name, [f"band is missing in row {int(np.argmin(bands != ''))}"])
    if "source_type" not in rows.colnames:
        rows["source_type"] = np.full(len(rows), "Star")
    if "injection_id" not in rows.colnames:
        rows["injection_id"] = np.arange(1, len(rows) + 1)
    where = trixels(np.asarray(rows["ra"]), np.asarray(rows["dec"]))
    _require_bands(butler, set(bands.tolist()), name)
    _register(butler, dataset_type)
    if there := butler.query_datasets(dataset_type, collections=butler.run, explain=False, limit=None):
        raise InvalidInputError(
            f"{butler.run} has {len(there)} datasets {dataset_type} already; give another run, or remove it "
            "with `butler remove-runs`"
        )
    plain = Table({column: np.asarray(rows[column]) for column in rows.colnames})
    keys = sorted(set(zip(where.tolist(), bands.tolist(), strict=True)))
    with butler.transaction():
        for trixel, key_band in keys:
            part = plain[(where == trixel) & (bands == key_band)]
            butler.put(part, dataset_type, htm7=trixel, band=key_band)
    return len(keys)


def _require_bands(butler: Butler, bands: set[str], name: str) -> None:
    known = {str(record.dataId["band"]) for record in butler.query_dimension_records("band", explain=False)}
    if unknown := bands - known:
        raise InvalidInputError(
            f"{name} has rows of band {', '.join(sorted(unknown))}; the repository knows "
            f"{', '.join(sorted(known)) or 'none'}"
        )


def _register(butler: Butler, name: str) -> None:
    try:
        kind = DatasetType(name, ("htm7", "band"), "ArrowAstropy", universe=butler.dimensions)
        butler.registry.registerDatasetType(kind)
    except ValueError as error:
        raise InvalidInputError(f"{name!r} cannot name a dataset type: {error}") from error
    except ConflictingDefinitionError as error:
        raise InvalidInputError(f"the repository has a dataset type {name} of another kind") from error


def read_injected_catalogs(
    butler: Butler, dataset_type: str, where: str = "", *, fates: str = "injected_supernova_fate"
) -> Table:
    """Read the injected catalogues of all images, with what became of the fakes, and put them together.

    Parameters
    ----------
    butler
        Butler with collections to search.
    dataset_type
        Dataset type of the catalogues.
    where
        Butler expression that selects images; empty for all.
    fates
        Dataset type of fates, as `~lsst.meas.realbogus.truth.INJECTED_FATE`; images may lack it.

    Returns
    -------
    astropy.table.Table
        The rows of all images, in order of the images, with ``fate`` (empty where unknown) and
        ``snr_expected`` (NaN there).

    Raises
    ------
    InvalidInputError
        Raised if there are none.
    """
    refs = require_datasets(butler, dataset_type, where)
    catalogs = [get_table(butler.getDeferred(ref)) for ref in refs]
    for ref, catalog in zip(refs, catalogs, strict=True):
        _add_fates(catalog, find_table(butler, fates, ref.dataId))
    return stack_catalogs(catalogs)


def _add_fates(catalog: Table, fates: Table | None) -> None:
    rows = {} if fates is None else {int(one): row for row, one in enumerate(fates["injection_id"])}
    found = np.array([rows.get(int(one), -1) for one in catalog["injection_id"]], dtype=np.int64)
    for name, otherwise in (("fate", np.array("", "U24")), ("snr_expected", np.array(np.nan))):
        catalog[name] = np.full(len(catalog), otherwise)
        if fates is not None:
            catalog[name][found >= 0] = np.asarray(fates[name])[found[found >= 0]]


def read_fake_stamps(
    butler: Butler, rows: Table, image: str, prefix: str, size: int
) -> list[tuple[Pixels, Pixels]]:
    """Read the pixels about fakes, before and after injection.

    Parameters
    ----------
    butler
        Butler with collections to search.
    rows
        Fakes: ``visit``, ``detector``, and ``x``, ``y`` in parent pixels.
    image
        Dataset type of the images before injection.
    prefix
        What injection puts before its name.
    size
        Side of the stamps in pixels.

    Returns
    -------
    list of tuple
        For each row the stamps without and with it, shape ``(size, size)``, NaN where the image ends.
    """
    stamps = []
    for row in rows:
        visit, detector = int(row["visit"]), int(row["detector"])
        start = (round(float(row["y"])) - size // 2, round(float(row["x"])) - size // 2)
        box = Box.from_shape((size, size), start)
        before, after = (_stamp(butler, name, visit, detector, box) for name in (image, prefix + image))
        stamps.append((before, after))
    return stamps


def _stamp(butler: Butler, name: str, visit: int, detector: int, box: Box) -> Pixels:
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
