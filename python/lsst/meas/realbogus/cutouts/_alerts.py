"""Stamps out of alert packets, as brokers get them."""

from __future__ import annotations

__all__ = ("Alert", "read_alerts", "stamp_batch")

import gzip
import io
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import astropy.io.fits
import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..tables import SIGN_COLUMNS, read_signs
from ._stamp_files import StampBatch
from ._triplets import ROLES

_FIELDS = {role: f"cutout{role.capitalize()}" for role in ROLES}
_CONFLUENT_HEADER = struct.Struct(">bI")


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
        By role, float32; an image that the packet lacks is absent.
    """

    id: int
    is_negative: bool
    stamps: Mapping[str, npt.NDArray[np.float32]]


def read_alerts(path: Path, schema: Path | None = None) -> Iterator[Alert]:
    """Read the alerts of a file, one after the other.

    Parameters
    ----------
    path
        An Avro container file with alerts of the ZTF or the LSST schema, or one bare packet as it comes from
        Kafka, with or without the five bytes that name its schema.
    schema
        The schema of a bare packet (``.avsc``).

    Yields
    ------
    Alert
        Each alert.

    Raises
    ------
    InvalidInputError
        If the file or an alert in it cannot be read.
    """
    import fastavro

    unreadable = (OSError, EOFError, LookupError, TypeError, ValueError, fastavro.schema.SchemaParseException)
    try:
        with path.open("rb") as file:
            is_container = file.read(4) == b"Obj\x01"
            file.seek(0)
            records = fastavro.reader(file) if is_container else [_bare_record(path, file, schema)]
            for number, record in enumerate(records):
                yield _alert(record, f"{path}, alert {number}")
    except InvalidInputError:
        raise
    except unreadable as error:
        raise InvalidInputError(f"{path}: cannot be read as alerts: {error}") from error


def _bare_record(path: Path, file: BinaryIO, schema: Path | None) -> Any:
    import fastavro
    import fastavro.schema

    if schema is None:
        raise InvalidInputError(f"{path}: not an Avro container file; a bare packet needs its schema")
    parsed = fastavro.schema.load_schema(str(schema))
    content = file.read()
    if content[:1] == b"\0":
        content = content[_CONFLUENT_HEADER.size :]
    return fastavro.schemaless_reader(io.BytesIO(content), parsed, None)


def _alert(record: Any, name: str) -> Alert:
    if not isinstance(record, dict):
        raise InvalidInputError(f"{name}: not a record")
    stamps = {}
    for role, field in _FIELDS.items():
        cutout = record.get(field)
        if isinstance(cutout, dict):  # ZTF: file name and data
            cutout = cutout.get("stampData")
        if cutout:
            stamps[role] = _decode(cutout, f"{name}, {field}")
    source = record.get("diaSource")
    if isinstance(source, dict):
        return Alert(int(source["diaSourceId"]), _is_negative(source, name), stamps)
    candidate = record.get("candidate")
    if isinstance(candidate, dict):
        identifier = record["candid"] if "candid" in record else candidate["candid"]
        return Alert(int(identifier), _is_negative(candidate, name), stamps)
    raise InvalidInputError(f"{name}: neither an LSST alert (diaSource) nor a ZTF one (candidate)")


def _is_negative(source: Mapping[str, Any], name: str) -> bool:
    columns = {column: np.array([source[column]], object) for column in SIGN_COLUMNS if column in source}
    flux = source.get("psfFlux")
    return bool(read_signs(columns, 1, name=name, flux=None if flux is None else [flux])[0])


def _decode(content: bytes, name: str) -> npt.NDArray[np.float32]:
    """Take the first image out of a (gzipped) FITS file, without looking at its coordinates."""
    if content[:2] == b"\x1f\x8b":
        content = gzip.decompress(content)
    with astropy.io.fits.open(io.BytesIO(content), memmap=False) as hdus:
        for hdu in hdus:
            if hdu.is_image and hdu.header.get("NAXIS") == 2:
                return np.asarray(hdu.data, np.float32)
    raise InvalidInputError(f"{name}: no image in it")


def stamp_batch(alerts: Sequence[Alert], roles: Sequence[str] = ROLES) -> StampBatch:
    """Bring alerts to stamps of one size.

    Parameters
    ----------
    alerts
        Alerts with stamps of any sizes.
    roles
        Which images are wanted.

    Returns
    -------
    StampBatch
        Stamps of the largest size among them, the smaller ones centred and padded with NaN; a stamp that an
        alert lacks is all NaN.
    """
    shapes = [stamp.shape for alert in alerts for role, stamp in alert.stamps.items() if role in roles]
    height, width = np.max(shapes, axis=0).tolist() if shapes else (1, 1)
    cubes = {role: np.full((len(alerts), height, width), np.nan, np.float32) for role in roles}
    for row, alert in enumerate(alerts):
        for role, stamp in alert.stamps.items():
            if role in cubes:
                # Both sizes are halved downwards, so that the central pixels fall on each other.
                y, x = height // 2 - stamp.shape[0] // 2, width // 2 - stamp.shape[1] // 2
                cubes[role][row, y : y + stamp.shape[0], x : x + stamp.shape[1]] = stamp
    return StampBatch(
        np.array([alert.id for alert in alerts], np.int64),
        cubes,
        np.array([alert.is_negative for alert in alerts], bool),
    )
