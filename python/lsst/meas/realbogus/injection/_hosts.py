"""Host galaxies: chosen from a source table, with their shapes on the sky."""

from __future__ import annotations

__all__ = ("Hosts", "read_host_table", "select_hosts", "usable_rows")

import dataclasses
from typing import Any

import numpy as np
import numpy.typing as npt
from astropy.table import Table
from lsst.images import SkyProjection

from ..errors import InvalidCatalogError
from ..imaging import local_jacobian
from ..tables import Column, Schema, apply_schema, njy_to_magnitude, standard_columns
from ._options import HostOptions

_DEFAULT = HostOptions()
_ALWAYS = ("sourceId", "ra", "dec", "extendedness")
_MOMENTS = ("x", "y", "ixx", "iyy", "ixy")
_SHAPE = ("host_a", "host_b", "host_pa")
_PSF_MOMENTS = ("ixxPSF", "iyyPSF", "ixyPSF")
_HOST: Schema = {
    "sourceId": Column("int64", "identifier"),
    "ra": Column("float64", "position", "deg"),
    "dec": Column("float64", "position", "deg"),
    "x": Column("float64", "column", "pix"),
    "y": Column("float64", "row", "pix"),
    "extendedness": Column("float64", "0 for stars, 1 for galaxies"),
    **{name: Column("float64", "second moment", "pix2") for name in (*_MOMENTS[2:], *_PSF_MOMENTS)},
    "host_a": Column("float64", "semi-major axis (rms)", "arcsec"),
    "host_b": Column("float64", "semi-minor axis (rms)", "arcsec"),
    "host_pa": Column("float64", "position angle, north through east", "deg"),
    "redshift": Column("float64", "redshift"),
}


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
        present) or shapes on the sky; or what afw calls these (`tables.standard_columns`).
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
        If columns are missing or hold what cannot be used: every reason, with the rows.
    """
    moments = options.shape == "moments"
    if moments and projection is None:
        raise InvalidCatalogError(name, ["hosts with shapes in pixels need an image's projection"])
    sources = read_host_table(sources, options, name=name)
    mag = njy_to_magnitude(sources[options.flux_column])
    good = (mag >= options.mag_min) & (mag <= options.mag_max)
    good &= np.asarray(sources["extendedness"]) >= options.extendedness_min
    good &= np.isfinite(sources["ra"]) & np.isfinite(sources["dec"])
    good &= usable_rows(sources, options)
    rows = sources[good]
    if moments and projection is not None:
        a, b, pa = _sky_shapes(rows, projection)
    else:
        a, b, pa = (np.asarray(rows[c]) for c in _SHAPE)
    a = _bounded(a, options.radius_min, options.radius_max)
    b = np.minimum(a, _bounded(b, options.radius_min, options.radius_max))
    return Hosts(
        id=np.asarray(rows["sourceId"]),
        ra=np.asarray(rows["ra"]),
        dec=np.asarray(rows["dec"]),
        mag=mag[good],
        a=a,
        b=b,
        pa=np.where(np.isfinite(pa), pa, 0.0),
        redshift=np.asarray(rows["redshift"]) if "redshift" in rows.colnames else np.full(len(rows), np.nan),
    )


def read_host_table(sources: Table, options: HostOptions = _DEFAULT, *, name: str = "source table") -> Table:
    """Read a source table as hosts and stars need it.

    Parameters
    ----------
    sources, options, name
        As for `select_hosts`.

    Returns
    -------
    astropy.table.Table
        The table with the columns that hosts have, under the names of the Source table, units applied.

    Raises
    ------
    InvalidCatalogError
        If columns are missing or hold what cannot be used.
    """
    needed = {*_ALWAYS, options.flux_column, *(_MOMENTS if options.shape == "moments" else _SHAPE)}
    columns = {
        **_HOST,
        options.flux_column: Column("float64", "total flux", "nJy"),
        **{flag: Column("bool", "the source is of no use") for flag in options.bad_flags},
        **{flag: Column("bool", "the source is of use") for flag in options.needed_flags},
    }
    schema = {
        column: dataclasses.replace(declared, required=column in needed)
        for column, declared in columns.items()
    }
    return apply_schema(standard_columns(sources, counts=False, name=name), schema, name=name)


def usable_rows(sources: Table, options: HostOptions = _DEFAULT) -> npt.NDArray[np.bool_]:
    """Tell by flags which rows are sources that can be used.

    Parameters
    ----------
    sources
        A table as from `read_host_table`.
    options
        Which flags.

    Returns
    -------
    numpy.ndarray
        Bool, one for each row.
    """
    good = np.ones(len(sources), bool)
    for flags, wanted in ((options.bad_flags, False), (options.needed_flags, True)):
        for flag in flags:
            if flag in sources.colnames:
                good &= np.asarray(sources[flag], bool) == wanted
    return good


def _bounded(values: npt.NDArray[np.float64], low: float, high: float) -> npt.NDArray[np.float64]:
    return np.clip(np.where(np.isfinite(values), values, low), low, high)


def _sky_shapes(
    rows: Table, projection: SkyProjection[Any]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Turn second moments in pixels, less the PSF's, into semi-axes and position angle on the sky."""
    moment = {k: np.array(rows[k]) for k in _MOMENTS[2:]}
    for key in moment:
        if f"{key}PSF" in rows.colnames:
            moment[key] -= np.asarray(rows[f"{key}PSF"])
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
