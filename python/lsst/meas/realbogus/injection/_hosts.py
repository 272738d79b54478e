"""Host galaxies: chosen from a source table, with their shapes on the sky."""

from __future__ import annotations

__all__ = ("Hosts", "magnitudes", "select_hosts")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.images import SkyProjection

from ..errors import InvalidCatalogError
from ..imaging import local_jacobian
from ..tables import njy_to_magnitude
from ._options import HostOptions

_DEFAULT = HostOptions()


@dataclasses.dataclass(frozen=True)
class Hosts:
    """Galaxies as fakes need them: arrays of one length.

    Parameters
    ----------
    id
        Identifier in the table they came from.
    ra, dec
        Position in degrees.
    mag
        AB magnitude.
    a, b
        Semi-axes in arcsec, square roots of the eigenvalues of the second moments.
    pa
        Position angle of the major axis in degrees, north through east.
    redshift
        NaN where unknown.
    """

    id: npt.NDArray[np.int64]
    ra: npt.NDArray[np.float64]
    dec: npt.NDArray[np.float64]
    mag: npt.NDArray[np.float64]
    a: npt.NDArray[np.float64]
    b: npt.NDArray[np.float64]
    pa: npt.NDArray[np.float64]
    redshift: npt.NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.id)

    def __getitem__(self, rows: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> Hosts:
        return Hosts(*(getattr(self, field.name)[rows] for field in dataclasses.fields(self)))


def select_hosts(
    sources: Table,
    projection: SkyProjection[Any] | None = None,
    options: HostOptions = _DEFAULT,
    *,
    name: str = "source table",
) -> Hosts:
    """Choose the galaxies of a source table.

    Parameters
    ----------
    sources
        Columns ``sourceId`` (or ``id``), ``ra``, ``dec``, ``extendedness``, a flux and, by
        ``options.shape``, second moments in pixels (``ixx``, ``iyy``, ``ixy``, and those of the PSF if
        present) or shapes on the sky.
    projection
        Turns moments in pixels into moments on the sky.
    options
        What counts as a host.
    name
        What the table is called in messages.

    Returns
    -------
    Hosts
        The galaxies, in the order of the table.

    Raises
    ------
    InvalidCatalogError
        If columns are missing.
    """
    moments = options.shape == "moments"
    needed = ["ra", "dec", "extendedness", options.flux_column]
    needed += ["x", "y", "ixx", "iyy", "ixy"] if moments else ["host_a", "host_b", "host_pa"]
    missing = [column for column in needed if column not in sources.colnames]
    id_column = next((c for c in ("sourceId", "id", "host_id") if c in sources.colnames), None)
    if id_column is None:
        missing.append("sourceId")
    if missing or id_column is None:
        raise InvalidCatalogError(name, [f"columns missing for hosts: {', '.join(missing)}"])
    mag = magnitudes(sources, options.flux_column)
    good = (mag >= options.mag_min) & (mag <= options.mag_max)
    good &= np.asarray(sources["extendedness"], dtype=np.float64) >= options.extendedness_min
    good &= np.isfinite(sources["ra"]) & np.isfinite(sources["dec"])
    for flag in options.bad_flags:
        if flag in sources.colnames:
            good &= ~np.asarray(sources[flag], dtype=bool)
    rows = sources[good]
    if moments:
        if projection is None:
            raise InvalidCatalogError(name, ["hosts with shapes in pixels need an image's projection"])
        a, b, pa = _sky_shapes(rows, projection)
    else:
        a, b, pa = (np.asarray(rows[c], dtype=np.float64) for c in ("host_a", "host_b", "host_pa"))
    a = _bounded(a, options.radius_min, options.radius_max)
    b = np.minimum(a, _bounded(b, options.radius_min, options.radius_max))
    return Hosts(
        id=np.asarray(rows[id_column], dtype=np.int64),
        ra=np.asarray(rows["ra"], dtype=np.float64),
        dec=np.asarray(rows["dec"], dtype=np.float64),
        mag=mag[good],
        a=a,
        b=b,
        pa=np.where(np.isfinite(pa), pa, 0.0),
        redshift=_redshifts(rows),
    )


def _redshifts(rows: Table) -> npt.NDArray[np.float64]:
    if "redshift" not in rows.colnames:
        return np.full(len(rows), np.nan)
    return np.ma.filled(np.ma.asarray(rows["redshift"], dtype=np.float64), np.nan)


def magnitudes(table: Table, flux_column: str) -> npt.NDArray[np.float64]:
    """Return AB magnitudes of a column of fluxes in nJy, NaN where they are not positive."""
    return njy_to_magnitude(table[flux_column])


def _bounded(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.float64]:
    return np.clip(np.where(np.isfinite(values), values, low), low, high)


def _sky_shapes(
    rows: Table, projection: SkyProjection[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Turn second moments in pixels, less the PSF's, into semi-axes and position angle on the sky."""
    moment = {k: np.asarray(rows[k], dtype=np.float64).copy() for k in ("ixx", "iyy", "ixy")}
    for key in moment:
        if f"{key}PSF" in rows.colnames:
            moment[key] -= np.asarray(rows[f"{key}PSF"], dtype=np.float64)
    pixels = np.empty((len(rows), 2, 2))
    pixels[:, 0, 0], pixels[:, 1, 1] = moment["ixx"], moment["iyy"]
    pixels[:, 0, 1] = pixels[:, 1, 0] = moment["ixy"]
    finite = np.isfinite(pixels).all(axis=(1, 2))
    pixels[~finite] = 0.0
    jacobian = local_jacobian(projection, np.asarray(rows["x"], float), np.asarray(rows["y"], float))
    sky = jacobian @ pixels @ jacobian.transpose(0, 2, 1)
    values, vectors = np.linalg.eigh(sky)
    with np.errstate(invalid="ignore"):
        b, a = np.sqrt(values[:, 0]), np.sqrt(values[:, 1])
    pa = np.rad2deg(np.arctan2(vectors[:, 0, 1], vectors[:, 1, 1])) % 180.0
    return a, b, pa
