"""Which of the stamps of an image to learn from."""

from __future__ import annotations

__all__ = ("StampSelection", "changes_elsewhere", "shows_company")

import dataclasses
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import scipy.ndimage

from ..model import has_value
from ..options import Options, option
from ..randomness import generator
from ._stamps import LabelledStamps

_SIGMA = 1 / np.sqrt(8 * np.log(2))
"""Standard deviation of a Gaussian over its FWHM."""
_USUAL_FWHM = 3.0
"""FWHM [pixels] where it is not known."""
_CHANGED, _EMPTY = 7.0, 4.0
"""A source shows above so many standard deviations, and is absent below so many."""
_APART = 2.5
"""Least distance from the central source, in FWHM."""

type Floats = npt.NDArray[np.float64]


@dataclasses.dataclass(frozen=True)
class StampSelection(Options):
    """Which of the stamps of an image to learn from.

    Simulated surveys show more in an image than the sky does, to be cheap. What thousands of stars have in
    common teaches no more than what some of them have; and where real sources stand close together, nobody
    learns that company speaks for an artefact, such as a train of flashes. What its neighbourhood alone tells
    from a real source, such as a star that a cloud dims from a variable one, teaches by itself no more than
    how often the surveys draw it.
    """

    most_of_a_kind: int | None = option(
        None, "Stamps of one kind of bogus that are kept at most, chosen at random; none: all.", min=1
    )
    with_company: bool = option(
        True, "Whether to keep real sources beside another that is in one of the images only."
    )
    kinds_in_context: tuple[str, ...] = option(
        (), "Kinds of bogus sources that are kept only where the difference shows something beside them."
    )

    def of(self, stamps: LabelledStamps, *key: int | str) -> LabelledStamps:
        """Select stamps.

        Parameters
        ----------
        stamps
            Those of an image.
        *key
            What the choice depends on, such as the numbers of the visit and the detector.

        Returns
        -------
        LabelledStamps
            Those that are kept, in their order.
        """
        if not self.with_company:
            real = stamps.label == 1
            real[real] = shows_company(stamps[real])
            stamps = stamps[~real]
        if self.kinds_in_context:
            lone = (stamps.label == 0) & np.isin(stamps.kind, self.kinds_in_context)
            lone[lone] = ~changes_elsewhere(stamps[lone])
            stamps = stamps[~lone]
        if self.most_of_a_kind is None:
            return stamps
        order = np.argsort(generator(0, "thinned-stamps", *key).random(len(stamps)), kind="stable")
        bogus = order[stamps.label[order] == 0]
        kept = [bogus[stamps.kind[bogus] == kind][: self.most_of_a_kind] for kind in np.unique(stamps.kind)]
        return stamps[np.sort(np.concatenate([np.flatnonzero(stamps.label == 1), *kept]))]


def shows_company(stamps: LabelledStamps) -> npt.NDArray[np.bool_]:
    """Find the stamps with a second source that one of science image and template has and the other lacks.

    Parameters
    ----------
    stamps
        Stamps with difference, science and template; ``psf_fwhm`` where it is known.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``. Residuals of stars and galaxies, which are in both images, are no company.

    Notes
    -----
    Images are convolved with a Gaussian as wide as the PSF, and measured in units of their own robust
    scatter.
    """
    images = [stamps.pixels[role] for role in ("science", "template")]
    return np.array(
        [
            any((_in_sigmas(image[row], fwhm)[places] < _EMPTY).any() for image in images)
            for row, (places, fwhm) in enumerate(_changes(stamps))
        ],
        np.bool_,
    )


def changes_elsewhere(stamps: LabelledStamps) -> npt.NDArray[np.bool_]:
    """Find the stamps whose difference shows something besides the source in the middle.

    Parameters
    ----------
    stamps
        Stamps with a difference; ``psf_fwhm`` where it is known.

    Returns
    -------
    numpy.ndarray
        Shape ``(n,)``. Whether one of its peaks, found as by `shows_company`, is not the source.
    """
    return np.array([places[0].size > 0 for places, _ in _changes(stamps)], np.bool_)


def _changes(stamps: LabelledStamps) -> Iterator[tuple[tuple[npt.NDArray[np.intp], ...], float]]:
    """Yield rows and columns of the peaks beside the source of each stamp, and the FWHM for the search."""
    widths = np.where(np.isfinite(stamps.psf_fwhm), stamps.psf_fwhm, _USUAL_FWHM).astype(np.float64)
    for difference, fwhm in zip(stamps.pixels["difference"], widths, strict=True):
        changed = np.abs(_in_sigmas(difference, fwhm))
        peak = changed == scipy.ndimage.maximum_filter(changed, 2 * int(np.ceil(fwhm)) + 1)
        rows, columns = np.nonzero(peak & (changed > _CHANGED))
        middle = np.array(changed.shape) // 2
        apart = np.hypot(rows - middle[0], columns - middle[1]) > _APART * fwhm
        yield (rows[apart], columns[apart]), float(fwhm)


def _in_sigmas(image: npt.NDArray[np.float32], fwhm: float) -> Floats:
    """Return a smoothed image over its scatter, 0 where pixels are missing."""
    known = has_value(image)
    if not known.any():
        return np.zeros(image.shape)
    middle = np.median(image[known])
    smooth = scipy.ndimage.gaussian_filter(np.where(known, image - middle, 0.0), _SIGMA * fwhm)
    scatter = 1.4826 * np.median(np.abs(smooth[known]))
    result: Floats = np.where(known, smooth / max(scatter, np.finfo(np.float32).tiny), 0.0)
    return result
