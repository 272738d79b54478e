"""Light curves of a run."""

from __future__ import annotations

__all__ = ("read_light_curves", "sky_image")

from pathlib import Path
from typing import Any

from lsst.daf.butler import Butler, DataCoordinate

from ..association import LightCurveOptions, LightCurves, SkyImage, make_light_curves
from ._matches import LabelSource
from ._open import find_datasets, open_repository
from ._results import SOURCES, read_collection


def sky_image(data_id: DataCoordinate) -> SkyImage:
    """Read from a data id what association needs to know of an image.

    Parameters
    ----------
    data_id
        Of instrument, visit and detector, with its records.

    Returns
    -------
    SkyImage
        Its region is that of the data id.
    """
    timespan: Any = data_id.records["visit"].timespan  # type: ignore[union-attr]
    return SkyImage(
        visit=int(data_id["visit"]),
        detector=int(data_id["detector"]),
        band=str(data_id["band"]),
        mjd=0.5 * (timespan.begin.tai.mjd + timespan.end.tai.mjd),
        region=data_id.region,
    )


def read_light_curves(
    repo: Butler | str | Path,
    collection: str,
    *,
    where: str = "",
    options: LightCurveOptions | None = None,
    labels: LabelSource | None = None,
) -> LightCurves:
    """Associate the DIA sources of a run, as the task ``associateLightCurves`` does.

    Parameters
    ----------
    repo
        Butler, or path or URI of a repository.
    collection
        Output collection of the run.
    where
        Butler expression that selects images, such as ``"visit = 42"``; empty for all.
    options
        Radius, and what confirms an object.
    labels
        Where labels are; by default ``dia_source_match``.

    Returns
    -------
    LightCurves
        Objects and light curves, with the images that covered an object and show none of it.

    Raises
    ------
    InvalidInputError
        If the collection holds no DIA sources, or labels or scores of other sources.
    """
    with open_repository(repo, collection) as butler:
        sources = read_collection(butler, collection, where=where, labels=labels).sources
        refs = find_datasets(butler, SOURCES, where)
        images = [sky_image(butler.registry.expandDataId(ref.dataId)) for ref in refs]
    return make_light_curves(sources, images, options)
