"""Stamps out of alert packets, as brokers get them."""

from __future__ import annotations

__all__ = ("Alert", "read_alerts", "stamp_batch")

import io
import math
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.io.fits
import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..tables import SIGN_COLUMNS, Column, apply_schema, inflate, read_signs, reading
from ._avro import read_avro
from ._psf_width import psf_fwhm
from ._stamp_files import StampBatch
from ._triplets import ROLES

_FIELDS = {role: f"cutout{role.capitalize()}" for role in ROLES}
_ZTF_PIXEL_SCALE = 1.01
# What `astropy.nddata.CCDData`, of which LSST's cutouts are made, calls the image of the PSF.
_PSF_EXTENSION = "PSFIMAGE"
# The fields that are read, at every level of a packet.
_WANTED = frozenset(
    (
        *_FIELDS.values(),
        "stampData",
        "diaSource",
        "candidate",
        "diaSourceId",
        "candid",
        "psfFlux",
        *SIGN_COLUMNS,
    )
)
_ID = {name: Column("int64", "Identifier of the source.") for name in ("diaSourceId", "candid")}
_IMAGES = (astropy.io.fits.PrimaryHDU, astropy.io.fits.ImageHDU)
_MOST_BYTES = 64 << 20
# Of the file of a stamp.


@dataclass(frozen=True)
class Alert:
    """What is scored of one alert packet.

    Attributes
    ----------
    id
        ``diaSourceId`` (LSST) or ``candid`` (ZTF).
    is_negative
        Is the source negative in the difference?
    stamps
        By role, float32; an image that the packet lacks is absent. The difference is science − template:
        ZTF's packets hold that of negative detections with the other sign, which is turned back.
    pixel_scale
        Pixel scale of the stamps [arcsec], where the packet tells it.
    psf_fwhm
        FWHM of the science image's PSF [pixel]; NaN if the packet has no image of it, or nobody asked.
        ZTF's ``fwhm`` is not it: that is the width of the source.
    """

    id: int
    is_negative: bool
    stamps: Mapping[str, npt.NDArray[np.float32]]
    pixel_scale: float | None = None
    psf_fwhm: float = math.nan


def read_alerts(
    path: Path, schema: Path | None = None, start: int = 0, *, psf: bool = True
) -> Iterator[Alert]:
    """Read the alerts of a file, one after the other.

    Parameters
    ----------
    path
        An Avro container file with alerts of the ZTF or the LSST schema, or one bare packet as it comes from
        Kafka, with or without the five bytes that name its schema.
    schema
        The schema of a bare packet (``.avsc``).
    start
        How many alerts to pass over, whose stamps are not decoded.
    psf
        Measure the PSF, where a packet has an image of it?

    Yields
    ------
    Alert
        Each alert.

    Raises
    ------
    InvalidInputError
        If the file or an alert in it cannot be read.
    """
    with reading(path, "alerts"):
        for number, record in enumerate(read_avro(path, _WANTED, schema)):
            if number >= start:
                yield _alert(record, f"{path}, alert {number}", psf)


def _alert(record: Mapping[str, Any], name: str, psf: bool) -> Alert:
    stamps, scale, fwhm = {}, None, math.nan
    for role, field in _FIELDS.items():
        cutout = record.get(field)
        if isinstance(cutout, dict):  # ZTF: file name and data
            cutout = cutout.get("stampData")
        if cutout:
            stamps[role], found, image = _decode(cutout, f"{name}, {field}", psf and role == "science")
            scale = scale or found
            if image is not None:
                fwhm = float(psf_fwhm(image[None])[0])
    source = record.get("diaSource")
    if isinstance(source, dict):
        identifier = _identifier(source, "diaSourceId", name)
        return Alert(identifier, _is_negative(source, name), stamps, scale, fwhm)
    candidate = record.get("candidate")
    if isinstance(candidate, dict):
        identifier = _identifier(record if "candid" in record else candidate, "candid", name)
        negative = _is_negative(candidate, name)
        if negative and "difference" in stamps:
            stamps["difference"] = -stamps["difference"]
        return Alert(identifier, negative, stamps, _ZTF_PIXEL_SCALE)
    raise InvalidInputError(f"{name}: neither an LSST alert (diaSource) nor a ZTF one (candidate)")


def _identifier(record: Mapping[str, Any], field: str, name: str) -> int:
    values = np.array([record.get(field)], object)
    return int(apply_schema({field: values}, {field: _ID[field]}, name=name)[field][0])


def _is_negative(source: Mapping[str, Any], name: str) -> bool:
    columns = {column: np.array([source[column]], object) for column in SIGN_COLUMNS if column in source}
    flux = source.get("psfFlux")
    return bool(read_signs(columns, 1, name=name, flux=None if flux is None else [flux])[0])


def _decode(
    content: bytes, name: str, with_psf: bool
) -> tuple[npt.NDArray[np.float32], float | None, npt.NDArray[Any] | None]:
    """Take the first image out of a (gzipped) FITS file, its pixel scale [arcsec] and PSF if there are."""
    with reading(name, "a stamp"):
        if content[:2] == b"\x1f\x8b":
            content = inflate(zlib.decompressobj(wbits=31), content, _MOST_BYTES)
        return _first_image(io.BytesIO(content), name, with_psf)


def _first_image(
    file: io.BytesIO, name: str, with_psf: bool
) -> tuple[npt.NDArray[np.float32], float | None, npt.NDArray[Any] | None]:
    # Tiles are not unpacked: a small file can make an image of any size of them.
    with astropy.io.fits.open(file, memmap=False, disable_image_compression=True) as hdus:
        for hdu in hdus:
            if isinstance(hdu, _IMAGES) and hdu.header.get("NAXIS") == 2 and 0 not in hdu.shape:
                has_psf = with_psf and _PSF_EXTENSION in hdus and hdus[_PSF_EXTENSION].header["NAXIS"] == 2
                psf = np.array(hdus[_PSF_EXTENSION].data) if has_psf else None
                return np.asarray(hdu.data, np.float32), _scale(hdu.header), psf
    raise InvalidInputError(f"{name}: no image in it")


def _scale(header: astropy.io.fits.Header) -> float | None:
    """Read the pixel scale off the CD matrix alone: the coordinates of stamps are often not valid."""
    cd = [header.get(f"CD{i}_{j}", 0.0) for i in (1, 2) for j in (1, 2)]
    area = abs(cd[0] * cd[3] - cd[1] * cd[2]) if all(isinstance(value, int | float) for value in cd) else 0.0
    return 3600 * math.sqrt(area) if area > 0 else None


def stamp_batch(alert: Alert, roles: Sequence[str] = ROLES) -> StampBatch:
    """Take an alert as a batch of one source.

    Parameters
    ----------
    alert
        The alert.
    roles
        Which images are wanted.

    Returns
    -------
    StampBatch
        Its stamps; one that the alert lacks is all NaN.
    """
    size = next((stamp.shape for stamp in alert.stamps.values()), (1, 1))
    nothing = np.full(size, np.nan, np.float32)
    return StampBatch(
        np.array([alert.id], np.int64),
        {role: alert.stamps.get(role, nothing)[None] for role in roles},
        np.array([alert.is_negative], bool),
        pixel_scale=alert.pixel_scale,
        psf_fwhm=np.array([alert.psf_fwhm], np.float32),
    )
