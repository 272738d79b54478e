"""From the network's answer to the probability of being real."""

from __future__ import annotations

__all__ = ("network_probability", "real_probability", "shift_prior")

from typing import Any

import numpy as np
import numpy.typing as npt

from ._contract import Contract

Scores = npt.NDArray[np.float64]


def real_probability(contract: Contract, outputs: npt.NDArray[np.float32]) -> Scores:
    """Read the network's outputs as the probability that each source is real.

    Parameters
    ----------
    contract
        Says which output is meant, how it is calibrated, and for which fraction of real sources.
    outputs
        Shape ``(n, k)``.

    Returns
    -------
    numpy.ndarray
        Float64 in [0, 1], shape ``(n,)``.
    """
    output = contract.output
    values = outputs.astype(np.float64)
    if output.activation == "logit":
        values = _sigmoid(values) if output.size == 1 else _softmax(values)
    scores = 1.0 - values[:, 0] if output.real is None else values[:, output.real]
    if contract.calibration is not None:
        scores = np.interp(scores, contract.calibration.scores, contract.calibration.probabilities)
    if contract.prior is not None:
        scores = shift_prior(scores, contract.prior.training, contract.prior.intended)
    return scores


def network_probability(contract: Contract, scores: npt.NDArray[np.floating[Any]]) -> Scores:
    """Return the network's probability that a score was made of: what `real_probability` did, undone.

    Parameters
    ----------
    contract
        Says how the score was calibrated, and for which fraction of real sources.
    scores
        Scores in [0, 1], shape ``(n,)``.

    Returns
    -------
    numpy.ndarray
        Float64, shape ``(n,)``. Where the calibration is flat, one of the probabilities that give the score.
    """
    values = scores.astype(np.float64)
    if contract.prior is not None:
        values = shift_prior(values, contract.prior.intended, contract.prior.training)
    if contract.calibration is not None:
        values = np.interp(values, contract.calibration.probabilities, contract.calibration.scores)
    return values


def shift_prior(scores: Scores, training: float, intended: float) -> Scores:
    """Move probabilities from one fraction of real sources to another (Saerens et al. 2002).

    Parameters
    ----------
    scores
        Probabilities that hold where a fraction ``training`` of the sources is real.
    training, intended
        The fractions, in (0, 1).

    Returns
    -------
    numpy.ndarray
        Probabilities that hold where a fraction ``intended`` is real; the same order.

    Examples
    --------
    >>> shift_prior(np.array([0.0, 0.5, 1.0]), training=0.5, intended=0.1)
    array([0. , 0.1, 1. ])
    """
    odds = intended / (1.0 - intended) * (1.0 - training) / training
    return np.asarray(scores * odds / (scores * odds + (1.0 - scores)))


def _sigmoid(x: Scores) -> Scores:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _softmax(x: Scores) -> Scores:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))
