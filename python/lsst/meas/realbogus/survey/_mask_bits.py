"""What the bits of masks mean, as JWST, HST and DES publish them."""

from __future__ import annotations

__all__ = ("read_mask_plane",)

from collections.abc import Mapping

import astropy.io.fits
import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.errors import InvalidInputError

Bools = npt.NDArray[np.bool_]

# Bits of a mask that set a plane of ours; bits that only inform (jumps that were mended, warm pixels, the
# neighbourhood of bright stars) set none.
_JWST = {"BAD": 1, "SATURATED": 2}
_HST = {"BAD": 1 | 2 | 4 | 8 | 16 | 32 | 128 | 512, "SATURATED": 256 | 2048, "COSMIC_RAY": 4096 | 8192}
_DES = {
    "BAD": 1 | 8 | 256 | 512 | 1024 | 16384,
    "SATURATED": 2 | 64 | 128,
    "INTERPOLATED": 4 | 4096,
    "COSMIC_RAY": 16,
    "SUSPECT": 2048,
}


def read_mask_plane(
    values: npt.NDArray[np.generic],
    header: astropy.io.fits.Header,
    name: str,
    telescope: str,
    bits: int | None = None,
) -> dict[str, Bools]:
    """Turn the values of a mask into mask planes.

    Parameters
    ----------
    values
        Pixels of the mask, whole numbers.
    header
        Its header.
    name
        What it is called in messages.
    telescope
        TELESCOP of the image.
    bits
        Bits that make a pixel bad; by default those that JWST, HST (extension DQ) and DES (extension MSK)
        publish, and for other masks all.

    Returns
    -------
    dict
        Pixels by the names that planes have in `lsst.images`.

    Raises
    ------
    InvalidInputError
        If the values are not whole numbers.
    """
    if values.dtype.kind == "f":
        numbers = np.asarray(values, float)
        if np.isfinite(numbers).all() and (numbers == np.round(numbers)).all():
            values = numbers.astype(np.int64)
    if values.dtype.kind not in "biu":
        raise InvalidInputError(f"{name} is no mask: its pixels, {values.dtype}, are not all whole numbers")
    if bits is not None:
        return {"BAD": (values.astype(np.int64) & bits) != 0}
    meaning = _meaning(str(header.get("EXTNAME", "")).strip().upper(), telescope.strip().upper())
    if meaning is None:
        return {"BAD": values != 0}
    return {plane: (values.astype(np.int64) & which) != 0 for plane, which in meaning.items()}


def _meaning(extension: str, telescope: str) -> Mapping[str, int] | None:
    if extension == "MSK":
        return _DES
    return {"JWST": _JWST, "HST": _HST}.get(telescope) if extension == "DQ" else None
