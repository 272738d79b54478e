"""Arrays of npz files, read from front to back a few rows at a time."""

from __future__ import annotations

__all__ = ("NpzMember", "npz_members")

import contextlib
import math
import shutil
import tempfile
import zipfile
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError

_SUFFIX = ".npy"
_BUFFER = 1 << 20


def npz_members(path: Path) -> list[str]:
    """List the arrays of an npz file.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    list of str
        Their names, in the order of the file.
    """
    with zipfile.ZipFile(path) as archive:
        return [name.removesuffix(_SUFFIX) for name in archive.namelist() if name.endswith(_SUFFIX)]


class NpzMember:
    """One array of an npz file, of which rows are read in order.

    Memory is that of the rows that are asked for, whether the member is stored or deflated. An array in
    Fortran's order, where a row is spread over the whole file, is unpacked to a temporary file first.

    Parameters
    ----------
    path
        The file.
    name
        The array.
    stack
        Keeps what is opened until its end.
    header_only
        Look at the header only, for type and shape; an array of any kind has one.

    Raises
    ------
    InvalidInputError
        If the array holds Python objects, or is not as long as its header says.
    """

    def __init__(
        self,
        path: Path,
        name: str,
        stack: contextlib.ExitStack,
        *,
        header_only: bool = False,
    ) -> None:
        self.name = name
        archive = stack.enter_context(zipfile.ZipFile(path))
        info = archive.getinfo(name + _SUFFIX)
        file = stack.enter_context(archive.open(info))
        self.shape, fortran, self.dtype = _read_header(file)
        if header_only:
            return
        if self.dtype.hasobject:
            raise InvalidInputError(f"{name} holds Python objects; write numbers or text")
        start = file.tell()
        self._row_shape = self.shape[1:]
        self._row_bytes = math.prod(self._row_shape) * self.dtype.itemsize
        if info.file_size - start != math.prod(self.shape) * self.dtype.itemsize:
            raise InvalidInputError(
                f"{name} of shape {self.shape} and type {self.dtype} needs "
                f"{math.prod(self.shape) * self.dtype.itemsize} bytes, the file has "
                f"{info.file_size - start}"
            )
        self._spread = fortran and len(self.shape) > 1
        self._file: IO[bytes] = file
        if self._spread:
            self._file = stack.enter_context(tempfile.TemporaryFile())
            shutil.copyfileobj(file, self._file, _BUFFER)
        self._row = 0

    def skip_to(self, row: int) -> None:
        """Go to a row.

        Parameters
        ----------
        row
            Where to read on. What lies on the way is read but not decoded: a seek would switch off the
            checksum of the member, and a damaged file would pass for a sound one.
        """
        left = 0 if self._spread else (row - self._row) * self._row_bytes
        while left:
            content = self._file.read(min(left, _BUFFER))
            if not content:
                raise EOFError("the file ends early")
            left -= len(content)
        self._row = row

    def read(self, n_rows: int) -> npt.NDArray[Any]:
        """Read the next rows.

        Parameters
        ----------
        n_rows
            How many; there must be as many left.

        Returns
        -------
        numpy.ndarray
            Shape ``(n_rows, …)``.
        """
        if self._spread:
            values = self._read_spread(n_rows)
        else:
            content = bytearray(n_rows * self._row_bytes)
            _read_into(self._file, content)
            values = np.frombuffer(content, self.dtype).reshape(n_rows, *self._row_shape)
        self._row += n_rows
        return values

    def _read_spread(self, n_rows: int) -> npt.NDArray[Any]:
        """Read rows of an array in Fortran's order: each pixel's values follow each other."""
        pixels = math.prod(self._row_shape)
        content = bytearray(n_rows * self._row_bytes)
        part = memoryview(content)
        width = n_rows * self.dtype.itemsize
        for pixel in range(pixels):
            self._file.seek((pixel * self.shape[0] + self._row) * self.dtype.itemsize)
            _read_into(self._file, part[pixel * width : (pixel + 1) * width])
        values = np.frombuffer(content, self.dtype)
        return values.reshape((n_rows, *self._row_shape), order="F")


def _read_header(file: IO[bytes]) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    version = np.lib.format.read_magic(file)
    if version == (1, 0):
        return np.lib.format.read_array_header_1_0(file)
    if version == (2, 0):
        return np.lib.format.read_array_header_2_0(file)
    raise ValueError(f"an array of npy format {version[0]}.{version[1]}")


def _read_into(file: IO[bytes], target: bytearray | memoryview) -> None:
    view = memoryview(target)
    while len(view):
        content = file.read(min(len(view), _BUFFER))
        if not content:
            raise EOFError("the file ends early")
        view[: len(content)] = content
        view = view[len(content) :]
