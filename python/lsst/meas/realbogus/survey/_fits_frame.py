"""Reading calibrated FITS images: plain ones with a WCS, and those that `lsst.afw` wrote."""

from __future__ import annotations

__all__ = ("FitsFrame", "FrameOptions", "read_frame")

import dataclasses
import tempfile
from pathlib import Path
from typing import cast

import astropy.io.fits
import astropy.time
import astropy.wcs
import numpy as np
import numpy.typing as npt
from lsst.images import Box, DetectorFrame, MaskedImage

from lsst.meas.realbogus.errors import InvalidInputError
from lsst.meas.realbogus.tables import open_fits

from ..options import Options, option
from ._astrometry import shift_wcs
from ._pixels import MASK_SCHEMA

_ZERO_POINTS = ("MAGZERO", "MAGZPT", "MAGZP", "ZEROPNT", "ZP")
_SATURATIONS = ("ESATUR", "SATURATE", "SATUR")
_TIMES = ("MJD-OBS", "DATE-OBS", "DATE-BEG")


@dataclasses.dataclass(frozen=True, kw_only=True)
class FrameOptions(Options):
    """What is said of images beside what their headers say; `None` leaves it to the header."""

    gain: float | None = option(None, "Electrons per count.", above=0.0)
    zero_point: float | None = option(None, "AB magnitude of one count.")
    saturation: float | None = option(None, "Counts from which pixels are saturated.", above=0.0)
    psf_fwhm: float | None = option(None, "First guess of the FWHM of stars (pixels).", above=0.0)
    exposure_time: float | None = option(None, "Exposure time (s).", above=0.0)
    detector: int | None = option(
        None, "Number of the detector; by default the header's CCDNUM, or 0.", min=0
    )
    background_box: int = option(
        0,
        "Width of the boxes in which the background is measured (pixels); 0 subtracts one constant.",
        min=0,
    )


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
        Their variance, if the file has one.
    planes
        Mask planes by the names of `lsst.images`.
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
    gain, zero_point, saturation, psf_fwhm
        As in `FrameOptions`; `None` where neither the options nor the header say.
    """

    name: str
    counts: npt.NDArray[np.float64]
    variance: npt.NDArray[np.float64] | None
    planes: dict[str, npt.NDArray[np.bool_]]
    bbox: Box
    wcs: astropy.wcs.WCS
    begin: astropy.time.Time
    exposure_time: float
    detector: int
    physical_filter: str
    gain: float | None
    zero_point: float | None
    saturation: float | None
    psf_fwhm: float | None

    @property
    def pixel_scale(self) -> float:
        """Arcseconds per pixel at the middle."""
        x, y = self.bbox.x.start + self.bbox.x.size / 2, self.bbox.y.start + self.bbox.y.size / 2
        ends = self.wcs.pixel_to_world([x, x + 1], [y, y])
        return float(ends[0].separation(ends[1]).arcsec)


def read_frame(path: Path, options: FrameOptions) -> FitsFrame:
    """Read an image.

    Parameters
    ----------
    path
        FITS file. Of a plain one the first HDU with a two-dimensional image counts; extensions named
        VARIANCE and MASK (not zero is bad) are used where there are any. Of a file in `lsst.afw`'s layout,
        pixels, mask, variance and WCS are read.
    options
        What is known beside the header.

    Raises
    ------
    InvalidInputError
        If there is no image or no celestial WCS.
    """
    with open_fits(path, "an image") as hdus:
        if len(hdus) > 3 and any(key.startswith("MP_") for key in hdus[2].header):
            return _read_afw(path, hdus, options)
        return _read_plain(path, hdus, options)


def _read_plain(path: Path, hdus: astropy.io.fits.HDUList, options: FrameOptions) -> FitsFrame:
    images = [hdu for hdu in hdus if getattr(hdu, "is_image", False) and hdu.header.get("NAXIS") == 2]
    if not images:
        raise InvalidInputError(f"{path} has no two-dimensional image")
    header = hdus[0].header.copy()
    header.update(images[0].header)
    counts = np.array(images[0].data, float)
    named = {hdu.name.upper(): np.asarray(hdu.data) for hdu in images[1:] if hdu.shape == images[0].shape}
    planes = {"NO_DATA": ~np.isfinite(counts)}
    if "MASK" in named:
        planes["BAD"] = named["MASK"] != 0
    variance = np.array(named["VARIANCE"], float) if "VARIANCE" in named else None
    box = Box.from_shape(counts.shape)
    return _frame(path, header, _celestial(path, images[0].header), counts, variance, planes, box, options)


def _read_afw(path: Path, hdus: astropy.io.fits.HDUList, options: FrameOptions) -> FitsFrame:
    image = _read_legacy(path, hdus)
    schema = {plane.name for plane in MASK_SCHEMA if plane is not None}
    planes = {name: image.mask.get(name) for name in image.mask.schema.names if name in schema}
    counts = np.array(image.image.array, float)
    planes["NO_DATA"] = planes.get("NO_DATA", False) | ~np.isfinite(counts)
    header = hdus[0].header.copy()
    header.update(hdus[1].header)
    if header.get("FLUXMAG0", 0) > 0:
        header["MAGZERO"] = 2.5 * float(np.log10(header["FLUXMAG0"]))
    variance = np.array(image.variance.array, float)
    return _frame(
        path, header, _celestial(path, hdus[1].header), counts, variance, planes, image.bbox, options
    )


def _read_legacy(path: Path, hdus: astropy.io.fits.HDUList) -> MaskedImage:
    """Read afw's layout, in a copy with named HDUs where they have no names, as in old files."""
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


def _celestial(path: Path, header: astropy.io.fits.Header) -> astropy.wcs.WCS:
    wcs = astropy.wcs.WCS(header)
    if not wcs.has_celestial:
        raise InvalidInputError(f"{path} has no celestial WCS")
    return wcs


def _frame(
    path: Path,
    header: astropy.io.fits.Header,
    wcs: astropy.wcs.WCS,
    counts: npt.NDArray[np.float64],
    variance: npt.NDArray[np.float64] | None,
    planes: dict[str, npt.NDArray[np.bool_]],
    bbox: Box,
    options: FrameOptions,
) -> FitsFrame:
    detector = options.detector
    if detector is None:
        detector = header.get("CCDNUM", 0)
    exposure_time = _first(options.exposure_time, header, ("EXPTIME",))
    return FitsFrame(
        name=path.name,
        counts=counts,
        variance=variance,
        planes=planes,
        bbox=bbox,
        wcs=shift_wcs(wcs, bbox.x.start, bbox.y.start),
        begin=_begin(header),
        exposure_time=exposure_time if exposure_time else 1.0,
        detector=int(detector),
        physical_filter=str(header.get("FILTER", "")).strip(" _"),
        gain=_first(options.gain, header, ("GAIN",)),
        zero_point=_first(options.zero_point, header, _ZERO_POINTS),
        saturation=_first(options.saturation, header, _SATURATIONS),
        psf_fwhm=_first(options.psf_fwhm, header, ("FWHM",)),
    )


def _first(given: float | None, header: astropy.io.fits.Header, keys: tuple[str, ...]) -> float | None:
    """Return what was given, or the first positive number that a header has under some keys."""
    values = (given, *(header.get(key) for key in keys))
    return next((float(v) for v in values if isinstance(v, int | float) and np.isfinite(v) and v > 0), None)


def _begin(header: astropy.io.fits.Header) -> astropy.time.Time:
    """Return the start of an exposure; the epoch J2000 where the header does not say."""
    for key in _TIMES:
        value = header.get(key)
        if isinstance(value, float | int) and value > 0:
            return astropy.time.Time(value, format="mjd", scale="utc").tai
        if isinstance(value, str) and value.strip():
            return astropy.time.Time(value.strip(), scale="utc").tai
    return astropy.time.Time("2000-01-01T12:00:00", scale="tai")
