"""How much variance a unit of added flux brings, by amplifier."""

from __future__ import annotations

__all__ = ("GainRegion", "fit_variance_slope", "gain_regions")

import logging
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from lsst.images import Box, VisitImage

from ..imaging import overlap

_LOG = logging.getLogger(__name__)
_BLOCK = 1 << 20


class GainRegion(NamedTuple):
    """A part of an image with one slope of variance with flux (units of flux)."""

    bbox: Box
    slope: float


def fit_variance_slope(
    image: npt.NDArray[np.float32], variance: npt.NDArray[np.float32], good: npt.NDArray[np.bool_]
) -> float:
    """Fit variance against flux.

    Parameters
    ----------
    image, variance
        Pixels, shape ``(ny, nx)``.
    good
        Pixels to use.

    Returns
    -------
    float
        Slope of the least-squares line, the inverse gain; NaN where it is not a positive finite number.
        The same estimate as lsst.source_injection's, by sums in blocks of rows instead of one large matrix.
    """
    rows = max(1, _BLOCK // max(1, image.shape[1]))
    count, mean_f, mean_v, s_ff, s_fv = 0, 0.0, 0.0, 0.0, 0.0
    for start in range(0, image.shape[0], rows):
        part = slice(start, start + rows)
        flux, var = image[part], variance[part]
        use = good[part] & np.isfinite(flux) & np.isfinite(var)
        f, v = flux[use].astype(np.float64), var[use].astype(np.float64)
        if not f.size:
            continue
        f_mean, v_mean = f.mean(), v.mean()
        f -= f_mean
        total = count + f.size
        # Pairwise update of centred sums (Chan, Golub & LeVeque 1983).
        weight = count * f.size / total
        s_ff += float(f @ f) + (f_mean - mean_f) ** 2 * weight
        s_fv += float(f @ (v - v_mean)) + (f_mean - mean_f) * (v_mean - mean_v) * weight
        mean_f += (f_mean - mean_f) * f.size / total
        mean_v += (v_mean - mean_v) * f.size / total
        count = total
    if count < 2 or s_ff <= 0.0:
        return float("nan")
    slope = s_fv / s_ff
    return slope if np.isfinite(slope) and slope > 0.0 else float("nan")


def gain_regions(image: VisitImage, bad_planes: Sequence[str]) -> list[GainRegion]:
    """Fit variance against flux in each amplifier of an image.

    Parameters
    ----------
    image
        The image; its detector's amplifiers are the regions, all of the image is one where there are none.
    bad_planes
        Mask planes to leave out, ignored where the mask lacks them.

    Returns
    -------
    list of GainRegion
        Regions that cover the image. A region whose fit fails takes the median of the others, or the fit over
        all of the image, or 1 as a last resort (with a warning).
    """
    parts = (overlap(amplifier.bbox, image.bbox) for amplifier in image.detector.amplifiers)
    boxes = [box for box in parts if box is not None]
    if sum(box.area for box in boxes) != image.bbox.area:
        boxes = [image.bbox]
    planes = [plane for plane in bad_planes if plane in image.mask.schema.names]
    bad_bits = image.mask.schema.bitmask(*planes)
    slopes = np.array([_fit_box(image, box, bad_bits) for box in boxes])
    failed = ~np.isfinite(slopes)
    if failed.any():
        if not failed.all():
            fallback = float(np.median(slopes[~failed]))
        else:
            fallback = _fit_box(image, image.bbox, bad_bits) if len(boxes) > 1 else float("nan")
            fallback = fallback if np.isfinite(fallback) else 1.0
        _LOG.warning(
            "Variance does not grow with flux in %d of %d regions; using a slope of %g there.",
            failed.sum(),
            len(slopes),
            fallback,
        )
        slopes[failed] = fallback
    return [GainRegion(box, float(slope)) for box, slope in zip(boxes, slopes, strict=True)]


def _fit_box(image: VisitImage, box: Box, bad_bits: npt.NDArray[np.uint8]) -> float:
    part = image[box]
    good = np.ones(box.shape, dtype=bool)
    for index, bits in enumerate(bad_bits):
        if bits:
            good &= (part.mask.array[:, :, index] & bits) == 0
    return fit_variance_slope(part.image.array, part.variance.array, good)
