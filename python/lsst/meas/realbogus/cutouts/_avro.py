"""Records of Avro files: of each, what is wanted, and of a hostile file no more than fits into memory."""

from __future__ import annotations

__all__ = ("read_avro",)

import bz2
import io
import json
import lzma
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from typing import Any

from ..errors import InvalidInputError
from ..tables import inflate

_MAGIC = b"Obj\x01"
_HEADER = {
    "type": "record",
    "name": "header",
    "fields": [
        {"name": "magic", "type": {"type": "fixed", "name": "magic", "size": 4}},
        {"name": "meta", "type": {"type": "map", "values": "bytes"}},
        {"name": "sync", "type": {"type": "fixed", "name": "sync", "size": 16}},
    ],
}
_CONFLUENT_HEADER = 5  # a zero and the number of the schema

_MOST_HEADER = 4 << 20
_MOST_BLOCK = 256 << 20
_MOST_VALUES = 20_000
# Bytes of header and schema, bytes of a block once it is inflated, and values of a record without those in
# arrays and maps: ten times what the alerts of ZTF and LSST have, or more.

_CODECS: Mapping[str, Callable[[], Any] | None] = {
    "null": None,
    "deflate": lambda: zlib.decompressobj(-15),
    "bzip2": bz2.BZ2Decompressor,
    "xz": lambda: lzma.LZMADecompressor(memlimit=_MOST_BLOCK),
}
_SIZES = {"null": 0, "boolean": 1, "int": 1, "long": 1, "float": 4, "double": 8, "bytes": 1, "string": 1}

type Schema = Any


def read_avro(path: Path, wanted: Collection[str], schema: Path | None = None) -> Iterator[dict[str, Any]]:
    """Read records, as many as there are.

    Parameters
    ----------
    path
        An Avro container file, or one bare record as it comes from Kafka, with or without the five bytes
        that name its schema.
    wanted
        Names of the fields that are read, at every level; arrays and maps are passed over.
    schema
        The schema of a bare record (``.avsc``).

    Yields
    ------
    dict
        A record, without the meaning of logical types.

    Raises
    ------
    InvalidInputError
        If the file is a bare record and there is no schema.
    ValueError
        If the file says something that no alert does: types within themselves, arrays of nothing, blocks
        that would not fit into memory. This, and what fastavro raises, is for `tables.reading` to tell.
    """
    with path.open("rb") as file:
        is_container = file.read(4) == _MAGIC
        file.seek(0)
        yield from _of_container(file, wanted) if is_container else _bare(path, file, wanted, schema)


def _bare(
    path: Path, file: io.BufferedReader, wanted: Collection[str], schema: Path | None
) -> Iterator[dict[str, Any]]:
    import fastavro
    import fastavro.schema

    if schema is None:
        raise InvalidInputError(f"{path}: not an Avro container file; a bare packet needs its schema")
    _check_depth(json.loads(schema.read_bytes()))
    own, kept = _schemas(fastavro.schema.load_schema(str(schema)), wanted)
    content = file.read(_MOST_BLOCK)
    if content[:1] == b"\0":
        content = content[_CONFLUENT_HEADER:]
    yield fastavro.schemaless_reader(io.BytesIO(content), own, kept)  # type: ignore[misc]


def _of_container(file: io.BufferedReader, wanted: Collection[str]) -> Iterator[dict[str, Any]]:
    import fastavro

    head = io.BytesIO(file.read(_MOST_HEADER))
    header: Any = fastavro.schemaless_reader(head, _HEADER, None)
    file.seek(head.tell())
    own, kept = _schemas(json.loads(header["meta"]["avro.schema"]), wanted)
    codec = header["meta"].get("avro.codec", b"null").decode()
    if codec not in _CODECS:
        raise ValueError(f"compressed by {codec!r}, which is not read; known are {', '.join(_CODECS)}")
    while file.peek(1):
        n_records, n_bytes = (_long(file) for _ in range(2))
        if not 0 <= n_bytes <= _MOST_BLOCK:
            raise ValueError(f"a block of {n_bytes} bytes; at most {_MOST_BLOCK} are read")
        content = file.read(n_bytes)
        make = _CODECS[codec]
        block = io.BytesIO(content if make is None else inflate(make(), content, _MOST_BLOCK))
        for _ in range(n_records):
            yield fastavro.schemaless_reader(block, own, kept)  # type: ignore[misc]
        if file.read(len(header["sync"])) != header["sync"]:
            raise EOFError("the file is cut off or damaged: a block does not end where it should")


def _long(file: io.BufferedReader) -> int:
    import fastavro

    return int(fastavro.schemaless_reader(file, "long", None))  # type: ignore[arg-type]


def _schemas(schema: Schema, wanted: Collection[str]) -> tuple[Schema, Schema]:
    """Return the schema that records were written by, checked, and what is to be read of it."""
    import fastavro

    _check_depth(schema)
    own = fastavro.parse_schema(_without_logic(schema))
    sizes = _Sizes()
    if sizes.of(own)[0] == 0:
        raise ValueError("the records have nothing in them")
    kept = _kept(own, wanted, sizes.named, set())
    if not isinstance(kept, dict) or kept.get("type") != "record":
        raise ValueError("not records")
    return own, fastavro.parse_schema(kept)


def _check_depth(value: Any) -> None:
    """Raise `RecursionError` for what is nested so deep that parsers written in C would run off the stack."""
    parts = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for part in parts:
        _check_depth(part)


def _without_logic(schema: Schema) -> Schema:
    if isinstance(schema, dict):
        return {k: _without_logic(v) for k, v in schema.items() if k not in ("logicalType", "default")}
    return [_without_logic(part) for part in schema] if isinstance(schema, list) else schema


class _Sizes:
    """How much there is in values of a schema, and its types by name."""

    def __init__(self) -> None:
        self.named: dict[str, Schema] = {}
        self._known: dict[str, tuple[int, int]] = {}

    def of(self, schema: Schema) -> tuple[int, int]:
        """Return the fewest bytes of a value, and of how many values it consists."""
        if isinstance(schema, list):
            parts = [self.of(part) for part in schema]
            return 1 + min(size for size, _ in parts), max(n for _, n in parts)
        if isinstance(schema, str):
            if schema in _SIZES:
                return _SIZES[schema], 1
            if schema not in self._known:
                raise ValueError(f"the type {schema} contains itself, which types of alerts do not")
            return self._known[schema]
        kind = schema["type"]
        if kind in ("array", "map"):
            size, _ = self.of(schema["items" if kind == "array" else "values"])
            if kind == "array" and size == 0:
                raise ValueError("an array of nothing, which alerts do not have")
            return 1, 1
        if "name" not in schema:
            return self.of(kind)
        name = schema["name"]
        self.named[name] = schema
        if kind == "record":
            parts = [self.of(field["type"]) for field in schema["fields"]]
            found = sum(size for size, _ in parts), 1 + sum(n for _, n in parts)
            if found[1] > _MOST_VALUES:
                raise ValueError(f"the type {name} has {found[1]} values, which no alert has")
        else:
            found = (int(schema["size"]) if kind == "fixed" else 1), 1
        self._known[name] = found
        return found


def _kept(schema: Schema, wanted: Collection[str], named: Mapping[str, Schema], done: set[str]) -> Schema:
    """Return what is read of values of a schema; `None` for nothing."""
    if isinstance(schema, list):
        parts = [part for each in schema if (part := _kept(each, wanted, named, done)) is not None]
        return parts if any(part != "null" for part in parts) else None
    if isinstance(schema, str):
        return schema if schema in _SIZES or schema in done else _kept(named[schema], wanted, named, done)
    if schema["type"] in ("array", "map"):
        return None
    if schema["type"] != "record":
        return schema
    fields = []
    for field in schema["fields"]:
        if field["name"] in wanted and (kind := _kept(field["type"], wanted, named, done)) is not None:
            fields.append({"name": field["name"], "type": kind})
    done.add(schema["name"])
    return {"type": "record", "name": schema["name"], "fields": fields}
