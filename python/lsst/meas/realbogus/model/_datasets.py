"""Models as tables: what a Butler stores under the dataset type ``rb_model``, without any configuration."""

from __future__ import annotations

__all__ = ("DATASET_TYPE", "RUN_PREFIX", "STORAGE_CLASS", "file_from_table", "model_run", "table_from_file")

import pyarrow

from ..errors import ModelFormatError
from ._archive import write_members
from ._contract import Contract
from ._package import split_members

DATASET_TYPE = "rb_model"
STORAGE_CLASS = "ArrowTable"
RUN_PREFIX = "models/"
_SCHEMA = pyarrow.schema([("member", pyarrow.string()), ("content", pyarrow.binary())])


def model_run(contract: Contract) -> str:
    """Return the run that holds a model: ``models/NAME/VERSION``.

    Parameters
    ----------
    contract
        The model's.

    Returns
    -------
    str
        Name of the RUN collection.
    """
    return f"{RUN_PREFIX}{contract.name}/{contract.version}"


def table_from_file(content: bytes, name: str = "model") -> pyarrow.Table:
    """Return the members of a model file as a table of ``member`` and ``content``.

    Parameters
    ----------
    content
        The model file.
    name
        What to call it in messages.

    Returns
    -------
    pyarrow.Table
        Columns ``member`` (string) and ``content`` (binary).
    """
    members = split_members(content, name)
    return pyarrow.table({"member": list(members), "content": list(members.values())}, schema=_SCHEMA)


def file_from_table(table: pyarrow.Table, name: str = "model") -> bytes:
    """Return the model file that a table holds; it is not checked here.

    Parameters
    ----------
    table
        Columns ``member`` and ``content``, as `table_from_file` makes it.
    name
        What to call the model in messages.

    Returns
    -------
    bytes
        Content of the model file.

    Raises
    ------
    ModelFormatError
        Raised if the table is not one of a model.
    """
    if not {"member", "content"} <= set(table.column_names):
        raise ModelFormatError(f"{name} must have the columns member and content; got {table.column_names}")
    names = table["member"].to_pylist()
    if len(set(names)) != len(names) or None in names:
        raise ModelFormatError(f"{name} must name each member once; got {names}")
    return write_members(dict(zip(names, table["content"].to_pylist(), strict=True)))
