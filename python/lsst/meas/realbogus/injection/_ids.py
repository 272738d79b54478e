"""Identifiers that are unique because of how they are made, not because collisions are rare."""

from __future__ import annotations

__all__ = ("ImageId", "supernova_ids", "supernova_keys", "truth_keys")

import dataclasses

import numpy as np
import numpy.typing as npt

from ..errors import InvalidInputError
from ..randomness import stable_id

_WINDOW_BITS = 16
_TRUTH_BIT = 61


@dataclasses.dataclass(frozen=True)
class ImageId:
    """An image as an integer of known width, which leaves the rest of 63 bits to the rows on it.

    Parameters
    ----------
    value
        The packed data id (visit and detector) of the image.
    bits
        Width of packed data ids: every image of the survey is below ``2**bits``.
    """

    value: int
    bits: int

    def __post_init__(self) -> None:
        if not 0 < self.bits < 63:
            raise InvalidInputError(f"packed data ids must be 1 to 62 bits wide; got {self.bits}")
        if not 0 <= self.value < 1 << self.bits:
            raise InvalidInputError(f"packed data id {self.value} does not fit in {self.bits} bits")

    @classmethod
    def from_visit_detector(
        cls, visit: int, detector: int, *, visit_bits: int = 42, detector_bits: int = 8
    ) -> ImageId:
        """Pack a visit and a detector where there is no instrument to ask for the widths.

        Parameters
        ----------
        visit, detector
            The image.
        visit_bits, detector_bits
            Widths; the defaults hold LSSTCam's visits (13 digits) and detectors, and leave 8191 rows.

        Returns
        -------
        ImageId
            The packed image.
        """
        if not 0 <= visit < 1 << visit_bits or not 0 <= detector < 1 << detector_bits:
            raise InvalidInputError(
                f"visit {visit} and detector {detector} do not fit in {visit_bits} and {detector_bits} bits"
            )
        return cls((visit << detector_bits) | detector, visit_bits + detector_bits)

    def rows(self, n_rows: int) -> npt.NDArray[np.int64]:
        """Number the rows on this image.

        Parameters
        ----------
        n_rows
            How many there are.

        Returns
        -------
        numpy.ndarray
            Positive int64 ids, unique over all images of the survey.

        Raises
        ------
        InvalidInputError
            If there are more rows than the remaining bits can number.
        """
        row_bits = 63 - self.bits
        if n_rows >= 1 << row_bits:
            raise InvalidInputError(
                f"{n_rows} fakes on one image, but packed data ids of {self.bits} bits leave room for "
                f"{(1 << row_bits) - 1}"
            )
        return (np.int64(self.value) << row_bits) | np.arange(1, n_rows + 1, dtype=np.int64)


def supernova_keys(cells: npt.ArrayLike, window: int) -> npt.NDArray[np.int64]:
    """Number what may explode in sky cells in a window of time.

    Parameters
    ----------
    cells
        Cells from `~lsst.meas.realbogus.tables.sky_cell`.
    window
        Number of the window since MJD 0.

    Returns
    -------
    numpy.ndarray
        Non-negative int64 keys below ``2**59``.
    """
    if not 0 <= window < 1 << _WINDOW_BITS:
        raise InvalidInputError(f"window {window} since MJD 0 is not between 0 and {(1 << _WINDOW_BITS) - 1}")
    return np.asarray(cells, dtype=np.int64) << _WINDOW_BITS | window


def truth_keys(indices: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Number the rows of a table of supernovae, apart from all `supernova_keys`."""
    return np.asarray(indices, dtype=np.int64) | np.int64(1 << _TRUTH_BIT)


def supernova_ids(seed: int, keys: npt.ArrayLike) -> npt.NDArray[np.int64]:
    """Name supernovae.

    Parameters
    ----------
    seed
        Seed of the survey.
    keys
        Keys from `supernova_keys` or `truth_keys`.

    Returns
    -------
    numpy.ndarray
        Positive int64 ids, one to one with the keys of this seed.
    """
    return stable_id(seed, "supernova-id", keys, bits=62)
