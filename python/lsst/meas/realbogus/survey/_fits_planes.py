"""Which extensions of FITS files hold an image, its noise, its mask and its PSF."""

from __future__ import annotations

__all__ = ("FoundPlane", "find_image", "find_planes")

import dataclasses
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import astropy.io.fits
import astropy.wcs
import numpy as np
import numpy.typing as npt

from lsst.meas.realbogus.errors import InvalidInputError

from ..tables import open_fits
from ._companions import PlaneFile

_NAMES = {
    "variance": ("VARIANCE", "VAR"),
    "noise": ("ERR", "ERROR", "NOISE", "RMS", "SIGMA", "UNCERT"),
    "weight": ("WGT", "WHT", "WEIGHT", "IVAR", "INVVAR"),
    "mask": ("MASK", "MSK", "DQ", "BPM", "FLAGS"),
    "psf": ("PSF",),
}
"""Names that extensions of these kinds have; the first that is there counts."""
_UNCERTAINTIES = ("variance", "noise", "weight")


@dataclasses.dataclass(frozen=True)
class FoundPlane:
    """A plane as it was read.

    Parameters
    ----------
    name
        File and extension, for messages.
    values
        Pixels.
    header
        Header of the extension.
    is_beside
        Whether it comes from another file than the image.
    """

    name: str
    values: npt.NDArray[np.generic]
    header: astropy.io.fits.Header
    is_beside: bool


def find_image(path: Path, hdus: astropy.io.fits.HDUList, extension: str | None) -> tuple[Any, str]:
    """Find the HDU of a file that holds its image.

    Parameters
    ----------
    path
        Name of the file, for messages.
    hdus
        Its HDUs.
    extension
        Name, ``NAME,VERSION`` or number; by default SCI, or the first two-dimensional one.

    Returns
    -------
    hdu
        The HDU.
    remark
        What a user should know of other images in the file, or empty.

    Raises
    ------
    InvalidInputError
        If there is no such HDU.
    """
    images = list(_images(hdus))
    if extension is not None:
        found = _named(hdus, extension)
        if found is None:
            raise InvalidInputError(f"{path} has no image in an extension {extension}")
        return found, ""
    if not images:
        raise InvalidInputError(f"{path} has no two-dimensional image")
    found = next((hdu for hdu in images if hdu.name.upper() == "SCI"), images[0])
    auxiliary = {name for names in _NAMES.values() for name in names} | {"CTX", "CON", "AREA"}
    others = [
        hdu
        for hdu in images
        if hdu is not found and "CRVAL1" in hdu.header and hdu.name.upper() not in auxiliary
    ]
    if not others:
        return found, ""
    names = ", ".join(hdu.name or str(hdus.index(hdu)) for hdu in others[:3])
    return found, (
        f"{len(others)} other images in the file ({names}, …) are left out; the option extension chooses one"
    )


def find_planes(
    path: Path, hdus: astropy.io.fits.HDUList, image: Any, said: Mapping[str, PlaneFile]
) -> tuple[dict[str, FoundPlane], tuple[str, ...]]:
    """Read the planes beside an image: those that were said, and those in its own file under usual names.

    Parameters
    ----------
    path
        File of the image.
    hdus
        Its HDUs.
    image
        The HDU of the image.
    said
        What was said of planes, by kind.

    Returns
    -------
    planes
        By kind, of variance, noise and weight one at most.
    missing
        Kinds that were said and are not there.

    Raises
    ------
    InvalidInputError
        If a plane has not the shape of the image, or a file cannot be read.
    """
    read = {kind: _read(path, hdus, kind, plane) for kind, plane in said.items()}
    found = {kind: plane for kind, plane in read.items() if plane is not None}
    missing = tuple(kind for kind, plane in read.items() if plane is None)
    for kind in (*_UNCERTAINTIES, "mask"):
        if kind not in found and not (kind in _UNCERTAINTIES and set(found) & set(_UNCERTAINTIES)):
            own = _usual(hdus, kind, image)
            if own is not None:
                found[kind] = FoundPlane(f"{path.name}[{own.name}]", np.asarray(own.data), own.header, False)
    for kind, plane in found.items():
        if kind != "psf" and plane.values.shape != image.shape:
            raise InvalidInputError(
                f"{plane.name} has {plane.values.shape} pixels (y, x), its image {path.name} {image.shape}"
            )
    return found, missing


def _images(hdus: astropy.io.fits.HDUList) -> Iterator[Any]:
    return (hdu for hdu in hdus if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS") == 2)


def _named(hdus: astropy.io.fits.HDUList, extension: str) -> Any | None:
    name, _, version = extension.partition(",")
    for number, hdu in enumerate(hdus):
        is_it = number == int(name) if name.isdecimal() else hdu.name.upper() == name.upper()
        if is_it and (not version or hdu.ver == int(version)) and hdu in list(_images(hdus)):
            return hdu
    return None


def _usual(hdus: astropy.io.fits.HDUList, kind: str, image: Any | None) -> Any | None:
    """Find an extension that has one of the usual names, and shape and version of an image."""
    for name in _NAMES[kind]:
        for hdu in _images(hdus):
            if hdu.name.upper() == name and (
                image is None or (hdu.shape == image.shape and hdu.ver == image.ver)
            ):
                return hdu
    return None


def _read(path: Path, hdus: astropy.io.fits.HDUList, kind: str, plane: PlaneFile) -> FoundPlane | None:
    if plane.path is None:
        hdu = _named(hdus, plane.hdu or "")
        return hdu and FoundPlane(f"{path.name}[{plane.hdu}]", np.asarray(hdu.data), hdu.header, False)
    if not plane.path.is_file():
        return None
    with open_fits(plane.path, f"the {kind} of {path.name}") as others:
        hdu = _usual(others, kind, None) or next(_images(others), None)
        if plane.hdu is not None:
            hdu = _named(others, plane.hdu)
        if hdu is None:
            what = f"extension {plane.hdu}" if plane.hdu else "two-dimensional image"
            raise InvalidInputError(f"{plane.path} has no {what} for the {kind} of {path.name}")
        name = plane.path.name + (f"[{plane.hdu}]" if plane.hdu else "")
        header = others[0].header.copy()
        header.update(hdu.header)
        return FoundPlane(name, np.array(hdu.data), header, True)
