"""Probabilities from scores: a monotone map learnt from sources that training has not seen."""

from __future__ import annotations

__all__ = ("CALIBRATION_METHODS", "fit_calibration")

from collections.abc import Callable, Mapping

import numpy as np
import numpy.typing as npt
from scipy.special import expit, logit
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LogisticRegression

from ..errors import InvalidInputError
from ..model import Calibration

type Floats = npt.NDArray[np.float64]

_MAX_KNOTS = 60
_SATURATED = 1e-7
"""Scores of float32 do not come nearer to 1 than this."""


def fit_calibration(
    score: npt.ArrayLike,
    label: npt.ArrayLike,
    *,
    method: str = "isotonic",
    real_fraction: float | None = 0.5,
    weights: npt.ArrayLike | None = None,
) -> Calibration:
    """Learn which fraction of the sources of each score is real.

    The map is strictly increasing, so that it changes no ranking. Use sources of objects that the network has
    neither learnt from nor been chosen by. For another fraction of real sources than ``real_fraction``, give
    the contract a `~lsst.meas.realbogus.model.Prior` with ``training=real_fraction``: it moves the calibrated
    logit by ``log(p / (1 - p)) - log(q / (1 - q))``, ``p`` the intended fraction and ``q`` that of training.

    Parameters
    ----------
    score
        Uncalibrated scores (those of a contract without calibration and prior), shape ``(n,)``; NaN is left
        out.
    label
        1 real, 0 bogus, -1 undecided (left out), shape ``(n,)``.
    method
        ``"isotonic"`` (Zadrozny & Elkan 2002): a step function, of which each step becomes one knot at its
        mean score, with straight lines between, as a flat step would make all its sources equal. Steps are
        put together until there are at most sixty. The lowest and the highest step are no nearer to 0 and 1
        than half a source of their weight, and the ends lie halfway from there to 0 and 1, so that nothing is
        ever certain. Needs some hundred sources of each class.
        ``"platt"`` (Platt 1999): a logistic function of the logit of the score, two numbers, for few sources.
    real_fraction
        Sources are weighed so that this fraction is real; `None` takes them as they are.
    weights
        Weights of the sources, before that, shape ``(n,)``. They do not count as more sources at the ends.

    Returns
    -------
    Calibration
        What a contract takes.

    Raises
    ------
    InvalidInputError
        Raised if a class is missing, a score is no probability, or high scores do not mean real.

    Examples
    --------
    >>> score = np.linspace(0, 1, 1000)
    >>> label = (np.arange(1000) % 10 < 10 * score**2).astype(int)
    >>> calibration = fit_calibration(score, label, real_fraction=None)
    >>> bool(abs(np.interp(0.5, calibration.scores, calibration.probabilities) - 0.25) < 0.1)
    True
    """
    if method not in CALIBRATION_METHODS:
        raise InvalidInputError(f"a calibration is one of {sorted(CALIBRATION_METHODS)}; got {method!r}")
    values, kinds = np.asarray(score, np.float64), np.asarray(label)
    given = np.ones(values.shape) if weights is None else np.asarray(weights, np.float64)
    if not values.shape == kinds.shape == given.shape or values.ndim != 1:
        raise InvalidInputError(
            f"scores, labels and weights must have one shape (n,); got {values.shape}, {kinds.shape}, "
            f"{given.shape}"
        )
    used = np.isfinite(values) & (kinds >= 0) & (given > 0)
    values, real, mass = values[used], kinds[used] == 1, given[used]
    if not real.any() or real.all():
        raise InvalidInputError(
            f"a calibration needs both classes; got {int(real.sum())} real and {int((~real).sum())} bogus "
            "sources with scores"
        )
    if values.min() < 0 or values.max() > 1:
        raise InvalidInputError(f"scores must lie in [0, 1]; got {values.min():g} to {values.max():g}")
    if real_fraction is not None:
        if not 0 < real_fraction < 1:
            raise InvalidInputError(f"a fraction of real sources lies in (0, 1); got {real_fraction}")
        share = mass[real].sum() / mass.sum()
        mass = mass * np.where(real, real_fraction / share, (1 - real_fraction) / (1 - share))
    knots, probabilities = CALIBRATION_METHODS[method](values, real, mass)
    return Calibration(
        method=method, scores=tuple(knots.tolist()), probabilities=tuple(probabilities.tolist())
    )


def _isotonic(values: Floats, real: npt.NDArray[np.bool_], mass: Floats) -> tuple[Floats, Floats]:
    fitted = IsotonicRegression().fit(values, real.astype(np.float64), mass).predict(values)
    order = np.argsort(values, kind="stable")
    values, real, mass, fitted = values[order], real[order], mass[order], fitted[order]
    start = np.flatnonzero(np.concatenate([[True], np.diff(fitted) > 0]))
    if len(start) == 1:
        raise InvalidInputError("high scores do not mean real here: no calibration keeps their order")
    start = _thinned(start, mass)
    weight = np.add.reduceat(mass, start)
    centre = np.add.reduceat(values * mass, start) / weight
    probability = np.add.reduceat(real * mass, start) / weight
    count = np.diff(np.append(start, len(values)))
    # Half a source, of the mean weight of the step: with n sources nothing is known nearer to 0 or 1.
    probability = np.clip(probability, 0.5 / (count[0] + 1), 1 - 0.5 / (count[-1] + 1))
    return _increasing(
        np.concatenate([[0.0], centre, [1.0]]),
        np.concatenate([[probability[0] / 2], probability, [(1 + probability[-1]) / 2]]),
    )


def _thinned(start: npt.NDArray[np.intp], mass: Floats) -> npt.NDArray[np.intp]:
    """Put steps together until each but the last has its share of the mass; their order stays."""
    if len(start) <= _MAX_KNOTS:
        return start
    before = np.concatenate([[0.0], np.cumsum(mass)])[start] / mass.sum()
    keep = np.concatenate([[True], np.diff(np.floor(before * _MAX_KNOTS)) > 0])
    return np.asarray(start[keep], np.intp)


def _increasing(scores: Floats, probabilities: Floats) -> tuple[Floats, Floats]:
    """Leave out knots that do not lie above the one before in score and probability."""
    keep = [0]
    last = len(scores) - 1
    for i in range(1, last):
        above = scores[i] > scores[keep[-1]] and probabilities[i] > probabilities[keep[-1]]
        if above and scores[i] < scores[last] and probabilities[i] < probabilities[last]:
            keep.append(i)
    keep.append(last)
    return scores[keep], probabilities[keep]


def _platt(values: Floats, real: npt.NDArray[np.bool_], mass: Floats) -> tuple[Floats, Floats]:
    inputs = logit(np.clip(values, _SATURATED, 1 - _SATURATED))
    # Platt's targets: each class counts as if it had one more source, of the other class.
    n_real, n_bogus = int(real.sum()), int((~real).sum())
    target = np.where(real, (n_real + 1) / (n_real + 2), 1 / (n_bogus + 2))
    both = np.concatenate([inputs, inputs])[:, None]
    model = LogisticRegression(C=np.inf).fit(
        both,
        np.repeat([1, 0], len(inputs)),
        sample_weight=np.concatenate([mass * target, mass * (1 - target)]),
    )
    slope, intercept = float(model.coef_[0, 0]), float(model.intercept_[0])
    if slope <= 0:
        raise InvalidInputError(
            f"high scores do not mean real here: the logit rises by {slope:.3g} for each of the score"
        )
    end = float(logit(1 - _SATURATED))
    points = np.linspace(-end, end, 257)
    scores, probabilities = expit(points), expit(slope * points + intercept)
    scores[[0, -1]] = 0.0, 1.0
    return _increasing(scores, probabilities)


CALIBRATION_METHODS: Mapping[
    str, Callable[[Floats, npt.NDArray[np.bool_], Floats], tuple[Floats, Floats]]
] = {"isotonic": _isotonic, "platt": _platt}
"""Ways to calibrate, by name: uncalibrated scores, which are real and weights to the knots of the map."""
