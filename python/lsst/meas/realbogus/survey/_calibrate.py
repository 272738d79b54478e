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
import scipy.ndimage
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
from ._psf_fit import fit_psf, measure_width
from ._visit_image import make_visit_image

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

_MATCH_RADIUS = 1.0
_MIN_MATCHES = 3
_MIN_SNR = 20.0
_FLUX_COLUMNS = ("psfFlux", "psfFluxErr", "apFlux", "apFluxErr")
_DEFAULT_FWHM = 4.0


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
        The PSF that was fitted.
    n_psf_stars
        How many stars it was fitted to; 0 for a Gaussian.
    sources
        What `measure_sources` found, fluxes in counts.
    background
        Mean of what was subtracted [counts].
    """

    frame: FitsFrame
    counts: Floats
    variance: Floats
    mask: Mask
    psf: PointSpreadFunction
    n_psf_stars: int
    sources: astropy.table.Table
    background: float

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
                gains=(frame.gain or float("nan"),),
                saturation=frame.saturation or float("nan"),
            ),
            scaling=ChebyshevField(frame.bbox, np.array([[scale]]), unit=u.nJy / u.adu),
            visit=visit,
            band=band,
            physical_filter=physical_filter,
            begin=frame.begin,
            exposure_time=frame.exposure_time,
            sky=self.background,
            metadata={"source_file": frame.name, "n_psf_stars": self.n_psf_stars, **metadata},
        )

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
    planes = _planes(frame)
    unusable = planes["NO_DATA"] | planes.get("BAD", np.zeros_like(planes["NO_DATA"])) | planes["SATURATED"]
    background, rms = _background(frame.counts, unusable, background_box)
    counts = frame.counts - background
    counts[planes["NO_DATA"]] = np.nan
    variance = frame.variance if frame.variance is not None else _variance(counts, rms, frame.gain)
    mask = Mask(0, schema=MASK_SCHEMA, bbox=frame.bbox)
    for plane, where in planes.items():
        mask.set(plane, where)

    sigma = (frame.psf_fwhm or _DEFAULT_FWHM) / 2.3548
    guess = GaussianPointSpreadFunction(sigma, bounds=frame.bbox, stamp_size=41)
    draft = CalibratedFrame(
        frame, counts, variance, mask, guess, 0, astropy.table.Table(), float(np.mean(background))
    )
    image = draft.to_visit_image(instrument, visit, band, band)
    sources = measure_sources(image)
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


def _planes(frame: FitsFrame) -> dict[str, Bools]:
    planes = {name: where.copy() for name, where in frame.planes.items()}
    planes["NO_DATA"] |= _zero_border(frame.counts)
    saturated = planes.get("SATURATED", np.zeros_like(planes["NO_DATA"]))
    if frame.saturation is not None:
        saturated |= scipy.ndimage.binary_dilation(frame.counts >= frame.saturation)
    planes["SATURATED"] = saturated
    inside = scipy.ndimage.binary_erosion(
        ~planes["NO_DATA"], structure=np.ones((3, 3)), iterations=round(frame.psf_fwhm or _DEFAULT_FWHM)
    )
    planes["DETECTION_EDGE"] = ~inside
    return planes


def _zero_border(counts: Floats) -> Bools:
    """Pixels that are exactly zero and connected to the border: what resampling leaves without data."""
    labels, _ = scipy.ndimage.label(counts == 0)
    touching = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    border: Bools = np.isin(labels, touching[touching > 0])
    return border


def _background(counts: Floats, unusable: Bools, box: int) -> tuple[Floats, Floats]:
    """Return the background and the scatter of blank sky, as images."""
    sources = _source_mask(counts, unusable)
    if box > 0:
        from photutils.background import Background2D, MADStdBackgroundRMS, MedianBackground

        found = Background2D(
            np.where(unusable, 0.0, counts),
            box,
            mask=sources | unusable,
            filter_size=3,
            exclude_percentile=80,
            bkg_estimator=MedianBackground(),
            bkg_rms_estimator=MADStdBackgroundRMS(),
        )
        return np.asarray(found.background, float), np.asarray(found.background_rms, float)
    blank = counts[~(sources | unusable)]
    if not blank.size:
        raise InvalidInputError("an image without blank sky")
    return np.full(counts.shape, np.median(blank)), np.full(counts.shape, astropy.stats.mad_std(blank))


def _source_mask(counts: Floats, unusable: Bools) -> Bools:
    """Flag pixels of sources, generously."""
    filled = np.where(unusable, np.median(counts[~unusable]) if (~unusable).any() else 0.0, counts)
    smooth = scipy.ndimage.gaussian_filter(filled, 2.0)
    _, middle, scatter = astropy.stats.sigma_clipped_stats(smooth[~unusable], sigma=3.0)
    mask: Bools = scipy.ndimage.binary_dilation(smooth > middle + 3 * scatter, iterations=4)
    return mask


def _variance(counts: Floats, rms: Floats, gain: float | None) -> Floats:
    """Scatter of blank sky, plus the photon noise of sources where the gain is known."""
    variance = rms**2
    if gain is not None:
        light = scipy.ndimage.gaussian_filter(np.nan_to_num(counts), 1.0)
        variance = variance + np.maximum(light, 0) * (light > 3 * rms) / gain
    return variance
