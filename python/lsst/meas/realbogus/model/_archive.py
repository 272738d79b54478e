"""Zip files as containers: the same bytes for the same content, and nothing accepted that is not plain."""

from __future__ import annotations

__all__ = ("read_arrays", "read_members", "sha256", "write_arrays", "write_members")

import hashlib
import io
import lzma
import stat
import struct
import zipfile
import zlib
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ..errors import ModelFormatError

_DAMAGE = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    LookupError,
    NotImplementedError,
    OSError,
    RuntimeError,
    ValueError,
)
_EPOCH = (1980, 1, 1, 0, 0, 0)
_MAX_MEMBER = 256 * 2**20
_MAX_TOTAL = 1024 * 2**20
_MAX_RATIO = 200


def sha256(content: bytes) -> str:
    """Return the SHA-256 of ``content`` in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def write_members(members: Mapping[str, bytes]) -> bytes:
    """Write a zip file, stored without compression, times fixed: equal content gives equal bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            info = zipfile.ZipInfo(name, date_time=_EPOCH)
            info.external_attr = (stat.S_IFREG | 0o644) << 16
            info.create_system = 3
            archive.writestr(info, content)
    return buffer.getvalue()


def read_members(content: bytes, allowed: Collection[str] | None, name: str) -> dict[str, bytes]:
    """Read every member of a zip file that holds nothing but plain files of known names.

    Parameters
    ----------
    content
        The file.
    allowed
        Names that may occur; `None` for any plain name.
    name
        What the file is called in error messages.

    Raises
    ------
    ModelFormatError
        Raised for anything that is not such a file: other names, paths, links, names that occur twice,
        encryption, sizes or compression that no model has, and checksums that do not fit.
    """
    members: dict[str, bytes] = {}
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            total = sum(info.file_size for info in archive.infolist())
            if total > _MAX_TOTAL:
                raise ModelFormatError(f"{name} would take {total} bytes; at most {_MAX_TOTAL} are read")
            for info in archive.infolist():
                _check_member(info, allowed, members, name)
                with archive.open(info) as file:
                    data = file.read(info.file_size + 1)
                if len(data) != info.file_size:
                    raise ModelFormatError(
                        f"{name}: member {info.filename!r} is not the {info.file_size} bytes it claims to be"
                    )
                members[info.filename] = data
    except _DAMAGE as error:
        raise ModelFormatError(f"{name} is not a readable zip file: {error}") from error
    return members


def _check_member(
    info: zipfile.ZipInfo, allowed: Collection[str] | None, seen: Collection[str], name: str
) -> None:
    label = f"{name}: member {info.filename!r}"
    parts = info.orig_filename.replace("\\", "/").split("/")
    if (
        len(parts) != 1
        or parts[0] in ("", ".", "..")
        or "\0" in info.orig_filename
        or ":" in info.orig_filename
    ):
        raise ModelFormatError(f"{label} has a path, which models must not")
    if allowed is not None and info.filename not in allowed:
        raise ModelFormatError(f"{label} does not belong into a model; there may be {sorted(allowed)}")
    if info.filename in seen:
        raise ModelFormatError(f"{label} occurs twice")
    if stat.S_IFMT(info.external_attr >> 16) not in (0, stat.S_IFREG):
        raise ModelFormatError(f"{label} is not a plain file")
    if info.flag_bits & 0x1:
        raise ModelFormatError(f"{label} is encrypted")
    if info.file_size > _MAX_MEMBER:
        raise ModelFormatError(f"{label} would take {info.file_size} bytes; at most {_MAX_MEMBER} are read")
    if info.file_size > _MAX_RATIO * max(info.compress_size, 1):
        raise ModelFormatError(
            f"{label} would grow from {info.compress_size} to {info.file_size} bytes, which no model does"
        )


def write_arrays(arrays: Mapping[str, npt.NDArray[Any]]) -> bytes:
    """Write arrays as an npz file, equal arrays as equal bytes."""
    members = {}
    for name, array in arrays.items():
        buffer = io.BytesIO()
        np.lib.format.write_array(buffer, np.ascontiguousarray(array), allow_pickle=False)
        members[f"{name}.npy"] = buffer.getvalue()
    return write_members(members)


def read_arrays(content: bytes, name: str) -> dict[str, npt.NDArray[Any]]:
    """Read the arrays of an npz file; headers are checked before memory is taken, pickles refused.

    Parameters
    ----------
    content
        The npz file.
    name
        What to call it in messages.

    Returns
    -------
    dict
        Array by name.

    Raises
    ------
    ModelFormatError
        Raised if the file is not an npz file of plain arrays.
    """
    arrays = {}
    for member, data in read_members(content, None, name).items():
        file = io.BytesIO(data)
        try:
            np.lib.format.read_magic(file)
            shape, _, dtype = np.lib.format.read_array_header_1_0(file)
            expected = dtype.itemsize * int(np.prod([int(n) for n in shape], dtype=object))
            if dtype.hasobject or len(data) - file.tell() != expected:
                raise ValueError(f"{len(data) - file.tell()} bytes for shape {shape} of {dtype}")
            file.seek(0)
            arrays[member.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
        except ValueError as error:
            raise ModelFormatError(f"{name}: array {member!r} cannot be read: {error}") from error
    return arrays
