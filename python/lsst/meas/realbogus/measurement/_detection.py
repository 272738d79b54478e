"""Detection of sources of both signs on a score map."""

from __future__ import annotations

__all__ = ("Detections", "detect", "pair_lobes")

import dataclasses

import numpy as np
import numpy.typing as npt
import scipy.ndimage
import scipy.spatial
from photutils.segmentation import SegmentationImage, deblend_sources, detect_sources

from ._peaks import peak_positions

type FloatArray = npt.NDArray[np.float64]
type IntArray = npt.NDArray[np.intp]
type Pixels = npt.NDArray[np.float32]

_MIN_PIXELS = 1
_DEBLEND_PIXELS = 3
_DEBLEND_CONTRAST = 0.02


@dataclasses.dataclass(frozen=True)
class Detections:
    """Peaks of a score map.

    Parameters
    ----------
    row, column
        Peak pixels, array indices, shape ``(n,)``.
    score
        Score at the peak, with its sign.
    footprint
        Numbers of the detections plus one on the pixels they own, 0 elsewhere; shape of the map.
    n_pixels
        Pixels each owns.
    box
        First and last rows and columns of each footprint, shape ``(n, 4)``.
    """

    row: IntArray
    column: IntArray
    score: FloatArray
    footprint: npt.NDArray[np.int32]
    n_pixels: IntArray
    box: IntArray

    def __len__(self) -> int:
        return len(self.row)


def detect(score: Pixels, threshold: float = 5.0) -> Detections:
    """Find sources above and below a threshold.

    Parameters
    ----------
    score
        Map of significances.
    threshold
        Absolute value to exceed.

    Returns
    -------
    Detections
        Connected pixels are one source unless they have several peaks
        (`photutils.segmentation.deblend_sources`).
    """
    footprint = np.zeros(score.shape, dtype=np.int32)
    for sign in (1, -1):
        labels = _segments(sign * score, threshold)
        if labels is not None:
            footprint = np.where(labels > 0, labels + footprint.max(), footprint)
    count = int(footprint.max())
    if count == 0:
        empty = np.zeros(0, dtype=np.intp)
        return Detections(empty, empty, np.zeros(0), footprint, empty, np.zeros((0, 4), dtype=np.intp))
    row, column = peak_positions(np.abs(score), footprint)
    boxes = [(s[0].start, s[0].stop, s[1].start, s[1].stop) for s in scipy.ndimage.find_objects(footprint)]
    return Detections(
        row=row,
        column=column,
        score=score[row, column].astype(np.float64),
        footprint=footprint,
        n_pixels=np.bincount(footprint.ravel(), minlength=count + 1)[1:],
        box=np.array(boxes, dtype=np.intp),
    )


def _segments(score: Pixels, threshold: float) -> npt.NDArray[np.int32] | None:
    """Return consecutive labels of sources above a threshold."""
    if not (score > threshold).any():
        return None
    found = detect_sources(score, threshold, _MIN_PIXELS)
    large = [s.label for s in found.segments if s.area > 4 * _DEBLEND_PIXELS]
    if large:
        found = deblend_sources(
            score,
            found,
            _DEBLEND_PIXELS,
            labels=large,
            contrast=_DEBLEND_CONTRAST,
            mode="linear",
        )
    return np.asarray(SegmentationImage(found.data).data, dtype=np.int32)


def pair_lobes(detections: Detections, distance: float) -> list[tuple[int, int]]:
    """Find positive and negative detections that could be the lobes of one dipole.

    Parameters
    ----------
    detections
        Detections of both signs.
    distance
        Largest distance of the peaks in pixels.

    Returns
    -------
    list of tuple
        Positions (positive, negative); the closest pairs first, each detection in one pair at most.
    """
    positive, negative = np.flatnonzero(detections.score > 0), np.flatnonzero(detections.score < 0)
    if not (positive.size and negative.size):
        return []
    places = np.stack([detections.row, detections.column], axis=1).astype(np.float64)
    tree = scipy.spatial.KDTree(places[negative])
    candidates = [
        (float(np.hypot(*(places[p] - places[negative[k]]))), int(p), int(negative[k]))
        for p, near in zip(positive, tree.query_ball_point(places[positive], distance), strict=True)
        for k in near
    ]
    taken: set[int] = set()
    pairs = []
    for _, p, n in sorted(candidates):
        if p not in taken and n not in taken:
            taken |= {p, n}
            pairs.append((p, n))
    return pairs
