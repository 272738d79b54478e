"""How much of a template's light subtraction leaves: measured where nothing changed."""

from __future__ import annotations

__all__ = ("template_error",)

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.optimize

from ._measured_frame import MeasuredFrame, forced_fluxes

type FloatArray = npt.NDArray[np.float64]
type BoolArray = npt.NDArray[np.bool_]

_BRIGHT = 20.0
"""Objects of the template are bright where their PSF flux is this many errors of the difference."""
_MOST_OBJECTS, _FEWEST_OBJECTS = 40, 10
_LARGEST = 0.3
"""What leaves more than this share was not subtracted from the image."""
_MARGIN = 1.4
"""The scatter of so many objects is known to this over the root of their number, two errors."""
_NORMAL_MEDIAN = 0.6745
"""Median of the absolute value of a standard normal variable."""


def template_error(difference: MeasuredFrame, template: MeasuredFrame, skip: BoolArray) -> float:
    """Measure the error of fluxes in a difference image as a share of the template's flux at their place.

    Parameters
    ----------
    difference
        Difference image, its variance that of blank sky and photons.
    template
        Matched template on the same pixels.
    skip
        Pixels that tell nothing.

    Returns
    -------
    float
        Share ``s``: at objects of the template, and one PSF width to either side of their middles, PSF
        fluxes of the difference scatter as ``sqrt(error**2 + (s * template flux)**2)``. 0 where that is
        not more than the error, where there are too few objects to tell, and where they are all still there:
        then the image is not a difference from this template.

    Notes
    -----
    The least share that the objects demand, as far as their number tells. It is a median, so that objects
    that did change do not count. What it finds is imperfect kernels, PSF models, projections and flux ratios
    alike: all of them leave a share of the light.
    """
    row, column = _peaks(difference, template, skip)
    if len(row) < _FEWEST_OBJECTS:
        return 0.0
    step = difference.sigma
    offsets = np.array([(0, 0), (-step, 0), (step, 0), (0, -step), (0, step)])
    x = (column[:, np.newaxis] + offsets[:, 0]).ravel()
    y = (row[:, np.newaxis] + offsets[:, 1]).ravel()
    flux, error = forced_fluxes(difference, x, y)
    light, _ = forced_fluxes(template, x, y)
    known = np.isfinite(flux) & np.isfinite(light) & (error > 0)
    return _share(flux[known], error[known], light[known], 1.0 + _MARGIN / np.sqrt(len(row)))


def _peaks(
    difference: MeasuredFrame, template: MeasuredFrame, skip: BoolArray
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return rows and columns (parent) of the brightest peaks of the template that are worth a look."""
    radius = difference.fit_radius
    # Of a star, the highest pixel holds 1 / (4 pi sigma^2) of the PSF flux times two.
    flux = template.pixels * np.float32(2 * np.pi * template.sigma**2)
    error = np.sqrt(difference.variance * np.float32(4 * np.pi * difference.sigma**2))
    usable = ~(skip | template.missing | difference.missing)
    bright = usable & (flux > np.float32(_BRIGHT) * error)
    bright[:radius] = bright[-radius:] = False
    bright[:, :radius] = bright[:, -radius:] = False
    rows, columns = np.nonzero(bright)
    if not len(rows):
        return rows, columns
    highest = scipy.ndimage.maximum_filter(template.pixels, size=2 * round(2 * template.sigma) + 1)
    peak = template.pixels[rows, columns] == highest[rows, columns]
    rows, columns = rows[peak], columns[peak]
    best = np.argsort(flux[rows, columns])[::-1][:_MOST_OBJECTS]
    return rows[best] + difference.bbox.y.start, columns[best] + difference.bbox.x.start


def _share(flux: FloatArray, error: FloatArray, light: FloatArray, limit: float) -> float:
    """Return the least share that makes the scatter of the scaled residuals no larger than a limit."""

    def excess(share: float) -> float:
        return float(np.median(np.abs(flux) / np.hypot(error, share * light))) - limit * _NORMAL_MEDIAN

    if len(flux) == 0 or excess(0.0) <= 0:
        return 0.0
    if excess(_LARGEST) >= 0:
        return 0.0
    return float(scipy.optimize.brentq(excess, 0.0, _LARGEST, xtol=1e-5))
