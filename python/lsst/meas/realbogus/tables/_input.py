"""How every file is read: what is wrong with it is said in one way, and damage is not overlooked."""

from __future__ import annotations

__all__ = ("open_fits", "reading")

import contextlib
import gzip
import io
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

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
_DAMAGE_NAMES = {"ArrowException", "AstropyUserWarning", "CfitsioException", "VerifyError", "YAMLError"}
_GZIP = b"\x1f\x8b"


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
            with gzip.open(path) as stream:
                source: io.BytesIO | Path = io.BytesIO(stream.read())
        else:
            source = path
        with contextlib.ExitStack() as stack:
            with warnings.catch_warnings():
                # Astropy would go on with what is left of the file.
                warnings.filterwarnings("error", "File may have been truncated", AstropyUserWarning)
                hdus = stack.enter_context(astropy.io.fits.open(source))
                hdus.readall()
            yield hdus
