"""Fitting the PSF of an ingested image to its stars."""

from __future__ import annotations

__all__ = ("fit_psf", "measure_width")

from typing import Any

import astropy.table
import numpy as np
import numpy.typing as npt
from lsst.images import Box, VisitImage
from lsst.images.psfs import GaussianPointSpreadFunction, PiffWrapper, PointSpreadFunction

Floats = npt.NDArray[np.float64]

MIN_STARS = 3
_MIN_SNR, _BRIGHT_SNR, _ENOUGH_STARS = 40, 100, 5
_MISFIT = 3.0
_BETAS = (2.0, 2.5, 3.0, 3.5, 4.0, 5.0, 7.0)
_LINEAR_STARS, _QUADRATIC_STARS = 12, 40
_SAMPLE, _MAX_STARS = 15, 120
_SIGMA_TO_FWHM = 2.3548


def measure_width(sources: astropy.table.Table) -> float:
    """Estimate the Gaussian width [pixels] of stars from the sizes of all bright sources.

    Parameters
    ----------
    sources
        What `measure_sources` returns.

    Returns
    -------
    float
        Half-sample mode (Robertson & Cryer 1974) of the sizes; NaN without bright sources.
    """
    sizes = np.sort(_sizes(sources)[_signal_to_noise(sources) > 30])
    sizes = sizes[sizes > 0.7]
    while len(sizes) > 3:
        half = (len(sizes) + 1) // 2
        start = int(np.argmin(sizes[half - 1 :] - sizes[: len(sizes) - half + 1]))
        sizes = sizes[start : start + half]
    return float(np.mean(sizes)) if len(sizes) else float("nan")


def fit_psf(image: VisitImage, sources: astropy.table.Table, sigma: float) -> tuple[PointSpreadFunction, int]:
    """Fit Moffat profiles to stars, their sizes and shears polynomials over the image.

    Parameters
    ----------
    image
        Image with a PSF that is about as wide as its stars.
    sources
        What `measure_sources` finds in it.
    sigma
        Gaussian width of stars in pixels.

    Returns
    -------
    psf
        A Piff model; a Gaussian of the width where there are fewer than three stars.
    n_stars
        How many stars were fitted; 0 for the Gaussian.
    """
    fwhm = _SIGMA_TO_FWHM * sigma
    chosen = sources[_are_stars(sources, sigma)]
    chosen.sort("psfFlux", reverse=True)
    # The polynomials weigh all stars alike, so faint ones only help where bright ones are few.
    n_bright = int(np.sum(_signal_to_noise(chosen) > _BRIGHT_SNR))
    chosen = chosen[: n_bright if n_bright >= _ENOUGH_STARS else None][:_MAX_STARS]
    others = np.array([sources["x"], sources["y"]], float)
    cuts = (_cut_star(image, row["x"], row["y"], _odd(4 * fwhm), others, fwhm) for row in chosen)
    best = _fit_stars([star for star in cuts if star is not None])
    if best is None:
        return GaussianPointSpreadFunction(sigma, bounds=image.bbox, stamp_size=_odd(6 * fwhm)), 0
    return PiffWrapper(best, image.bbox, _odd(8 * fwhm)), len(best.stars)


def _fit_stars(stars: list[Any]) -> Any | None:
    """Fit stars, choose the exponent, and once more without the stars that fit badly."""
    if len(stars) < MIN_STARS:
        return None
    sample = stars[:_SAMPLE]
    fits = [fit for fit in (_fit_moffat(sample, beta) for beta in _BETAS) if fit is not None]
    if not fits:
        return None
    best = min(fits, key=lambda fit: float(np.median(_reduced_chisq(fit))))
    beta = best.model.kwargs["beta"]
    if len(stars) > len(sample) or _order(stars) > 0:
        best = _fit_moffat(stars, beta, _order(stars)) or best
    misfit = _reduced_chisq(best)
    kept = [star for star, c in zip(best.stars, misfit, strict=True) if c < _MISFIT * np.median(misfit)]
    if MIN_STARS <= len(kept) < len(best.stars):
        best = _fit_moffat(kept, beta, _order(kept)) or best
    return best


def _order(stars: list[Any]) -> int:
    """Return the order of the polynomials that so many stars can carry."""
    return int(len(stars) >= _LINEAR_STARS) + int(len(stars) >= _QUADRATIC_STARS)


def _reduced_chisq(fit: Any) -> Floats:
    return np.array([star.fit.chisq / max(star.fit.dof, 1) for star in fit.stars])


def _odd(width: float) -> int:
    return 2 * int(np.clip(round(width / 2), 10, 30)) + 1


def _sizes(sources: astropy.table.Table) -> Floats:
    return np.sqrt(0.5 * (np.asarray(sources["ixx"], float) + np.asarray(sources["iyy"], float)))


def _signal_to_noise(sources: astropy.table.Table) -> Floats:
    return np.asarray(sources["psfFlux"], float) / np.asarray(sources["psfFluxErr"], float)


def _are_stars(sources: astropy.table.Table, sigma: float) -> npt.NDArray[np.bool_]:
    """Choose bright, clean, isolated sources of the size and shape that most bright sources have."""
    good = (_signal_to_noise(sources) > _MIN_SNR) & (np.abs(_sizes(sources) / sigma - 1) < 0.12)
    for flag in ("bad", "saturated", "nodata", "edge"):
        good &= ~np.asarray(sources[f"pixelFlags_{flag}"], bool)
    area = np.asarray(sources["ixx"], float) + np.asarray(sources["iyy"], float)
    for shear in ((sources["ixx"] - sources["iyy"]) / area, 2 * sources["ixy"] / area):
        shear = np.asarray(shear, float)
        middle = np.median(shear[good]) if good.any() else 0.0
        good &= np.abs(shear - middle) < 0.15
    x, y, flux = (np.asarray(sources[name], float) for name in ("x", "y", "psfFlux"))
    distance = np.hypot(x[:, None] - x, y[:, None] - y)
    near = (distance < 3 * _SIGMA_TO_FWHM * sigma) & (flux > 0.03 * flux[:, None]) & (distance > 0)
    chosen: npt.NDArray[np.bool_] = good & ~near.any(axis=1)
    return chosen


def _cut_star(image: VisitImage, x: float, y: float, width: int, others: Floats, fwhm: float) -> Any | None:
    """Make a Piff star of the pixels around a source, those near others left out; `None` at an edge."""
    import galsim
    import piff

    half = width // 2
    corner = round(x) - half, round(y) - half
    box = Box.from_shape((width, width), start=(corner[1], corner[0]))
    if not image.bbox.contains(box):
        return None
    cut = image[box]
    variance = np.asarray(cut.variance.array, float)
    data = np.asarray(cut.image.array, float)
    good = np.isfinite(data) & (variance > 0)
    v, u = np.mgrid[0:width, 0:width]
    for dx, dy in others.T - (x, y):
        if 0 < np.hypot(dx, dy) < width:
            good &= np.hypot(u - half - dx, v - half - dy) > 1.5 * fwhm
    pixels = galsim.Image(np.where(good, data, 0.0), xmin=corner[0], ymin=corner[1], scale=1.0)
    weight = galsim.Image(
        np.where(good, 1 / np.where(good, variance, 1.0), 0.0), xmin=corner[0], ymin=corner[1]
    )
    return piff.Star(piff.StarData(pixels, galsim.PositionD(x, y), weight=weight), None)


def _fit_moffat(stars: list[Any], beta: float, order: int = 0) -> Any | None:
    """Fit one exponent; `None` where Piff finds no solution."""
    import galsim
    import piff

    psf = piff.SimplePSF(
        piff.Moffat(beta, include_pixel=False),
        piff.Polynomial(order=order),
        max_iter=10,
    )
    try:
        psf.fit(stars, {0: galsim.PixelScale(1.0)}, None)
    except (RuntimeError, galsim.GalSimError):
        return None
    return psf if psf.dof > 0 and np.isfinite(psf.chisq) else None
