"""Tables that a configuration names by their path: no dataset, so what they were must be written down."""

from __future__ import annotations

__all__ = ("NamedTable", "read_named_table")

import dataclasses
import hashlib
from collections.abc import Callable
from pathlib import Path

from astropy.table import Table
from lsst.pipe.base import Task
from lsst.resources import ResourcePath

from ..tables import reading


@dataclasses.dataclass(frozen=True)
class NamedTable:
    """A table and what it was read from.

    Parameters
    ----------
    table
        The rows.
    uri
        Where it was.
    sha256
        Hash of the file, hexadecimal.
    """

    table: Table
    uri: str
    sha256: str


def read_named_table(task: Task, field: str, reader: Callable[[Path], Table]) -> NamedTable | None:
    """Read a table that a field of a task's configuration names.

    Parameters
    ----------
    task
        The task; the hash goes into its metadata as ``FIELD_sha256`` and into its log.
    field
        Name of the field, a path or URI.
    reader
        Reads the file.

    Returns
    -------
    NamedTable or None
        The table, `None` if the field is empty.

    Raises
    ------
    InvalidInputError
        Raised if there is no such file, or it cannot be read.
    """
    uri: str = getattr(task.config, field)
    if not uri:
        return None
    with reading(uri, f"the table {field}"), ResourcePath(uri, forceAbsolute=True).as_local() as local:
        path = Path(local.ospath)
        table = reader(path)
        with path.open("rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest()
    task.metadata[f"{field}_sha256"] = sha256
    task.log.info("Read %d rows of %s from %s, sha256 %s.", len(table), field, uri, sha256)
    return NamedTable(table, uri, sha256)
