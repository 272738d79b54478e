"""What adding one stamp needs: which pixels, which slope of variance with flux, which noise."""

from __future__ import annotations

__all__ = ("PixelGrid", "PoissonNoise", "SharedPixels", "SlopeMap")

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
from lsst.images import Box

from ..randomness import generator
from ._gain import GainRegion

type Floats = npt.NDArray[np.float64]
type Slices = tuple[slice, slice]


class SharedPixels(NamedTuple):
    """The pixels that a stamp and an image share, as slices (y, x) of the array of each."""

    of_image: Slices
    of_stamp: Slices


class PixelGrid:
    """The pixels of an image, as plain integers: the same with boxes would cost half a PSF evaluation.

    Parameters
    ----------
    bbox
        Pixels of the image.
    """

    def __init__(self, bbox: Box) -> None:
        self._y, self._x = bbox.y.start, bbox.x.start
        self._height, self._width = bbox.y.size, bbox.x.size

    def overlap(self, y0: int, x0: int, height: int, width: int) -> SharedPixels | None:
        """Find the pixels that a stamp shares with the image.

        Parameters
        ----------
        y0, x0
            Parent coordinates of the stamp's first pixel.
        height, width
            Shape of the stamp.

        Returns
        -------
        SharedPixels or None
            None where they share none.
        """
        y0, x0 = y0 - self._y, x0 - self._x
        y1, x1 = max(y0, 0), max(x0, 0)
        y2, x2 = min(y0 + height, self._height), min(x0 + width, self._width)
        if y2 <= y1 or x2 <= x1:
            return None
        return SharedPixels(
            (slice(y1, y2), slice(x1, x2)), (slice(y1 - y0, y2 - y0), slice(x1 - x0, x2 - x0))
        )


class SlopeMap:
    """Slopes of variance with flux, by amplifier.

    Parameters
    ----------
    regions
        Regions that cover the image; none if slopes are not wanted.
    bbox
        Pixels of the image.
    """

    def __init__(self, regions: Sequence[GainRegion], bbox: Box) -> None:
        inside = [(region.bbox.slice_within(bbox), region.slope) for region in regions]
        self._limits = [(r.start, r.stop, c.start, c.stop, slope) for (r, c), slope in inside]

    def __bool__(self) -> bool:
        return bool(self._limits)

    def at(self, pixels: SharedPixels) -> Floats | float:
        """Return the slope of pixels of the image: one number where they are all in one region."""
        y, x = pixels.of_image
        y1, y2, x1, x2 = y.start, y.stop, x.start, x.stop
        out = None
        for top, bottom, left, right, slope in self._limits:
            if left <= x1 and x2 <= right and top <= y1 and y2 <= bottom:
                return slope
            if left < x2 and x1 < right and top < y2 and y1 < bottom:
                out = np.empty((y2 - y1, x2 - x1)) if out is None else out
                out[max(top - y1, 0) : bottom - y1, max(left - x1, 0) : right - x1] = slope
        assert out is not None  # regions cover the image
        return out


class PoissonNoise:
    """Poisson noise of added light, each row's its own.

    Parameters
    ----------
    seed
        Seed of the survey.
    target
        Kind of image.
    visit, detector
        The image.

    Notes
    -----
    One counter-based generator for the image; a row's numbers start where its id is the upper half of the
    counter, so they depend on seed, kind of image, visit, detector and id only, and no two streams meet.
    """

    def __init__(self, seed: int, target: str, visit: int, detector: int) -> None:
        self._generator = generator(seed, f"injection-noise/{target}", visit, detector)
        self._state = self._generator.bit_generator.state

    def draw(self, counts: Floats, row_id: int) -> Floats:
        """Return counts with noise.

        Parameters
        ----------
        counts
            Expected counts; the noise of negative ones, in the rings of some PSF models, is none.
        row_id
            The row.

        Returns
        -------
        numpy.ndarray
            Counts whose mean is the given one.
        """
        self._state["state"]["counter"][:] = 0, 0, row_id, 0
        self._generator.bit_generator.state = self._state
        noisy: Floats = np.minimum(counts, 0.0)
        noisy += self._generator.poisson(np.maximum(counts, 0.0))
        return noisy
