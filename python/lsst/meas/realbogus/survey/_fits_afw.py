"""Reading the FITS layout of `lsst.afw` without afw."""

from __future__ import annotations

__all__ = ("is_afw", "read_afw_image")

import tempfile
from pathlib import Path
from typing import cast

import astropy.io.fits
from lsst.images import Box, DetectorFrame, MaskedImage


def is_afw(hdus: astropy.io.fits.HDUList) -> bool:
    """Tell whether a file has afw's layout, by the mask planes in the header of its third HDU.

    Parameters
    ----------
    hdus
        HDUs of the file.

    Returns
    -------
    bool
        Whether it does.
    """
    return len(hdus) > 3 and any(key.startswith("MP_") for key in hdus[2].header)


def read_afw_image(path: Path, hdus: astropy.io.fits.HDUList) -> MaskedImage:
    """Read pixels, mask and variance, of a copy with named HDUs where they have no names, as in old files.

    Parameters
    ----------
    path
        The file.
    hdus
        Its HDUs.

    Returns
    -------
    lsst.images.MaskedImage
        The image.
    """
    frame = DetectorFrame(instrument="", visit=0, detector=0, bbox=Box.factory[0:1, 0:1])
    if all("EXTNAME" in hdu.header for hdu in hdus[1:4]):
        return cast(MaskedImage, MaskedImage.read_legacy(path, fits_wcs_frame=frame))
    copy = astropy.io.fits.HDUList([hdu.copy() for hdu in hdus[:4]])
    for hdu, name in zip(copy[1:4], ("IMAGE", "MASK", "VARIANCE"), strict=True):
        hdu.header["EXTNAME"] = name
    with tempfile.TemporaryDirectory() as folder:
        named = Path(folder) / "named.fits"
        copy.writeto(named)
        return cast(MaskedImage, MaskedImage.read_legacy(named, fits_wcs_frame=frame))
