"""Files of scores: written part by part, with what the scores were made of."""

from __future__ import annotations

__all__ = (
    "META_KEYS",
    "RUN_KEY",
    "TableSink",
    "arrow_table",
    "count_complete",
    "make_meta",
    "open_sink",
    "read_meta",
)

import contextlib
import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow
import pyarrow.parquet
from astropy.table import Table
from astropy.table.meta import get_yaml_from_table

from ..errors import InvalidInputError
from ..model import Classifier, count_unscored
from ..tables import atomic_output
from ._software import DISTRIBUTION, package_version

RUN_KEY = "RBRUN"
META_KEYS: Mapping[str, str] = {
    RUN_KEY: "Hash of inputs (path, size, time of change), models and options.",
    "RBSOFT": "Package and version that scored.",
    "RBMODELS": "Models, JSON: name, version and SHA-256 of each, the one that gives score first.",
    "RBINPUTS": "Inputs, JSON: file, bytes and SHA-256 of each; of over 100 their sums and one hash.",
    "RBOPTS": "Options that decide scores, JSON.",
    "RBLEFT": "Inputs that were left out, JSON: file and reason.",
}
"""Metadata of a file of scores. Names are short and values text so that FITS headers hold them too."""

_MOST_INPUTS = 100
_PARQUET = (".parquet", ".parq")
_SUFFIXES = (*_PARQUET, ".ecsv", ".csv", ".fits")

type Write = Callable[[pyarrow.Table], None]


class TableSink(Protocol):
    """A file that takes rows as they come."""

    def writing(self, empty: Table, meta: Mapping[str, str]) -> contextlib.AbstractContextManager[Write]:
        """Open it for rows of the columns of an empty table."""
        ...


def open_sink(place: Path, output: Path) -> TableSink:
    """Choose how to write a file of scores.

    Parameters
    ----------
    place
        File to write.
    output
        What it will be called.

    Returns
    -------
    TableSink
        Writes parquet row by row; other files at the end, from memory.

    Raises
    ------
    InvalidInputError
        If the name ends in nothing known.
    """
    if output.suffix not in _SUFFIXES:
        raise InvalidInputError(f"{output}: the output must be one of {', '.join(_SUFFIXES)}")
    return _ParquetSink(place) if output.suffix in _PARQUET else _WholeSink(place, output)


class _ParquetSink:
    def __init__(self, place: Path) -> None:
        self._place = place

    @contextlib.contextmanager
    def writing(self, empty: Table, meta: Mapping[str, str]) -> Iterator[Write]:
        described = empty.copy()
        described.meta.update(meta)
        # As astropy writes parquet: what it looks for when it reads strings, descriptions and metadata back.
        widths = {
            f"table::len::{name}": str(empty[name].dtype.itemsize // 4)
            for name in empty.colnames
            if empty[name].dtype.kind == "U"
        }
        notes = {**meta, **widths, "table_meta_yaml": "\n".join(get_yaml_from_table(described))}
        schema = arrow_table([empty]).schema.with_metadata(notes)
        with pyarrow.parquet.ParquetWriter(self._place, schema, compression="zstd") as writer:
            yield lambda rows: writer.write_table(rows.cast(schema))


class _WholeSink:
    def __init__(self, place: Path, output: Path) -> None:
        self._place, self._output = place, output

    @contextlib.contextmanager
    def writing(self, empty: Table, meta: Mapping[str, str]) -> Iterator[Write]:
        parts = [arrow_table([empty])]
        yield parts.append
        whole = pyarrow.concat_tables(parts)
        table = Table({name: whole[name].to_numpy().astype(empty[name].dtype) for name in empty.colnames})
        for name in empty.colnames:
            table[name].description = empty[name].description
        if self._output.suffix == ".csv":
            table.write(self._place, format="ascii.csv")
            note = {"sha256": _sha256(self._place), "meta": dict(meta)}
            with atomic_output(_beside(self._output), overwrite=True) as place:
                place.write_text(json.dumps(note, indent=1) + "\n")
            return
        table.meta.update(meta)
        table.write(self._place)


def _beside(path: Path) -> Path:
    """File that holds the metadata of a csv file, which has no place for them."""
    return path.with_name(path.name + ".meta.json")


def arrow_table(tables: Sequence[Table]) -> pyarrow.Table:
    """Join tables of scores to one of arrow.

    Parameters
    ----------
    tables
        At least one, all with the same columns.

    Returns
    -------
    pyarrow.Table
        All rows, without metadata.
    """
    return pyarrow.table(
        {name: np.concatenate([np.asarray(table[name]) for table in tables]) for name in tables[0].colnames}
    )


def make_meta(
    identity: str,
    classifiers: Sequence[Classifier],
    files: Sequence[Path],
    options: Mapping[str, Any],
    left_out: Sequence[tuple[str, str]],
) -> dict[str, str]:
    """Make the metadata of a file of scores.

    Parameters
    ----------
    identity
        Hash of the run.
    classifiers
        The models.
    files
        What was read.
    options
        What else decides scores.
    left_out
        Inputs that were left out, and why.

    Returns
    -------
    dict of str to str
        Values of `META_KEYS`.
    """
    models = [
        {"name": c.contract.name, "version": c.contract.version, "sha256": c.content_hash}
        for c in classifiers
    ]
    inputs: Any = [{"file": str(f), "bytes": f.stat().st_size, "sha256": _sha256(f)} for f in files]
    if len(inputs) > _MOST_INPUTS:
        digest = hashlib.sha256("".join(item["sha256"] for item in inputs).encode()).hexdigest()
        inputs = {"files": len(inputs), "bytes": sum(item["bytes"] for item in inputs), "sha256": digest}
    return {
        RUN_KEY: identity,
        "RBSOFT": f"{DISTRIBUTION} {package_version()}",
        "RBMODELS": json.dumps(models),
        "RBINPUTS": json.dumps(inputs),
        "RBOPTS": json.dumps(dict(options)),
        "RBLEFT": json.dumps([{"file": file, "reason": reason} for file, reason in left_out]),
    }


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_meta(path: Path) -> dict[str, str]:
    """Read the metadata of a file of scores.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    dict of str to str
        Values of `META_KEYS`, as far as there are any: none in a file that is no file of scores.
    """
    found: Mapping[str, Any] = {}
    try:
        if path.suffix in _PARQUET:
            metadata = pyarrow.parquet.read_schema(path).metadata or {}
            found = {key: metadata[key.encode()].decode() for key in META_KEYS if key.encode() in metadata}
        elif path.suffix == ".csv":
            note = json.loads(_beside(path).read_text())
            found = note["meta"] if note["sha256"] == _sha256(path) else {}
        else:
            found = Table.read(path).meta
    except (OSError, ValueError, KeyError, pyarrow.ArrowException):
        return {}
    return {key: str(found[key]) for key in META_KEYS if key in found}


def count_complete(path: Path) -> tuple[int, Counter[str]]:
    """Count the sources of a file of scores, and those without a score by the reason.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    n_rows
        How many sources there are.
    unscored
        As from `model.count_unscored`.
    """
    if path.suffix not in _PARQUET:
        table = Table.read(path)
        return len(table), Counter(count_unscored(table))
    unscored: Counter[str] = Counter()
    with pyarrow.parquet.ParquetFile(path) as file:
        for batch in file.iter_batches(use_threads=False):
            names = [name for name in batch.schema.names if name.startswith(("flag", "fraction"))]
            columns = {name: batch[name].to_numpy(zero_copy_only=False) for name in names}
            unscored.update(count_unscored(Table(columns)))
        return file.metadata.num_rows, unscored
