"""Reading calibrated FITS images: plain ones with a WCS, and those that `lsst.afw` wrote."""

from __future__ import annotations

__all__ = ("FitsFrame", "read_frame")

import dataclasses
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import astropy.io.fits
import astropy.time
import astropy.wcs
import numpy as np
import numpy.typing as npt
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs.utils import proj_plane_pixel_area
from lsst.images import Box

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.tables import open_fits

from ._astrometry import shift_wcs
from ._companions import PlaneFile
from ._fits_afw import is_afw, read_afw_image
from ._fits_header import read_exposure
from ._fits_planes import FoundPlane, find_image, find_planes
from ._fits_units import FluxCalibration, convert_plane, read_calibration
from ._frame_options import FrameOptions
from ._mask_bits import read_mask_plane
from ._pixels import MASK_SCHEMA

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class FitsFrame:
    """One image as it was read; counts as in the file.

    Parameters
    ----------
    name
        Name of the file.
    counts
        Pixels.
    variance
        Their variance, if it is known.
    weight
        Their inverse variance up to a factor, if that is what is known.
    planes
        Mask planes by the names of `lsst.images`.
    psf_stamp
        The PSF, if it is known, shape ``(n, n)``.
    bbox
        Parent coordinates of the pixels.
    wcs
        Maps parent coordinates to the sky.
    begin
        Start of the exposure.
    exposure_time
        Seconds.
    detector
        Number of the detector.
    physical_filter
        What the header calls the filter; empty if it does not say.
    psf_fwhm
        Width of stars in pixels; `None` where neither the options nor the header say.
    calibration
        What a count is worth.
    missing
        Kinds of planes that were said to be there and are not.
    remarks
        What a user should know.
    """

    name: str
    counts: Floats
    variance: Floats | None
    weight: Floats | None
    planes: dict[str, Bools]
    psf_stamp: Floats | None
    bbox: Box
    wcs: astropy.wcs.WCS
    begin: astropy.time.Time
    exposure_time: float
    detector: int
    physical_filter: str
    psf_fwhm: float | None
    calibration: FluxCalibration
    missing: tuple[str, ...]
    remarks: tuple[str, ...]

    @property
    def pixel_scale(self) -> float:
        """Arcseconds per pixel at the middle."""
        x, y = self.bbox.x.start + self.bbox.x.size / 2, self.bbox.y.start + self.bbox.y.size / 2
        ends = self.wcs.pixel_to_world([x, x + 1], [y, y])
        return float(ends[0].separation(ends[1]).arcsec)


def read_frame(path: Path, options: FrameOptions, beside: Mapping[str, PlaneFile] | None = None) -> FitsFrame:
    """Read an image and what is beside it.

    Parameters
    ----------
    path
        FITS file: a plain one, or one in `lsst.afw`'s layout, whose pixels, mask, variance and WCS are read.
    options
        What is known beside the header.
    beside
        Where noise, mask and PSF are, by kind; see `Companions.of_images`. Extensions of the image's own file
        with usual names are found without being said.

    Returns
    -------
    FitsFrame
        The image. What astropy warns of is in its remarks.

    Raises
    ------
    InvalidInputError
        If a file cannot be read, there is no image or no celestial WCS, or planes do not fit the image.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", AstropyWarning)
        with open_fits(path, "an image") as hdus:
            read = _read_afw if is_afw(hdus) else _read_plain
            frame = read(path, hdus, options, beside or {})
    for warning in caught:
        if not issubclass(warning.category, AstropyWarning):
            warnings.warn_explicit(warning.message, warning.category, warning.filename, warning.lineno)
    said = [str(warning.message) for warning in caught if issubclass(warning.category, AstropyWarning)]
    texts = dict.fromkeys(" ".join(text.split()) for text in said)
    return dataclasses.replace(frame, remarks=(*frame.remarks, *texts))


def _read_plain(
    path: Path, hdus: astropy.io.fits.HDUList, options: FrameOptions, beside: Mapping[str, PlaneFile]
) -> FitsFrame:
    hdu, remark = find_image(path, hdus, options.extension)
    counts = np.array(hdu.data, float)
    planes, missing = find_planes(path, hdus, hdu, beside)
    header = hdus[0].header.copy()
    header.update(hdu.header)
    frame = _frame(path, header, hdu.header, counts, Box.from_shape(counts.shape), options)
    frame = dataclasses.replace(frame, missing=missing, remarks=(*frame.remarks, *filter(None, [remark])))
    return _add_planes(frame, header, planes, options)


def _read_afw(
    path: Path, hdus: astropy.io.fits.HDUList, options: FrameOptions, beside: Mapping[str, PlaneFile]
) -> FitsFrame:
    image = read_afw_image(path, hdus)
    schema = {plane.name for plane in MASK_SCHEMA if plane is not None}
    header = hdus[0].header.copy()
    header.update(hdus[1].header)
    if header.get("FLUXMAG0", 0) > 0:
        header["MAGZERO"] = 2.5 * float(np.log10(header["FLUXMAG0"]))
    counts = np.array(image.image.array, float)
    frame = _frame(path, header, hdus[1].header, counts, image.bbox, options)
    for name in schema.intersection(image.mask.schema.names):
        frame.planes[name] = frame.planes.get(name, False) | image.mask.get(name)
    frame = dataclasses.replace(frame, variance=np.array(image.variance.array, float))
    # Of the file itself all planes are read already.
    planes, missing = find_planes(path, astropy.io.fits.HDUList([hdus[1]]), hdus[1], beside)
    return _add_planes(dataclasses.replace(frame, missing=missing), header, planes, options)


def _frame(
    path: Path,
    header: astropy.io.fits.Header,
    wcs_header: astropy.io.fits.Header,
    counts: Floats,
    bbox: Box,
    options: FrameOptions,
) -> FitsFrame:
    """Make a frame of pixels and header, without what is beside them."""
    wcs = astropy.wcs.WCS(wcs_header)
    if not wcs.has_celestial:
        raise InvalidInputError(f"{path} has no celestial WCS")
    exposure = read_exposure(header)
    exposure_time = options.exposure_time or exposure.exposure_time
    calibration = read_calibration(
        header,
        area=_pixel_area(wcs),
        exposure_time=exposure_time,
        zero_point=options.zero_point,
        gain=options.gain,
        saturation=options.saturation,
    )
    return FitsFrame(
        name=path.name,
        counts=counts,
        variance=None,
        weight=None,
        planes={"NO_DATA": ~np.isfinite(counts)},
        psf_stamp=None,
        bbox=bbox,
        wcs=shift_wcs(wcs, bbox.x.start, bbox.y.start),
        begin=exposure.begin,
        exposure_time=exposure_time or 1.0,
        detector=exposure.detector if options.detector is None else options.detector,
        physical_filter=exposure.physical_filter,
        psf_fwhm=options.psf_fwhm or exposure.psf_fwhm,
        calibration=calibration,
        missing=(),
        remarks=tuple(filter(None, [calibration.remark])),
    )


def _pixel_area(wcs: astropy.wcs.WCS) -> float:
    """Return the solid angle of a pixel [sr]."""
    return float(proj_plane_pixel_area(wcs.celestial) * np.radians(1.0) ** 2)


def _add_planes(
    frame: FitsFrame,
    header: astropy.io.fits.Header,
    found: Mapping[str, FoundPlane],
    options: FrameOptions,
) -> FitsFrame:
    """Add noise, mask and PSF to a frame."""
    new: dict[str, Any] = {}
    for kind, plane in found.items():
        if plane.is_beside and kind != "psf":
            _check_place(frame, plane)
        if kind == "mask":
            telescope = str(header.get("TELESCOP", ""))
            masks = read_mask_plane(plane.values, plane.header, plane.name, telescope, options.mask_bits)
            joined = {name: frame.planes.get(name, False) | where for name, where in masks.items()}
            new["planes"] = {**frame.planes, **joined}
            continue
        values = np.array(plane.values, float)
        if kind in ("variance", "noise"):
            power = 2 if kind == "variance" else 1
            units = plane.header.get("BUNIT"), header.get("BUNIT")
            values = convert_plane(values, *units, power, plane.name, _pixel_area(frame.wcs))
            new["variance"] = values ** (2 // power)
        elif kind == "weight":
            new["weight"] = values
        else:
            _check_stamp(frame, plane)
            new["psf_stamp"] = values
    return dataclasses.replace(frame, **new)


def _check_place(frame: FitsFrame, plane: FoundPlane) -> None:
    """Refuse a plane of another file whose WCS puts it elsewhere than the image."""
    wcs = astropy.wcs.WCS(plane.header)
    if not wcs.has_celestial:
        return
    y, x = (np.array(frame.counts.shape) - 1) / 2
    mine = frame.wcs.pixel_to_world(x + frame.bbox.x.start, y + frame.bbox.y.start)
    distance = mine.separation(wcs.celestial.pixel_to_world(x, y)).arcsec / frame.pixel_scale
    if not distance < 1.0:
        raise InvalidInputError(
            f"{plane.name} does not belong to {frame.name}: by its WCS it lies {distance:.3g} pixels away"
        )


def _check_stamp(frame: FitsFrame, plane: FoundPlane) -> None:
    height, width = plane.values.shape
    if height != width or width % 2 == 0:
        raise InvalidInputError(
            f"{plane.name}, the PSF of {frame.name}, must be square with an odd number of pixels on a side; "
            f"got {plane.values.shape}"
        )
    values = np.asarray(plane.values, float)
    if not np.isfinite(values).all() or not values.sum() > 0:
        raise InvalidInputError(f"{plane.name}, the PSF of {frame.name}, has no positive sum")
    scale = plane.header.get("PIXELSCL")
    if isinstance(scale, float | int) and not 0.98 < scale / frame.pixel_scale < 1.02:
        raise InvalidInputError(
            f"{plane.name} has pixels of {scale:.4g} arcsec, {frame.name} of {frame.pixel_scale:.4g}; give "
            "the PSF on the image's own pixels"
        )
