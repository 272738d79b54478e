"""Images in plain FITS files, whoever wrote them."""

from __future__ import annotations

__all__ = ("ImageFile", "read_image_file")

import dataclasses
import warnings
from pathlib import Path
from typing import Any

import astropy.io.fits
import astropy.units as u
import numpy as np
from astropy.wcs import WCS, FITSFixedWarning
from lsst.images import (
    Box,
    DifferenceImage,
    GeneralFrame,
    Image,
    Mask,
    MaskedImage,
    MaskPlane,
    MaskSchema,
    SkyProjection,
    VisitImage,
    get_legacy_difference_image_mask_planes,
)
from lsst.images.psfs import PointSpreadFunction
from lsst.images.serialization import read_archive

from ..errors import InvalidInputError
from ..tables import open_fits


@dataclasses.dataclass(frozen=True)
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
    visit, detector
        What it is an image of, if the file says so: in the projection, or as a Butler's dataset.
    is_difference
        Whether it is a difference image, if the file says so.
    psf
        PSF, if the file has one that can be read without afw.
    """

    image: Image
    mask: Mask | None
    projection: SkyProjection[Any] | None
    visit: int | None = None
    detector: int | None = None
    is_difference: bool | None = None
    psf: PointSpreadFunction | None = None


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
    with open_fits(path, "an image") as hdus:
        if "JSONADDR" in hdus[0].header:
            return _read_native(path)
        if any(card.startswith("MP_") for hdu in hdus for card in hdu.header):
            return _as_dataset(_read_afw(path, hdus), hdus[0].header)
        return _read_plain(path, hdus)


def _read_native(path: Path) -> ImageFile:
    content = read_archive(str(path))
    if isinstance(content, VisitImage):
        frame, is_difference = content.sky_projection.pixel_frame, isinstance(content, DifferenceImage)
        visit, detector = getattr(frame, "visit", None), getattr(frame, "detector", None)
        return ImageFile(
            content.image,
            content.mask,
            content.sky_projection,
            visit,
            detector,
            is_difference,
            content.psf,
        )
    if isinstance(content, MaskedImage):
        return ImageFile(content.image, content.mask, content.sky_projection)
    if isinstance(content, Image):
        return ImageFile(content, None, content.sky_projection)
    raise InvalidInputError(f"{path}: a {type(content).__name__} is not an image")


def _as_dataset(file: ImageFile, header: astropy.io.fits.Header) -> ImageFile:
    """Add what a Butler wrote of itself into the header."""
    card = "LSST BUTLER {}".format
    name = header.get(card("DATASETTYPE"))
    return dataclasses.replace(
        file,
        visit=header.get(card("DATAID VISIT")),
        detector=header.get(card("DATAID DETECTOR")),
        is_difference=None if name is None else "difference" in name,
    )


def _read_afw(path: Path, hdus: astropy.io.fits.HDUList) -> ImageFile:
    if "EXTNAME" not in hdus[1].header:
        return _read_old_afw(hdus)
    content = MaskedImage.read_legacy(str(path), fits_wcs_frame=GeneralFrame(unit=u.pix))
    return ImageFile(content.image, content.mask, content.sky_projection)


def _read_old_afw(hdus: astropy.io.fits.HDUList) -> ImageFile:
    """Read a file of the years before extensions had names: image, mask and variance in this order."""
    header = hdus[1].header
    image = Image(
        np.asarray(hdus[1].data, np.float32), yx0=(-int(header.get("LTV2", 0)), -int(header.get("LTV1", 0)))
    )
    planes = MaskPlane.read_legacy(hdus[2].header, strip=False)
    renamed = get_legacy_difference_image_mask_planes()
    schema = [renamed.get(name, MaskPlane(name, "")) for name in planes]
    mask = Mask(0, schema=MaskSchema(schema), bbox=image.bbox)
    bits = np.asarray(hdus[2].data).astype(np.int64)
    for plane, bit in zip(schema, planes.values(), strict=True):
        mask.set(plane.name, (bits >> bit & 1).astype(bool))
    return ImageFile(image, mask, _projection(header, image.bbox))


def _read_plain(path: Path, hdus: astropy.io.fits.HDUList) -> ImageFile:
    for hdu in hdus:
        if hdu.is_image and hdu.header.get("NAXIS") == 2:
            image = Image(np.asarray(hdu.data, np.float32))
            return ImageFile(image, None, _projection(hdu.header))
    raise InvalidInputError(f"{path}: no two-dimensional image in it")


def _projection(header: astropy.io.fits.Header, box: Box | None = None) -> SkyProjection[Any] | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FITSFixedWarning)
        wcs = WCS(header)
    if not wcs.has_celestial:
        return None
    x0, y0 = (0, 0) if box is None else (box.x.start, box.y.start)
    return SkyProjection.from_fits_wcs(wcs.celestial, GeneralFrame(unit=u.pix), x0=x0, y0=y0)
