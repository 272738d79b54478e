"""Images in plain FITS files, whoever wrote them."""

from __future__ import annotations

__all__ = ("ImageFile", "read_image_file")

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import astropy.io.fits
import astropy.units as u
import numpy as np
from astropy.wcs import WCS, FITSFixedWarning
from lsst.images import GeneralFrame, Image, Mask, MaskedImage, SkyProjection
from lsst.images.serialization import read_archive

from ..errors import InvalidInputError


@dataclass(frozen=True)
class ImageFile:
    """An image that was read from a file.

    Attributes
    ----------
    image
        Pixels with their box.
    mask
        Mask planes by the names of `lsst.images`, if the file has any.
    projection
        Sky projection, if the file has one.
    """

    image: Image
    mask: Mask | None
    projection: SkyProjection[Any] | None


def read_image_file(path: Path) -> ImageFile:
    """Read the pixels and the mask of an image file.

    Parameters
    ----------
    path
        A file of `lsst.images`; an afw `Exposure` or `MaskedImage` file, which needs no afw; or any FITS file
        with a two-dimensional image, whose first pixel is then (0, 0) and which has no mask.

    Returns
    -------
    ImageFile
        What is in it.

    Raises
    ------
    InvalidInputError
        If there is no image in it.
    """
    if not path.is_file():
        raise InvalidInputError(f"{path}: no such file")
    try:
        with astropy.io.fits.open(path) as hdus:
            if "JSONADDR" in hdus[0].header:
                return _read_native(path)
            if any(card.startswith("MP_") for hdu in hdus for card in hdu.header):
                return _read_afw(path)
            return _read_plain(path, hdus)
    except InvalidInputError:
        raise
    except (OSError, ValueError, KeyError) as error:
        raise InvalidInputError(f"{path}: cannot be read as an image: {error}") from error


def _read_native(path: Path) -> ImageFile:
    content = read_archive(str(path))
    if isinstance(content, MaskedImage):
        return ImageFile(content.image, content.mask, content.sky_projection)
    if isinstance(content, Image):
        return ImageFile(content, None, content.sky_projection)
    raise InvalidInputError(f"{path}: a {type(content).__name__} is not an image")


def _read_afw(path: Path) -> ImageFile:
    frame = GeneralFrame(unit=u.pix)
    content = MaskedImage.read_legacy(str(path), fits_wcs_frame=frame)
    return ImageFile(content.image, content.mask, content.sky_projection)


def _read_plain(path: Path, hdus: astropy.io.fits.HDUList) -> ImageFile:
    for hdu in hdus:
        if hdu.is_image and hdu.header.get("NAXIS") == 2:
            image = Image(np.asarray(hdu.data, np.float32))
            return ImageFile(image, None, _projection(hdu.header))
    raise InvalidInputError(f"{path}: no two-dimensional image in it")


def _projection(header: astropy.io.fits.Header) -> SkyProjection[Any] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header)
    if not wcs.has_celestial:
        return None
    return SkyProjection.from_fits_wcs(wcs.celestial, GeneralFrame(unit=u.pix))
