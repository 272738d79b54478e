"""Source tables: what is detected on a calibrated image, and its size, shape and flux."""

from __future__ import annotations

__all__ = ("measure_sources",)

import dataclasses
from typing import Any

import astropy.table
import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.stats
from lsst.images import VisitImage

from ..imaging import known_keyword
from ..tables import make_table, pixel_to_sky, source_id_base
from ._options import SourceOptions
from ._peaks import peak_positions
from ._schema import SOURCE, SOURCE_FLAG_PLANES

Floats = npt.NDArray[np.float64]

_EXTENDED = 0.03
"""Excess of the flux in a slightly wider profile from which a source counts as extended."""
_PSF_DOUBT = 0.01
"""How well that excess is known for a star, because PSF models are not perfect."""
_DEFAULT = SourceOptions()


def measure_sources(image: VisitImage, options: SourceOptions = _DEFAULT) -> astropy.table.Table:
    """Detect and measure sources.

    Parameters
    ----------
    image
        Calibrated, background-subtracted image.
    options
        How.

    Returns
    -------
    astropy.table.Table
        Columns as in `SOURCE`. ``apFlux`` is the flux within four times the source's size, plus what a star
        would have farther out. Sources whose stamp of five PSF widths reaches over an edge are left out.
    """
    flux = np.asarray(image.image.array, float)
    variance = np.asarray(image.variance.array, float)
    usable = np.isfinite(flux) & np.isfinite(variance) & (variance > 0) & ~image.mask.get("NO_DATA")
    pixels = _Pixels(np.where(usable, flux, 0.0), np.where(usable, variance, np.inf), usable)
    sigma = _psf_sigma(image)
    segments = _detect(pixels, sigma, options.threshold)
    rows = [] if segments is None else _measure_all(image, pixels, segments, sigma)
    return _table(image, rows)


@dataclasses.dataclass(frozen=True)
class _Pixels:
    flux: Floats
    variance: Floats
    usable: npt.NDArray[np.bool_]

    def cut(self, y0: int, x0: int, height: int, width: int) -> tuple[slice, slice] | None:
        """Return a window if it lies within the image."""
        ny, nx = self.flux.shape
        if y0 < 0 or x0 < 0 or y0 + height > ny or x0 + width > nx:
            return None
        return slice(y0, y0 + height), slice(x0, x0 + width)


def _psf_sigma(image: VisitImage) -> float:
    sigma = image.summary_stats.psfSigma
    return float(sigma) if np.isfinite(sigma) else 2.0


def _detect(pixels: _Pixels, sigma: float, threshold: float) -> Any:
    """Return a deblended segmentation image of a Gaussian-matched signal-to-noise map, or `None`."""
    from photutils.segmentation import deblend_sources, detect_sources

    weight = np.where(pixels.usable, 1 / pixels.variance, 0.0)
    smooth = {"sigma": sigma, "truncate": 4.0}
    # Sum of w g d over sqrt(sum of w g^2), the latter with a Gaussian of 1/sqrt(2) the width.
    numerator = scipy.ndimage.gaussian_filter(pixels.flux * weight, **smooth)
    denominator = scipy.ndimage.gaussian_filter(weight, sigma / np.sqrt(2), truncate=4.0) / (
        4 * np.pi * sigma**2
    )
    snr = numerator / np.sqrt(np.maximum(denominator, 1e-300)) * (denominator > 0)
    segments = detect_sources(snr, threshold, 5)
    if segments is None:
        return None
    levels = {known_keyword(deblend_sources, "n_levels", "nlevels"): 16}
    return deblend_sources(snr, segments, 5, contrast=0.01, **levels)


def _measure_all(image: VisitImage, pixels: _Pixels, segments: Any, sigma: float) -> list[dict[str, Any]]:
    labels = np.asarray(segments.labels)
    smooth = scipy.ndimage.gaussian_filter(pixels.flux, sigma, truncate=3.0)
    planes = {name: image.mask.get(plane) for name, (plane, _) in SOURCE_FLAG_PLANES.items()}
    rows = []
    positions = peak_positions(smooth, segments.data)
    for label, window, y, x in zip(labels, segments.slices, *positions, strict=True):
        row = _measure(image, pixels, segments.data, label, int(y), int(x), sigma)
        if row is None:
            continue
        mine = segments.data[window] == label
        core = slice(max(int(y) - 1, 0), int(y) + 2), slice(max(int(x) - 1, 0), int(x) + 2)
        for name, plane in planes.items():
            row[f"pixelFlags_{name}"] = bool(plane[window][mine].any())
            row[f"pixelFlags_{name}Center"] = bool(plane[core].any())
        rows.append(row)
    return rows


def _measure(
    image: VisitImage,
    pixels: _Pixels,
    segments: npt.NDArray[np.int_],
    label: int,
    y: int,
    x: int,
    sigma: float,
) -> dict[str, Any] | None:
    """Measure one source whose peak is at array index (y, x); `None` if its stamp leaves the image."""
    half = int(np.ceil(5 * sigma)) + 3
    window = pixels.cut(y - half, x - half, 2 * half + 1, 2 * half + 1)
    if window is None:
        return None
    mine = (segments[window] == label) | (segments[window] == 0)
    data = np.where(mine, pixels.flux[window], 0.0)
    shape = _moments(data, mine & pixels.usable[window], sigma)
    dx, dy = (shape.x - half, shape.y - half) if shape else (0.0, 0.0)
    bbox = image.bbox
    x_parent, y_parent = bbox.x.start + x + dx, bbox.y.start + y + dy
    psf = _psf_stamp(
        image, x_parent, y_parent, bbox.x.start + x - half, bbox.y.start + y - half, 2 * half + 1
    )
    beam = _moments(psf, np.ones_like(mine), sigma)
    if beam is None:
        return None
    shape = shape or dataclasses.replace(beam, x=float(half), y=float(half))
    weight = np.where(mine, 1 / np.median(pixels.variance[window]), 0.0)
    fluxes = _fluxes(data, psf, weight, shape, beam)
    return {
        "x": x_parent,
        "y": y_parent,
        **{"ixx": shape.ixx, "iyy": shape.iyy, "ixy": shape.ixy},
        **{"ixxPSF": beam.ixx, "iyyPSF": beam.iyy, "ixyPSF": beam.ixy},
        **fluxes,
    }


@dataclasses.dataclass(frozen=True)
class _Shape:
    x: float
    y: float
    ixx: float
    iyy: float
    ixy: float

    @property
    def size(self) -> float:
        return float(np.sqrt(0.5 * (self.ixx + self.iyy)))


def _moments(data: Floats, good: npt.NDArray[np.bool_], sigma: float) -> _Shape | None:
    """Adaptive moments of a stamp (Bernstein & Jarvis 2002, as in `galsim.hsm`), or `None` if they fail."""
    import galsim

    middle = len(data) // 2
    result = galsim.hsm.FindAdaptiveMom(
        galsim.Image(np.ascontiguousarray(data), xmin=0, ymin=0),
        weight=galsim.Image(good.astype(np.int32), xmin=0, ymin=0),
        guess_sig=sigma,
        guess_centroid=galsim.PositionD(middle, middle),
        strict=False,
    )
    centre = result.moments_centroid
    if result.error_message or np.hypot(centre.x - middle, centre.y - middle) > 3 * sigma:
        return None
    e1, e2 = result.observed_shape.e1, result.observed_shape.e2
    half_trace = result.moments_sigma**2 / np.sqrt(1 - e1 * e1 - e2 * e2)
    return _Shape(
        float(centre.x), float(centre.y), half_trace * (1 + e1), half_trace * (1 - e1), half_trace * e2
    )


def _psf_stamp(image: VisitImage, x: float, y: float, x0: int, y0: int, width: int) -> Floats:
    """Return the PSF at a position, on a stamp with a given corner."""
    stamp = np.zeros((width, width))
    star = image.psf.compute_stellar_image(x=x, y=y)
    sx, sy = star.bbox.x.start - x0, star.bbox.y.start - y0
    height, across = star.array.shape
    rows, columns = slice(max(sy, 0), min(sy + height, width)), slice(max(sx, 0), min(sx + across, width))
    stamp[rows, columns] = star.array[
        rows.start - sy : rows.stop - sy, columns.start - sx : columns.stop - sx
    ]
    return stamp


def _fluxes(data: Floats, psf: Floats, weight: Floats, shape: _Shape, beam: _Shape) -> dict[str, float]:
    """PSF flux, total flux and extendedness of a stamp, NaN where the PSF meets no pixel with data."""
    norm = (weight * psf * psf).sum()
    if norm == 0:
        return dict.fromkeys(("psfFlux", "psfFluxErr", "apFlux", "apFluxErr", "extendedness"), np.nan)
    psf_flux = (weight * psf * data).sum() / norm
    noise = 1 / np.sqrt(weight.max())
    v, w = np.mgrid[0 : len(data), 0 : len(data)]
    radius = float(np.clip(4 * shape.size, 4 * beam.size, len(data) // 2))
    within = (np.hypot(w - shape.x, v - shape.y) <= radius) & (weight > 0)
    fraction = max(float(psf[within].sum()), 0.1)
    # A profile somewhat wider than the PSF takes more of a galaxy's light than of a star's.
    wide = scipy.ndimage.gaussian_filter(psf, 0.7 * beam.size, truncate=3.0)
    wide_norm = (weight * wide * wide).sum()
    ratio = (weight * psf * wide).sum() / wide_norm
    response = weight * (wide / (wide_norm * ratio) - psf / norm)
    excess = (response * data).sum() / psf_flux if psf_flux > 0 else np.nan
    error = np.hypot(np.sqrt((response**2).sum()) * noise / max(abs(psf_flux), 1e-300), _PSF_DOUBT)
    return {
        "psfFlux": float(psf_flux),
        "psfFluxErr": float(1 / np.sqrt(norm)),
        "apFlux": float(data[within].sum() / fraction),
        "apFluxErr": float(noise * np.sqrt(within.sum()) / fraction),
        "extendedness": float(scipy.stats.norm.cdf((excess - _EXTENDED) / error)),
    }


def _table(image: VisitImage, rows: list[dict[str, Any]]) -> astropy.table.Table:
    visit, detector = int(image.obs_info.visit_id or 0), int(image.detector.id)
    values: dict[str, Any] = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    ra, dec = pixel_to_sky(image.sky_projection, values.get("x", []), values.get("y", []))
    values |= {
        "sourceId": source_id_base(visit, detector) + np.arange(1, len(rows) + 1, dtype=np.int64),
        "visit": visit,
        "detector": detector,
        "band": image.band,
        "ra": ra,
        "dec": dec,
    }
    return make_table(SOURCE, values, len(rows))
