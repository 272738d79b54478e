"""Which objects their light curves confirm as real."""

from __future__ import annotations

__all__ = ("ConfirmationOptions", "confirm")

import dataclasses

import numpy as np
import numpy.typing as npt
from astropy.table import Table

from ..options import Options, option
from ._schema import Confirmation

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclasses.dataclass(frozen=True)
class ConfirmationOptions(Options):
    """What a light curve must be like to confirm an object."""

    threshold: float = option(0.5, "Score from which an epoch counts.", min=0.0, max=1.0)
    min_epochs: int = option(2, "Epochs that count, at least.", min=1)
    min_fraction: float = option(0.5, "Share of the object's epochs that count, at least.", min=0.0, max=1.0)
    min_days: float = option(0.0, "Days from the first of them to the last, at least.", min=0.0)
    one_sign: bool = option(
        True, "Must their fluxes be of one sign? Variables and active nuclei have both, supernovae one."
    )
    max_ratio: float = option(
        10.0,
        "Largest ratio of the absolute fluxes of two of them that follow each other in one band.",
        min=1.0,
    )
    n_sigma: float = option(3.0, "Errors by which that ratio may be off on either side.", min=0.0)

    def counts(self, score: npt.ArrayLike) -> npt.NDArray[np.bool_]:
        """Tell which epochs count.

        Parameters
        ----------
        score
            Scores, NaN for none.

        Returns
        -------
        numpy.ndarray
            Bool, False without a score.
        """
        return np.asarray(score, float) >= self.threshold


def confirm(epochs: Table, index: Indices, n: int, options: ConfirmationOptions) -> npt.NDArray[np.str_]:
    """Say of each object whether its light curve confirms it, or why not.

    Parameters
    ----------
    epochs
        Sources, of the schema `~lsst.meas.realbogus.association.EPOCH`.
    index
        Number of the object of each source.
    n
        Number of objects.
    options
        What confirms an object.

    Returns
    -------
    numpy.ndarray
        A word of `Confirmation` for each object.

    Notes
    -----
    One score says how a source looks once. What lies behind it was detected at one place several times, so
    that artefacts, which come once, are told from objects by their light curves, as Bonnet-Guerrini et al. do
    for their candidates.
    """
    rows = np.flatnonzero(options.counts(epochs["score"]))
    chosen, index_of = epochs[rows], index[rows]
    count, all_epochs = np.bincount(index_of, minlength=n), np.bincount(index, minlength=n)
    mjd, flux = np.asarray(chosen["midpointMjdTai"], float), np.asarray(chosen["psfFlux"], float)
    first, last = np.full(n, np.inf), np.full(n, -np.inf)
    np.minimum.at(first, index_of, mjd)
    np.maximum.at(last, index_of, mjd)
    positive, negative = (np.bincount(index_of[sign], minlength=n) > 0 for sign in (flux > 0, flux < 0))
    words = np.full(n, str(Confirmation.CONFIRMED), "U24")
    for word, applies in reversed(
        (
            (Confirmation.FEW_EPOCHS, count < options.min_epochs),
            (Confirmation.LOW_FRACTION, count < options.min_fraction * all_epochs),
            (Confirmation.SHORT, last - first < options.min_days),
            (Confirmation.MIXED_SIGNS, positive & negative & options.one_sign),
            (Confirmation.INCOHERENT, _jumps(chosen, index_of, n, options)),
        )
    ):
        words[applies] = word
    return words


def _jumps(epochs: Table, index: Indices, n: int, options: ConfirmationOptions) -> npt.NDArray[np.bool_]:
    """Tell which objects have fluxes that change by too much from one epoch to the next in a band."""
    band, time = np.asarray(epochs["band"]), np.asarray(epochs["midpointMjdTai"], float)
    order = np.lexsort((time, band, index))
    index, band = index[order], band[order]
    flux = np.abs(np.asarray(epochs["psfFlux"], float)[order])
    error = options.n_sigma * np.nan_to_num(np.asarray(epochs["psfFluxErr"], float)[order])
    follows = (index[1:] == index[:-1]) & (band[1:] == band[:-1])
    brighter, fainter = np.maximum(flux - error, 0.0), flux + error
    jump = np.maximum(
        brighter[1:] - options.max_ratio * fainter[:-1], brighter[:-1] - options.max_ratio * fainter[1:]
    )
    out = np.zeros(n, bool)
    out[index[1:][follows & (jump > 0)]] = True
    return out
