"""How every file is read: what is wrong with it is said in one way, and damage is not overlooked."""

from __future__ import annotations

__all__ = ("check_growth", "inflate", "open_fits", "reading", "unzip")

import contextlib
import gzip
import io
import math
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from ..errors import InvalidInputError, RealBogusError

if TYPE_CHECKING:
    from astropy.io.fits import HDUList

# What the readers of FITS, parquet, npz, HDF5, JSON, YAML and lsst.images raise for files that are damaged or
# of another kind.
_DAMAGE = (
    OSError,
    EOFError,
    ValueError,
    TypeError,
    LookupError,
    RuntimeError,
    ArithmeticError,
    struct.error,
    zipfile.BadZipFile,
    zlib.error,
)
# By name, so that nothing is imported to catch them, and because one has no public place.
_DAMAGE_NAMES = {
    "ArrowException",
    "AstropyUserWarning",
    "CfitsioException",
    "LZMAError",
    "SchemaParseException",
    "SchemaResolutionError",
    "UnknownType",
    "VerifyError",
    "YAMLError",
    "YamlParseError",
}
_GZIP = b"\x1f\x8b"
_BUFFER = 1 << 20
_MOST_INFLATED = 256 << 20
_MOST_GROWTH = 200
# What is compressed may grow so much: to this many bytes, or by this factor.


@contextlib.contextmanager
def reading(path: str | Path, what: str) -> Iterator[None]:
    """Turn what libraries raise for a file that they cannot read into an error that names the file.

    Parameters
    ----------
    path
        The file that is read in the block.
    what
        What it should be, such as ``"a table"``.

    Raises
    ------
    InvalidInputError
        Raised for a file that is not there, damaged, or something else. Errors of this package pass.

    Examples
    --------
    >>> with reading("orders.json", "a list of orders"):
    ...     raise ValueError("no brackets")
    Traceback (most recent call last):
    ...
    lsst.meas.realbogus.errors.InvalidInputError: orders.json cannot be read as a list of orders: no brackets
    """
    try:
        yield
    except (RealBogusError, MemoryError):
        raise
    except FileNotFoundError as error:
        raise InvalidInputError(f"{path}: no such file") from error
    except Exception as error:
        names = {kind.__name__ for kind in type(error).__mro__}
        if not isinstance(error, _DAMAGE) and not names & _DAMAGE_NAMES:
            raise
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        reason = " ".join(reason.split()) or type(error).__name__
        raise InvalidInputError(f"{path} cannot be read as {what}: {reason}") from error


@contextlib.contextmanager
def open_fits(path: str | Path, what: str = "a FITS file") -> Iterator[HDUList]:
    """Open a FITS file, plain or compressed by gzip, and refuse a damaged one.

    Parameters
    ----------
    path
        The file.
    what
        What it should be.

    Yields
    ------
    astropy.io.fits.HDUList
        Its contents. A file in gzip's format is read whole, so that its checksum is looked at; pixels of
        others are mapped from the disk.

    Raises
    ------
    InvalidInputError
        Raised, also in the block, for a file that cannot be read or is cut off.
    """
    import astropy.io.fits
    from astropy.utils.exceptions import AstropyUserWarning

    path = Path(path)
    with reading(path, what):
        with path.open("rb") as file:
            is_compressed = file.read(2) == _GZIP
        if is_compressed:
            unzipped = io.BytesIO()
            unzip(path, unzipped)
            unzipped.seek(0)
            source: io.BytesIO | Path = unzipped
        else:
            source = path
        with contextlib.ExitStack() as stack:
            with warnings.catch_warnings():
                # Astropy would go on with what is left of the file.
                warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
                hdus = stack.enter_context(astropy.io.fits.open(source))
                hdus.readall()
            _check_tiles(hdus, path)
            yield hdus


def _check_tiles(hdus: HDUList, path: Path) -> None:
    """Refuse a file whose compressed images would grow as no data do."""
    from astropy.io.fits import CompImageHDU

    for hdu in hdus:
        if isinstance(hdu, CompImageHDU):
            check_growth(path, math.prod(hdu.shape) * abs(int(hdu.header["BITPIX"])) // 8)


def check_growth(path: Path, n_bytes: int) -> None:
    """Refuse a file whose contents take more memory than those of files of its size do.

    Parameters
    ----------
    path
        The file.
    n_bytes
        What its contents would take.

    Raises
    ------
    InvalidInputError
        If that is more than 256 MB and more than 200 times as much as the file takes.
    """
    most = max(_MOST_INFLATED, _MOST_GROWTH * path.stat().st_size)
    if not 0 <= n_bytes <= most:
        raise InvalidInputError(f"{path} would grow to more than {most} bytes, which no data do")


def unzip(path: Path, target: IO[bytes]) -> None:
    """Write the contents of a file in gzip's format to another, and refuse one that grows as no data do.

    Parameters
    ----------
    path
        The file.
    target
        File to write to.

    Raises
    ------
    InvalidInputError
        If the contents are more than 256 MB and more than 200 times as large as the file.
    """
    n_bytes = 0
    with gzip.open(path) as packed:
        while content := packed.read(_BUFFER):
            n_bytes += len(content)
            check_growth(path, n_bytes)
            target.write(content)


def inflate(decompressor: Any, content: bytes, most: int) -> bytes:
    """Inflate bytes, to no more than so many.

    Parameters
    ----------
    decompressor
        One of `zlib`, `bz2` or `lzma`.
    content
        Compressed bytes, all of them.
    most
        Largest number of bytes to make of them.

    Returns
    -------
    bytes
        What they hold.

    Raises
    ------
    ValueError, EOFError
        If that is more than ``most``, or they are cut off; for `reading` to tell.

    Examples
    --------
    >>> import zlib
    >>> inflate(zlib.decompressobj(), zlib.compress(b"small"), most=100)
    b'small'
    """
    inflated: bytes = decompressor.decompress(content, most + 1)
    if len(inflated) > most:
        raise ValueError(f"{len(content)} bytes would grow to more than {most}")
    if not decompressor.eof:
        raise EOFError("compressed bytes are cut off")
    return inflated
