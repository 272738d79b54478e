"""Alert packets that no broker should send."""

from __future__ import annotations

import bz2
import gzip
import io
import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import fastavro
import numpy as np
from astropy.io import fits

from lsst.meas.realbogus.cutouts import read_alerts
from lsst.meas.realbogus.errors import InvalidCatalogError, InvalidInputError

from ._case import Act, Cases

type Schema = dict[str, Any]
ROLES = ("Science", "Template", "Difference")
SYNC = b"sixteen bytes ok"


def stamp(array: Any = None) -> bytes:
    """Return the FITS file of a stamp."""
    buffer = io.BytesIO()
    fits.PrimaryHDU(np.ones((9, 9), np.float32) if array is None else array).writeto(buffer)
    return buffer.getvalue()


def header(**cards: Any) -> bytes:
    """Return a FITS file of a header alone, with pixels for a block."""
    lines = [f"{name:8}= {value!s:>20}" for name, value in {"SIMPLE": "T", **cards}.items()]
    return "".join(line.ljust(80) for line in [*lines, "END"]).ljust(2880).encode() + bytes(2880)


def schema(*extra: Any, identifier: Any = "long", cutout: Any = "bytes") -> Schema:
    """Return the schema of small alerts, LSST's way."""
    source = {"type": "record", "name": "diaSource", "fields": [{"name": "diaSourceId", "type": identifier}]}
    fields = [{"name": f"cutout{role}", "type": cutout} for role in ROLES]
    return {
        "type": "record",
        "name": "alert",
        "fields": [{"name": "diaSource", "type": source}, *fields, *extra],
    }


def record(content: Any = None, identifier: Any = 5, **others: Any) -> dict[str, Any]:
    """Return an alert."""
    content = stamp() if content is None else content
    return {"diaSource": {"diaSourceId": identifier}, **{f"cutout{r}": content for r in ROLES}, **others}


def encode(number: int) -> bytes:
    """Write an integer as Avro does."""
    number, out = (number << 1) ^ (number >> 63), b""
    while number > 0x7F:
        out += bytes([number & 0x7F | 0x80])
        number >>= 7
    return out + bytes([number])


def body(record: Mapping[str, Any]) -> bytes:
    """Write one alert of `schema()`."""
    buffer = io.BytesIO()
    fastavro.schemaless_writer(buffer, fastavro.parse_schema(schema()), dict(record))
    return buffer.getvalue()


def container(
    schema: Any, content: bytes, count: int = 1, codec: str = "null", size: int | None = None
) -> bytes:
    """Write a container file by hand, whatever it says."""
    text = schema if isinstance(schema, str) else json.dumps(schema)
    meta = {"avro.schema": text.encode(), "avro.codec": codec.encode()}
    out = b"Obj\x01" + encode(len(meta))
    for key, value in meta.items():
        out += encode(len(key)) + key.encode() + encode(len(value)) + value
    size = len(content) if size is None else size
    return out + b"\0" + SYNC + encode(count) + encode(size) + content + SYNC


def written(schema: Schema, records: Sequence[Any], codec: str = "null") -> bytes:
    """Write a container file."""
    buffer = io.BytesIO()
    fastavro.writer(buffer, fastavro.parse_schema(schema), list(records), codec=codec)
    return buffer.getvalue()


def read(content: bytes | Callable[[], bytes]) -> Act:
    """Make the act of reading a file."""

    def act(folder: Path) -> Any:
        (folder / "x.avro").write_bytes(content if isinstance(content, bytes) else content())
        alerts = list(read_alerts(folder / "x.avro"))
        return [(alert.id, sorted({stamp.shape for stamp in alert.stamps.values()})) for alert in alerts]

    return act


def _nested(depth: int) -> bytes:
    inner = '{"type": "array", "items": ' * depth + '"int"' + "}" * depth
    text = json.dumps(schema({"name": "x", "type": "XX"})).replace('"XX"', inner)
    return container(text, body(record()) + encode(1) * depth)


def _doubling(n: int) -> Schema:
    kind: Any = {"type": "record", "name": "R0", "fields": []}
    for i in range(1, n):
        fields = [{"name": "a", "type": kind}, {"name": "b", "type": f"R{i - 1}"}]
        kind = {"type": "record", "name": f"R{i}", "fields": fields}
    return schema({"name": "x", "type": kind})


def _list_of_lists() -> bytes:
    inner = {"type": "array", "items": {"type": "array", "items": "int"}}
    n = 2_000_000
    return container(schema({"name": "x", "type": inner}), body(record()) + encode(n) + bytes(n) + b"\0")


def _tiles(side: int) -> bytes:
    buffer = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), fits.CompImageHDU(np.zeros((31, 31), np.float32))]).writeto(buffer)
    content = buffer.getvalue()
    for axis in (b"ZNAXIS1 =", b"ZNAXIS2 ="):
        content = content.replace(axis + b"%21d" % 31, axis + b"%21d" % side)
    return content


GOOD = written(schema(), [record()] * 3)
LINK = {"type": "record", "name": "link", "fields": [{"name": "next", "type": ["null", "link"]}]}
ANY_ID = schema(identifier=["null", "double", "string", "long"])

_cases = Cases()
_refused = [
    ("an empty file", b"", "not an Avro container file"),
    ("text", b"hello", "not an Avro container file"),
    ("the first four bytes alone", GOOD[:4], "cannot be read as alerts"),
    ("the header alone, cut off", GOOD[:60], "cannot be read as alerts"),
    ("cut off within an alert", GOOD[: len(GOOD) // 2], "cannot be read as alerts"),
    ("cut off before the last mark", GOOD[:-8], "a block does not end where it should"),
    ("a mark that is another", GOOD[:-8] + bytes(8), "a block does not end where it should"),
    ("a schema that is no JSON", container("{", b""), "cannot be read as alerts"),
    ("a schema of an unknown type", container(schema({"name": "x", "type": "what"}), b""), "cannot be read"),
    ("a schema that is no record", container("int", b""), "cannot be read as alerts"),
    ("records of other things", written({**LINK, "fields": [{"name": "a", "type": "int"}]}, [{"a": 1}]), "neither"),
    ("an alert of no bytes", container(schema(), b""), "cannot be read as alerts"),
    ("a block of an unknown compression", container(schema(), b"", codec="lz5"), "'lz5', which is not read"),
    ("a damaged compressed block", container(schema(), b"\xff" * 99, codec="deflate"), "cannot be read as"),
    ("a compressed block, cut off", container(schema(), zlib.compress(bytes(99))[2:7], codec="deflate"), "cut off"),
    ("a block of −1 bytes", container(schema(), b"", size=-1), "a block of -1 bytes"),
    ("a stamp of 10¹⁵ bytes", container(schema(), encode(1) + encode(10**15) + b"x"), "Expected 1000000000000000"),
    ("a stamp that is no FITS file", written(schema(), [record(b"hello")]), "cannot be read as a stamp"),
    ("a stamp that is text", written(schema(cutout="string"), [record("hello")]), "cannot be read as a stamp"),
    ("a gzipped stamp, cut off", written(schema(), [record(gzip.compress(stamp())[:90])]), "are cut off"),
    ("a stamp of NAXIS1 = −5", written(schema(), [record(header(BITPIX=-32, NAXIS=2, NAXIS1=-5, NAXIS2=3))]), "negative"),
    ("a stamp of BITPIX = 7", written(schema(), [record(header(BITPIX=7, NAXIS=2, NAXIS1=3, NAXIS2=3))]), "as a stamp"),
    ("a stamp of no pixels", written(schema(), [record(header(BITPIX=-32, NAXIS=2, NAXIS1=0, NAXIS2=3))]), "no image"),
    ("a stamp of one axis", written(schema(), [record(stamp(np.zeros(9, np.float32)))]), "no image in it"),
    ("a stamp of three axes", written(schema(), [record(stamp(np.zeros((2, 3, 4), np.float32)))]), "no image in it"),
    ("a stamp in tiles", written(schema(), [record(_tiles(31))]), "no image in it"),
]  # fmt: skip
for _given, _content, _says in _refused:
    _cases.refused(_given, read(_content), InvalidInputError, _says)

_cases.refused(
    "no identifier",
    read(written(ANY_ID, [record(identifier=None)])),
    InvalidCatalogError,
    "diaSourceId is missing",
)
_cases.refused(
    "identifier 3.7",
    read(written(ANY_ID, [record(identifier=3.7)])),
    InvalidCatalogError,
    "must be of integers",
)
_cases.refused(
    "identifier 1e30",
    read(written(ANY_ID, [record(identifier=1e30)])),
    InvalidCatalogError,
    "must be of integers",
)
_cases.refused(
    "identifier `abc`", read(written(ANY_ID, [record(identifier="abc")])), InvalidCatalogError, "not 'abc'"
)
_cases.taken(
    "identifier 2⁶³ − 1",
    read(written(schema(), [record(identifier=2**63 - 1)])),
    "it is read exactly",
    [(2**63 - 1, [(9, 9)])],
)
_cases.taken(
    "stamps of whole numbers",
    read(written(schema(), [record(stamp(np.ones((5, 7), np.int16)))])),
    "they are read as float32",
    [(5, [(5, 7)])],
)
_cases.taken(
    "a block in bzip2",
    read(container(schema(), bz2.compress(body(record())), codec="bzip2")),
    "it is read",
    [(5, [(9, 9)])],
)

_bombs = [
    ("a type that contains itself", container({"type": "record", "name": "A", "fields": [{"name": "a", "type": "A"}]}, b""), "the type A contains itself"),
    ("a chain of 300,000 links", container(schema({"name": "x", "type": LINK}), body(record()) + b"\x02" * 300_000 + b"\0"), "the type link contains itself"),
    ("an array of 10¹¹ times nothing", container(schema({"name": "x", "type": {"type": "array", "items": "null"}}), body(record()) + encode(10**11) + b"\0"), "an array of nothing"),
    ("10¹¹ records with nothing in them", container({"type": "record", "name": "A", "fields": []}, b"", 10**11), "nothing in them"),
    ("a type of 2³⁹ values", container(_doubling(40), body(record())), "values, which no alert has"),
    ("a type nested 2,000 deep", _nested(2000), "maximum recursion depth exceeded"),
    ("a type nested 100,000 deep", _nested(100_000), "maximum recursion depth exceeded"),
    ("a gzip bomb in a stamp", lambda: written(schema(), [record(gzip.compress(bytes(80_000_000), 1))]), "would grow to more than 67108864"),
    ("a bomb of a block", lambda: container(schema(), zlib.compress(bytes(280_000_000), 1)[2:-4], codec="deflate"), "would grow to more than 268435456"),
    ("a block of 10¹² bytes", container(schema(), b"", size=10**12), "a block of 1000000000000 bytes"),
    ("a stamp of 2⁴⁰ × 2⁴⁰ pixels", written(schema(), [record(header(BITPIX=-32, NAXIS=2, NAXIS1=2**40, NAXIS2=2**40))]), "cannot be read as a stamp"),
    ("a stamp of 100,000 × 100,000 pixels", written(schema(), [record(header(BITPIX=-32, NAXIS=2, NAXIS1=10**5, NAXIS2=10**5))]), "buffer is too small"),
    ("a stamp of 100,000 × 100,000 pixels in tiles", written(schema(), [record(_tiles(100_000))]), "no image in it"),
]  # fmt: skip
for _given, _bomb, _says in _bombs:
    _cases.refused(_given, read(_bomb), InvalidInputError, _says, bomb=True)
_cases.taken(
    "two million empty arrays beside the stamps",
    read(_list_of_lists),
    "they are passed over",
    [(5, [(9, 9)])],
    bomb=True,
)

TABLE = _cases.table("Alert packets", "`realbogus score`, `cutouts.read_alerts`")
