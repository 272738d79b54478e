"""Golden scores: stamps that travel with a model, and the scores they must give wherever it is loaded."""

from __future__ import annotations

__all__ = ("PERTURBATIONS", "Golden", "check_golden", "golden_stamps", "sensitivity")

import dataclasses
from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt

from ..errors import ModelContractError, ModelFormatError
from ..randomness import generator
from ._archive import read_arrays, write_arrays
from ._calibration import network_probability
from ._classifier import Classifier

TOLERANCE = 5e-6
_IMAGES = ("difference", "science", "template")

Stamps = Mapping[str, npt.NDArray[np.float32]]


@dataclasses.dataclass(frozen=True, slots=True)
class Golden:
    """Stamps and the scores they must give.

    Parameters
    ----------
    stamps
        By image name, float32 ``(n, h, w)``, as they would be cut: not normalised, NaN where missing.
    is_negative
        Sources that are negative in the difference, ``(n,)``.
    score
        Float32 ``(n,)``; NaN where the source cannot be scored.
    psf_fwhm
        FWHM of the science image's PSF [pixel], float32 ``(n,)``, NaN where it is not known; `None` for a
        model that is not told.
    """

    stamps: Stamps
    is_negative: npt.NDArray[np.bool_]
    score: npt.NDArray[np.float32]
    psf_fwhm: npt.NDArray[np.float32] | None = None

    def to_bytes(self) -> bytes:
        """Write as npz.

        Returns
        -------
        bytes
            Content of an npz file.
        """
        psf = {} if self.psf_fwhm is None else {"psf_fwhm": self.psf_fwhm}
        return write_arrays({**self.stamps, "is_negative": self.is_negative, "score": self.score, **psf})

    @classmethod
    def from_bytes(cls, content: bytes) -> Golden:
        """Read what `to_bytes` wrote.

        Parameters
        ----------
        content
            Bytes of an npz file.

        Raises
        ------
        ModelFormatError
            Raised if arrays are missing or their shapes do not fit.
        """
        arrays = read_arrays(content, "golden.npz")
        stamps = {name: arrays[name] for name in _IMAGES if name in arrays}
        if not stamps or "score" not in arrays or "is_negative" not in arrays:
            raise ModelFormatError(f"golden.npz needs stamps, is_negative and score; it has {sorted(arrays)}")
        n = len(arrays["score"]) if arrays["score"].ndim else 0
        others = [(name, arrays[name]) for name in ("score", "is_negative", "psf_fwhm") if name in arrays]
        for name, array in (*stamps.items(), *others):
            if name in stamps:
                fits = array.ndim == 3 and array.dtype == np.float32 and 0 not in array.shape[1:]
            else:
                fits = array.ndim == 1 and array.dtype.kind in "fiub"
            if not fits or len(array) != n:
                raise ModelFormatError(
                    f"golden.npz: {name} has shape {array.shape} {array.dtype} for {n} scores"
                )
        if n == 0 or not np.isfinite(arrays["score"]).any():
            raise ModelFormatError("golden.npz holds no score to compare with")
        fwhm = arrays["psf_fwhm"].astype(np.float32) if "psf_fwhm" in arrays else None
        return cls(stamps, arrays["is_negative"].astype(bool), arrays["score"].astype(np.float32), fwhm)

    def rescored(
        self, classifier: Classifier, stamps: Stamps | None = None, psf_factor: float = 1.0
    ) -> npt.NDArray[np.float32]:
        """Return what a model makes of the golden stamps.

        Parameters
        ----------
        classifier
            The model.
        stamps
            Stamps to take in their place.
        psf_factor
            What to multiply the widths of the PSFs with.

        Returns
        -------
        numpy.ndarray
            Float32, shape ``(n,)``.
        """
        fwhm = None if self.psf_fwhm is None else self.psf_fwhm * np.float32(psf_factor)
        stamps = self.stamps if stamps is None else stamps
        return classifier.score(stamps, is_negative=self.is_negative, psf_fwhm=fwhm).score


def check_golden(classifier: Classifier, golden: Golden, tolerance: float = TOLERANCE) -> float:
    """Score the golden stamps and compare.

    Engines differ in the last bits of what a network gives. A steep calibration makes more of that in the
    score, and a flat one less, so that scores agree if either they or the network's probabilities do.

    Parameters
    ----------
    classifier
        Classifier to check.
    golden
        Stamps and the scores they must give.
    tolerance
        Largest difference allowed.

    Returns
    -------
    float
        Largest absolute difference, of scores or of the network's probabilities, whichever is less.

    Raises
    ------
    ModelContractError
        Raised if it is above ``tolerance``, or other rows are unscorable.
    """
    score = golden.rescored(classifier)
    difference = largest_difference(score, golden.score)
    if np.isfinite(difference):
        before, wanted = (
            network_probability(classifier.contract, values) for values in (score, golden.score)
        )
        smaller = np.minimum(np.abs(score.astype(np.float64) - golden.score), np.abs(before - wanted))
        difference = float(np.nanmax(smaller, initial=0.0))
    if not difference <= tolerance:
        raise ModelContractError(
            f"model {classifier.contract.name!r} does not give its golden scores: largest difference "
            f"{difference:.2g}, tolerance {tolerance:.2g}. Order of inputs, class order, normalisation or "
            "weights are not those of its maker"
        )
    return difference


def largest_difference(a: npt.NDArray[np.float32], b: npt.NDArray[np.float32]) -> float:
    """Return the largest difference between scores, infinity where only one of two is NaN.

    Parameters
    ----------
    a, b
        Scores of the same stamps, shape ``(n,)``.

    Returns
    -------
    float
        Largest absolute difference.
    """
    if (np.isnan(a) != np.isnan(b)).any():
        return float("inf")
    return float(np.nanmax(np.abs(a.astype(np.float64) - b), initial=0.0))


def golden_stamps(size: int, n: int = 12, seed: int = 20230215) -> tuple[Stamps, npt.NDArray[np.bool_]]:
    """Draw simple scenes in which every mistake of the kind that happens changes something.

    Sources lie beside lopsided hosts on a sloping sky, so that flips, shifts and swaps of images matter; some
    are negative, some are cosmic rays or bad subtractions, one stamp reaches over an edge.

    Parameters
    ----------
    size
        Rows and columns.
    n
        Number of sources.
    seed
        Seed of the draws.

    Returns
    -------
    stamps
        Difference, science and template, float32 ``(n, size, size)``.
    is_negative
        Which sources are negative.
    """
    rng = generator(seed, "golden-stamps", size, n)
    row, column = np.mgrid[:size, :size] - size // 2
    science, template, difference = (np.empty((n, size, size), np.float32) for _ in range(3))
    for i in range(n):
        host = 10 ** rng.uniform(2.5, 4.0) * _blob(
            row - rng.uniform(1, 4), column + rng.uniform(1, 4), 3.0, 1.8
        )
        host = host + 300.0 + 3.0 * (row + 0.5 * column) + 400.0 * _blob(row - 12, column + 9, 2.0, 2.0)
        source = 10 ** rng.uniform(2.5, 3.8) * _blob(row, column, 1.8, 1.8)
        if i % 3 == 1:  # a bad subtraction: the host moves
            source = np.zeros_like(source)
            host, moved = host, np.roll(host, 1, axis=1)
        else:
            moved = host
        if i % 3 == 2:  # a cosmic ray
            source = np.where((row == column // 2) & (abs(column) < 4), 3000.0, 0.0)
        gain = -1.0 if i % 4 == 3 else 1.0
        science[i] = host + max(gain, 0.0) * source + rng.normal(0, 40, host.shape)
        template[i] = moved + max(-gain, 0.0) * source + rng.normal(0, 12, host.shape)
        difference[i] = science[i] - template[i] + rng.normal(0, 5, host.shape)
    for stamps in (science, difference):
        stamps[0, :, : size // 6] = np.nan
    return (
        {"difference": difference, "science": science, "template": template},
        np.arange(n) % 4 == 3,
    )


def _blob(
    row: npt.NDArray[np.float64], column: npt.NDArray[np.float64], a: float, b: float
) -> npt.NDArray[np.float64]:
    return np.asarray(np.exp(-0.5 * ((row / a) ** 2 + (column / b) ** 2)))


def _swap(one: str, other: str) -> Callable[[Stamps], Stamps]:
    def swap(stamps: Stamps) -> Stamps:
        return {**stamps, one: stamps[other], other: stamps[one]}

    return swap


def _each(change: Callable[[npt.NDArray[np.float32]], npt.NDArray[np.float32]]) -> Callable[[Stamps], Stamps]:
    return lambda stamps: {name: change(array) for name, array in stamps.items()}


PERTURBATIONS: Mapping[str, Callable[[Stamps], Stamps]] = {
    "science and template swapped": _swap("science", "template"),
    "difference and science swapped": _swap("difference", "science"),
    "upside down": _each(lambda a: np.ascontiguousarray(a[:, ::-1])),
    "mirrored": _each(lambda a: np.ascontiguousarray(a[:, :, ::-1])),
    "rows and columns exchanged": _each(lambda a: np.ascontiguousarray(a.transpose(0, 2, 1))),
    "shifted by a pixel": _each(lambda a: np.roll(a, 1, axis=2)),
    "sign of the difference changed": lambda s: {n: -a if n == "difference" else a for n, a in s.items()},
}
"""Mistakes an integration can make; see `sensitivity`."""


def sensitivity(classifier: Classifier, golden: Golden) -> dict[str, float]:
    """Return by how much each mistake changes the golden scores: what the golden check would see of it.

    Mistakes in images that the model does not use are left out.

    Parameters
    ----------
    classifier
        The model.
    golden
        Its golden stamps and scores.

    Returns
    -------
    dict
        Largest change of a golden score by mistake.
    """
    used = set(classifier.contract.inputs)
    found = {}
    for name, change in PERTURBATIONS.items():
        if "difference" in name and "difference" not in used:
            continue
        if "template" in name and "template" not in used:
            continue
        found[name] = largest_difference(golden.rescored(classifier, change(golden.stamps)), golden.score)
    if classifier.contract.psf is not None:
        found["PSF wider by a quarter"] = largest_difference(
            golden.rescored(classifier, psf_factor=1.25), golden.score
        )
    return found
