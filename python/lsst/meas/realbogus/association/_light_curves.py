"""From the sources of all visits to objects and their light curves."""

from __future__ import annotations

__all__ = ("LightCurveOptions", "LightCurves", "make_light_curves")

import dataclasses
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table, vstack

from ..options import Options, option
from ..tables import make_table
from ._associate import associate
from ._confirmation import ConfirmationOptions
from ._objects import describe_objects, mean_positions
from ._schema import DIA_SOURCE_ASSOCIATION, LIGHT_CURVE
from ._sources import SkyImage, read_epochs

Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class LightCurveOptions(Options):
    """How sources become objects, and which of these are confirmed."""

    radius: float = option(
        0.5, "Largest distance of two sources that are linked (arcsec).", above=0.0, max=60.0
    )
    limits_from: int = option(
        2,
        "Sources from which on the images of an object without a source of it are listed in its light curve.",
        min=1,
    )
    confirmation: ConfirmationOptions = option(ConfirmationOptions, "What confirms an object.")


@dataclasses.dataclass(frozen=True)
class LightCurves:
    """Objects of many visits.

    Parameters
    ----------
    association
        The object of each source, of the schema `~lsst.meas.realbogus.association.DIA_SOURCE_ASSOCIATION`, in
        the order of the sources.
    objects
        One row for each object, of the columns of `~lsst.meas.realbogus.association.dia_object_schema`.
    epochs
        Light curves, of the schema `~lsst.meas.realbogus.association.LIGHT_CURVE`.
    options
        How they were made.
    """

    association: Table
    objects: Table
    epochs: Table
    options: LightCurveOptions

    def of(self, object_id: int) -> Table:
        """Return the light curve of one object.

        Parameters
        ----------
        object_id
            The ``diaObjectId``.

        Returns
        -------
        astropy.table.Table
            Its rows of ``epochs``, in order of time.
        """
        return self.epochs[np.asarray(self.epochs["diaObjectId"]) == object_id]


def make_light_curves(
    sources: Any, images: Iterable[SkyImage] = (), options: LightCurveOptions | None = None
) -> LightCurves:
    """Associate the sources of many visits, and make their light curves.

    Parameters
    ----------
    sources
        DIA sources of all visits, with scores and labels if there are any: what `read_epochs` reads, such as
        the ``sources`` of `~lsst.meas.realbogus.read_collection`.
    images
        The images they were looked for in, so that those without a source of an object are listed in its
        light curve; without, light curves have detections only.
    options
        Radius, and what confirms an object.

    Returns
    -------
    LightCurves
        The result depends on the sources only, not on their order, except that rows of ``association`` are
        those of the sources.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used.
    InvalidInputError
        If an identifier occurs twice.

    Notes
    -----
    A detection has the flux measured on its difference image. Where an image covers an object and has no
    source of it, there is no flux, for want of forced photometry; the error is the median error of the
    sources of that image, so that five times the error is about the flux that would have been found.
    """
    options = LightCurveOptions() if options is None else options
    given = read_epochs(sources)
    order = np.argsort(given["diaSourceId"], kind="stable")
    epochs = given[order]  # so that no sum depends on the order of the sources
    association = associate(
        *(epochs[name] for name in ("diaSourceId", "visit", "midpointMjdTai", "ra", "dec")),
        radius=options.radius,
    )
    objects = describe_objects(epochs, association, options.confirmation)
    index = np.searchsorted(np.asarray(objects["diaObjectId"]), association.object_ids)
    table = make_table(
        DIA_SOURCE_ASSOCIATION,
        {
            "diaSourceId": epochs["diaSourceId"],
            "diaObjectId": association.object_ids,
            "separation": mean_positions(epochs, index, len(objects))[2],
            "isCrowded": association.is_crowded,
        },
        len(epochs),
    )
    parts = [_detections(epochs, association.object_ids)]
    if images := list(images):
        parts += _limits(epochs, objects, index, images, options.limits_from)
    curves = vstack(parts, metadata_conflicts="silent")
    curves.sort(["diaObjectId", "midpointMjdTai", "visit"])
    return LightCurves(table[np.argsort(order, kind="stable")], objects, curves, options)


def _detections(epochs: Table, object_ids: Indices) -> Table:
    columns = {name: epochs[name] for name in LIGHT_CURVE if name != "diaObjectId"}
    return make_table(LIGHT_CURVE, {"diaObjectId": object_ids, **columns}, len(epochs))


def _limits(
    epochs: Table, objects: Table, index: Indices, images: Sequence[SkyImage], limits_from: int
) -> list[Table]:
    """Make the rows of images without a source of an object, and count the visits that covered each.

    A visit in which two detectors cover a position counts once, as the detector of the lower number.
    """
    visits, detectors = np.asarray(epochs["visit"]), np.asarray(epochs["detector"])
    errors = np.asarray(epochs["psfFluxErr"], float)
    listed = np.asarray(objects["nDiaSources"]) >= limits_from
    covered: dict[int, npt.NDArray[np.bool_]] = {}
    out = []
    for image in sorted(images, key=lambda image: (image.visit, image.detector)):
        of_visit = visits == image.visit
        seen = covered.setdefault(image.visit, np.zeros(len(objects), bool))
        detected = np.zeros(len(objects), bool)
        detected[index[of_visit]] = True
        here = image.covers(objects["ra"], objects["dec"])
        missing = here & ~seen & ~detected & listed
        seen |= here | detected
        own = errors[of_visit & (detectors == image.detector)]
        own = own[np.isfinite(own) & (own > 0)]
        out.append(
            make_table(
                LIGHT_CURVE,
                {
                    "diaObjectId": objects["diaObjectId"][missing],
                    "visit": image.visit,
                    "detector": image.detector,
                    "band": image.band,
                    "midpointMjdTai": image.mjd,
                    "psfFluxErr": np.median(own) if own.size else np.nan,
                },
                int(missing.sum()),
            )
        )
    objects["nVisits"] = np.sum(list(covered.values()), axis=0, dtype=np.int32)
    return out
