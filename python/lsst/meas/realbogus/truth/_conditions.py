"""What a difference image is like at given places: its mask, its noise, its edges."""

from __future__ import annotations

__all__ = ("EDGE_PLANES", "MASKED_PLANES", "Conditions", "measure_conditions", "noise_equivalent_area")

import dataclasses
from collections.abc import Collection
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
from lsst.images import BoundsError

from ..imaging import any_plane

if TYPE_CHECKING:
    from lsst.images import Box, Image, Mask
    from lsst.images.psfs import PointSpreadFunction

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

#: Planes whose pixels cannot hold a detection.
MASKED_PLANES = ("BAD", "SATURATED", "NO_DATA", "COSMIC_RAY", "UNMASKED_NAN", "SAT_TEMPLATE")

#: Planes of the border, where the kernel or the detection filter does not fit.
EDGE_PLANES = ("DETECTION_EDGE",)


@dataclasses.dataclass(frozen=True)
class Conditions:
    """The image at each of ``n`` places.

    Parameters
    ----------
    on_image
        Whether the place lies on the image.
    masked, edge
        Whether the core of the source touches a pixel of a bad plane, or of an edge plane.
    flux_error
        Error in nJy of a PSF fit there, from the variance plane; NaN off the image.
    edge_distance
        Pixels between the place and the nearest border of the image, negative off the image; NaN for places
        that are none.
    """

    on_image: Bools
    masked: Bools
    edge: Bools
    flux_error: Floats
    edge_distance: Floats

    def columns(self) -> dict[str, npt.NDArray[Any]]:
        """Return the columns of a table that say where its rows lie.

        Returns
        -------
        dict
            ``is_masked``, ``is_edge``, ``edge_distance``.
        """
        return {"is_masked": self.masked, "is_edge": self.edge, "edge_distance": self.edge_distance}

    @classmethod
    def unknown(cls, n: int) -> Conditions:
        """Make the conditions of places on an image that was not read.

        Parameters
        ----------
        n
            Number of places.
        """
        no = np.zeros(n, bool)
        return cls(np.ones(n, bool), no, no, np.full(n, np.nan), np.full(n, np.nan))


def noise_equivalent_area(psf: PointSpreadFunction, x: float, y: float) -> float:
    """Pixels of sky whose noise a PSF fit carries, ``1 / sum(psf**2)`` (King 1983).

    Parameters
    ----------
    psf
        PSF model.
    x, y
        Where, parent coordinates in pixels.

    Returns
    -------
    float
        Area in pixels, NaN where the PSF has no value.
    """
    try:
        kernel = psf.compute_kernel_image(x=x, y=y).array.astype(float)
    except BoundsError:
        return float("nan")
    return float(kernel.sum() ** 2 / np.sum(kernel**2))


def measure_conditions(
    x: npt.ArrayLike,
    y: npt.ArrayLike,
    *,
    mask: Mask,
    variance: Image | None = None,
    psf: PointSpreadFunction | None = None,
    masked_planes: Collection[str] = MASKED_PLANES,
    edge_planes: Collection[str] = EDGE_PLANES,
    half_width: int = 1,
) -> Conditions:
    """Look at an image where sources are or should be.

    Parameters
    ----------
    x, y
        Positions in parent pixels, shape ``(n,)``.
    mask, variance
        Planes of the difference image, in nJy squared.
    psf
        Its PSF; without it, or without a variance, the flux errors are NaN.
    masked_planes, edge_planes
        Mask planes that make a place masked or part of the edge; planes that the image lacks are passed over.
    half_width
        The core is the square of ``2 * half_width + 1`` pixels around the centre.

    Returns
    -------
    Conditions
        One entry for each position.
    """
    xs, ys = np.asarray(x, float), np.asarray(y, float)
    box = mask.bbox
    known = np.isfinite(xs) & np.isfinite(ys)
    column = np.where(known, np.rint(np.where(known, xs, 0)), 0).astype(int) - box.x.start
    row = np.where(known, np.rint(np.where(known, ys, 0)), 0).astype(int) - box.y.start
    height, width = box.shape
    on_image = known & (row >= 0) & (row < height) & (column >= 0) & (column < width)
    masked, edge = np.zeros(xs.size, bool), np.zeros(xs.size, bool)
    flux_error = np.full(xs.size, np.nan)
    bad, border = any_plane(mask, masked_planes), any_plane(mask, edge_planes)
    for i in np.flatnonzero(on_image):
        core = (_slice(row[i], half_width), _slice(column[i], half_width))
        masked[i], edge[i] = bad[core].any(), border[core].any()
        if psf is not None and variance is not None:
            # A median, so that one bad pixel does not decide.
            level = _median_positive(variance.array[_slice(row[i], 2), _slice(column[i], 2)])
            area = noise_equivalent_area(psf, float(xs[i]), float(ys[i]))
            flux_error[i] = np.sqrt(level * area)
    return Conditions(on_image, masked, edge, flux_error, _edge_distance(xs, ys, box))


def _edge_distance(x: Floats, y: Floats, box: Box) -> Floats:
    # Pixel centres are integers: the image begins half a pixel before the first.
    low, high = (x - box.x.start, y - box.y.start), (box.x.stop - 1 - x, box.y.stop - 1 - y)
    return np.asarray(np.minimum.reduce([*low, *high]) + 0.5)


def _slice(centre: int, half_width: int) -> slice:
    return slice(max(centre - half_width, 0), centre + half_width + 1)


def _median_positive(values: npt.NDArray[np.floating]) -> float:
    good = values[np.isfinite(values) & (values > 0)]
    return float(np.median(good)) if good.size else np.nan
