"""The numbers of objects: positions, times, scores, labels, and fluxes in each band."""

from __future__ import annotations

__all__ = ("describe_objects", "mean_positions")

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from scipy import ndimage

from ..tables import make_table, separation
from ..truth import unit_vectors
from ._associate import Association
from ._confirmation import ConfirmationOptions, confirm
from ._schema import dia_object_schema

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


def describe_objects(
    epochs: Table, association: Association, options: ConfirmationOptions | None = None
) -> Table:
    """Work out the numbers of objects.

    Parameters
    ----------
    epochs
        Sources, of the schema `~lsst.meas.realbogus.association.EPOCH`.
    association
        The object of each.
    options
        What confirms an object.

    Returns
    -------
    astropy.table.Table
        One row for each object, in order of ``diaObjectId``, of the columns that `dia_object_schema` names
        for the bands of the sources. ``nVisits`` is not filled in.
    """
    options = ConfirmationOptions() if options is None else options
    ids, index = np.unique(association.object_ids, return_inverse=True)
    n = ids.size
    count = np.bincount(index, minlength=n)
    ra, dec, distance = mean_positions(epochs, index, n)
    mjd = np.asarray(epochs["midpointMjdTai"], float)
    score, label = np.asarray(epochs["score"], float), np.asarray(epochs["label"])
    scored = np.isfinite(score)
    above = options.counts(score)
    real, bogus = (np.bincount(index[label == value], minlength=n) for value in (1, 0))
    values: dict[str, Any] = {
        "diaObjectId": ids,
        "ra": ra,
        "dec": dec,
        "radius": _of_each("maximum", distance, index, n),
        "nDiaSources": count,
        "firstDiaSourceMjdTai": _of_each("minimum", mjd, index, n),
        "lastDiaSourceMjdTai": _of_each("maximum", mjd, index, n),
        "isCrowded": np.bincount(index[association.is_crowded], minlength=n) > 0,
        "nScored": np.bincount(index[scored], minlength=n),
        "nAbove": np.bincount(index[above], minlength=n),
        "fractionAbove": np.bincount(index[above], minlength=n) / count,
        "maxScore": _of_each("maximum", score[scored], index[scored], n),
        "meanScore": _of_each("mean", score[scored], index[scored], n),
        "medianScore": _of_each("median", score[scored], index[scored], n),
        "confirmation": confirm(epochs, index, n, options),
        "nReal": real,
        "nBogus": bogus,
        "label": np.where(real > bogus, 1, np.where(bogus > real, 0, -1)),
    }
    bands = sorted(set(np.asarray(epochs["band"]).tolist()))
    for band in bands:
        of_band = _fluxes(epochs, np.asarray(epochs["band"]) == band, index, n)
        values |= {f"{band}_{name}": column for name, column in of_band.items()}
    return make_table(dia_object_schema(bands), values, n)


def mean_positions(epochs: Table, index: Indices, n: int) -> tuple[Floats, Floats, Floats]:
    """Return the mean position of each object, and the distance of each source from that of its object.

    Parameters
    ----------
    epochs
        Sources, with ``ra`` and ``dec`` in degrees.
    index
        Number of the object of each source.
    n
        Number of objects.

    Returns
    -------
    ra, dec
        Degrees, float64, one each for an object.
    distance
        In arcsec, one for each source.
    """
    points = unit_vectors(epochs["ra"], epochs["dec"])
    x, y, z = (np.bincount(index, weights=points[:, axis], minlength=n) for axis in range(3))
    ra, dec = np.degrees(np.arctan2(y, x)) % 360.0, np.degrees(np.arctan2(z, np.hypot(x, y)))
    return ra, dec, separation(epochs["ra"], epochs["dec"], ra[index], dec[index])


def _of_each(statistic: str, values: Floats, index: Indices, n: int) -> Floats:
    """Return a statistic of the values of each object, NaN for objects without one."""
    out = np.full(n, np.nan)
    present = np.unique(index)
    if present.size:
        out[present] = getattr(ndimage, statistic)(values, index, present)
    return out


def _fluxes(epochs: Table, here: npt.NDArray[np.bool_], index: Indices, n: int) -> Mapping[str, Any]:
    """Return what the DiaObject table says of the fluxes in one band."""
    flux, error = np.asarray(epochs["psfFlux"], float), np.asarray(epochs["psfFluxErr"], float)
    rows = np.flatnonzero(here & np.isfinite(flux) & (error > 0))
    index, flux, weight = index[rows], flux[rows], error[rows] ** -2.0
    count = np.bincount(index, minlength=n)
    total = np.bincount(index, weights=weight, minlength=n)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.bincount(index, weights=weight * flux, minlength=n) / total
        spread = (flux - (np.bincount(index, weights=flux, minlength=n) / count)[index]) ** 2
        sigma = np.sqrt(np.bincount(index, weights=spread, minlength=n) / (count - 1))
        chi2 = np.bincount(index, weights=weight * (flux - mean[index]) ** 2, minlength=n)
        mean_error = total**-0.5
    return {
        "psfFluxNdata": count,
        "psfFluxMean": mean,
        "psfFluxMeanErr": np.where(count > 0, mean_error, np.nan),
        "psfFluxSigma": np.where(count > 1, sigma, np.nan),
        "psfFluxChi2": np.where(count > 0, chi2, np.nan),
    }
