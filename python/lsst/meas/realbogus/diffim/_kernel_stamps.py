"""Stamps of objects that both images show, for fitting and judging the matching kernel."""

from __future__ import annotations

__all__ = ("StampPairs", "cut_stamps", "select_positions")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage
from lsst.images import Box

type FloatArray = npt.NDArray[np.float64]
type BoolArray = npt.NDArray[np.bool_]


@dataclasses.dataclass(frozen=True)
class StampPairs:
    """Stamps of the same places on two images.

    Parameters
    ----------
    x, y
        Their middle pixels, parent coordinates, shape ``(n,)``.
    sharp
        Stamps of the image to convolve, wider by ``margin`` on each side.
    broad
        Stamps of the image to match, shape ``(n, size, size)``.
    weight
        Inverse variances, 0 for missing pixels, shape of ``broad``.
    margin
        Extra pixels of ``sharp``.
    """

    x: FloatArray
    y: FloatArray
    sharp: FloatArray
    broad: FloatArray
    weight: FloatArray
    margin: int

    def __len__(self) -> int:
        return len(self.x)

    def __getitem__(self, which: BoolArray) -> StampPairs:
        return StampPairs(
            self.x[which],
            self.y[which],
            self.sharp[which],
            self.broad[which],
            self.weight[which],
            self.margin,
        )


def select_positions(
    image: FloatArray,
    variance: FloatArray,
    unusable: BoolArray,
    *,
    sigma: float,
    radius: int,
    min_snr: float = 20.0,
    limit: int = 300,
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Find bright, isolated objects by their peaks.

    Parameters
    ----------
    image, variance
        Pixels without missing values.
    unusable
        Pixels that no stamp may hold near its middle.
    sigma
        Width of the PSF in pixels.
    radius
        Half width of the stamps; brighter peaks keep others this far away.
    min_snr
        Lowest peak over noise, after smoothing with the PSF.
    limit
        Keep this many, the brightest.

    Returns
    -------
    tuple of numpy.ndarray
        Rows and columns.
    """
    smooth = scipy.ndimage.gaussian_filter(image, sigma)
    noise = np.sqrt(variance / (4.0 * np.pi * sigma**2))
    score = np.where(unusable, -np.inf, smooth / noise)
    highest = scipy.ndimage.maximum_filter(score, size=2 * radius + 1)
    peak = (score == highest) & (score > min_snr)
    peak[: radius + 1] = peak[-radius - 1 :] = False
    peak[:, : radius + 1] = peak[:, -radius - 1 :] = False
    spoiled = scipy.ndimage.uniform_filter(unusable.astype(np.float32), size=radius) > 1e-6
    rows, columns = np.nonzero(peak & ~spoiled)
    best = np.argsort(score[rows, columns])[::-1][:limit]
    return rows[best], columns[best]


def cut_stamps(
    sharp: FloatArray,
    broad: FloatArray,
    variance: FloatArray,
    unusable: BoolArray,
    bbox: Box,
    rows: npt.NDArray[np.intp],
    columns: npt.NDArray[np.intp],
    *,
    radius: int,
    margin: int,
) -> StampPairs:
    """Cut stamps of one box from arrays of both images.

    Parameters
    ----------
    sharp, broad
        Pixels of the image to convolve and of the one to match, without missing values.
    variance
        Variance of their difference.
    unusable
        Pixels to give no weight.
    bbox
        Box of the arrays.
    rows, columns
        Middle pixels; those whose wide stamp leaves the arrays are dropped.
    radius, margin
        Half width of the stamps, and extra pixels of the sharp ones.
    """
    wide = radius + margin
    height, width = broad.shape
    fits = (rows >= wide) & (rows < height - wide) & (columns >= wide) & (columns < width - wide)
    rows, columns = rows[fits], columns[fits]

    def cut(array: FloatArray, half: int) -> FloatArray:
        windows = np.lib.stride_tricks.sliding_window_view(array, (2 * half + 1, 2 * half + 1))
        return np.array(windows[rows - half, columns - half], dtype=np.float64)

    good = np.where(unusable, 0.0, 1.0 / variance)
    return StampPairs(
        x=columns.astype(np.float64) + bbox.x.start,
        y=rows.astype(np.float64) + bbox.y.start,
        sharp=cut(sharp, wide),
        broad=cut(broad, radius),
        weight=cut(good, radius),
        margin=margin,
    )
