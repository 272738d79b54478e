"""From the counts of an ingested image to fluxes with variance, mask, PSF and sources."""

from __future__ import annotations

__all__ = ("CalibratedFrame", "calibrate_frame", "match_fluxes")

import dataclasses
from typing import Any

import astropy.stats
import astropy.table
import astropy.units as u
import numpy as np
import numpy.typing as npt
from astropy.coordinates import SkyCoord
from lsst.images import Mask, VisitImage
from lsst.images.fields import ChebyshevField
from lsst.images.psfs import GaussianPointSpreadFunction, PointSpreadFunction

from lsst.meas.realbogus.errors import InvalidInputError

from ..measurement import measure_sources
from ._astrometry import detector_projection
from ._camera import CameraGeometry, make_detector
from ._fits_frame import FitsFrame
from ._pixels import MASK_SCHEMA
from ._psf import psf_of_stamp
from ._psf_fit import fit_psf, measure_width
from ._sky_noise import DEFAULT_FWHM, make_planes, make_variance, measure_sky
from ._visit_image import make_visit_image

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MATCH_RADIUS = 1.0
_MIN_MATCHES = 3
_MIN_SNR = 20.0
_FLUX_COLUMNS = ("psfFlux", "psfFluxErr", "apFlux", "apFluxErr")


@dataclasses.dataclass(frozen=True)
class CalibratedFrame:
    """An image in counts, background subtracted, and what was found in it.

    Parameters
    ----------
    frame
        What was read.
    counts, variance
        Pixels.
    mask
        Their mask.
    psf
        The PSF.
    n_psf_stars
        How many stars it was fitted to; 0 for a Gaussian and for a PSF that was given.
    sources
        What `measure_sources` found, fluxes in counts.
    background
        Mean of what was subtracted [counts].
    variance_source
        Where the variance comes from, see `make_variance`.
    remarks
        What a user should know.
    """

    frame: FitsFrame
    counts: Floats
    variance: Floats
    mask: Mask
    psf: PointSpreadFunction
    n_psf_stars: int
    sources: astropy.table.Table
    background: float
    variance_source: str
    remarks: tuple[str, ...]

    def to_visit_image(
        self,
        instrument: str,
        visit: int,
        band: str,
        physical_filter: str,
        scale: float = 1.0,
        **metadata: Any,
    ) -> VisitImage:
        """Make an image in nJy.

        Parameters
        ----------
        instrument, visit, band, physical_filter
            Data ID values.
        scale
            nJy per count.
        **metadata
            Added to the image's metadata.
        """
        frame = self.frame
        camera = CameraGeometry.single(instrument, frame.detector, frame.bbox, frame.pixel_scale)
        return make_visit_image(
            self.counts * scale,
            self.variance * scale**2,
            self.mask,
            projection=detector_projection(frame.wcs, instrument, visit, frame.detector, frame.bbox),
            psf=self.psf,
            detector=make_detector(
                camera,
                frame.detector,
                visit,
                gains=(frame.calibration.gain or float("nan"),),
                saturation=frame.calibration.saturation or float("nan"),
            ),
            scaling=ChebyshevField(frame.bbox, np.array([[scale]]), unit=u.nJy / u.adu),
            visit=visit,
            band=band,
            physical_filter=physical_filter,
            begin=frame.begin,
            exposure_time=frame.exposure_time,
            sky=self.background,
            metadata={
                "source_file": frame.name,
                "n_psf_stars": self.n_psf_stars,
                "psf_source": self.psf_source,
                "variance_source": self.variance_source,
                **metadata,
            },
        )

    @property
    def psf_source(self) -> str:
        """Where the PSF comes from: ``given``, ``stars`` or, as a Gaussian, ``width``."""
        if self.frame.psf_stamp is not None:
            return "given"
        return "stars" if self.n_psf_stars else "width"

    def scaled_sources(self, scale: float) -> astropy.table.Table:
        """Return the sources with fluxes in nJy, of an image with so many nJy per count."""
        sources = self.sources.copy()
        for name in _FLUX_COLUMNS:
            sources[name] *= scale
        return sources


def calibrate_frame(
    frame: FitsFrame, instrument: str, visit: int, band: str, background_box: int = 0
) -> CalibratedFrame:
    """Subtract the background, make variance and mask, fit the PSF and find sources.

    Parameters
    ----------
    frame
        What was read.
    instrument, visit, band
        For the source table.
    background_box
        Width in pixels of the boxes in which the background is measured; 0 for one constant.
    """
    planes = make_planes(frame)
    sky = measure_sky(frame, planes, background_box)
    counts = frame.counts - sky.level
    counts[planes["NO_DATA"]] = np.nan
    variance, variance_source, remarks = make_variance(frame, counts, sky)
    mask = Mask(0, schema=MASK_SCHEMA, bbox=frame.bbox)
    for plane, where in planes.items():
        mask.set(plane, where)

    sigma = (frame.psf_fwhm or DEFAULT_FWHM) / 2.3548
    guess = GaussianPointSpreadFunction(sigma, bounds=frame.bbox, stamp_size=41)
    given = None if frame.psf_stamp is None else psf_of_stamp(frame.psf_stamp, frame.bbox)
    draft = CalibratedFrame(
        frame,
        counts,
        variance,
        mask,
        given or guess,
        0,
        astropy.table.Table(),
        float(np.mean(sky.level)),
        variance_source,
        remarks,
    )
    image = draft.to_visit_image(instrument, visit, band, band)
    sources = measure_sources(image)
    if given is not None:
        return dataclasses.replace(draft, sources=sources)
    width = measure_width(sources)
    psf, n_stars = fit_psf(image, sources, width if np.isfinite(width) else sigma)
    fitted = dataclasses.replace(draft, psf=psf, n_psf_stars=n_stars)
    return dataclasses.replace(
        fitted, sources=measure_sources(fitted.to_visit_image(instrument, visit, band, band))
    )


def match_fluxes(
    sources: astropy.table.Table, reference: astropy.table.Table, name: str
) -> tuple[float, int]:
    """Find the factor that brings an image to the flux scale of another through their common sources.

    Parameters
    ----------
    sources, reference
        Source tables of the image and of the one with the wanted scale.
    name
        What the image is called in messages.

    Returns
    -------
    factor
        Median ratio of total fluxes, outliers clipped.
    n_matches
        How many sources it rests on.

    Raises
    ------
    InvalidInputError
        If the images have fewer than three good sources in common.
    """
    clean = [table[_clean(table)] for table in (sources, reference)]
    if not min(len(table) for table in clean):
        raise InvalidInputError(f"{name} has no bright sources to find its flux scale by; give a zero point")
    here, there = (SkyCoord(table["ra"], table["dec"], unit="deg") for table in clean)
    index, separation, _ = here.match_to_catalog_sky(there)
    back, _, _ = there.match_to_catalog_sky(here)
    matched = (separation.arcsec < _MATCH_RADIUS) & (back[index] == np.arange(len(here)))
    ratio = np.asarray(clean[1]["psfFlux"][index] / clean[0]["psfFlux"], float)[matched]
    ratio = ratio[np.isfinite(ratio) & (ratio > 0)]
    kept = np.asarray(astropy.stats.sigma_clip(np.log(ratio), sigma=3, masked=False)) if len(ratio) else ratio
    if len(kept) < _MIN_MATCHES:
        raise InvalidInputError(
            f"{name} has {len(kept)} bright sources in common with the first image, too few to find its flux "
            "scale; give a zero point"
        )
    return float(np.exp(np.median(kept))), len(kept)


def _clean(sources: astropy.table.Table) -> Bools:
    clean = np.asarray(sources["psfFlux"] > _MIN_SNR * sources["psfFluxErr"], bool)
    for flag in ("bad", "saturated", "nodata", "edge"):
        clean &= ~np.asarray(sources[f"pixelFlags_{flag}"], bool)
    return clean
